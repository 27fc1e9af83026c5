"""A linear classifier over the clusters of one epoch, begun anew with each clustering, and its slow mean."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.parts.learning import Optimizing, adam
from train.parts.memory import class_means


def class_weights(features: Tensor, label: Tensor, classes: int) -> Tensor:
    """What a linear classifier begins with, (classes, D): the mean of each class' features (N, D), unit norm."""
    return F.normalize(class_means(features, label, classes), dim=1)


class ClusterHead:
    """Logits of clusters, with an optimizer of its own, since the classes are others each epoch.

    Args:
        channels: length of a feature.
        weight_decay: of its optimizer.
        device: cpu or cuda.
        optimizer: from weights, rate and weight decay.
    """

    def __init__(self, channels: int, weight_decay: float, device: str, optimizer: Optimizing = adam) -> None:
        self.channels, self.weight_decay, self.device, self.make = channels, weight_decay, device, optimizer
        self._sized(0)

    def _sized(self, classes: int) -> None:
        self.weight = nn.Parameter(torch.zeros(classes, self.channels, device=self.device))
        self.slow = self.weight.detach().clone()
        self.optimizer = self.make([self.weight], 1e-3, self.weight_decay)

    def begin(self, features: Tensor, label: Tensor, lr: float) -> None:
        """A row per cluster: the mean of its members' features, unit norm (MMT, ABMT).

        Args:
            features: (N, D). label: (N,) from 0 without gaps; negative = left out.
            lr: learning rate.
        """
        inside = label >= 0
        self._sized(int(label.max()) + 1)
        self.weight.data.copy_(class_weights(features[inside], label[inside], len(self.weight)))
        self.slow = self.weight.detach().clone()
        self.optimizer.param_groups[0]["lr"] = lr

    def __call__(self, features: Tensor) -> Tensor:
        """(B, D) -> logits (B, C)."""
        return F.linear(features, self.weight)

    def taught(self, features: Tensor) -> Tensor:
        """The slow mean's logits."""
        return F.linear(features, self.slow)

    def follow(self, momentum: float) -> None:
        """The slow mean moves, as `backbones.update_mean` moves a net's."""
        self.slow.lerp_(self.weight.detach(), 1 - momentum)

    def state_dict(self) -> dict[str, Any]:
        """All that coming steps depend on."""
        return {"weight": self.weight.detach(), "slow": self.slow, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up a state."""
        self._sized(len(state["weight"]))
        self.weight.data.copy_(state["weight"])
        self.slow.copy_(state["slow"])
        self.optimizer.load_state_dict(state["optimizer"])
