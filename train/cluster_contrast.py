"""Cluster Contrast (Dai et al., ACCV 2022): unsupervised, or after pretraining on a source.

    python -m train.cluster_contrast --tgt market
    python -m train.cluster_contrast --src market --tgt duke      # pretrained on the source; adapts without it

Idea: a memory of single pictures goes stale picture by picture, each at its own pace. Here a cluster is one entry: it
begins as the mean of its pictures' features and moves with every picture of it that is trained on, so all entries are
of the same age. Pictures that are in no cluster are left out.

Memory: cluster memory (parts/memory.py), momentum 0.1. Batches are 16 clusters x 16 pictures, pooling is GeM.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from train.parts import adaptation, losses, preparation
from train.parts.backbones import Encoder
from train.parts.evaluation import Truth
from train.parts.memory import InstanceMemory, class_means
from train.parts.on_clusters import OneOnClusters
from train.parts.preparation import Job

ROWS = {"Cluster Contrast": {"cluster_contrast": 1.0}}


@dataclass(frozen=True, kw_only=True)
class ClusterContrast(adaptation.Clustering):
    """Contrast with a memory of clusters."""

    batch: int = 256
    """Images in a step."""
    per_identity: int = 16
    steps: int = 200
    temperature: float = 0.05
    memory_momentum: float = 0.1


SMALL = adaptation.SMALL | {"steps": 70, "batch": 64, "per_identity": 8, "temperature": 0.1}

ABLATIONS: dict[str, dict[str, Any]] = {"Cluster Contrast": {}, "w/o source": {"src": ""}}


class Contrast(OneOnClusters):
    """Cluster Contrast's own stage."""

    chosen: ClusterContrast

    def __init__(self, chosen: ClusterContrast, encoder: Encoder, *others: Any) -> None:
        super().__init__(chosen, ROWS, encoder, *others)
        self.memory = self._memory(torch.zeros(0, encoder.channels, device=self.device))

    def _memory(self, clusters: Tensor) -> InstanceMemory:
        """An entry per cluster and none per picture."""
        return InstanceMemory(clusters, clusters[:0], self.chosen.memory_momentum)

    def begin_clusters(self, features: Tensor, label: Tensor, rate: float) -> None:
        """The memory begins anew."""
        inside = label >= 0
        self.memory = self._memory(class_means(features[inside], label[inside], int(label.max()) + 1))

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Contrast with all clusters."""
        (pictures,), label = self.next_batch()
        features = self.machine.features(self.encoder, pictures)
        self.passed = label, features.detach()
        loss = losses.memory_contrastive(features, self.memory.entries, label, self.chosen.temperature)
        return loss, {"contrast": loss}

    def remember(self) -> None:
        """Each picture moves its cluster's entry."""
        self.memory.update(*self.passed)

    def state_dict(self) -> dict[str, Any]:
        """With the memory."""
        return super().state_dict() | {"entries": self.memory.entries}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        super().load_state_dict(state)
        self.memory = self._memory(state["entries"].to(self.device))


def work(chosen: ClusterContrast) -> None:
    """A whole run."""
    job = Job.of(chosen, needs_source=False)

    def contrast(encoder: Encoder, truth: Truth | None) -> Contrast:
        return Contrast(chosen, encoder, job.target("tgt"), truth, job.machine)

    recipe = adaptation.Recipe("cluster_contrast", "Cluster Contrast", ROWS, "Cluster Contrast", "", contrast)
    adaptation.adapt(job, recipe)


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(ClusterContrast, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
