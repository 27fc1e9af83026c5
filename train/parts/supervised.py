"""Supervised training on one or more labelled sets: cross-entropy and triplet loss on identities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from opengspr import ranks
from opengspr.checkpoint import Stateful
from opengspr.randomness import rng, seed_of
from train.parts import losses, sampling
from train.parts.backbones import Encoder
from train.parts.data import PLAIN, Augmentation, Labelled
from train.parts.learning import Learning, Machine, adam


@dataclass(frozen=True)
class SupervisedSpec:
    """Settings.

    Attributes:
        epochs, steps: steps in all = epochs x steps.
        batch, per_identity: pictures in a step, and of an identity in it.
        lr: rises over the share `warmup` of the steps, and falls tenfold after the shares `drops` of them; the defaults
            are MMT's epochs 40 and 70 of 80.
        ce, triplet: weights of the two losses. margin: of the triplet loss. smoothing: of the classes.
        amsgrad: Adam with the largest second moment so far.
    """

    epochs: int = 80
    steps: int = 200
    batch: int = 64
    per_identity: int = 4
    lr: float = 3.5e-4
    weight_decay: float = 5e-4
    margin: float = 0.3
    ce: float = 1.0
    triplet: float = 1.0
    smoothing: float = 0.1
    warmup: float = 1 / 8
    drops: tuple[float, float] = (1 / 2, 7 / 8)
    amsgrad: bool = False
    augmentation: Augmentation = PLAIN


class Supervised(Learning):
    """A stage for `loop.run` that trains `encoder`.

    Args:
        name: of the stage.
        spec: settings.
        encoder: what learns.
        sets: labelled sets; a batch holds the same number of images of each, their identities are one list of classes.
        seed: of the classifier and the draws.
        machine: what it runs on.
    """

    def __init__(
        self, name: str, spec: SupervisedSpec, encoder: Encoder, sets: Sequence[Labelled], seed: int, machine: Machine
    ) -> None:
        self.name, self.spec, self.seed, self.machine = name, spec, seed, machine
        self.epochs, self.steps, self.augmentation = spec.epochs, spec.steps, spec.augmentation
        self.encoder, self.sets = encoder.to(machine.device).train(), sets
        self.offsets = [sum(one.classes for one in sets[:i]) for i in range(len(sets))]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, name, "classifier"))
            self.classifiers = nn.ModuleList()  # a branch has its own
            for _ in range(encoder.channels // encoder.width):
                classifier = nn.Linear(encoder.width, sum(one.classes for one in sets), bias=False)
                nn.init.normal_(classifier.weight, std=0.001)
                self.classifiers.append(classifier)
        self.classifiers.to(machine.device)
        learned = [*encoder.parameters(), *self.classifiers.parameters()]
        self.optimizer = adam(learned, spec.lr, spec.weight_decay, spec.amsgrad)

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Nothing before an epoch."""
        return {}

    def feed(self, epoch: int, step: int) -> None:
        """A feed for each set."""
        self.feeds = []
        for i, one in enumerate(self.sets):
            draws, size = rng(self.seed, self.name, "batches", epoch, i), self.spec.batch // len(self.sets)
            drawn = sampling.batches(one.label, size, min(self.spec.per_identity, size), self.batches, draws)
            self.feeds.append(self.opened(one.images, drawn, step, self.seed, self.name, "augment", epoch, i))

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update, at its own rate."""
        self.optimizer.param_groups[0]["lr"] = self.spec.lr * self._rate(epoch * self.steps + step)
        return super().step(epoch, step)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Both terms, of a batch with a part of each set; means over branches (ABMT eq. 4.1), or over the parts of a
        pyramid, of which only the wholes have a triplet loss (SCR eq. 3.3)."""
        spec, pictures, labels = self.spec, [], []
        for one, offset, feed in zip(self.sets, self.offsets, self.feeds):
            (own,), index = next(feed)
            pictures.append(own)
            labels.append(torch.from_numpy(one.label).to(index.device)[index[ranks.share(len(index))]] + offset)
        label = ranks.gathered(torch.cat(labels))
        pooled, neck = self.machine.seen(self.encoder, torch.cat(pictures))
        parts = zip(self.encoder.parts(neck), self.classifiers, strict=True)
        guessed = [losses.cross_entropy(classifier(part), label, spec.smoothing) for part, classifier in parts]
        terms = {"cross_entropy": spec.ce * torch.stack(guessed).mean()}
        if spec.triplet:
            free = self.encoder.parts(pooled)
            apart = [losses.triplet_hinge(free[k], label, spec.margin) for k in self.encoder.whole]
            terms["triplet"] = spec.triplet * torch.stack(apart).mean()
        return torch.stack([*terms.values()]).sum(), terms

    def nets(self) -> Sequence[nn.Module]:
        """The encoder."""
        return [self.encoder]

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one."""
        return [self.optimizer]

    def _rate(self, step: int) -> float:
        done, spec = step / (self.epochs * self.steps), self.spec
        rise = min(1.0, done / spec.warmup + 0.01) if spec.warmup else 1.0
        return rise * 0.1 ** sum(done >= drop for drop in spec.drops)

    def held(self) -> dict[str, Stateful]:
        """Encoder, classifiers, optimizer."""
        return {name: getattr(self, name) for name in ("encoder", "classifiers", "optimizer")}
