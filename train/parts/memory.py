"""The instance memory with cluster logits (SpCL, SMCR): a unit vector per source class and per target image."""

import torch
import torch.nn.functional as F
from torch import Tensor


class InstanceMemory:
    """`entries` (S + N, D): S source classes first, then N target images; unit rows, moved by what passes through.

    Args:
        source: (S, D) starting entries of the source classes.
        target: (N, D) starting entries of the target images.
        momentum: m in entry <- m entry + (1 - m) feature, then unit norm.
    """

    def __init__(self, source: Tensor, target: Tensor, momentum: float = 0.2) -> None:
        self.entries = F.normalize(torch.cat([source, target]).detach(), dim=1)
        self.sources, self.momentum = len(source), momentum
        self.label = torch.arange(len(target), device=target.device)

    def assign(self, label: Tensor) -> None:
        """Sets the target's classes, (N,) int64 from 0 without gaps: clusters and single images alike."""
        assert len(label) == len(self.entries) - self.sources
        self.label = label

    def classes(self) -> Tensor:
        """A row per class, (S + M, D): source entries, then for each target class the mean of its members' entries.

        The mean's inner product with a feature is the mean similarity to the members, which is a cluster's logit; it is
        deliberately not of unit norm.
        """
        target = self.entries[self.sources :]
        count = torch.bincount(self.label)
        sums = torch.zeros(len(count), target.shape[1], device=target.device).index_add_(0, self.label, target)
        return torch.cat([self.entries[: self.sources], sums / count[:, None]])

    @torch.no_grad()
    def update(self, index: Tensor, features: Tensor) -> None:
        """Moves entries towards features, one after the other where an entry comes more than once.

        Args:
            index: entry of each feature, (B,) int64.
            features: (B, D), unit norm.
        """
        later = torch.tril(index[:, None] == index[None, :], diagonal=-1).sum(
            1
        )  # how often it came before in the batch
        for turn in range(int(later.max()) + 1):
            rows = torch.nonzero(later == turn).squeeze(1)
            moved = self.momentum * self.entries[index[rows]] + (1 - self.momentum) * features[rows]
            self.entries[index[rows]] = F.normalize(moved, dim=1)


def class_means(features: Tensor, label: Tensor, classes: int) -> Tensor:
    """Mean feature of each class, (classes, D); every class has at least one image."""
    sums = features.new_zeros(classes, features.shape[1]).index_add_(0, label, features)
    return sums / torch.bincount(label, minlength=classes)[:, None]
