"""A body by numbers: shape and rotations to vertices, differentiably; and the camera that sees it.

Axes of a body: x to its left, y backwards, z up. Of a camera: x right, y down, z away. A body's points are relative to
the head of its pelvis. Pictures have places from -1 to 1, as `grid_sample` has them, whatever their size.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KEYPOINTS = 17  # COCO's


class Pose(NamedTuple):
    """How N bodies stand in their pictures.

    Attributes:
        shape: (N, K) coefficients of the model's components.
        turns: (N, B, 3, 3) rotations of bones, against their parents.
        facing: (N, 3, 3) rotations from the bodies' axes to the cameras'.
        camera: (N, 4): logarithms of the scales of x and of y, and where the pelvis' head is, x and y. A picture's
            scales differ where it is resized to another form.
    """

    shape: Tensor
    turns: Tensor
    facing: Tensor
    camera: Tensor

    def turned(self, angle: Tensor) -> "Pose":
        """The same bodies turned to their left about their own vertical axis; (N,) radians."""
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        one = torch.ones_like(angle)
        about = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], 1).view(-1, 3, 3)
        return self._replace(facing=self.facing @ about)


class BodyModel(nn.Module):
    """Linear shapes, blended rotations (linear blend skinning).

    Args:
        parts: `mean` (V + B + 17, 3): vertices, heads of bones, keypoints, metres; `components` (K, V + B + 17, 3);
            `faces` (F, 3); `weights` (V, B); `parents` (B,), the pelvis first, with -1; `mirror` (B,), the bone on the
            other side; `carriers` (17,), the bone that moves each keypoint.
    """

    numbers, indices = ("mean", "components", "weights"), ("faces", "parents", "mirror", "carriers")
    parts = (*numbers, *indices)
    mean: Tensor
    components: Tensor
    faces: Tensor
    weights: Tensor
    parents: Tensor
    mirror: Tensor
    carriers: Tensor

    def __init__(self, parts: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name in self.parts:
            self.register_buffer(name, parts[name].clone())

    @classmethod
    def sized(cls, sizes: Mapping[str, Sequence[int]]) -> "BodyModel":
        """An empty one, to be filled by `load_state_dict`; sizes by the names of the parts."""
        kinds = dict.fromkeys(cls.numbers, torch.float) | dict.fromkeys(cls.indices, torch.long)
        return cls({name: torch.zeros(*sizes[name], dtype=kind) for name, kind in kinds.items()})

    @property
    def sizes(self) -> dict[str, list[int]]:
        """Of the parts, for `sized`."""
        return {name: list(part.shape) for name, part in self.state_dict().items()}

    @property
    def bones(self) -> int:
        """B."""
        return len(self.parents)

    def of_vertices(self, some: Tensor) -> "BodyModel":
        """The same body by some of its vertices, (n,), and no faces: what a loss needs."""
        parts = dict(self.state_dict())
        kept = torch.cat([some, torch.arange(len(self.weights), len(self.mean), device=some.device)])
        parts |= {"mean": self.mean[kept], "components": self.components[:, kept], "weights": self.weights[some]}
        return BodyModel(parts | {"faces": self.faces[:0]})

    def mirrored(self, pose: Pose, which: Tensor) -> Pose:
        """With some of the pictures, (N,) bool, seen in a mirror. Bodies have two equal halves."""
        flip = torch.tensor([-1.0, 1.0, 1.0], device=which.device)
        over = torch.outer(flip, flip)
        camera = pose.camera * torch.tensor([1.0, 1.0, -1.0, 1.0], device=which.device)
        other = Pose(pose.shape, pose.turns[:, self.mirror] * over, pose.facing * over, camera)
        return Pose(*(torch.where(which.view(-1, *[1] * (a.ndim - 1)), b, a) for a, b in zip(pose, other, strict=True)))

    def forward(self, pose: Pose) -> tuple[Tensor, Tensor]:
        """Vertices (N, V, 3) and keypoints (N, 17, 3) in the cameras' axes, metres from the pelvis' head."""
        unposed = self.mean + torch.einsum("nk,kvc->nvc", pose.shape, self.components)
        vertices, heads, marks = unposed.split([len(self.weights), self.bones, KEYPOINTS], 1)
        turn, shift = self.moved(heads, pose.turns)
        blended = torch.cat([turn.flatten(2), shift], 2)  # (N, B, 12)
        each = torch.einsum("vb,nbx->nvx", self.weights, blended)
        skin = (each[..., :9].unflatten(2, (3, 3)) @ vertices[..., None])[..., 0] + each[..., 9:]
        joints = (turn[:, self.carriers] @ marks[..., None])[..., 0] + shift[:, self.carriers]
        root = heads[:, :1]
        return (skin - root) @ pose.facing.mT, (joints - root) @ pose.facing.mT

    def moved(self, heads: Tensor, turns: Tensor) -> tuple[Tensor, Tensor]:
        """What each bone does to points of the unposed body: p -> turn p + shift, (N, B, 3, 3) and (N, B, 3).

        Args:
            heads: (N, B, 3). turns: (N, B, 3, 3).
        """
        turn: list[Tensor] = []
        head: list[Tensor] = []
        for bone, parent in enumerate(self.parents.tolist()):
            if parent < 0:
                turn.append(turns[:, bone])
                head.append(heads[:, bone])
            else:
                offset = (heads[:, bone] - heads[:, parent])[..., None]
                turn.append(turn[parent] @ turns[:, bone])
                head.append(head[parent] + (turn[parent] @ offset)[..., 0])
        all_turns = torch.stack(turn, 1)
        return all_turns, torch.stack(head, 1) - (all_turns @ heads[..., None])[..., 0]


def projected(points: Tensor, camera: Tensor) -> Tensor:
    """Places (N, P, 2) in the picture of points (N, P, 3) in the cameras' axes; `camera` as `Pose` has it."""
    return points[..., :2] * camera[:, None, :2].exp() + camera[:, None, 2:]


def rotations(six: Tensor) -> Tensor:
    """Rotations (..., 3, 3) of any numbers (..., 6): their first two columns, made orthonormal (Zhou et al. 2019)."""
    first, second = six[..., :3], six[..., 3:]
    x = F.normalize(first, dim=-1)
    y = F.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


def six_numbers(turns: Tensor) -> Tensor:
    """Numbers (..., 6) of rotations (..., 3, 3): what `rotations` takes back."""
    return turns[..., :2].mT.flatten(-2)


def aligned(points: Tensor, to: Tensor) -> Tensor:
    """Points (N, P, 3) moved, turned and scaled so that they lie nearest to others (Procrustes)."""
    mean, goal = points.mean(1, keepdim=True), to.mean(1, keepdim=True)
    own, other = points - mean, to - goal
    u, size, vt = torch.linalg.svd(own.mT @ other)
    sign = torch.ones_like(size)
    sign[:, 2] = torch.linalg.det(u @ vt).sign()
    scale = (size * sign).sum(1) / (own**2).sum((1, 2))
    return scale[:, None, None] * (own @ (u * sign[:, None]) @ vt) + goal
