"""Batch norms that are kept apart: by domain, or by which look at a picture it is."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class DomainNorm(nn.Module):
    """One copy of a batch norm per domain; `domain` says which one works now."""

    def __init__(self, norm: nn.Module, domains: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(copy.deepcopy(norm) for _ in range(domains))
        self.domain = 0

    def forward(self, x: Tensor) -> Tensor:
        """The chosen norm of x."""
        return self.norms[self.domain](x)


def work_by(net: nn.Module, domain: int) -> None:
    """All norms of a net that are kept apart work by `domain` from now on; -1 is the last."""
    for module in net.modules():
        if isinstance(module, DomainNorm):
            module.domain = domain


def split(net: nn.Module, domains: int) -> None:
    """Gives each domain its own copy of every batch norm of a net; all begin as what there is now."""
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, DomainNorm(child, domains))


@contextmanager
def statistics_kept(net: nn.Module) -> Iterator[None]:
    """Meanwhile a net's batch norms do not take what they see into their running statistics."""
    own = {norm: norm.momentum for norm in net.modules() if isinstance(norm, _BatchNorm)}
    for norm in own:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in own.items():
            norm.momentum = momentum
