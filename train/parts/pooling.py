"""From a body's last map to a vector: means, maxima, and pyramids of parts."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from opengspr import UserError

UNITS = 256  # numbers that stand for a part in a pyramid


class GeM(nn.Module):
    """Generalised mean pooling with a learned exponent, (B, C, H, W) -> (B, C)."""

    def __init__(self, exponent: float = 3.0) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor(exponent))

    def forward(self, x: Tensor) -> Tensor:
        """Mean of x^p to the power 1/p; values below 1e-6 count as 1e-6."""
        return x.clamp_min(1e-6).pow(self.exponent).mean((2, 3)).pow(1 / self.exponent)


def pooling(name: str) -> nn.Module:
    """(B, C, H, W) -> (B, C): `gem`, `avg` or `max`."""
    if name == "gem":
        return GeM()
    return nn.Sequential({"avg": nn.AdaptiveAvgPool2d, "max": nn.AdaptiveMaxPool2d}[name](1), nn.Flatten())


class Poolings(nn.Module):
    """A pooling for each branch's channels, of which all have as many."""

    def __init__(self, pools: Iterable[nn.Module]) -> None:
        super().__init__()
        self.pools = nn.ModuleList(pools)

    def forward(self, x: Tensor) -> Tensor:
        """(B, branches x C, H, W) -> (B, branches x C)."""
        return torch.cat([pool(own) for pool, own in zip(self.pools, x.chunk(len(self.pools), 1))], 1)


class Level(NamedTuple):
    """A level of a pyramid: how many strips from top to bottom, and groups of channels, its map has; 0 = none."""

    strips: int
    groups: int


def levels(pyramid: str) -> list[Level]:
    """Reads a pyramid as the tables of SCR have it: `p1+p2(s2c2)+p3(s3c3)`.

    Raises:
        UserError: not such a text.
    """
    found = [re.fullmatch(r"p\d(?:\((?=\w)(?:s([2-9]))?(?:c([2-9]))?\))?", word) for word in pyramid.split("+")]
    if not all(found):
        raise UserError(f"--pyramid {pyramid}: wanted levels with + between, as in p1+p2(s2c2)+p3(s3c3)")
    return [Level(int(one[1] or 0), int(one[2] or 0)) for one in found if one]


class Pyramid(nn.Module):
    """Maxima of each level's map and of its parts, each brought to 256 numbers: SCR (thesis 3.3.1).

    Args:
        channels: of a level's map.
        of: the levels.
    """

    def __init__(self, channels: int, of: list[Level]) -> None:
        super().__init__()
        self.levels, sizes = of, list[int]()
        self.whole: list[int] = []  # which parts see all of a map
        for strips, groups in of:
            self.whole.append(len(sizes))
            sizes += [channels] * (1 + strips)
            sizes += [len(group) for group in torch.arange(channels).tensor_split(groups or 1) if groups]
        self.units = nn.ModuleList(nn.Linear(size, UNITS, bias=False) for size in sizes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, levels x C, H, W) -> (B, parts x 256): of each level the whole, its strips, its groups.

        Raises:
            UserError: the map has fewer rows than strips.
        """
        parts: list[Tensor] = []
        for (strips, groups), own in zip(self.levels, x.chunk(len(self.levels), 1)):
            if own.shape[2] < strips:
                raise UserError(f"--pyramid: {strips} strips of a map of {own.shape[2]} rows; wanted a larger --height")
            strongest = own.amax((2, 3))
            parts.append(strongest)
            parts += [strip.amax((2, 3)) for strip in own.tensor_split(strips, 2)] if strips else []
            parts += strongest.tensor_split(groups, 1) if groups else []
        return torch.cat([unit(part) for unit, part in zip(self.units, parts, strict=True)], 1)
