"""ABMT: asymmetric branched mean teaching (Chen et al., WACV 2021; thesis chapter 4): `abmt` in train/published.csv.

    python -m train.abmt --src market --tgt duke
    python -m train.abmt --tgt duke                      # the target alone, from --init; no term for a source

Idea: a student that learns from its own slow mean soon is its slow mean, and has nothing more to learn from it. So the
net gets two ends that differ: one of as many blocks as before with average pooling, one of a block more with maximum
pooling. Each end of the student learns from the other end of the teacher, so that teacher and taught stay apart.

Stage 1, eq. 4.1: cross-entropy and triplet loss, the mean over both ends (parts/supervised.py). Stage 2, eq. 4.8: 0.5
cross-entropy on clusters + 0.5 soft cross-entropy + soft triplet loss, summed over the ends; classifiers begin each
epoch as the clusters' means; the teacher clusters, by both ends side by side, and retrieves. Pictures that are in no
cluster are left out. What is ours: eq. 4.6-4.7 as a cross-entropy of two softmaxes (`losses.soft_softmax_triplet`);
cross-entropy with smoothed labels; features of unit norm in the triplet loss; teachers with the means of the student's
statistics; more than two ends teach each other in a ring; the radius as in `pseudo_labels.auto_eps`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from torch import Tensor

from opengspr.checkpoint import Stateful
from train.parts import adaptation, backbones, losses, preparation
from train.parts.backbones import Encoder, EncoderSpec
from train.parts.cluster_head import ClusterHead
from train.parts.data import Images, Labelled
from train.parts.evaluation import Truth, apart, extract, pooled_of_some
from train.parts.on_clusters import MeansOrDensity, OneOnClusters
from train.parts.preparation import Job
from train.parts.pseudo_labels import Clustered

ROWS = {"ABMT": {"abmt_ema": 1.0}, "ABMT, student": {"abmt": 1.0}}


@dataclass(frozen=True, kw_only=True)
class ABMT(MeansOrDensity):
    """A student with unlike ends, each taught by the other end of its slow mean."""

    epochs: int = 40
    lr_drop_every: int = 0
    """Epochs between tenfold drops of the rate; 0 = none."""
    pool: tyro.conf.Suppress[Literal["gem", "avg"]] = "gem"  # each end has its own
    branches: str = "avg,max+1"
    """The ends: copies of the last stage with pooling gem, avg or max, and so many more blocks."""
    cross_branch: bool = True
    """Whether an end is taught by another one; else by its own slow mean."""
    eps: float = 0.0
    """Radius of DBSCAN; 0 = at each clustering, by a rule without labels."""
    rho: float = 2e-3
    """Of that rule: the share of all pairs whose mean distance it is."""
    k1: int = 20
    ema: float = 0.999
    """Of the slow mean, eq. 4.3; in the small budget 1 - 20 / iterations."""
    ce: float = 0.5
    """Weight of the clusters in the loss, eq. 4.8."""
    soft_ce: float = 0.5
    soft_triplet: float = 1.0
    two_views: bool = False
    """Whether student and teacher see each picture augmented in ways of their own."""
    dropout: float = 0.0
    """Share of the features that are dropped before the classifiers, in student and teacher apart."""

    @property
    def encoder_spec(self) -> EncoderSpec:
        """With the ends."""
        return replace(super().encoder_spec, branches=self.branches)


SMALL = adaptation.SMALL | {"steps": 105, "ema": 1 - 20 / 1260}

ONE = {"branches": "avg", "cross_branch": False}
ABLATIONS: dict[str, dict[str, Any]] = {  # thesis
    "ResNet50": ONE | {"epochs": 0},  # Table 4.3
    "ResNet50+AB": {"epochs": 0},
    "MT-Baseline+K-Means": ONE | {"clusters": 500},
    "MT-Baseline+DBSCAN": ONE,
    "MT-Baseline+K-Means+AB": {"clusters": 500, "cross_branch": False},
    "MT-Baseline+K-Means+AB+Cross-branch": {"clusters": 500},
    "MT-Baseline+DBSCAN+AB": {"cross_branch": False},
    "ABMT": {},
    "ABMT+Stochastic data augmentation": {"two_views": True},
    "ABMT+Drop out": {"dropout": 0.5},
    "ABMT w/o different pooling": {"branches": "avg,avg+1"},  # Table 4.4
    "ABMT w/o extra bottleneck": {"branches": "avg,max"},
    "ABMT + one more branch": {"branches": "avg,max+1,avg+2"},
    "ABMT w/o L_ce": {"ce": 0.0},  # Table 4.5
    "ABMT w/o L_sce": {"soft_ce": 0.0},
    "ABMT w/o L_stri": {"soft_triplet": 0.0},
}


class AsymmetricTeaching(OneOnClusters):
    """ABMT's own stage."""

    chosen: ABMT

    def __init__(self, chosen: ABMT, encoder: Encoder, *others: Any, source: Labelled | None) -> None:
        super().__init__(chosen, ROWS, encoder, *others, source=source)
        self.views, self.rho = 1 + chosen.two_views, chosen.rho
        self.teacher = backbones.mean_teacher(self.encoder)
        ends = encoder.channels // encoder.width
        self.heads = [ClusterHead(encoder.width, chosen.weight_decay, self.device) for _ in range(ends)]

    def seen_as(self, images: Images) -> Tensor:
        """The teacher's features, its ends side by side."""
        return extract(self.teacher, images)

    def clustered(self, features: np.ndarray, source: np.ndarray | None, epoch: int) -> Clustered:
        """With a radius of its own each epoch."""
        self.eps = self.chosen.eps
        return super().clustered(features, source, epoch)

    def begin_clusters(self, features: Tensor, label: Tensor, rate: float) -> None:
        """Classifiers from the clusters' means, each of its end's features."""
        for head, own in zip(self.heads, self.encoder.parts(features)):
            head.begin(F.normalize(own), label, rate)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 4.8."""
        views, label = self.next_batch()
        chosen = self.chosen
        with torch.no_grad():
            taught = self.ends(self.teacher, views[-1])
            logits = [head.taught(neck) for head, (_, neck) in zip(self.heads, taught)]
        terms: dict[str, list[Tensor]] = {"cross_entropy": [], "soft_ce": [], "soft_triplet": []}
        for k, (head, (pooled, neck)) in enumerate(zip(self.heads, self.ends(self.encoder, views[0]))):
            by = (k + chosen.cross_branch) % len(self.heads)
            guess = head(neck)
            terms["cross_entropy"].append(chosen.ce * losses.cross_entropy(guess, label))
            terms["soft_ce"].append(chosen.soft_ce * losses.soft_cross_entropy(guess, logits[by]))
            soft = losses.soft_softmax_triplet(pooled, taught[by][0], label)
            terms["soft_triplet"].append(chosen.soft_triplet * soft)
        sums = {name: torch.stack(own).sum() for name, own in terms.items()}
        return torch.stack([*sums.values()]).sum(), sums

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Tells how far teacher and student, and the teacher's ends, are apart (Fig. 4.4)."""
        told = dict(super().end_epoch(epoch))
        student, teacher = (pooled_of_some(one, self.target.images) for one in (self.encoder, self.teacher))
        ends = self.teacher.parts(teacher)
        told["teacher and student_apart"] = apart(student, teacher)
        return told | ({"the teacher's branches_apart": apart(ends[0], ends[1])} if len(ends) > 1 else {})

    def ends(self, encoder: Encoder, pictures: Tensor) -> list[tuple[Tensor, Tensor]]:
        """By end, the pooled feature of unit norm and what the classifier sees."""
        pooled, neck = self.machine.seen(encoder, pictures)
        dropped = F.dropout(neck, self.chosen.dropout) if self.chosen.dropout else neck
        return [(F.normalize(free), seen) for free, seen in zip(encoder.parts(pooled), encoder.parts(dropped))]

    def follow(self) -> None:
        """The slow means follow, eq. 4.3."""
        backbones.update_mean(self.teacher, self.encoder, self.chosen.ema)
        for head in self.heads:
            head.follow(self.chosen.ema)

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Of the student and its classifiers."""
        return [self.optimizer, *(head.optimizer for head in self.heads)]

    def encoders(self) -> dict[str, Encoder]:
        """Student and teacher."""
        return {"abmt": self.encoder, "abmt_ema": self.teacher}

    def held(self) -> dict[str, Stateful]:
        """With teacher and classifiers."""
        return super().held() | {"teacher": self.teacher} | {f"head_{k}": head for k, head in enumerate(self.heads)}


def work(chosen: ABMT) -> None:
    """A whole run."""
    job = Job.of(chosen, needs_source=False)

    def teaching(encoder: Encoder, truth: Truth | None) -> AsymmetricTeaching:
        source = job.source_if_any()
        return AsymmetricTeaching(chosen, encoder, job.target("tgt"), truth, job.machine, source=source)

    rows, main_row, build = (ROWS, "ABMT", teaching) if chosen.epochs else ({}, "direct transfer", None)
    note = "ABMT: the teacher; student: what it is the slow mean of."
    adaptation.adapt(job, adaptation.Recipe("abmt", "ABMT", rows, main_row, note if chosen.epochs else "", build))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(ABMT, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
