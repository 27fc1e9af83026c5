"""Pictures of bodies: each pixel has the colour of the place on the unposed body that is seen there.

So front and back, left and right differ, which they would hardly do on a grey body; the background is black. Drawn many
at a time: by pyrender (OpenGL without a screen: EGL, or OSMesa) where it works, else by a rasteriser in torch. Theirs
differ in single pixels of an outline.
"""

from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from opengspr import UserError
from train.parts import gl
from train.parts.body import BodyModel, projected

By = Literal["auto", "egl", "osmesa", "torch"]
DEPTH_STEPS = 1 << 30
AT_ONCE = {
    "cpu": 4,
    "cuda": 256,
}  # bodies; on a CPU what its caches hold


class Painter(Protocol):
    """Draws bodies."""

    def draw(self, vertices: Tensor, camera: Tensor, height: int, width: int) -> np.ndarray:
        """Pictures (N, height, width, 3) uint8.

        Args:
            vertices: (N, V, 3) in the cameras' axes, metres. camera: (N, 4), as `Pose` has it.
        """


def painter(model: BodyModel, by: By = "auto") -> Painter:
    """The one that is asked for, or the best that works here.

    Raises:
        UserError: what is asked for does not work here.
    """
    platform = "" if by == "torch" else gl.working(by)
    if not platform and by in gl.PLATFORMS:
        raise UserError(f"--draw-by {by}: pyrender cannot draw so here; wanted --draw-by auto or torch")
    return OnGL(model, platform) if platform else Rasteriser(model)


def colours(model: BodyModel) -> Tensor:
    """Of the vertices, (V, 3) uint8: the place on the mean body, from 55 to 255 along each axis."""
    at = model.mean[: len(model.weights)]
    low, high = at.amin(0), at.amax(0)
    return (55 + 200 * (at - low) / (high - low)).round().byte()


def in_pixels(vertices: Tensor, camera: Tensor, height: int, width: int) -> Tensor:
    """Pixels of the vertices and their depths, (N, V, 3)."""
    flat = (projected(vertices, camera) + 1) / 2 * torch.tensor([width, height], device=vertices.device)
    return torch.cat([flat, vertices[..., 2:]], 2)


class Rasteriser:
    """In torch, on the device of the model: of all pairs of a triangle and a pixel within its bounds, the nearest."""

    def __init__(self, model: BodyModel) -> None:
        self.faces, self.colours = model.faces, colours(model).float()

    def draw(self, vertices: Tensor, camera: Tensor, height: int, width: int) -> np.ndarray:
        """See `Painter`."""
        size = AT_ONCE[vertices.device.type]
        parts = zip(vertices.split(size), camera.split(size), strict=True)
        return np.concatenate([self._some(*part, height, width) for part in parts])

    @torch.no_grad()
    def _some(self, vertices: Tensor, camera: Tensor, height: int, width: int) -> np.ndarray:
        corners = in_pixels(vertices, camera, height, width)[:, self.faces].flatten(0, 1)  # (N F, 3, 3)
        sizes = torch.tensor([width, height], device=corners.device)
        low = (corners[..., :2].amin(1) - 0.5).ceil().clamp_min(0).long()
        high = torch.minimum((corners[..., :2].amax(1) - 0.5).floor().long(), sizes - 1)
        span = (high - low + 1).clamp_min(0)
        count = span.prod(1)
        which = torch.repeat_interleave(count)  # the triangle of each pair
        place = torch.arange(len(which), device=which.device) - (count.cumsum(0) - count)[which]
        pixel = low[which] + torch.stack([place % span[which, 0], place // span[which, 0]], 1)
        share = _barycentric(corners[which], pixel + 0.5)
        inside = (share >= 0).all(1)
        which, pixel, share = which[inside], pixel[inside], share[inside]
        depth = (share * corners[which, :, 2]).sum(1)
        reach = depth.abs().max().clamp_min(1e-6) if len(depth) else 1.0
        body = which // len(self.faces)
        at = (body * height + pixel[:, 1]) * width + pixel[:, 0]
        order = ((depth / reach + 1) * (DEPTH_STEPS / 2)).long() * len(self.faces) + which % len(self.faces)
        nearest = order.new_full((len(vertices) * height * width,), torch.iinfo(torch.long).max)
        nearest.scatter_reduce_(0, at, order, "amin")
        seen = order == nearest[at]
        colour = (share[seen, :, None] * self.colours[self.faces[which[seen] % len(self.faces)]]).sum(1)
        out = torch.zeros(len(nearest), 3, dtype=torch.uint8, device=at.device)
        out[at[seen]] = colour.round().byte()
        return out.view(len(vertices), height, width, 3).cpu().numpy()


def _barycentric(corners: Tensor, at: Tensor) -> Tensor:
    """Weights (P, 3) of triangles' corners (P, 3, 3) in points (P, 2); negative outside, and where there is no area."""
    a, b, c = (corners[:, k, :2] for k in range(3))

    def area(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
        return (q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (r[:, 0] - p[:, 0])

    whole = area(a, b, c)
    parts = torch.stack([area(at, b, c), area(a, at, c), area(a, b, at)], 1)
    return torch.where(whole[:, None] == 0, -1.0, parts / whole[:, None])


class OnGL:
    """By pyrender, see `parts/gl.py`."""

    def __init__(self, model: BodyModel, platform: str) -> None:
        self.page = gl.Page(model.faces.cpu().numpy(), colours(model).cpu().numpy(), platform)

    @torch.no_grad()
    def draw(self, vertices: Tensor, camera: Tensor, height: int, width: int) -> np.ndarray:
        """See `Painter`."""
        return self.page.draw(in_pixels(vertices, camera, height, width).cpu().numpy(), height, width)
