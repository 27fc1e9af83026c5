"""Sports grounds and gyms."""

import numpy as np

from scenes.mesh import Lamp, Made, Mesh, Point, bar, bars, box, boxes, flat, join, picture, shifted, tube, upright
from scenes.setpieces.street import BRIGHT


def goal(random: np.random.Generator, width: float = 5.0, height: float = 2.0) -> Made:
    """A football goal with its net, open to -y."""
    w = width / 2
    frame: list[list[Point]] = [
        [(-w, 0, 0), (-w, 0, height), (w, 0, height), (w, 0, 0)],
        [(-w, 0, height), (-w, 1.2, 0)],
        [(w, 0, height), (w, 1.2, 0)],
        [(-w, 1.2, 0.02), (w, 1.2, 0.02)],
    ]
    net: list[list[Point]] = [[(x, 0, height), (x, 1.2, 0)] for x in np.arange(-w, w, 0.25)]
    net += [[(-w, 1.2 * t, height * (1 - t)), (w, 1.2 * t, height * (1 - t))] for t in np.linspace(0.1, 0.9, 8)]
    return [bars(frame, 0.05, "paint"), bars(net, 0.006, "paint", sides=3)]


def hoop(random: np.random.Generator) -> Made:
    """A basketball hoop that faces -y."""
    angle = np.linspace(0, 2 * np.pi, 17)
    ring = np.column_stack([0.23 * np.cos(angle), -0.55 + 0.23 * np.sin(angle), 0 * angle + 3.05])
    cords: list[list[Point]] = [
        [(0.23 * np.cos(a), -0.55 + 0.23 * np.sin(a), 3.05), (0.13 * np.cos(a), -0.55 + 0.13 * np.sin(a), 2.65)]
        for a in angle[:-1:2]
    ]
    return [
        bar([(0, 0.9, 0), (0, 0.9, 2.6), (0, 0.1, 3.3)], 0.08, "metal"),
        box((1.8, 0.05, 1.1), "paint", (0, -0.25, 2.9), colour=(0.92, 0.92, 0.92)),
        boxes(
            [((0.6, 0.01, 0.05), (0, -0.285, 3.1)), ((0.6, 0.01, 0.05), (0, -0.285, 3.5))],
            "paint",
            colour=(0.75, 0.1, 0.1),
        ),
        bar(ring, 0.015, "paint", colour=(0.85, 0.3, 0.1)),
        bars(cords, 0.006, "paint", sides=3),
    ]


def stands(random: np.random.Generator, width: float = 14.0, rows: int = 5) -> Made:
    """Tiers of seats that face -y."""
    tint = BRIGHT[random.integers(len(BRIGHT))]
    tiers: list[tuple[Point, Point]] = [((width, 0.8, 0.4 * (k + 1)), (0, 0.8 * k, 0)) for k in range(int(rows))]
    shells: list[tuple[Point, Point]] = [
        ((0.42, 0.4, 0.08), (x, 0.8 * k + 0.1, 0.4 * (k + 1) + 0.05))
        for k in range(int(rows))
        for x in np.arange(-width / 2 + 0.4, width / 2 - 0.3, 0.55)
    ]
    backs: list[tuple[Point, Point]] = [((0.42, 0.05, 0.3), (x, y + 0.2, z + 0.05)) for (_, (x, y, z)) in shells]
    return [boxes(tiers, "concrete"), boxes(shells + backs, "paint", colour=tint)]


def floodlight(random: np.random.Generator, height: float = 9.0, watts: float = 1500.0) -> Made:
    """A mast with lamps that shine down towards -y."""
    return [
        tube([(0, 0.16), (height, 0.08)], "steel"),
        boxes([((0.5, 0.2, 0.4), (x, -0.15, height + z)) for x in (-0.6, 0.0, 0.6) for z in (-0.4, 0.1)], "metal"),
        Lamp((0.0, -2.5, height - 0.2), watts, 1.2, (0.95, 0.97, 1.0)),
    ]


def net(random: np.random.Generator, width: float = 9.0, height: float = 1.1) -> Made:
    """A net across a court, along x."""
    w = width / 2
    posts: list[list[Point]] = [[(s * w, 0, 0), (s * w, 0, height + 0.1)] for s in (-1, 1)]
    cords: list[list[Point]] = [[(float(x), 0, 0.25 * height), (float(x), 0, height)] for x in np.arange(-w, w, 0.18)]
    cords += [[(-w, 0, float(z)), (w, 0, float(z))] for z in np.linspace(0.25 * height, 0.94 * height, 6)]
    return [
        bars(posts, 0.04, "metal"),
        bars(cords, 0.005, "paint", sides=3),
        box((width, 0.02, 0.07), "paint", (0, 0, height - 0.05)),
    ]


def treadmill(random: np.random.Generator) -> Made:
    """A running machine; its runner looks towards -y."""
    lines: list[list[Point]] = [[(s * 0.36, -0.7, 0.1), (s * 0.36, -0.6, 1.25), (s * 0.36, 0.1, 1.0)] for s in (-1, 1)]
    return [
        box((0.8, 1.8, 0.18), "paint", colour=(0.1, 0.1, 0.11)),
        flat(0.52, 1.6, 0.185, "rubber", colour=(0.3, 0.3, 0.3)),
        bars([*lines, [(-0.36, -0.6, 1.25), (0.36, -0.6, 1.25)]], 0.03, "steel"),
        box((0.55, 0.1, 0.3), "paint", (0, -0.62, 1.2), colour=(0.08, 0.08, 0.09)),
        *shifted([picture(0.4, 1.25, 1.45, "screen", 0, glow=0.6)], (0, -0.56), 180),
    ]


def weights(random: np.random.Generator, width: float = 2.4) -> Made:
    """A rack of dumbbells."""
    made: Made = [bars([[(s * width / 2, 0.1, 0), (s * width / 2, 0, 1.0)] for s in (-1, 1)], 0.04, "metal")]
    heads = []
    for z, y in ((0.4, -0.1), (0.75, -0.02), (1.0, 0.05)):
        made.append(box((width, 0.2, 0.03), "metal", (0, y, z)))
        for x in np.arange(-width / 2 + 0.2, width / 2, 0.28):
            heads += [((0.18, 0.1, 0.14), (x, y - 0.12, z + 0.03)), ((0.18, 0.1, 0.14), (x, y + 0.1, z + 0.03))]
    return [*made, boxes([(size, at) for size, at in heads], "paint", colour=(0.07, 0.07, 0.08))]


def rig(random: np.random.Generator) -> Made:
    """A power rack with a loaded bar and a bench."""
    lines: list[list[Point]] = [[(x, y, 0), (x, y, 2.3)] for x in (-0.6, 0.6) for y in (-0.5, 0.5)]
    lines += [[(-0.6, y, 2.3), (0.6, y, 2.3)] for y in (-0.5, 0.5)] + [
        [(x, -0.5, 2.3), (x, 0.5, 2.3)] for x in (-0.6, 0.6)
    ]
    plates = []
    for s in (-1, 1):
        disc = tube([(0, 0.22), (0.06, 0.22)], "paint", sides=18, colour=(0.1, 0.1, 0.11))
        turned = disc.vertices[:, [2, 1, 0]] * [s, 1, 1] + [s * 0.85, -0.5, 1.2]
        plates.append(
            Mesh(turned, disc.faces[:, ::-s] if s > 0 else disc.faces, disc.uv, "paint", colour=(0.1, 0.1, 0.11))
        )
    return [
        bars(lines, 0.035, "paint", colour=(0.7, 0.12, 0.1)),
        bar([(-1.05, -0.5, 1.2), (1.05, -0.5, 1.2)], 0.016, "steel"),
        join(plates),
        boxes([((0.3, 1.2, 0.1), (0, 0.1, 0.4)), ((0.08, 0.8, 0.4), (0, 0.1, 0))], "cloth", colour=(0.15, 0.15, 0.17)),
    ]


def mirrors(random: np.random.Generator, width: float = 6.0, height: float = 2.2) -> Made:
    """A mirrored wall on y = 0."""
    return [
        upright(width, 0.2, 0.2 + height, "paint", -0.02, roughness=0.02, colour=(0.86, 0.9, 0.88), mirror=True),
        boxes([((width, 0.04, 0.05), (0, -0.02, z)) for z in (0.18, 0.2 + height)], "metal"),
    ]
