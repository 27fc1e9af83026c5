"""Learning from a memory of all pictures of the target, and beside it a source's identities: under MMCL and JVTC."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from opengspr.checkpoint import Stateful
from opengspr.randomness import seed_of
from train.parts import adaptation, losses, sampling
from train.parts.backbones import Encoder
from train.parts.data import Labelled
from train.parts.evaluation import Rows, extract
from train.parts.learning import adam
from train.parts.memory import InstanceMemory


class OnMemory(adaptation.AdaptingStage):
    """A stage for `loop.run`; a recipe says what a picture's classes are, and what the loss is.

    Args:
        chosen: settings.
        rows: of the recipe's table, all of one encoder.
        encoder: what it begins with.
        source: labelled pictures, or None.
        others: of `AdaptingStage`.
    """

    passed: tuple[Tensor, Tensor]  # entries and features of the batch that a loss has seen

    def __init__(
        self, chosen: adaptation.Schedule, rows: Rows, encoder: Encoder, source: Labelled | None, *others: Any
    ) -> None:
        super().__init__(chosen, rows, *others)
        self.source = source
        self.encoder = encoder.to(self.device).train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(self.seed, "classifier"))
            classifier = nn.Linear(encoder.channels, source.classes, bias=False) if source else nn.Identity()
        self.classifier = classifier.to(self.device)
        self.optimizer = adam([*encoder.parameters(), *self.classifier.parameters()], chosen.lr, chosen.weight_decay)
        nothing = torch.zeros(0, encoder.channels, device=self.device)
        self.memory = InstanceMemory(nothing, nothing)

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Sets the rate; fills the memory at first."""
        self.optimizer.param_groups[0]["lr"] = self.chosen.rate(epoch)
        if epoch == 0:
            features = extract(self.encoder, self.target.images)
            self.memory = InstanceMemory(features[:0], features)
        return {}

    def feed_both(
        self, epoch: int, step: int, draws: np.random.Generator, pictures: int, per_identity: int, views: int = 1
    ) -> None:
        """A feed of the target's pictures, one after the other, and one of the source's identities.

        Args:
            epoch, step: of `feed`.
            draws: of both batches.
            pictures: of the target in a batch. views: of each.
            per_identity: pictures of a source identity.
        """
        everyone, size = np.full(len(self.target.images), -1), self.chosen.batch
        drawn = sampling.batches(everyone, pictures, 1, self.batches, draws)
        self.given = self.opened(self.target.images, drawn, step, self.seed, "augment", epoch, 0, views=views)
        if self.source:
            drawn = sampling.batches(self.source.label, size, min(per_identity, size), self.batches, draws)
            self.known = self.opened(self.source.images, drawn, step, self.seed, "augment", epoch, 1)
            self.label_known = torch.from_numpy(self.source.label).to(self.device)

    def of_source(self) -> dict[str, Tensor]:
        """Cross-entropy of the source's next batch; nothing without a source."""
        if not self.source:
            return {}
        (pictures,), index = next(self.known)
        neck = self.machine.seen(self.encoder, pictures)[1]
        return {"cross_entropy": losses.cross_entropy(self.classifier(neck), self.label_known[index])}

    def remember(self) -> None:
        """Each picture moves its own entry, by what `loss` left in `passed`."""
        self.memory.update(*self.passed)

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one."""
        return [self.optimizer]

    def encoders(self) -> dict[str, Encoder]:
        """The one, by its name in the rows."""
        (name,) = {name for shares in self.rows.values() for name in shares}
        return {name: self.encoder}

    def held(self) -> dict[str, Stateful]:
        """Encoder, classifier, optimizer."""
        return {name: getattr(self, name) for name in ("encoder", "classifier", "optimizer")}

    def state_dict(self) -> dict[str, Any]:
        """With the memory."""
        return super().state_dict() | {"entries": self.memory.entries}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        super().load_state_dict(state)
        self.memory.entries = state["entries"].to(self.device)
