"""MMT: mutual mean-teaching (Ge et al., ICLR 2020): `mmt` in train/published.csv.

    python -m train.mmt --src market --tgt duke --clusters 500      # or --clusters 0: DBSCAN

Idea: clusters are wrong here and there, and a net that learns them believes its own mistakes. Two nets learn side by
side, each from pictures augmented in its own way. Beside the clusters (hard labels) each learns what the slow mean of
the other says of the same pictures (soft labels): of classes, and of which pair in a triplet is nearer.

Loss of each net: (1 - soft_ce) CE + soft_ce soft CE + (1 - soft_triplet) softmax-triplet + soft_triplet soft triplet,
the weights 0.5 and 0.8 being those of the public code. The nets begin as two encoders that were pretrained with other
draws; in the small budget, whose recipes all begin alike, both as the first. What is ours: the mean of both slow means
clusters; the net with the first slow mean retrieves (`MMT`), and both together in a row of their own.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from opengspr.checkpoint import Composed, Stateful
from train.parts import adaptation, backbones, losses, preparation
from train.parts.backbones import Encoder
from train.parts.cluster_head import ClusterHead
from train.parts.data import Images, Labelled
from train.parts.evaluation import Truth, apart, extract, pooled_of_some
from train.parts.learning import Machine, adam
from train.parts.on_clusters import MeansOrDensity, OnClusters
from train.parts.preparation import Job, pretrain

ROWS = {"MMT": {"mmt_1_ema": 1.0}, "MMT, both": {"mmt_1_ema": 0.5, "mmt_2_ema": 0.5}, "MMT, online": {"mmt_1": 1.0}}


@dataclass(frozen=True, kw_only=True)
class MMT(MeansOrDensity):
    """Two nets that teach each other by their slow means."""

    epochs: int = 40
    lr_drop_every: int = 0
    """Epochs between tenfold drops of the rate; 0 = none."""
    two_starts: bool = True
    """Whether the nets begin as two pretrained encoders; else both as one."""
    clusters: int = 500
    """K of K-means; 0 = DBSCAN."""
    eps: float = 0.0
    """Radius of DBSCAN; 0 = set once, at the first clustering, by a rule without labels."""
    k1: int = 20
    ema: float = 0.999
    """Of the slow means; in the small budget 1 - 20 / iterations."""
    soft_ce: float = 0.5
    """Share of the soft labels in the loss of classes."""
    soft_triplet: float = 0.8
    """Share of the soft labels in the loss of triplets."""


SMALL = adaptation.SMALL | {"steps": 52, "two_starts": False, "clusters": 0, "k1": 10, "ema": 1 - 20 / 624}

ABLATIONS: dict[str, dict[str, Any]] = {
    "MMT-500": {"clusters": 500},
    "MMT-700": {"clusters": 700},
    "MMT-1500": {"clusters": 1500},
    "MMT-DBSCAN": {"clusters": 0},
    "w/o soft labels": {"soft_ce": 0.0, "soft_triplet": 0.0},
}


class Student(Composed):
    """A net with its classifier, and the slow mean of both."""

    def __init__(self, encoder: Encoder, chosen: MMT, device: str) -> None:
        self.encoder, self.ema = deepcopy(encoder).to(device).train(), chosen.ema
        self.teacher = backbones.mean_teacher(self.encoder)
        self.head = ClusterHead(encoder.channels, chosen.weight_decay, device)
        self.optimizer = adam(self.encoder.parameters(), chosen.lr, chosen.weight_decay)

    def begin(self, features: Tensor, label: Tensor, rate: float) -> None:
        """Classifiers for this epoch's clusters."""
        self.head.begin(features, label, rate)
        self.optimizer.param_groups[0]["lr"] = rate

    @torch.no_grad()
    def teaches(self, pictures: Tensor, machine: Machine) -> tuple[Tensor, Tensor]:
        """The slow mean's features and logits."""
        pooled, neck = machine.seen(self.teacher, pictures)
        return F.normalize(pooled), self.head.taught(neck)

    def follow(self) -> None:
        """The slow mean moves."""
        backbones.update_mean(self.teacher, self.encoder, self.ema)
        self.head.follow(self.ema)

    def held(self) -> dict[str, Stateful]:
        """Nets, classifiers, optimizer."""
        return {name: getattr(self, name) for name in ("encoder", "teacher", "head", "optimizer")}


class MutualTeaching(OnClusters):
    """MMT's own stage."""

    views = 2
    chosen: MMT

    def __init__(self, chosen: MMT, encoders: Sequence[Encoder], *others: Any, source: Labelled) -> None:
        super().__init__(chosen, ROWS, *others, source=source)
        self.students = [Student(one, chosen, self.device) for one in encoders]

    def seen_as(self, images: Images) -> Tensor:
        """The mean of both slow means' features."""
        return F.normalize(torch.stack([extract(one.teacher, images) for one in self.students]).mean(0))

    def begin_clusters(self, features: Tensor, label: Tensor, rate: float) -> None:
        """Classifiers, from what both saw."""
        for one in self.students:
            one.begin(features, label, rate)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """The terms of both nets, each of its own view of a batch."""
        (views, label), chosen = self.next_batch(), self.chosen
        taught = [one.teaches(view, self.machine) for one, view in zip(self.students, views)]
        terms: dict[str, Tensor] = {}
        for k, (one, view) in enumerate(zip(self.students, views), 1):
            features, logits = taught[2 - k]
            pooled, neck = self.machine.seen(one.encoder, view)
            mine, guess = F.normalize(pooled), one.head(neck)
            terms |= {
                f"cross_entropy_{k}": (1 - chosen.soft_ce) * losses.cross_entropy(guess, label),
                f"soft_ce_{k}": chosen.soft_ce * losses.soft_cross_entropy(guess, logits),
                f"triplet_{k}": (1 - chosen.soft_triplet) * losses.softmax_triplet(mine, label),
                f"soft_triplet_{k}": chosen.soft_triplet * losses.soft_softmax_triplet(mine, features, label),
            }
        return torch.stack([*terms.values()]).sum(), terms

    def follow(self) -> None:
        """The slow means follow."""
        for one in self.students:
            one.follow()

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Tells how far the teachers, and a net and its teacher, are apart (Fig. 4.4 of ABMT's thesis)."""
        nets = (self.students[0].encoder, *(one.teacher for one in self.students))
        student, own, other = (pooled_of_some(one, self.target.images) for one in nets)
        coupled = {"teacher and student_apart": apart(student, own), "both teachers_apart": apart(own, other)}
        return {**super().end_epoch(epoch), **coupled}

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Of both nets and classifiers."""
        return [optimizer for one in self.students for optimizer in (one.optimizer, one.head.optimizer)]

    def encoders(self) -> dict[str, Encoder]:
        """Both nets and their slow means."""
        numbered = list(enumerate(self.students, 1))
        online = {f"mmt_{k}": one.encoder for k, one in numbered}
        return online | {f"mmt_{k}_ema": one.teacher for k, one in numbered}

    def held(self) -> dict[str, Stateful]:
        """With both nets."""
        return super().held() | {f"student_{k}": one for k, one in enumerate(self.students)}


def work(chosen: MMT) -> None:
    """A whole run."""
    job = Job.of(chosen)

    def teaching(encoder: Encoder, truth: Truth | None) -> MutualTeaching:
        both = [encoder, pretrain(job, "pretrain-2") if chosen.two_starts else encoder]
        return MutualTeaching(chosen, both, job.target("tgt"), truth, job.machine, source=job.source("src"))

    note = "MMT: the first net's slow mean; both: of both nets; online: the first net itself."
    adaptation.adapt(job, adaptation.Recipe("mmt", "MMT", ROWS, "MMT", note, teaching))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(MMT, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
