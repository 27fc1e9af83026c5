"""Learning from the target's clusters, found anew each epoch: the stages under the recipes that leave out what is in
none.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from opengspr import UserError, loop
from opengspr.randomness import rng
from train.parts import adaptation, pseudo_labels, sampling
from train.parts.backbones import Encoder
from train.parts.data import Images, Labelled, Unlabelled, augment, to_tensor
from train.parts.evaluation import Rows, Truth, extract


class OnClusters(loop.Stage):
    """A stage for `loop.run`; a recipe says by what it clusters, what begins with clusters, and what a step is.

    Args:
        chosen: settings.
        rows: of the recipe's table.
        target: pictures and cameras.
        truth: for figures and diagnosis only; None = neither.
        device: cpu or cuda.
        source: labelled pictures, for the distance only; None = it has no term for them.
    """

    name = "adaptation"

    def __init__(
        self,
        chosen: adaptation.Clustering,
        rows: Rows,
        target: Unlabelled,
        truth: Truth | None,
        device: str,
        source: Labelled | None = None,
    ) -> None:
        self.seed, self.epochs, self.steps = chosen.seed, chosen.epochs, chosen.steps
        self.settings, self.rows, self.target, self.truth = chosen, rows, target, truth
        self.source, self.device = source, device
        self.label, self.eps = np.empty(0, np.int64), chosen.eps

    @abstractmethod
    def seen_as(self, images: Images) -> Tensor:
        """The features that are clustered, (N, D) unit norm."""

    @abstractmethod
    def begin_clusters(self, features: Tensor, label: Tensor, rate: float) -> None:
        """Begins what knows this epoch's clusters.

        Args:
            features: (N, D), unit norm. label: (N,) from 0 without gaps, negative = in no cluster.
            rate: the epoch's learning rate.
        """

    @abstractmethod
    def encoders(self) -> dict[str, Encoder]:
        """By the name of their weights file."""

    def clustered(self, features: Tensor, epoch: int) -> pseudo_labels.Clustered:
        """The clusters of the target's features."""
        chosen, own = self.settings, self.seen_as(self.source.images).cpu().numpy() if self.source else None
        of = features.cpu().numpy()
        return pseudo_labels.refine(of, "none", self.eps, chosen.k1, chosen.k2, chosen.min_samples, source=own)

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Clusters the target."""
        features = self.seen_as(self.target.images)
        found = self.clustered(features, epoch)
        if not found.found:
            raise UserError(f"epoch {epoch + 1}: no cluster within the radius {found.eps:.3f}; a larger --eps may help")
        for warning in found.warnings:
            tqdm.write(f"warning: epoch {epoch + 1}: {warning}")
        self.label, self.eps = found.label, found.eps
        self.begin_clusters(features, torch.from_numpy(found.label).to(self.device), self.settings.rate(epoch))
        return adaptation.told(found, self.truth)

    def feed(self, epoch: int, step: int) -> None:
        """A stream of clustered pictures."""
        inside = np.flatnonzero(self.label >= 0)
        draws, size, each = rng(self.seed, self.name, epoch), self.settings.batch, self.settings.per_identity
        label, camid = self.label[inside], self.target.camid[inside]
        drawn = sampling.batches(label, size, each, self.steps, draws, camid)[step:]
        self.first, self.drawn = step, [inside[batch] for batch in drawn]
        self.stream = self.target.images.stream(self.drawn)

    def batch(self, epoch: int, step: int, views: int = 1) -> tuple[list[Tensor], Tensor]:
        """The step's pictures (B, 3, H, W), augmented so many times over, and their clusters (B,)."""
        given = next(self.stream)
        draws = (rng(self.seed, "augment", epoch, step, view) for view in range(views))
        pictures = [to_tensor(augment(given, one, jitter=self.settings.jitter), self.device) for one in draws]
        return pictures, torch.from_numpy(self.label[self.drawn[step - self.first]]).to(self.device)

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Figures for the curves, if asked for."""
        return adaptation.looked_at(self.truth, self.settings.evaluate_every, epoch, self.rows, self)

    def state_dict(self) -> dict[str, Any]:
        """All that coming steps depend on; a recipe adds its own."""
        return {"label": torch.from_numpy(self.label), "eps": self.eps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        self.label, self.eps = state["label"].numpy(), state["eps"]


class OneOnClusters(OnClusters):
    """The same for one encoder, by whose features the target is clustered; a recipe says what the losses are."""

    def __init__(self, chosen: adaptation.Clustering, rows: Rows, encoder: Encoder, *others: Any) -> None:
        super().__init__(chosen, rows, *others)
        self.encoder = encoder.to(self.device).train()
        self.optimizer = torch.optim.Adam(encoder.parameters(), chosen.lr, weight_decay=chosen.weight_decay)

    @abstractmethod
    def terms(self, pictures: Tensor, label: Tensor) -> dict[str, Tensor]:
        """The losses of a batch (B, 3, H, W) with its clusters (B,); their sum is what is learnt from."""

    @abstractmethod
    def after(self, label: Tensor) -> None:
        """What follows the encoder's update."""

    def seen_as(self, images: Images) -> Tensor:
        """The encoder's features."""
        return extract(self.encoder, images)

    def optimizers(self) -> Iterator[torch.optim.Optimizer]:
        """What a step moves."""
        yield self.optimizer

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Clusters the target."""
        self.optimizer.param_groups[0]["lr"] = self.settings.rate(epoch)
        return super().begin_epoch(epoch)

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update."""
        (pictures,), label = self.batch(epoch, step)
        terms = self.terms(pictures, label)
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        torch.stack([*terms.values()]).sum().backward()
        for optimizer in self.optimizers():
            optimizer.step()
        self.after(label)
        return {name: term.detach() for name, term in terms.items()}

    def encoders(self) -> dict[str, Encoder]:
        """The one, by its name in the rows."""
        (name,) = {name for shares in self.rows.values() for name in shares}
        return {name: self.encoder}

    def state_dict(self) -> dict[str, Any]:
        """With encoder and optimizer."""
        return super().state_dict() | {name: getattr(self, name).state_dict() for name in ("encoder", "optimizer")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        super().load_state_dict(state)
        for name in ("encoder", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
