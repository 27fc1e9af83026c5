"""SMCR: synthesis-based multi-domain collaborative refinement. What its paper prints: `smcr` in train/published.csv.

    python -m train.smcr --syn gspr --src market --tgt duke

Idea: an encoder learns from synthetic people translated into a labelled source's style, and from the source itself.
From it start two encoders that share nothing. One refines on source pictures translated into the target's style and
on the target (DTHR), the other on the untouched source and the target (RIHR). Each labels the target by clustering its
own features, believes what stays together when the radius changes, contrasts with its own memory, and is held back from
its own mistakes by the other's slow mean.

Three stages, each resumable; the first two are shared by runs with the same settings (runs/stages):
    1. translate synthetic -> source, pretrain on both      2. translate source -> target      3. refine

What the paper leaves open, and what we took: cross-entropy and triplet loss in stage 1; CycleGAN's weights in eq. 2;
eq. 6 as in `pseudo_labels.smcr`; eq. 14 as in `losses.soft_softmax_triplet`; for eq. 16 concatenated features; Adam,
64 + 64 images, radius 0.6, GeM and batch norms kept apart by domain from the code that SMCR descends from (SpCL,
OpenUnReID); the memory is the instance memory with cluster logits; clustering uses the online encoders (`cluster_by`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from opengspr.checkpoint import Stateful
from opengspr.randomness import rng
from train.parts import adaptation, backbones, losses, preparation, sampling
from train.parts.backbones import Encoder
from train.parts.branch import Branch, BranchSpec
from train.parts.data import Feed, Labelled
from train.parts.evaluation import Truth
from train.parts.learning import adam
from train.parts.preparation import Job, translate
from train.parts.pseudo_labels import agreement


@dataclass(frozen=True, kw_only=True)
class SMCR(adaptation.Clustering):
    """Adapts a person re-ID model to unlabelled cameras in three stages: pretraining, translation, refinement."""

    backbone: str = "ibn_resnet50"
    temperature: float = 0.05
    memory_momentum: float = 0.2
    alpha: float = 0.5
    """Weight of DTHR, eq. 12, 16, 17; RIHR has the rest."""
    beta: float = 0.01
    """Weight of the collaborative loss, eq. 17."""
    ema: float = 0.999
    """lambda of eq. 11; in the small budget 1 - 20 / iterations."""
    criterion: Literal["smcr", "spcl", "none"] = "smcr"
    cluster_by: Literal["online", "ema"] = "online"


SMALL = adaptation.SMALL | {
    "steps": 30,
    "ema": 1 - 20 / 180,
    "temperature": 0.1,  # there are a hundred classes where the paper has thousands
}

ABLATIONS: dict[str, dict[str, Any]] = {  # Table IV; DTHR and RIHR (col) are rows of every report
    "Baseline": {"syn": None, "epochs": 0},
    "DTHR (ind)": {"beta": 0.0},  # the branches then share no gradient: read the report's DTHR row
    "RIHR (ind)": {"beta": 0.0},
    "DTHR (col)": {},
    "RIHR (col)": {},
    "SMCR (w/o criteria)": {"criterion": "none"},
    "SMCR (ResNet50)": {"backbone": "resnet50"},
    "SMCR (CycleGAN)": {"translator": "cyclegan"},
    "SMCR (w/o syn)": {"syn": None},
    "SMCR (GSPR-pre)": {"pretrain_on": "synthetic"},
    "SMCR (mini-GSPR)": {"syn": "mini-gspr"},
    "SMCR (GSPR)": {"syn": "gspr"},
    **{f"beta={beta}": {"beta": beta} for beta in (0.0, 0.001, 0.01, 0.1, 0.5)},  # Fig. 5
    **{f"lambda={ema}": {"ema": ema} for ema in (0.0, 0.9, 0.99, 0.999, 0.9999)},
    **{f"alpha={alpha}": {"alpha": alpha} for alpha in (0.0, 0.25, 0.5, 0.75, 1.0)},  # this and the next: our grids,
    **{f"tau={tau}": {"temperature": tau} for tau in (0.01, 0.03, 0.05, 0.07, 0.1)},  # the paper has them in pictures
}


# These rows of Table IV are rows of a run's own report.
ROW_OF = {row: row.split()[0] for row in ("DTHR (ind)", "RIHR (ind)", "DTHR (col)", "RIHR (col)")}


class Refinement(adaptation.AdaptingStage):
    """Stage 3.

    Args:
        chosen: settings.
        encoder: from stage 1.
        sources: DTHR's translated and RIHR's original source.
        others: of `AdaptingStage`.
    """

    name = "refinement"
    chosen: SMCR

    def __init__(self, chosen: SMCR, encoder: Encoder, sources: Sequence[Labelled], *others: Any) -> None:
        super().__init__(chosen, rows(chosen), *others)
        spec = BranchSpec(
            chosen.criterion, chosen.cluster_by, chosen.eps, chosen.distance, chosen.min_samples,
            chosen.memory_momentum, chosen.temperature,
        )  # fmt: skip
        self.sources = dict(zip(("dthr", "rihr"), sources, strict=True))
        self.branches = {name: Branch(spec, encoder, source, self.machine) for name, source in self.sources.items()}
        learned = [weight for branch in self.branches.values() for weight in branch.encoder.parameters()]
        self.optimizer = adam(learned, chosen.lr, chosen.weight_decay)

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Clusters the target, once in each branch."""
        self.optimizer.param_groups[0]["lr"] = self.chosen.rate(epoch)
        told: dict[str, float] = {}
        for name, branch in self.branches.items():
            told |= self.told(branch.cluster(self.target, first=epoch == 0), epoch, name)
        labels = [branch.label for branch in self.branches.values()]
        return told | {f"{' and '.join(self.branches)}_agreement": float(agreement(*labels).mean())}

    def feed(self, epoch: int, step: int) -> None:
        """Per branch, a feed of its source and one of the target by its own labels."""
        self.feeds: dict[str, tuple[Feed, Feed]] = {}
        size, each = self.chosen.batch, self.chosen.per_identity
        for name, branch in self.branches.items():
            branch.open_epoch()
            draws, source = rng(self.seed, "refinement", name, epoch), self.sources[name]
            own = sampling.batches(source.label, size, each, self.batches, draws, source.camid)
            target = sampling.batches(branch.label, size, each, self.batches, draws, self.target.camid)
            key = self.seed, "augment", name, epoch
            self.feeds[name] = (
                self.opened(source.images, own, step, *key, "source"),
                self.opened(self.target.images, target, step, *key, "target"),
            )

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 17, of a batch of either branch's."""
        chosen = self.chosen
        terms: dict[str, Tensor] = {}
        self.passed: dict[str, tuple[Tensor, Tensor]] = {}
        loss = torch.zeros((), device=self.device)
        for name, weight in (("dthr", chosen.alpha), ("rihr", 1 - chosen.alpha)):
            branch, other = self.branches[name], self.branches["rihr" if name == "dthr" else "dthr"]
            ((source,), own), ((target,), index) = (next(feed) for feed in self.feeds[name])
            joint, features, entries = branch.joint((source, target), own, index)
            with torch.no_grad():
                taught = self.machine.features(other.teacher, target, 1)
            held = losses.soft_softmax_triplet(features[len(own) :], taught, branch.memory.label[index])
            loss = loss + weight * (chosen.beta * held + 2 * (1 - chosen.beta) * joint)
            terms |= {f"{name}_joint": joint, f"{name}_collaborative": held}
            self.passed[name] = entries, features.detach()
        return loss, terms | {"loss": loss}

    def remember(self) -> None:
        """What passed through moves its entries."""
        for name, branch in self.branches.items():
            branch.memory.update(*self.passed[name])

    def follow(self) -> None:
        """The slow means follow."""
        for branch in self.branches.values():
            backbones.update_mean(branch.teacher, branch.encoder, self.chosen.ema)

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one, of both branches."""
        return [self.optimizer]

    def encoders(self) -> dict[str, Encoder]:
        """The four encoders by the name of their weights file."""
        online = {name: branch.encoder for name, branch in self.branches.items()}
        return online | {f"{name}_ema": branch.teacher for name, branch in self.branches.items()}

    def held(self) -> dict[str, Stateful]:
        """Both branches and the optimizer."""
        return {**self.branches, "optimizer": self.optimizer}


def rows(chosen: SMCR) -> dict[str, dict[str, float]]:
    """Rows of the result table: which encoders each fuses, by which share; eq. 16 for the fused ones."""
    if not chosen.epochs:
        return {}
    names = {
        "DTHR": {"dthr": 1.0},
        "RIHR": {"rihr": 1.0},
        "SMCR (fused)": {"dthr": chosen.alpha, "rihr": 1 - chosen.alpha},
    }
    return names | {f"{row}, EMA": {f"{name}_ema": share for name, share in of.items()} for row, of in names.items()}


def work(chosen: SMCR) -> None:
    """A whole run."""
    job = Job.of(chosen)

    def refinement(encoder: Encoder, truth: Truth | None) -> Refinement:  # stages 2 and 3
        sources = translate(job, "src", "tgt"), job.source("src")
        return Refinement(chosen, encoder, sources, job.target("tgt"), truth, job.machine)

    main_row, build = ("SMCR (fused)", refinement) if chosen.epochs else ("direct transfer", None)
    note = "DTHR, RIHR: the two branches; EMA: their slow means."
    adaptation.adapt(job, adaptation.Recipe("smcr", "SMCR", rows(chosen), main_row, note, build))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(SMCR, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
