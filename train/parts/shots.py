"""Shots of a capture with the bodies in them, and crops of them as a detector might have them: for train.mesh."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from train.parts.body import BodyModel, Pose
from train.parts.data import Images


@dataclass(frozen=True)
class Shots:
    """M shots with the bodies in them.

    Attributes:
        pictures: encoded. size: (M, 2) of them, pixels. box: (M, 4) of the person in them. pid: (M,).
        shape: (M, K). turns: (M, B, 3, 3). facing: (M, 3, 3). place: (M, 3), scale and place of `poses.Standing`.
    """

    pictures: Sequence[bytes]
    size: Tensor
    box: Tensor
    pid: np.ndarray
    shape: Tensor
    turns: Tensor
    facing: Tensor
    place: Tensor

    def __len__(self) -> int:
        return len(self.pictures)

    def take(self, index: np.ndarray) -> "Shots":
        """Some of them."""
        others = (getattr(self, name)[index] for name in ("size", "box", "pid", "shape", "turns", "facing", "place"))
        return Shots([self.pictures[i] for i in index], *others)

    def pose(self, index: Tensor, box: Tensor) -> Pose:
        """How the bodies stand in crops of shots `index` (N,) by boxes (N, 4)."""
        size = box[:, 2:] - box[:, :2]
        scale, at = self.place[index, :1], self.place[index, 1:]
        camera = torch.cat([(2 * scale / size).log(), 2 * (at - box[:, :2]) / size - 1], 1)
        return Pose(self.shape[index], self.turns[index], self.facing[index], camera)


class Crops(Images):
    """Crops of shots `index` (N,) by boxes (N, 4), some of them mirrored, (N,) bool; cut when they are wanted."""

    def __init__(self, shots: Shots, index: Tensor, box: Tensor, flip: Tensor, height: int, width: int) -> None:
        self.shots, self.index, self.box, self.flip = shots, index, box, flip
        self.height, self.width = height, width

    def __len__(self) -> int:
        return len(self.index)

    def __getitems__(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Crops (B, height, width, 3) uint8."""
        return np.stack([self._cut(int(i)) for i in indices])

    def stream(self, batches: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """The batches in order."""
        return (self.__getitems__(batch) for batch in batches)

    def _cut(self, i: int) -> np.ndarray:
        with Image.open(BytesIO(self.shots.pictures[int(self.index[i])])) as picture:
            x0, y0, x1, y1 = self.box[i].tolist()
            crop = picture.resize((self.width, self.height), Image.Resampling.BILINEAR, (x0, y0, x1, y1))
            found = np.asarray(crop)
        return found[:, ::-1] if self.flip[i] else found

    def pose(self, model: BodyModel, index: Tensor) -> Pose:
        """How the bodies stand in some of them, on the model's device."""
        own = index.cpu()
        truth = self.shots.pose(self.index[own], self.box[own])
        return model.mirrored(Pose(*(part.to(index.device) for part in truth)), self.flip[own].to(index.device))


def drawn_boxes(shots: Shots, index: Tensor, pad: float, cut: float, draws: np.random.Generator) -> Tensor:
    """Boxes (N, 4) as a detector might have them of shots `index` (N,), as far as they are in the picture.

    Args:
        pad: share of a box's sides by which each edge moves, at most.
        cut: share of the boxes that lack up to a third at the bottom or at a side.
    """
    count, box = len(index), shots.box[index]
    size = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    moved = box + floats(draws.uniform(-pad, pad, (count, 4))) * size
    is_cut, amount = draws.random(count) < cut, draws.uniform(0, 1 / 3, count)
    edge = draws.choice([0, 2, 3, 3], count)  # left, right or, as often as both, the bottom
    off = np.zeros((count, 4))
    off[np.arange(count), edge] = is_cut * amount * np.where(edge == 0, 1, -1)
    return within(moved + floats(off) * size, shots.size[index])


def within(box: Tensor, size: Tensor) -> Tensor:
    """Boxes (N, 4) as far as they are in pictures of sizes (N, 2)."""
    return box.clamp_min(0).minimum(size.repeat(1, 2))


def plain(shots: Shots, height: int, width: int) -> Crops:
    """Everybody's crop as their own box has it."""
    everyone, never = torch.arange(len(shots)), torch.zeros(len(shots), dtype=torch.bool)
    return Crops(shots, everyone, within(shots.box, shots.size), never, height, width)


def floats(values: Any) -> Tensor:
    """Numbers of any kind as float32."""
    return torch.from_numpy(np.array(values, np.float32))
