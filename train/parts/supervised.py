"""Supervised training on one or more labelled sets: cross-entropy and triplet loss on identities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from opengspr.loop import Stage
from opengspr.randomness import rng, seed_of
from train.parts import losses, sampling
from train.parts.backbones import Encoder
from train.parts.data import Labelled, augment, to_tensor


@dataclass(frozen=True)
class SupervisedSpec:
    """Settings; the rate rises over the first eighth, falls tenfold at 1/2 and 7/8 (MMT's epochs 40 and 70 of 80)."""

    epochs: int = 80
    steps: int = 200
    batch: int = 64
    per_identity: int = 4
    lr: float = 3.5e-4
    weight_decay: float = 5e-4
    margin: float = 0.3
    jitter: float = 0.0


class Supervised(Stage):
    """A stage for `loop.run` that trains `encoder`.

    Args:
        name: of the stage.
        spec: settings.
        encoder: what learns.
        sets: labelled sets; a batch holds the same number of images of each, their identities are one list of classes.
        seed: of the classifier and the draws.
        device: cpu or cuda.
    """

    def __init__(
        self, name: str, spec: SupervisedSpec, encoder: Encoder, sets: Sequence[Labelled], seed: int, device: str
    ) -> None:
        self.name, self.spec, self.seed, self.device = name, spec, seed, device
        self.epochs, self.steps = spec.epochs, spec.steps
        self.encoder, self.sets = encoder.to(device).train(), sets
        self.offsets = [sum(one.classes for one in sets[:i]) for i in range(len(sets))]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, name, "classifier"))
            self.classifier = nn.Linear(encoder.channels, sum(one.classes for one in sets), bias=False)
            nn.init.normal_(self.classifier.weight, std=0.001)
        self.classifier.to(device)
        learned = [*encoder.parameters(), *self.classifier.parameters()]
        self.optimizer = torch.optim.Adam(learned, spec.lr, weight_decay=spec.weight_decay)

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Nothing before an epoch."""
        return {}

    def feed(self, epoch: int, step: int) -> None:
        """A stream for each set."""
        self.first, self.batches, self.streams = step, [], []
        for i, one in enumerate(self.sets):
            draws = rng(self.seed, self.name, "batches", epoch, i)
            size = self.spec.batch // len(self.sets)
            drawn = sampling.batches(one.label, size, min(self.spec.per_identity, size), self.steps, draws)[step:]
            self.batches.append(drawn)
            self.streams.append(one.images.stream(drawn))

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update."""
        self.optimizer.param_groups[0]["lr"] = self.spec.lr * self._rate(epoch * self.steps + step)
        pictures, labels = [], []
        for i, one in enumerate(self.sets):
            draws = rng(self.seed, self.name, "augment", epoch, step, i)
            pictures.append(to_tensor(augment(next(self.streams[i]), draws, jitter=self.spec.jitter), self.device))
            labels.append(torch.from_numpy(one.label[self.batches[i][step - self.first]] + self.offsets[i]))
        label = torch.cat(labels).to(self.device)
        pooled, neck = self.encoder(torch.cat(pictures))
        terms = {
            "cross_entropy": losses.cross_entropy(self.classifier(neck), label),
            "triplet": losses.triplet_hinge(pooled, label, self.spec.margin),
        }
        self.optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        self.optimizer.step()
        return {name: term.detach() for name, term in terms.items()}

    def _rate(self, step: int) -> float:
        done = step / (self.epochs * self.steps)
        return min(1.0, 8 * done + 0.01) * (0.1 ** ((done >= 1 / 2) + (done >= 7 / 8)))

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Nothing to add."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Encoder, classifier, optimizer."""
        return {name: getattr(self, name).state_dict() for name in ("encoder", "classifier", "optimizer")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        for name, part in state.items():
            getattr(self, name).load_state_dict(part)
