"""MMCL: memory-based multi-label classification (Wang and Zhang, CVPR 2020): `mmcl` in train/published.csv.

    python -m train.mmcl --tgt market
    python -m train.mmcl --src market --tgt duke

Idea: no clusters. Each picture is a class of its own, and may belong to others' classes, too: to those that are near it
in a memory of all pictures, and that have it among their own nearest. A softmax would make its classes rivals, so each
is scored by itself: a picture's similarity to its classes is drawn to 1, to the most similar of the others to -1.

In the first epochs a picture's class is its own only. The memory's momentum rises with the epochs. With a source its
identities are learnt beside, by cross-entropy. What is ours: Adam; the memory begins with the pictures' features; how
fast the momentum rises, in shares of the epochs; pseudo-labels for the diagnosis, and for recipes that want labels, are
those who take each other for one person, and whom these do (parts/multi_label.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from opengspr import ranks
from opengspr.randomness import rng
from train.parts import adaptation, losses, multi_label, preparation
from train.parts.backbones import Encoder
from train.parts.evaluation import Truth
from train.parts.on_memory import OnMemory
from train.parts.preparation import Job

ROWS = {"MMCL": {"mmcl": 1.0}}


@dataclass(frozen=True, kw_only=True)
class MMCL(adaptation.Schedule):
    """Multi-label classification by a memory of all pictures."""

    epochs: int = 60
    batch: int = 128
    steps: int = 100
    lr_drop_every: int = 40
    """Epochs between tenfold drops of the rate; 0 = none."""
    threshold: float = multi_label.THRESHOLD
    """Similarity from which another picture may be of the same person."""
    alone: int = 5
    """Epochs in which each picture is of its own class only."""
    positive_weight: float = 5.0
    """delta: of the positives in the loss."""
    negatives: float = 0.01
    """r: share of the negatives, the most similar ones, that are pushed away."""
    memory_momentum: float = 0.6
    """What an entry keeps at a move, in the last epoch; it rises from 0."""


SMALL = adaptation.SCHEDULE | {"steps": 70, "alone": 1}

ABLATIONS: dict[str, dict[str, Any]] = {
    "MMCL": {},
    "single-class labels": {"alone": 10**6},
    "w/o source": {"src": ""},
}


class MultiLabel(OnMemory):
    """MMCL's own stage."""

    chosen: MMCL

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Tells whom the pictures are taken to show."""
        super().begin_epoch(epoch)
        found = ranks.by_first(lambda: multi_label.labelled(self.memory.entries, self.chosen.threshold))
        return self.told(found, epoch)

    def feed(self, epoch: int, step: int) -> None:
        """A feed of the target's pictures and one of the source's."""
        self.alone = epoch < self.chosen.alone
        self.memory.momentum = self.chosen.memory_momentum * epoch / max(1, self.epochs - 1)
        self.feed_both(epoch, step, rng(self.seed, "multi-label", epoch), self.chosen.batch, 4)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Multi-label classification of the target, and cross-entropy of the source."""
        (pictures,), index = next(self.given)
        features = self.machine.features(self.encoder, pictures)
        entries, rows = self.memory.entries, torch.arange(len(index), device=self.device)
        if self.alone:
            positive = torch.zeros(len(index), len(entries), dtype=torch.bool, device=self.device)
            positive[rows, index] = True
        else:
            positive = multi_label.positives(entries, index, self.chosen.threshold)
        self.passed = index, features.detach()
        weights = self.chosen.positive_weight, self.chosen.negatives
        terms = {"multi_label": losses.multi_label(features @ entries.T, positive, *weights)} | self.of_source()
        return torch.stack([*terms.values()]).sum(), terms


def work(chosen: MMCL) -> None:
    """A whole run."""
    job = Job.of(chosen, needs_source=False)

    def learning(encoder: Encoder, truth: Truth | None) -> MultiLabel:
        source = job.source_if_any()
        return MultiLabel(chosen, ROWS, encoder, source, job.target("tgt"), truth, job.machine)

    adaptation.adapt(job, adaptation.Recipe("mmcl", "MMCL", ROWS, "MMCL", "", learning))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(MMCL, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
