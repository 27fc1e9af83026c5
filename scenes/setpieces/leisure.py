"""Playgrounds, beaches, camps, graveyards."""

import numpy as np

from scenes.mesh import Made, Point, bar, bars, box, boxes, join, quad, sheet, tube, upright
from scenes.setpieces.street import BRIGHT


def swings(random: np.random.Generator, count: int = 2) -> Made:
    width = 1.6 * count + 0.6
    frame: list[list[Point]] = [[(s * width / 2, y, 0), (s * width / 2, 0, 2.3)] for s in (-1, 1) for y in (-0.8, 0.8)]
    frame.append([(-width / 2, 0, 2.3), (width / 2, 0, 2.3)])
    ropes: list[list[Point]] = []
    boards = []
    for k in range(int(count)):
        x = 1.6 * (k - (count - 1) / 2)
        ropes += [[(x + d, 0, 2.3), (x + d, 0, 0.5)] for d in (-0.22, 0.22)]
        boards.append(((0.5, 0.2, 0.04), (x, 0, 0.48)))
    return [
        bars(frame, 0.05, "paint", colour=BRIGHT[random.integers(4)]),
        bars(ropes, 0.01, "steel"),
        boxes([(a, b) for a, b in boards], "paint", colour=(0.08, 0.08, 0.08)),
    ]


def slide(random: np.random.Generator, height: float = 2.0) -> Made:
    """A tower with a roof, a ladder and a slide towards -y."""
    a, b = BRIGHT[random.integers(4)], BRIGHT[random.integers(4)]
    t = np.linspace(0, 1, 12)
    y = -0.6 - 2.6 * t
    z = height * (1 - np.clip(t / 0.85, 0, 1) ** 1.2) + 0.25
    profile = [(-0.32, 0.25), (-0.28, 0.0), (0.28, 0.0), (0.32, 0.25)]
    grid = np.array([[(x, yy, zz + up) for x, up in profile] for yy, zz in zip(y, z)])
    posts: list[list[Point]] = [[(x, w, 0), (x, w, height + 1.6)] for x in (-0.6, 0.6) for w in (-0.6, 0.6)]
    rungs: list[list[Point]] = [[(-0.3, 0.65, h), (0.3, 0.65, h)] for h in np.arange(0.3, height, 0.3)]
    roof = tube([(height + 1.5, 1.0), (height + 2.3, 0.0)], "paint", sides=4, colour=b, smooth=False)
    return [
        sheet(grid, "paint", colour=a, roughness=0.3),
        sheet(grid[:, ::-1] - [0, 0, 0.02], "paint", colour=a),
        bars([*posts, *rungs], 0.045, "wood"),
        box((1.2, 1.2, 0.08), "planks", (0, 0, height + 0.2)),
        upright(1.2, height + 0.28, height + 0.9, "planks", 0.6),
        roof,
    ]


def climber(random: np.random.Generator, radius: float = 1.6) -> Made:
    """A dome of bars."""
    lines: list[list[Point]] = []
    for level in (0.0, 0.45, 0.85, 1.2):
        r, z = radius * np.cos(level), radius * np.sin(level)
        ring = [(r * np.cos(a), r * np.sin(a), z) for a in np.linspace(0, 2 * np.pi, 13)]
        lines.append(ring)
    for a in np.linspace(0, 2 * np.pi, 13)[:-1]:
        lines.append(
            [
                (radius * np.cos(v) * np.cos(a), radius * np.cos(v) * np.sin(a), radius * np.sin(v))
                for v in (0, 0.45, 0.85, 1.2, 1.5)
            ]
        )
    return [bars(lines, 0.025, "paint", colour=BRIGHT[random.integers(4)])]


def sandbox(random: np.random.Generator, width: float = 3.0) -> Made:
    w = width / 2
    rims: list[tuple[Point, Point]] = [((width, 0.25, 0.3), (0, s * w, 0)) for s in (-1, 1)] + [
        ((0.25, width, 0.3), (s * w, 0, 0)) for s in (-1, 1)
    ]
    fill = quad([(-w, -w, 0.18), (w, -w, 0.18), (w, w, 0.18), (-w, w, 0.18)], "sand", (width, width))
    return [boxes(rims, "wood"), fill]


def seesaw(random: np.random.Generator) -> Made:
    tint = BRIGHT[random.integers(4)]
    beam: list[Point] = [(-1.5, 0, 0.25), (1.5, 0, 0.85)]
    handles: list[list[Point]] = [
        [(s * 1.15, -0.15, z), (s * 1.15, -0.15, z + 0.25), (s * 1.15, 0.15, z + 0.25), (s * 1.15, 0.15, z)]
        for s, z in ((-1, 0.35), (1, 0.8))
    ]
    return [bar(beam, 0.07, "paint", colour=tint), bars(handles, 0.02, "steel"), tube([(0, 0.2), (0.5, 0.08)], "metal")]


def lounger(random: np.random.Generator) -> Made:
    """A beach lounger along y."""
    tint = BRIGHT[random.integers(len(BRIGHT))]
    back = quad(
        [(-0.32, 0.3, 0.33), (0.32, 0.3, 0.33), (0.32, 0.85, 0.75), (-0.32, 0.85, 0.75)],
        "fabric",
        (0.7, 0.7),
        colour=tint,
    )
    seat = quad(
        [(-0.32, -0.95, 0.33), (0.32, -0.95, 0.33), (0.32, 0.3, 0.33), (-0.32, 0.3, 0.33)],
        "fabric",
        (0.7, 1.3),
        colour=tint,
    )
    legs: list[list[Point]] = [[(x, y, 0), (x, y, 0.32)] for x in (-0.3, 0.3) for y in (-0.8, 0.25)]
    sides: list[list[Point]] = [[(x, -0.95, 0.32), (x, 0.3, 0.32), (x, 0.85, 0.74)] for x in (-0.33, 0.33)]
    return [join([seat, back]), bars(legs + sides, 0.02, "paint")]


def towel(random: np.random.Generator) -> Made:
    return [box((0.9, 1.7, 0.015), "fabric", colour=BRIGHT[random.integers(len(BRIGHT))])]


def lifeguard(random: np.random.Generator) -> Made:
    """A raised wooden hut with a ladder, as on beaches."""
    posts: list[list[Point]] = [[(x, y, 0), (0.85 * x, 0.85 * y, 1.6)] for x in (-1, 1) for y in (-1, 1)]
    ladder: list[list[Point]] = [[(x, -1.6, 0), (x, -0.9, 1.6)] for x in (-0.3, 0.3)] + [
        [(-0.3, -1.6 + 0.7 * t, 1.6 * t), (0.3, -1.6 + 0.7 * t, 1.6 * t)] for t in np.linspace(0.15, 0.9, 5)
    ]
    return [
        bars(posts + ladder, 0.06, "wood"),
        box((2.2, 2.2, 0.1), "planks", (0, 0, 1.6)),
        box((1.7, 1.4, 1.9), "planks", (0, 0.3, 1.7), colour=(0.95, 0.9, 0.75)),
        box((2.2, 2.0, 0.12), "paint", (0, 0.2, 3.6), colour=(0.75, 0.15, 0.12)),
    ]
