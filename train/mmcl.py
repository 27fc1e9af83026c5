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

import numpy as np
import torch
from torch import Tensor, nn

from opengspr import ranks
from opengspr.randomness import rng, seed_of
from train.parts import adaptation, losses, multi_label, preparation, sampling
from train.parts.backbones import Encoder
from train.parts.data import Labelled
from train.parts.evaluation import Truth, extract
from train.parts.learning import adam
from train.parts.memory import InstanceMemory
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
    threshold: float = 0.6
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


class MultiLabel(adaptation.AdaptingStage):
    """MMCL's own stage.

    Args:
        chosen: settings.
        encoder: what it begins with.
        source: labelled pictures, or None.
        others: of `AdaptingStage`.
    """

    def __init__(self, chosen: MMCL, encoder: Encoder, source: Labelled | None, *others: Any) -> None:
        super().__init__(chosen, ROWS, *others)
        self.chosen, self.source = chosen, source
        self.encoder = encoder.to(self.device).train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(self.seed, "classifier"))
            classifier = nn.Linear(encoder.channels, source.classes, bias=False) if source else nn.Identity()
        self.classifier = classifier.to(self.device)
        learned = [*encoder.parameters(), *self.classifier.parameters()]
        self.optimizer = adam(learned, chosen.lr, chosen.weight_decay)
        nothing = torch.zeros(0, encoder.channels, device=self.device)
        self.memory, self.alone = InstanceMemory(nothing, nothing), True

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Sets the rate; fills the memory at first; tells whom the pictures are taken to show."""
        self.optimizer.param_groups[0]["lr"] = self.settings.rate(epoch)
        if epoch == 0:
            features = extract(self.encoder, self.target.images)
            self.memory = InstanceMemory(features[:0], features)
        found = ranks.by_first(lambda: multi_label.labelled(self.memory.entries, self.chosen.threshold))
        return self.told(found, epoch)

    def feed(self, epoch: int, step: int) -> None:
        """A feed of the target's pictures, one after the other, and one of the source's identities."""
        self.alone = epoch < self.chosen.alone
        self.memory.momentum = self.chosen.memory_momentum * epoch / max(1, self.epochs - 1)
        draws, size = rng(self.seed, "multi-label", epoch), self.settings.batch
        everyone = np.full(len(self.target.images), -1)
        drawn = sampling.batches(everyone, size, 1, self.batches, draws)
        self.given = self.opened(self.target.images, drawn, step, self.seed, "augment", epoch, 0)
        if self.source:
            of = self.source.label
            drawn = sampling.batches(of, size, min(4, size), self.batches, draws)
            self.known = self.opened(self.source.images, drawn, step, self.seed, "augment", epoch, 1)
            self.label = torch.from_numpy(of).to(self.device)

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
        similarity = features @ entries.T
        weights = self.chosen.positive_weight, self.chosen.negatives
        terms = {"multi_label": losses.multi_label(similarity, positive, *weights)}
        if self.source:
            (pictures,), index = next(self.known)
            neck = self.machine.seen(self.encoder, pictures)[1]
            terms["cross_entropy"] = losses.cross_entropy(self.classifier(neck), self.label[index])
        return torch.stack([*terms.values()]).sum(), terms

    def remember(self) -> None:
        """Each picture moves its own entry."""
        self.memory.update(*self.passed)

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one."""
        return [self.optimizer]

    def encoders(self) -> dict[str, Encoder]:
        """The one."""
        return {"mmcl": self.encoder}

    def state_dict(self) -> dict[str, Any]:
        """Encoder, classifier, optimizer, memory; momentum and labels follow from the epoch."""
        parts = {name: getattr(self, name).state_dict() for name in ("encoder", "classifier", "optimizer")}
        return parts | {"entries": self.memory.entries}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        for name in ("encoder", "classifier", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.memory.entries = state["entries"].to(self.device)


def work(chosen: MMCL) -> None:
    """A whole run."""
    job = Job.of(chosen, needs_source=False)

    def learning(encoder: Encoder, truth: Truth) -> MultiLabel:
        source = job.source("src") if "src" in job.data else None
        return MultiLabel(chosen, encoder, source, job.target("tgt"), truth, job.machine)

    adaptation.adapt(job, adaptation.Recipe("mmcl", "MMCL", ROWS, "MMCL", "", learning))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(MMCL, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
