"""Textured triangle meshes and lamps, and the shapes that set pieces are made of (numpy).

x to the right, y away from whoever stands before a piece, z up; metres.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scenes.surfaces import METRES

Point = tuple[float, float, float]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Mesh:
    """Triangles of one surface.

    Attributes:
        vertices: (N, 3) m. faces: (F, 3), counter-clockwise from outside. uv: (F, 3, 2) in repeats of the surface.
        surface: a name in `surfaces`. colour: sRGB 0 to 1 that the surface is multiplied by, or None.
        roughness: 0 to 1. smooth: normals over edges. glow: light given off, per light reflected in full sun.
        ground: gets wet in the rain. window: its glow is daylight. clear: share of the light that goes through. mirror:
            whether it shows what is before it.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    surface: str
    colour: Colour | None = None
    roughness: float = 0.8
    smooth: bool = False
    glow: float = 0.0
    ground: bool = False
    window: bool = False
    clear: float = 0.0
    mirror: bool = False

    def placed(self, at: np.ndarray, turn_deg: float) -> "Mesh":
        """Turned about z, then moved by `at` (2,) or (3,)."""
        return replace(self, vertices=moved(self.vertices, at, turn_deg))


@dataclass(frozen=True)
class Lamp:
    """A light. Attributes: at (3,) m; watts; size_m of its square, which shines downwards; colour, sRGB; always, or
    only when it is dark.
    """

    at: Point
    watts: float
    size_m: float = 0.4
    colour: Colour = (1.0, 0.86, 0.68)
    always: bool = False

    def placed(self, at: np.ndarray, turn_deg: float) -> "Lamp":
        """Turned about z, then moved by `at` (2,) or (3,)."""
        x, y, z = moved(np.array(self.at), at, turn_deg)
        return replace(self, at=(float(x), float(y), float(z)))


PANE: dict[str, Any] = {"roughness": 0.05, "colour": (0.8, 0.95, 0.95), "clear": 0.82}  # of glass one looks through
Made = list[Mesh | Lamp]  # what a set piece consists of


def moved(points: np.ndarray, at: np.ndarray, turn_deg: float) -> np.ndarray:
    """Points (..., 3) turned about z, then moved by `at` (2,) or (3,)."""
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    offset = np.zeros(3)
    offset[: len(at)] = at
    return points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + offset


def shifted(made: Made, at: tuple[float, ...], turn_deg: float = 0.0) -> Made:
    """Pieces of a piece, turned and moved."""
    return [one.placed(np.array(at, float), turn_deg) for one in made]


def join(meshes: list[Mesh]) -> Mesh:
    """One mesh of several with the same surface; the first one's look counts."""
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes])
    return replace(
        meshes[0],
        vertices=np.concatenate([m.vertices for m in meshes]),
        faces=np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=False)]),
        uv=np.concatenate([m.uv for m in meshes]),
    )


def quad(corners: list[Point], surface: str, metres: tuple[float, float], **look: Any) -> Mesh:
    """A rectangle from its corners, counter-clockwise from the lower left; `metres` is its size, which sets the
    texture's repeats.
    """
    w, h = metres[0] / METRES[surface], metres[1] / METRES[surface]
    uv = np.array([[0, 0], [w, 0], [w, h], [0, h]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return Mesh(np.array(corners, float), faces, uv[faces], surface, **look)


def upright(width: float, low: float, high: float, surface: str, y: float = 0.0, x: float = 0.0, **look: Any) -> Mesh:
    """A standing rectangle that faces -y, in metres of its surface."""
    a, b = x - width / 2, x + width / 2
    return quad([(a, y, low), (b, y, low), (b, y, high), (a, y, high)], surface, (width, high - low), **look)


def picture(
    width: float, low: float, high: float, surface: str, y: float = 0.0, x: float = 0.0, times: float = 1, **look: Any
) -> Mesh:
    """A standing rectangle that faces -y and shows its surface whole, so many times side by side."""
    made = upright(width, low, high, surface, y, x, **look)
    return replace(made, uv=made.uv / made.uv.reshape(-1, 2).max(0) * [times, 1])


def flat(width: float, depth: float, z: float, surface: str, at: tuple[float, float] = (0.0, 0.0), **look: Any) -> Mesh:
    """A lying rectangle that faces up."""
    a, b, c, d = at[0] - width / 2, at[0] + width / 2, at[1] - depth / 2, at[1] + depth / 2
    return quad([(a, c, z), (b, c, z), (b, d, z), (a, d, z)], surface, (width, depth), **look)


def box(size: Point, surface: str, at: Point = (0, 0, 0), **look: Any) -> Mesh:
    """A box of (width, depth, height) whose base's centre is `at`; without an underside where it stands on z = 0."""
    w, d, h = size
    x0, x1, y0, y1, z0, z1 = at[0] - w / 2, at[0] + w / 2, at[1] - d / 2, at[1] + d / 2, at[2], at[2] + h
    sides = [
        quad([(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)], surface, (w, h), **look),
        quad([(x1, y1, z0), (x0, y1, z0), (x0, y1, z1), (x1, y1, z1)], surface, (w, h), **look),
        quad([(x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)], surface, (d, h), **look),
        quad([(x0, y1, z0), (x0, y0, z0), (x0, y0, z1), (x0, y1, z1)], surface, (d, h), **look),
        quad([(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)], surface, (w, d), **look),
    ]
    if z0 > 0:
        sides.append(quad([(x0, y1, z0), (x1, y1, z0), (x1, y0, z0), (x0, y0, z0)], surface, (w, d), **look))
    return join(sides)


def boxes(sizes_at: Sequence[tuple[Point, Point]], surface: str, **look: Any) -> Mesh:
    """Several boxes of one surface, from their (size, at)."""
    return join([box(size, surface, at, **look) for size, at in sizes_at])


def tube(
    radii: list[tuple[float, float]], surface: str, at: tuple[float, float] = (0, 0), sides: int = 14, **look: Any
) -> Mesh:
    """A turned body from (height, radius) pairs, bottom to top."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    rings = [
        np.column_stack([at[0] + r * np.cos(angle), at[1] + r * np.sin(angle), np.full(sides + 1, z)]) for z, r in radii
    ]
    return sheet(np.array(rings), surface, (2 * np.pi * max(r for _, r in radii), None), **{"smooth": True} | look)


def bar(points: list[Point] | np.ndarray, radius: float, surface: str = "metal", sides: int = 7, **look: Any) -> Mesh:
    """A round bar along a polyline (N, 3)."""
    at = np.array(points, float)
    along = np.gradient(at, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    up = np.where(np.abs(along[:, 2:]) > 0.9, [1.0, 0, 0], [0, 0, 1.0])
    first = np.cross(along, up)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(first, along)
    phi = np.linspace(0, 2 * np.pi, sides + 1)[None, :, None]
    rings = at[:, None] + radius * (first[:, None] * np.cos(phi) + second[:, None] * np.sin(phi))
    return sheet(rings[:, ::-1], surface, **{"smooth": True} | look)


def bars(lines: list[list[Point]], radius: float, surface: str = "metal", **look: Any) -> Mesh:
    """Several round bars of one surface."""
    return join([bar(line, radius, surface, **look) for line in lines])


def sheet(
    grid: np.ndarray, surface: str, metres: tuple[float | None, float | None] = (None, None), **look: Any
) -> Mesh:
    """A surface through a grid of points (R, C, 3); seen from outside, rows go up and columns go to the right.

    Args:
        metres: how far the surface's repeats reckon the columns and rows to go; None measures them.
    """
    rows, columns = grid.shape[:2]
    wide = np.linalg.norm(np.diff(grid, axis=1), axis=2).max(0)
    high = np.linalg.norm(np.diff(grid, axis=0), axis=2).max(1)
    u, v = (np.concatenate([[0], np.cumsum(steps)]) for steps in (wide, high))
    u, v = (w if m is None else w * m / max(w[-1], 1e-9) for w, m in zip((u, v), metres, strict=True))
    uv = np.stack(np.meshgrid(u, v), -1).reshape(-1, 2) / METRES[surface]
    k = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    faces = np.concatenate([np.stack([k, k + 1, k + columns + 1], 1), np.stack([k, k + columns + 1, k + columns], 1)])
    return Mesh(grid.reshape(-1, 3), faces, uv[faces], surface, **look)


def prism(
    outline: list[tuple[float, float]], low: float, high: float, surface: str, axis: str = "z", **look: Any
) -> Mesh:
    """A convex outline, counter-clockwise seen against the axis, pushed from `low` to `high` along it, with both ends.

    Args:
        outline: (x, y) for axis z, (x, z) for axis y, (y, z) for axis x.
    """
    points = np.array(outline, float)
    order = {"x": (2, 0, 1), "y": (0, 2, 1), "z": (0, 1, 2)}[axis]
    closed = np.vstack([points, points[:1]])
    rings = np.stack([np.column_stack([closed, np.full(len(closed), at)]) for at in (low, high)])
    side = sheet(rings, surface, **look)
    count = len(points)
    fan = np.stack([np.zeros(count - 2, int), np.arange(1, count - 1), np.arange(2, count)], 1)
    ends = []
    for at, faces in ((low, fan[:, ::-1]), (high, fan)):
        ring = np.column_stack([points, np.full(count, at)])
        ends.append(Mesh(ring, faces, points[faces] / METRES[surface], surface, **look))
    made = join([side, *ends])
    faces = made.faces[:, ::-1] if axis == "y" else made.faces
    uv = made.uv[:, ::-1] if axis == "y" else made.uv
    return replace(made, vertices=made.vertices[:, order], faces=faces, uv=uv)


def blob(
    random: np.random.Generator,
    centre: Point,
    radius: float,
    surface: str,
    squash: float = 0.85,
    rows: int = 12,
    **look: Any,
) -> Mesh:
    """A lumpy ball."""
    columns = 3 * rows // 2
    theta, phi = np.meshgrid(np.linspace(np.pi, 0, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    lumps = sum(
        random.normal(0, 0.09) * np.sin(k * phi + random.uniform(0, 6)) * np.sin(j * theta + random.uniform(0, 6))
        for k, j in ((3, 4), (5, 3), (4, 6), (7, 5))
    )
    r = radius * (1 + lumps * np.sin(theta))
    grid = np.stack([r * np.sin(theta) * np.cos(phi), r * np.sin(theta) * np.sin(phi), squash * r * np.cos(theta)], -1)
    return sheet(grid + centre, surface, (6 * radius, 3 * radius), **{"roughness": 0.9, "smooth": True} | look)


def leaves(
    random: np.random.Generator, centre: Point, radii: Point, count: int, size_m: float, surface: str = "leaves"
) -> Mesh:
    """Small bent leaf sprays strewn over and just inside an ellipsoid."""
    out = random.normal(size=(count, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    at = np.array(centre) + out * np.array(radii) * (1 - 0.45 * random.random((count, 1)) ** 2)
    normal = out + random.normal(0, 0.45, (count, 3)) + [0, 0, 0.35]
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    side = np.cross(normal, random.normal(size=(count, 3)))
    side *= size_m * random.uniform(0.6, 1.3, (count, 1)) / np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(normal, side)
    corners = np.stack([at - side, at - 0.7 * other - 0.2 * normal * size_m, at + side, at + 0.7 * other], 1)
    k = 4 * np.arange(count)[:, None]
    faces = np.concatenate([k + [0, 1, 2], k + [0, 2, 3]])
    place = random.random((count, 1, 2)) + 0.2 * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    uv = np.concatenate([place[:, [0, 1, 2]], place[:, [0, 2, 3]]])
    return Mesh(corners.reshape(-1, 3), faces, uv, surface, roughness=0.7)
