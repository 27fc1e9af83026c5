"""Several processes at one training, as `torchrun` starts them: who this one is, and what they tell each other.

Every rank draws the same batches, sends its own share of the pictures through the nets, and computes the same losses
from the features of all. Files and lines are the first rank's. In a process by itself all of this does nothing.
"""

import atexit
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from opengspr.command import UserError

Value = TypeVar("Value")
PATIENCE = timedelta(days=7)  # the first rank may work alone for long: translators, clustering
_by_itself = False


def begin() -> None:
    """Joins the other processes of `torchrun`, if there are any. All but the first print nothing."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    atexit.register(_leave)  # not earlier: a group that is joined anew may wait for the one before
    if not first():
        sys.stdout = open(os.devnull, "w")


def _leave() -> None:
    with suppress(RuntimeError):  # another one has gone before
        dist.destroy_process_group()


def count() -> int:
    """How many they are."""
    return dist.get_world_size() if dist.is_initialized() and not _by_itself else 1


def me() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def first() -> bool:
    """Whether this is the one that prints and writes."""
    return me() == 0


def share(size: int) -> slice:
    """This rank's part of a batch.

    Raises:
        UserError: it cannot be dealt evenly.
    """
    if size % count():
        raise UserError(f"a batch of {size} pictures for {count()} processes: wanted a multiple of {count()}")
    each = size // count()
    return slice(me() * each, (me() + 1) * each) if count() > 1 else slice(0, size)


def part(size: int) -> slice:
    """This rank's part of rows that need not be dealt evenly; `joined` puts the parts together."""
    each = -(-size // count())
    return slice(min(size, me() * each), min(size, (me() + 1) * each)) if count() > 1 else slice(0, size)


def joined(mine: Tensor, size: int) -> Tensor:
    """The rows of all parts, (size, D), from this rank's `part`, (n, D)."""
    if count() == 1:
        return mine
    padded = mine.new_zeros(-(-size // count()), *mine.shape[1:])
    padded[: len(mine)] = mine
    return _all(padded)[:size]


def gathered(mine: Tensor) -> Tensor:
    """The rows of all ranks in their order, (count * n, ...), from this rank's (n, ...).

    Gradients reach this rank's own rows, times the number of ranks: each computes the same loss from all rows, and
    `averaged` then divides the sum.
    """
    if count() == 1:
        return mine
    gathered_rows: Tensor = _Gathered.apply(mine)
    return gathered_rows


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        ctx.rows = slice(me() * len(mine), (me() + 1) * len(mine))
        return _all(mine)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0][ctx.rows] * count()


def _all(mine: Tensor) -> Tensor:
    every = [torch.empty_like(mine, memory_format=torch.contiguous_format) for _ in range(count())]
    dist.all_gather(every, mine.contiguous())
    return torch.cat(every)


@torch.no_grad()
def averaged(tensors: Iterable[Tensor | None]) -> None:
    """Replaces floating tensors by their means over the ranks, in one message."""
    if count() == 1:
        return
    given = [one for one in tensors if one is not None and one.is_floating_point()]
    if not given:
        return
    flat = torch.cat([one.float().flatten() for one in given])
    dist.all_reduce(flat)
    flat /= count()
    for one, mean in zip(given, flat.split([one.numel() for one in given])):
        one.copy_(mean.view_as(one))


def same(value: Value) -> Value:
    """What the first rank has."""
    if count() == 1:
        return value
    held = [value]
    dist.broadcast_object_list(held, 0)
    return held[0]


def by_first(work: Callable[[], Value]) -> Value:
    """What the first rank's work returns, which it does as if it were alone; the others wait for it."""
    global _by_itself
    if count() == 1:
        return work()
    held: Any = None
    if first():
        _by_itself = True
        try:
            held = work()
        finally:
            _by_itself = False
    return same(held)


def anyone(flag: bool) -> bool:
    """Whether it holds for any of them."""
    if count() == 1:
        return flag
    held = torch.tensor([float(flag)], device="cuda" if torch.cuda.is_available() else "cpu")
    dist.all_reduce(held, dist.ReduceOp.MAX)
    return bool(held.item())


def wait() -> None:
    """Until all are here."""
    anyone(False)
