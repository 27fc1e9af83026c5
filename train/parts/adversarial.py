"""Learning against a classifier: features that it cannot tell apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

HIDDEN = 256  # of the domain classifier


@contextmanager
def fixed(net: nn.Module) -> Iterator[None]:
    """A net's weights get no gradient from what is computed inside: a judge's, when it is to be deceived."""
    net.requires_grad_(False)
    yield
    net.requires_grad_(True)


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * gradients[0], None


def reversed_gradient(x: Tensor, scale: float = 1.0) -> Tensor:
    """x as it is, with its gradient times -scale on the way back (Ganin and Lempitsky, ICML 2015; DIEN eq. 4)."""
    found: Tensor = _Reversed.apply(x, scale)
    return found


class DomainClassifier(nn.Sequential):
    """A feature (N, D) -> the logit of its being of the target, (N,): learns to tell, while the feature unlearns it."""

    def __init__(self, size: int) -> None:
        super().__init__(nn.Linear(size, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1), nn.Flatten(0))

    def forward(self, features: Tensor) -> Tensor:
        """Behind the reversal, which the classifier's own weights don't feel."""
        logits: Tensor = super().forward(reversed_gradient(features))
        return logits
