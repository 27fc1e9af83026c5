"""Learning from the target's clusters, found anew each epoch: the stages under the recipes that leave out what is in
none.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from opengspr import UserError, ranks
from opengspr.checkpoint import Stateful
from opengspr.randomness import rng, seed_of
from train.parts import adaptation, pseudo_labels, sampling
from train.parts.backbones import Encoder
from train.parts.data import Images, Labelled
from train.parts.evaluation import Rows, extract
from train.parts.learning import adam


@dataclass(frozen=True, kw_only=True)
class MeansOrDensity(adaptation.Clustering):
    """Flags of recipes that cluster by K-means or by DBSCAN."""

    clusters: int = 0
    """K of K-means; 0 = DBSCAN."""


class OnClusters(adaptation.AdaptingStage):
    """A stage for `loop.run`; a recipe says by what it clusters, what begins with clusters, and what the loss is.

    Args:
        chosen: settings.
        others: of `AdaptingStage`.
        source: labelled pictures, for the distance only; None = it has no term for them.
    """

    chosen: adaptation.Clustering
    views = 1  # of each picture in a batch
    rho = pseudo_labels.RHO  # of the radius without labels
    plain = False  # whether the picture as it is comes as a last view

    def __init__(self, chosen: adaptation.Clustering, *others: Any, source: Labelled | None = None) -> None:
        super().__init__(chosen, *others)
        self.source, self.label, self.eps = source, np.empty(0, np.int64), chosen.eps

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

    def clustered(self, features: np.ndarray, source: np.ndarray | None, epoch: int) -> pseudo_labels.Clustered:
        """The clusters of the target's features, (N, D); `source` (M, D)."""
        chosen = self.chosen
        if isinstance(chosen, MeansOrDensity) and chosen.clusters:
            return pseudo_labels.by_means(features, chosen.clusters, seed_of(self.seed, "means", epoch))
        how = chosen.distance, "none", self.eps, chosen.min_samples
        return pseudo_labels.refine(features, self.target.camid, *how, source=source, rho=self.rho)

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Clusters the target."""
        features = self.seen_as(self.target.images)
        source = self.seen_as(self.source.images).cpu().numpy() if self.source else None
        found = ranks.by_first(lambda: self.clustered(features.cpu().numpy(), source, epoch))
        if not found.found:
            raise UserError(f"epoch {epoch + 1}: no cluster within the radius {found.eps:.3f}; a larger --eps may help")
        self.label, self.eps = found.label, found.eps
        self.begin_clusters(features, torch.from_numpy(found.label).to(self.device), self.chosen.rate(epoch))
        return self.told(found, epoch)

    def drawn_by(self) -> np.ndarray:
        """The groups of which batches are made, (N,); negative = in none."""
        return self.label

    def feed(self, epoch: int, step: int) -> None:
        """A feed of clustered pictures."""
        group = self.drawn_by()
        inside = np.flatnonzero(group >= 0)
        draws, size, each = rng(self.seed, self.name, epoch), self.chosen.batch, self.chosen.per_identity
        drawn = sampling.batches(group[inside], size, each, self.batches, draws, self.target.camid[inside])
        drawn, key = [inside[batch] for batch in drawn], (self.seed, "augment", epoch)
        self.given = self.opened(self.target.images, drawn, step, *key, views=self.views, plain=self.plain)
        self.label_of = torch.from_numpy(self.label).to(self.device)

    def next_batch(self) -> tuple[list[Tensor], Tensor]:
        """This rank's pictures in each view (B / ranks, 3, H, W), and the clusters of all ranks' (B,)."""
        pictures, self.index = next(self.given)
        return pictures, self.label_of[self.index]

    def state_dict(self) -> dict[str, Any]:
        """With the labels."""
        return super().state_dict() | {"label": torch.from_numpy(self.label), "eps": self.eps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        super().load_state_dict(state)
        self.label, self.eps = state["label"].numpy(), state["eps"]


class OneOnClusters(OnClusters):
    """The same for one encoder, by whose features the target is clustered."""

    def __init__(self, chosen: adaptation.Clustering, rows: Rows, encoder: Encoder, *others: Any, **more: Any) -> None:
        super().__init__(chosen, rows, *others, **more)
        self.encoder = encoder.to(self.device).train()
        self.optimizer = adam(encoder.parameters(), chosen.lr, chosen.weight_decay)

    def seen_as(self, images: Images) -> Tensor:
        """The encoder's features."""
        return extract(self.encoder, images)

    def optimizers(self) -> Iterable[torch.optim.Optimizer]:
        """The encoder's."""
        return [self.optimizer]

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Clusters the target."""
        self.optimizer.param_groups[0]["lr"] = self.chosen.rate(epoch)
        return super().begin_epoch(epoch)

    def encoders(self) -> dict[str, Encoder]:
        """The one, by its name in the rows."""
        (name,) = {name for shares in self.rows.values() for name in shares}
        return {name: self.encoder}

    def held(self) -> dict[str, Stateful]:
        """With encoder and optimizer."""
        return super().held() | {"encoder": self.encoder, "optimizer": self.optimizer}
