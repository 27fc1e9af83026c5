"""CAP: camera-aware proxies (Wang et al., AAAI 2021): `cap` in train/published.csv.

    python -m train.cap --tgt market                 # the target alone, from --init
    python -m train.cap --src duke --tgt market      # pretrained on the source; adapts without it

Idea: what makes two pictures of one person unlike is the camera more than anything. So a cluster is split into what
each camera has of it, its proxies, and these are the classes. A picture is told from the other proxies of its own
camera; and, once that is learnt, drawn to the proxies of its cluster in other cameras, against the nearest of other
clusters.

Loss: within + 0.5 between, each summed over the cameras of a batch, the mean over a camera's pictures; similarities are
cosines over 0.07. Memory: fixed proxies (parts/proxies.py), means of an epoch's features; the paper moves them with
each batch. Batches are of 8 proxies x 4 pictures. Pictures that are in no cluster, or whose camera is not known, are
left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.parts import adaptation, losses, preparation
from train.parts.backbones import Encoder
from train.parts.evaluation import Truth
from train.parts.on_clusters import OneOnClusters
from train.parts.preparation import Job
from train.parts.proxies import Proxies

ROWS = {"CAP": {"cap": 1.0}}


@dataclass(frozen=True, kw_only=True)
class CAP(adaptation.WarmedUp):
    """Contrast with what each camera has of a cluster."""

    batch: int = 32
    eps: float = 0.5
    """Radius of DBSCAN; 0 = set once, at the first clustering, by a rule without labels."""
    k1: int = 20
    temperature: float = 0.07
    between_weight: float = 0.5
    """Of the loss between cameras."""
    between_after: int = 5
    """Epochs before the loss between cameras sets in."""
    negatives: int = 50
    """Nearest proxies of other clusters in the loss between cameras."""


SMALL = adaptation.SMALL | {"steps": 140, "warmup": 3, "between_after": 1}

ABLATIONS: dict[str, dict[str, Any]] = {"CAP": {}, "w/o inter-camera": {"between_weight": 0.0}}


class ByCamera(OneOnClusters):
    """CAP's own stage."""

    chosen: CAP

    def __init__(self, chosen: CAP, encoder: Encoder, *others: Any) -> None:
        super().__init__(chosen, ROWS, encoder, *others)
        self.epoch = 0
        self.camid = torch.from_numpy(self.target.camid).to(self.device)
        self.proxies = Proxies.none(encoder.channels, self.device)

    def begin_epoch(self, epoch: int) -> dict[str, float]:
        """Clusters the target."""
        self.epoch = epoch
        return dict(super().begin_epoch(epoch))

    def begin_clusters(self, features: Tensor, label: Tensor, rate: float) -> None:
        """The epoch's proxies."""
        self.proxies = Proxies.of(features, label, self.camid)

    def drawn_by(self) -> np.ndarray:
        """A batch is of proxies, not of clusters."""
        return self.proxies.index(torch.from_numpy(self.label).to(self.device), self.camid).cpu().numpy()

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Within cameras, and between them."""
        (pictures,), label = self.next_batch()
        chosen, proxies, camid = self.chosen, self.proxies, self.camid[self.index]
        features = self.machine.features(self.encoder, pictures)
        own = camid[:, None] == proxies.camera[None, :]
        index = proxies.index(label, camid)
        within = losses.proxy_cross_entropy(features, proxies.cameras, index, own, chosen.temperature)
        terms = {"within_cameras": losses.mean_by_group(within, camid)}
        if chosen.between_weight and self.epoch >= chosen.between_after:
            signs = proxies.cross_camera(label, camid)
            between = losses.proxy_association(features, proxies.cameras, *signs, chosen.negatives, chosen.temperature)
            terms["between_cameras"] = chosen.between_weight * losses.mean_by_group(between, camid)
        return torch.stack([*terms.values()]).sum(), terms

    def state_dict(self) -> dict[str, Any]:
        """With proxies."""
        return super().state_dict() | {"proxies": self.proxies.state_dict(), "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        super().load_state_dict(state)
        self.proxies, self.epoch = Proxies.from_state(state["proxies"], self.device), state["epoch"]


def work(chosen: CAP) -> None:
    """A whole run."""
    job = Job.of(chosen, needs_source=False)
    job.require_cameras("; other recipes do without")

    def build(encoder: Encoder, truth: Truth | None) -> ByCamera:
        return ByCamera(chosen, encoder, job.target("tgt"), truth, job.machine)

    adaptation.adapt(job, adaptation.Recipe("cap", "CAP", ROWS, "CAP", "", build))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(CAP, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
