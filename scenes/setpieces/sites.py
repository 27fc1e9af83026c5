"""Harbours, yards and building sites."""

import numpy as np

from scenes.mesh import Made, Point, bar, bars, box, boxes, join, prism, sheet, shifted, tube
from scenes.setpieces.street import BRIGHT


def boat(random: np.random.Generator, length: float = 6.0, mast: bool = True) -> Made:
    """A boat along x, afloat on z = 0."""
    t, side = np.linspace(0, 1, 15), np.linspace(-1, 1, 9)
    beam = 0.17 * length * np.sin(np.pi * np.clip(t * 0.75 + 0.25, 0, 1)) ** 0.7
    deck = 0.11 * length * (0.8 + 0.4 * t**2)
    x = (t - 0.5) * length
    grid = np.stack(
        [
            np.repeat(x[:, None], 9, 1),
            beam[:, None] * np.sin(np.pi / 2 * side),
            deck[:, None] * (1.3 * np.abs(side) ** 2.2 - 0.3),
        ],
        -1,
    )
    tint = BRIGHT[random.integers(len(BRIGHT))]
    top = np.stack([grid[:, 0] * [1, 0.97, 0.95], grid[:, -1] * [1, 0.97, 0.95]], 1)
    made: Made = [
        sheet(grid.transpose(1, 0, 2), "paint", colour=tint, smooth=True, roughness=0.3),
        sheet(top.transpose(1, 0, 2), "planks"),
        box((0.28 * length, 0.17 * length, 0.13 * length), "paint", (-0.08 * length, 0, 0.08 * length)),
        box((0.24 * length, 0.172 * length, 0.05 * length), "pane", (-0.08 * length, 0, 0.14 * length), roughness=0.1),
    ]
    if mast:
        high = 1.2 * length
        stays: list[list[Point]] = [
            [(0.1 * length, 0, high), (0.5 * length, 0, 0.13 * length)],
            [(0.1 * length, 0, high), (-0.48 * length, 0, 0.1 * length)],
        ]
        made += [
            bar([(0.1 * length, 0, 0), (0.1 * length, 0, high)], 0.05, "steel"),
            bars(stays, 0.01, "steel", sides=3),
        ]
        made.append(
            bar(
                [(0.1 * length, 0, 0.25 * length), (-0.4 * length, 0, 0.25 * length)],
                0.09,
                "cloth",
                colour=(0.15, 0.25, 0.45),
            )
        )
    return made


def container(random: np.random.Generator, length: float = 6.0, stack: int = 1) -> Made:
    """Freight containers on one another, along x."""
    made: Made = []
    for k in range(int(stack)):
        tint = BRIGHT[random.integers(4)]
        made.append(box((length, 2.4, 2.5), "corrugated", (random.uniform(-0.1, 0.1), 0, 2.58 * k), colour=tint))
        made.append(
            boxes(
                [((0.12, 0.12, 2.55), (x, y, 2.58 * k)) for x in (-length / 2, length / 2) for y in (-1.18, 1.18)],
                "paint",
                colour=tuple(0.8 * c for c in tint),
            )
        )
    return made


def crane(random: np.random.Generator, height: float = 18.0, reach: float = 16.0) -> Made:
    """A tower crane; its jib points along x."""
    tint = (0.9, 0.68, 0.1)
    lines: list[list[Point]] = [[(x, y, 0), (x, y, height)] for x in (-0.6, 0.6) for y in (-0.6, 0.6)]
    steps = np.arange(0, height, 1.2)
    lines += [[(-0.6, y, z), (0.6, y, z + 1.2)] for z in steps for y in (-0.6, 0.6)]
    lines += [[(x, -0.6, z), (x, 0.6, z + 1.2)] for z in steps for x in (-0.6, 0.6)]
    jib = np.arange(-0.35 * reach, reach, 1.2)
    lines += [
        [(-0.35 * reach, y, height + up), (reach, y, height + up)] for y, up in ((-0.5, 0.0), (0.5, 0.0), (0.0, 1.0))
    ]
    lines += [[(x, s * 0.5, height), (x + 0.6, 0, height + 1)] for x in jib for s in (-1, 1)] + [
        [(x + 0.6, 0, height + 1), (x + 1.2, s * 0.5, height)] for x in jib for s in (-1, 1)
    ]
    lines += [
        [(0, 0, height), (0, 0, height + 4)],
        [(0, 0, height + 4), (0.8 * reach, 0, height + 1)],
        [(0, 0, height + 4), (-0.35 * reach, 0, height + 1)],
        [(0.7 * reach, 0, height), (0.7 * reach, 0, 0.5 * height)],
    ]
    return [
        bars(lines, 0.05, "paint", colour=tint, sides=4),
        box((2.5, 1.4, 1.6), "concrete", (-0.3 * reach, 0, height - 1.2)),
        box((1.6, 1.6, 1.8), "paint", (0.9, -1.2, height - 1.9), colour=tint),
    ]


def mooring(random: np.random.Generator, count: int = 4, spacing: float = 3.0) -> Made:
    """Bollards for ropes, along x."""
    posts = [
        tube(
            [(0, 0.2), (0.05, 0.16), (0.35, 0.13), (0.45, 0.22), (0.5, 0.2), (0.52, 0.0)],
            "paint",
            (spacing * (k - (count - 1) / 2), 0),
            colour=(0.1, 0.1, 0.1),
        )
        for k in range(int(count))
    ]
    return [join(posts)]


def crates(random: np.random.Generator, count: int = 6) -> Made:
    """Wooden crates and barrels in a heap."""
    made: Made = []
    for k in range(int(count)):
        s = random.uniform(0.5, 0.9)
        at = (0.95 * (k % 3 - 1) + random.uniform(-0.05, 0.05), 0.9 * (k // 3 % 2), 0.0)
        made += shifted([box((s, s, s), "planks")], at, random.uniform(-15, 15))
    return [*made, *shifted([tube([(0, 0.26), (0.4, 0.31), (0.8, 0.26), (0.801, 0.0)], "wood")], (1.7, 0.2))]


def nets(random: np.random.Generator) -> Made:
    """Fishing nets drying over a frame."""
    lines: list[list[Point]] = [[(-1.5, 0, 0), (-1.5, 0, 1.6), (1.5, 0, 1.6), (1.5, 0, 0)]]
    x, t = np.linspace(-1.4, 1.4, 15), np.linspace(0, 1, 8)[:, None]
    z = 1.62 - 1.3 * t + 0.1 * np.sin(5 * x)
    grid = np.stack([*np.broadcast_arrays(x, 0.12 + 0.25 * t * np.sin(4 * x), z)], -1)
    return [bars(lines, 0.05, "wood"), sheet(grid[::-1], "cloth", colour=(0.2, 0.42, 0.4))]


def barricade(random: np.random.Generator, width: float = 2.0, count: int = 1) -> Made:
    """Red and white barriers of a building site, along x."""
    made: Made = []
    for k in range(int(count)):
        x = (width + 0.1) * (k - (count - 1) / 2)
        legs: list[list[Point]] = [
            [(x + s * width * 0.4, y, 0), (x + s * width * 0.4, 0, 1.0)] for s in (-1, 1) for y in (-0.3, 0.3)
        ]
        made.append(bars(legs, 0.02, "metal"))
        for z in (0.45, 0.85):
            made.append(box((width, 0.03, 0.18), "paint", (x, 0, z)))
            made.append(
                boxes(
                    [((width / 9, 0.034, 0.182), (x + width * (j / 4.5 - 0.39), 0, z - 0.001)) for j in range(4)],
                    "paint",
                    colour=(0.75, 0.1, 0.08),
                )
            )
    return made


def cones(random: np.random.Generator, count: int = 3, spacing: float = 1.5) -> Made:
    made: Made = []
    for k in range(int(count)):
        at = (spacing * (k - (count - 1) / 2), random.uniform(-0.2, 0.2))
        orange, white = (0.9, 0.3, 0.06), (0.95, 0.95, 0.95)
        made += shifted(
            [
                box((0.4, 0.4, 0.03), "paint", colour=orange),
                tube([(0.03, 0.15), (0.65, 0.03), (0.66, 0.0)], "paint", colour=orange),
                tube([(0.28, 0.112), (0.42, 0.087)], "paint", colour=white),
            ],
            at,
        )
    return made


def scaffold(random: np.random.Generator, width: float = 8.0, levels: int = 3) -> Made:
    """Scaffolding along x before a wall at y = 1."""
    lines: list[list[Point]] = []
    for x in np.arange(-width / 2, width / 2 + 0.01, 2.0):
        lines += [[(float(x), y, 0), (float(x), y, 2.0 * levels + 1)] for y in (0.0, 0.9)]
    decks: list[tuple[Point, Point]] = []
    for k in range(1, int(levels) + 1):
        lines += [
            [(-width / 2, y, 2.0 * k + up), (width / 2, y, 2.0 * k + up)]
            for y, up in ((0.0, 0.0), (0.9, 0.0), (0.0, 1.0), (0.0, 0.5))
        ]
        decks.append(((width, 0.9, 0.06), (0, 0.45, 2.0 * k)))
    return [bars(lines, 0.025, "steel", sides=5), boxes(decks, "planks")]


def digger(random: np.random.Generator) -> Made:
    """An excavator along x."""
    tint = (0.92, 0.66, 0.08)
    tracks = [
        prism(
            [(-1.5, 0.2), (-1.2, 0), (1.2, 0), (1.5, 0.2), (1.5, 0.55), (1.2, 0.75), (-1.2, 0.75), (-1.5, 0.55)],
            y - 0.25,
            y + 0.25,
            "rubber",
            "y",
            colour=(0.12, 0.12, 0.12),
        )
        for y in (-0.9, 0.9)
    ]
    arm: list[Point] = [(0.9, 0.3, 1.2), (2.2, 0.3, 3.2), (3.6, 0.3, 2.6), (4.0, 0.3, 0.8)]
    return [
        join(tracks),
        box((2.4, 2.0, 0.8), "paint", (-0.4, 0, 0.85), colour=tint),
        box((1.1, 0.9, 1.2), "pane", (0.3, -0.5, 1.65), roughness=0.1),
        box((1.15, 0.95, 0.08), "paint", (0.3, -0.5, 2.85), colour=tint),
        bar(arm, 0.16, "paint", 4, colour=tint, smooth=False),
        prism([(3.6, 0.2), (4.4, 0.0), (4.5, 0.6), (4.0, 0.9)], 0.0, 0.6, "metal", "y"),
    ]
