"""Proxies that stay as they are for an epoch: centroids of clusters, and of what each camera has of a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from train.parts.memory import class_means


@dataclass(frozen=True)
class Proxies:
    """Of C clusters, P of them and a camera each.

    Attributes:
        clusters: (C, D) mean features, thesis eq. 6.4.
        cameras: (P, D) mean features of a cluster's images of one camera, eq. 6.6.
        cluster, camera: whose these are, (P,) int64 each, in this order.
    """

    clusters: Tensor
    cameras: Tensor
    cluster: Tensor
    camera: Tensor

    @classmethod
    def of(cls, features: Tensor, label: Tensor, camid: Tensor) -> "Proxies":
        """From an epoch's features.

        Args:
            features: (N, D).
            label: (N,) clusters from 0 without gaps; negative = in none.
            camid: (N,); negative = unknown: such images count for their cluster only.
        """
        inside = torch.nonzero(label >= 0).squeeze(1)
        clusters = class_means(features[inside], label[inside], int(label.max()) + 1 if len(label) else 0)
        seen = inside[camid[inside] >= 0]
        pairs, place = torch.unique(torch.stack([label[seen], camid[seen]]), dim=1, return_inverse=True)
        return cls(clusters, class_means(features[seen], place, pairs.shape[1]), *pairs)

    @classmethod
    def none(cls, channels: int, device: str) -> "Proxies":
        """Before the first epoch."""
        empty, nobody = torch.zeros(0, channels, device=device), torch.zeros(0, dtype=torch.int64, device=device)
        return cls(empty, empty, nobody, nobody)

    def index(self, label: Tensor, camid: Tensor) -> Tensor:
        """Which proxy of a camera images belong to, (B,); -1 = none.

        Args:
            label: (B,) clusters, negative = in none. camid: (B,).
        """
        span = int(self.camera.max()) + 1 if len(self.camera) else 1
        known, wanted = self.cluster * span + self.camera, label * span + camid
        place = torch.searchsorted(known, wanted)
        fits = (label >= 0) & (camid >= 0) & (camid < span) & (place < len(known))
        fits &= known.index_select(0, place.clamp_max(len(known) - 1)) == wanted if len(known) else fits
        return torch.where(fits, place, -1)

    def cross_camera(self, label: Tensor, camid: Tensor) -> tuple[Tensor, Tensor]:
        """Which proxies of cameras are positives and negatives of images.

        Args:
            label: (B,) clusters. camid: (B,); an image of an unknown camera has no positives.

        Returns:
            (B, P) bool each: of the own cluster in other cameras; of other clusters.
        """
        own = label[:, None] == self.cluster[None, :]
        return own & (camid[:, None] != self.camera[None, :]) & (camid >= 0)[:, None], ~own

    def state_dict(self) -> dict[str, Tensor]:
        """All of it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], device: str) -> "Proxies":
        """What `state_dict` returned."""
        return cls(**{name: value.to(device) for name, value in state.items()})
