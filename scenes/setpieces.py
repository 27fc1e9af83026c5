"""Set pieces: the things places are built of, as textured triangle meshes (numpy).

Each maker takes a generator and the piece's numbers from the place's YAML and returns its meshes round the origin,
front towards -y, standing on z = 0. To add a set piece, add a function to SET_PIECES.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scenes.surfaces import METRES


@dataclass(frozen=True)
class Mesh:
    """Attributes: vertices (N, 3) m; faces (F, 3); uv (F, 3, 2) in repeats of the surface; surface, a name in
    `surfaces`; roughness; smooth; glow, emitted light per reflected."""

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    surface: str
    roughness: float = 0.8
    smooth: bool = False
    glow: float = 0.0

    def placed(self, at: np.ndarray, turn_deg: float) -> "Mesh":
        """Turned about z, then moved by `at` (x, y) or (x, y, z)."""
        c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
        offset = np.zeros(3)
        offset[: len(at)] = at
        return replace(self, vertices=self.vertices @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + offset)


def quad(corners: list, surface: str, metres: tuple[float, float], **look: Any) -> Mesh:
    """A rectangle from its corners, counter-clockwise from the lower left; `metres` is its size, which sets the
    texture's repeats.
    """
    w, h = metres[0] / METRES[surface], metres[1] / METRES[surface]
    uv = np.array([[0, 0], [w, 0], [w, h], [0, h]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return Mesh(np.array(corners, float), faces, uv[faces], surface, **look)


def join(meshes: list[Mesh]) -> Mesh:
    """One mesh of several with the same surface."""
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes])
    faces = np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=False)])
    return replace(
        meshes[0],
        vertices=np.concatenate([m.vertices for m in meshes]),
        faces=faces,
        uv=np.concatenate([m.uv for m in meshes]),
    )


def box(
    size: tuple[float, float, float], surface: str, at: tuple[float, float, float] = (0, 0, 0), **look: Any
) -> Mesh:
    """A box of (width, depth, height) whose base's centre is `at`."""
    w, d, h = size
    x0, x1, y0, y1, z0, z1 = at[0] - w / 2, at[0] + w / 2, at[1] - d / 2, at[1] + d / 2, at[2], at[2] + h
    sides = [
        quad([(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)], surface, (w, h), **look),
        quad([(x1, y1, z0), (x0, y1, z0), (x0, y1, z1), (x1, y1, z1)], surface, (w, h), **look),
        quad([(x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)], surface, (d, h), **look),
        quad([(x0, y1, z0), (x0, y0, z0), (x0, y0, z1), (x0, y1, z1)], surface, (d, h), **look),
        quad([(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)], surface, (w, d), **look),
    ]
    return join(sides)


def tube(
    radii: list[tuple[float, float]], surface: str, at: tuple[float, float] = (0, 0), sides: int = 14, **look: Any
) -> Mesh:
    """A turned body from (height, radius) pairs, bottom to top."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    rings = [
        np.column_stack([at[0] + r * np.cos(angle), at[1] + r * np.sin(angle), np.full(sides + 1, z)]) for z, r in radii
    ]
    rows, columns = len(radii), sides + 1
    k = (np.arange(rows - 1)[:, None] * columns + np.arange(sides)).ravel()
    faces = np.concatenate([np.stack([k, k + 1, k + columns + 1], 1), np.stack([k, k + columns + 1, k + columns], 1)])
    u = np.tile(np.linspace(0, 2 * np.pi * max(r for _, r in radii), columns), rows) / METRES[surface]
    v = np.repeat([z for z, _ in radii], columns) / METRES[surface]
    return Mesh(np.concatenate(rings), faces, np.stack([u, v], 1)[faces], surface, smooth=True, **look)


def blob(
    random: np.random.Generator,
    centre: tuple[float, float, float],
    radius: float,
    surface: str = "foliage",
    squash: float = 0.85,
) -> Mesh:
    """A lumpy ball of leaves."""
    rows, columns = 12, 18
    theta, phi = np.meshgrid(np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    lumps = sum(
        random.normal(0, 0.09) * np.sin(k * phi + random.uniform(0, 6)) * np.sin(j * theta + random.uniform(0, 6))
        for k, j in ((3, 4), (5, 3), (4, 6), (7, 5))
    )
    r = radius * (1 + lumps * np.sin(theta))
    points = (
        np.stack(
            [r * np.sin(theta) * np.cos(phi), r * np.sin(theta) * np.sin(phi), squash * r * np.cos(theta)], -1
        ).reshape(-1, 3)
        + centre
    )
    k = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    faces = np.concatenate([np.stack([k, k + columns, k + 1], 1), np.stack([k + 1, k + columns, k + columns + 1], 1)])
    uv = np.stack([phi.ravel() * radius, theta.ravel() * radius], 1) / METRES[surface]
    return Mesh(points, faces, uv[faces], surface, roughness=0.9, smooth=True)


def ground(random: np.random.Generator, surface: str = "paving", size: float = 80.0) -> list[Mesh]:
    s = size / 2
    return [quad([(-s, -s, 0), (s, -s, 0), (s, s, 0), (-s, s, 0)], surface, (size, size), roughness=0.75)]


def strip(
    random: np.random.Generator, surface: str = "asphalt", width: float = 6.0, depth: float = 40.0, height: float = 0.0
) -> list[Mesh]:
    """A road, lawn or rug: a slab lying on the ground."""
    return [box((width, depth, height + 0.006), surface)]


def building(
    random: np.random.Generator, width: float = 24.0, height: float = 12.0, depth: float = 10.0, shop: bool = True
) -> list[Mesh]:
    """A house front with windows over a row of shops, its face on y = 0."""
    base = 4.0 if shop else 0.0
    parts = [
        quad(
            [
                (-width / 2, 0, base),
                (width / 2, 0, base),
                (width / 2, 0, base + height),
                (-width / 2, 0, base + height),
            ],
            "facade",
            (width, height),
        ),
        box((depth, 0.05, base + height), "plaster", (0, 0, 0)).placed(np.array([-width / 2, depth / 2]), 90),
        box((depth, 0.05, base + height), "plaster", (0, 0, 0)).placed(np.array([width / 2, depth / 2]), 90),
        box((width + 0.5, 0.4, 0.4), "stone", (0, 0, base + height)),
    ]
    if shop:
        front = quad(
            [(-width / 2, -0.02, 0), (width / 2, -0.02, 0), (width / 2, -0.02, base), (-width / 2, -0.02, base)],
            "shops",
            (width, base),
        )
        parts.append(replace(front, uv=front.uv * [1, METRES["shops"] / base], roughness=0.4))
        parts.append(box((width, 0.9, 0.12), "metal", (0, -0.45, base - 0.1)))
    return parts


def tree(random: np.random.Generator, height: float = 6.0) -> list[Mesh]:
    trunk = tube([(0, 0.17), (0.4, 0.12), (0.55 * height, 0.09), (0.8 * height, 0.04)], "bark")
    crown = [
        blob(
            random,
            (random.normal(0, 0.12 * height), random.normal(0, 0.12 * height), height * random.uniform(0.55, 0.9)),
            height * random.uniform(0.16, 0.24),
        )
        for _ in range(6)
    ]
    return [trunk, join(crown)]


def bush(random: np.random.Generator, width: float = 1.6) -> list[Mesh]:
    return [
        join(
            [
                blob(random, (random.uniform(-0.4, 0.4) * width, random.normal(0, 0.1), 0.4), random.uniform(0.35, 0.5))
                for _ in range(4)
            ]
        )
    ]


def lamp(random: np.random.Generator, height: float = 4.2) -> list[Mesh]:
    return [
        tube([(0, 0.1), (0.3, 0.06), (height, 0.04)], "metal"),
        tube([(height - 0.1, 0.03), (height, 0.2), (height + 0.3, 0.14), (height + 0.32, 0.0)], "plaster"),
    ]


def bench(random: np.random.Generator, width: float = 1.8) -> list[Mesh]:
    slats = [box((width, 0.1, 0.04), "wood", (0, y, 0.43)) for y in (-0.18, -0.05, 0.08)] + [
        box((width, 0.03, 0.12), "wood", (0, 0.18, z)) for z in (0.55, 0.72)
    ]
    legs = [box((0.06, 0.4, 0.43), "metal", (x, 0, 0)) for x in (-0.4 * width, 0.4 * width)]
    return [join(slats), join(legs)]


def planter(random: np.random.Generator, width: float = 1.8) -> list[Mesh]:
    return [box((width, 0.6, 0.55), "stone"), join([blob(random, (x * width, 0, 0.7), 0.32) for x in (-0.3, 0.0, 0.3)])]


def bollards(random: np.random.Generator, count: int = 5, spacing: float = 1.6) -> list[Mesh]:
    return [
        join(
            [
                tube([(0, 0.07), (0.85, 0.07), (0.92, 0.0)], "metal", ((k - (count - 1) / 2) * spacing, 0))
                for k in range(int(count))
            ]
        )
    ]


def kiosk(random: np.random.Generator, width: float = 2.6) -> list[Mesh]:
    return [
        box((width, 2.0, 2.5), "panels"),
        box((width + 0.6, 2.6, 0.15), "metal", (0, 0, 2.5)),
        box((width * 0.8, 0.04, 1.1), "goods", (0, -1.01, 1.0)),
    ]


def board(random: np.random.Generator, width: float = 1.2, height: float = 1.8) -> list[Mesh]:
    """A free-standing advertising board or picture."""
    face = quad(
        [(-width / 2, -0.08, 0.35), (width / 2, -0.08, 0.35), (width / 2, -0.08, height), (-width / 2, -0.08, height)],
        "poster",
        (1.0, 1.0),
    )
    return [box((width + 0.12, 0.14, height + 0.08), "metal"), face]


def wall(
    random: np.random.Generator,
    width: float = 20.0,
    height: float = 4.0,
    surface: str = "plaster",
    skirting: bool = True,
) -> list[Mesh]:
    """A wall with its face on y = 0, with pictures hung on plain ones."""
    out = [
        quad(
            [(-width / 2, 0, 0), (width / 2, 0, 0), (width / 2, 0, height), (-width / 2, 0, height)],
            surface,
            (width, height),
            glow=0.9 if surface == "glass" else 0.0,
        )
    ]
    if surface == "shops":
        out = [replace(out[0], uv=out[0].uv * [1, METRES["shops"] / height], glow=0.35)]
    if skirting:
        out.append(box((width, 0.05, 0.14), "wood", (0, -0.025, 0)))
    if surface in ("plaster", "panels"):
        for k in range(int(width // 4)):
            x, w, h = -width / 2 + 4 * k + random.uniform(1.2, 2.8), random.uniform(0.7, 1.5), random.uniform(0.6, 1.3)
            out.append(
                quad(
                    [
                        (x - w / 2, -0.03, 1.3),
                        (x + w / 2, -0.03, 1.3),
                        (x + w / 2, -0.03, 1.3 + h),
                        (x - w / 2, -0.03, 1.3 + h),
                    ],
                    "poster",
                    (1, 1),
                )
            )
    return out


def pillar(random: np.random.Generator, height: float = 4.0, width: float = 0.5) -> list[Mesh]:
    shaft = (
        box((width, width, height), "stone")
        if random.random() < 0.5
        else tube([(0, width / 2), (height, width / 2)], "stone", sides=20)
    )
    return [shaft, box((width * 1.3, width * 1.3, 0.25), "stone")]


def shelves(random: np.random.Generator, width: float = 3.0, height: float = 1.9) -> list[Mesh]:
    front = quad(
        [(-width / 2, -0.26, 0.05), (width / 2, -0.26, 0.05), (width / 2, -0.26, height), (-width / 2, -0.26, height)],
        "goods",
        (width, height),
    )
    back = quad(
        [(width / 2, 0.26, 0.05), (-width / 2, 0.26, 0.05), (-width / 2, 0.26, height), (width / 2, 0.26, height)],
        "goods",
        (width, height),
    )
    return [box((width + 0.06, 0.5, height + 0.06), "metal"), front, back]


def counter(random: np.random.Generator, width: float = 3.0) -> list[Mesh]:
    return [
        box((width, 0.7, 1.0), "panels"),
        box((width + 0.1, 0.8, 0.05), "wood", (0, 0, 1.0)),
        box((0.4, 0.05, 0.35), "metal", (width * 0.25, 0.1, 1.05)),
    ]


def table(random: np.random.Generator, width: float = 0.9) -> list[Mesh]:
    seats = [box((0.42, 0.42, 0.04), "wood", (x, 0, 0.45)) for x in (-0.8, 0.8)] + [
        box((0.04, 0.42, 0.45), "wood", (x, 0, 0.49)) for x in (-1.0, 1.0)
    ]
    legs = [tube([(0, 0.22), (0.03, 0.05), (0.72, 0.04)], "metal")] + [
        box((0.38, 0.38, 0.45), "metal", (x, 0, 0)) for x in (-0.8, 0.8)
    ]
    return [
        box((width, width, 0.04), "wood", (0, 0, 0.72)),
        join([replace(m, smooth=False) for m in legs]),
        join(seats),
    ]


def ceiling(
    random: np.random.Generator, width: float = 24.0, depth: float = 24.0, height: float = 4.0, glow: float = 0.6
) -> list[Mesh]:
    """A ceiling that lights the room evenly, with brighter lamp panels."""
    w, d = width / 2, depth / 2
    out = [
        quad([(-w, d, height), (w, d, height), (w, -d, height), (-w, -d, height)], "ceiling", (width, depth), glow=glow)
    ]
    for x in np.arange(-w + 2, w - 1, 4.0):
        for y in np.arange(-d + 2, d - 1, 4.0):
            out.append(
                quad(
                    [
                        (x - 0.6, y + 0.15, height - 0.02),
                        (x + 0.6, y + 0.15, height - 0.02),
                        (x + 0.6, y - 0.15, height - 0.02),
                        (x - 0.6, y - 0.15, height - 0.02),
                    ],
                    "ceiling",
                    (1.2, 0.3),
                    glow=4.0,
                )
            )
    return [out[0], join(out[1:])]


SET_PIECES: dict[str, Callable[..., list[Mesh]]] = {
    f.__name__: f
    for f in (
        ground,
        strip,
        building,
        tree,
        bush,
        lamp,
        bench,
        planter,
        bollards,
        kiosk,
        board,
        wall,
        pillar,
        shelves,
        counter,
        table,
        ceiling,
    )
}
