"""Trees, bushes, hedges, rocks."""

from dataclasses import replace

import numpy as np

from scenes.mesh import Made, Mesh, Point, bar, blob, box, join, leaves, sheet, tube


def tree(random: np.random.Generator, height: float = 6.0, leafy: float = 1.0) -> Made:
    """A broad-leaved tree. Args: leafy: 1 in summer, 0 bare."""
    lean = random.normal(0, 0.04, 2)
    crown_low = 0.36 * height
    top = np.array([*(lean * height), 0.9 * height])
    lines: list[tuple[list[Point], float]] = [
        ([(0, 0, -0.05), (*(0.5 * lean * height), 0.5 * height), tuple(top)], 0.024 * height)
    ]
    tips = []
    for k in range(7):
        angle, low = k * 2.4 + random.uniform(-0.4, 0.4), random.uniform(0.35, 0.62) * height
        reach = random.uniform(0.2, 0.34) * height
        start = np.array([*(lean * low), low])
        tip = start + [reach * np.cos(angle), reach * np.sin(angle), reach * random.uniform(0.5, 1.1)]
        tips.append(tip)
        middle = (start + tip) / 2 + [0, 0, 0.05 * height]
        lines.append(([tuple(start), tuple(middle), tuple(tip)], 0.009 * height))
    wood = join([bar(np.array(line), radius, "bark") for line, radius in lines])
    made: Made = [wood, tube([(-0.02, 0.045 * height), (0.12 * height, 0.026 * height)], "bark")]
    if leafy > 0:
        sprays = []
        for at in [*tips, top]:
            radius = height * random.uniform(0.15, 0.21)
            centre = (float(at[0]), float(at[1]), float(max(at[2], crown_low + 0.6 * radius)))
            count = int(420 * leafy)
            sprays.append(leaves(random, centre, (radius, radius, 0.8 * radius), count, 0.024 * height))
        made.append(join(sprays))
    return made


def conifer(random: np.random.Generator, height: float = 8.0) -> Made:
    sprays = []
    for k in range(9):
        t = k / 8
        radius = 0.2 * height * (1 - 0.92 * t)
        centre = (0.0, 0.0, height * (0.14 + 0.8 * t))
        sprays.append(
            replace(
                leaves(random, centre, (radius, radius, 0.05 * height), int(120 + 480 * (1 - t)), 0.016 * height),
                colour=(0.62, 0.8, 0.72),
            )
        )
    return [tube([(0, 0.025 * height), (0.95 * height, 0.004 * height)], "bark"), join(sprays)]


def palm(random: np.random.Generator, height: float = 6.0) -> Made:
    bend = random.uniform(0.05, 0.16, 2) * random.choice([-1, 1], 2) * height
    t = np.linspace(0, 1, 7)
    stem = np.column_stack([bend[0] * t**2, bend[1] * t**2, height * t])
    fronds = []
    for k in range(15):
        angle, rise = 2.399 * k, random.uniform(0.1, 0.8)
        s = np.linspace(0, 1, 7)
        out, up = 0.36 * height * s, 0.36 * height * (rise * s - (0.5 + 0.5 * rise) * s**2)
        wide = 0.055 * height * np.sin(np.pi * np.clip(s, 0.06, 0.98)) ** 0.5
        middle = np.column_stack([out * np.cos(angle), out * np.sin(angle), up]) + stem[-1]
        across = np.array([-np.sin(angle), np.cos(angle), 0])
        droop = np.array([0, 0, -0.35])
        grid = np.stack(
            [middle - wide[:, None] * (across - droop), middle, middle + wide[:, None] * (across + droop)], 1
        )
        fronds.append(sheet(grid, "leaves"))
    return [bar(stem, 0.026 * height, "bark", 9), join(fronds)]


def bush(random: np.random.Generator, width: float = 1.6, height: float = 0.9) -> Made:
    clumps = [
        leaves(
            random,
            (random.uniform(-0.32, 0.32) * width, random.normal(0, 0.1), 0.45 * height * random.uniform(0.8, 1.1)),
            (0.28 * width, 0.28 * width, 0.5 * height),
            220,
            0.07,
        )
        for _ in range(4)
    ]
    return [join(clumps)]


def hedge(random: np.random.Generator, width: float = 6.0, height: float = 1.3, depth: float = 0.7) -> Made:
    """Clipped, with sprays that stick out."""
    count = int(90 * width)
    at = np.column_stack(
        [
            random.uniform(-width / 2, width / 2, count),
            random.choice([-0.5, 0.5], count) * depth,
            random.uniform(0, height, count),
        ]
    )
    over = random.random(count) < 0.35
    at[over, 1], at[over, 2] = random.uniform(-depth / 2, depth / 2, over.sum()), height
    spray = leaves(random, (0, 0, 0), (0.03, 0.03, 0.03), count, 0.05)
    moved = spray.vertices.reshape(count, 4, 3) + at[:, None]
    return [
        box((width, depth, height), "foliage", roughness=0.9),
        Mesh(moved.reshape(-1, 3), spray.faces, spray.uv, "foliage", roughness=0.8),
    ]


def planter(random: np.random.Generator, width: float = 1.8, flowers: bool = True) -> Made:
    """A trough of stone with green and a few flowers."""
    green = join([leaves(random, (x * width, 0, 0.66), (0.2 * width, 0.24, 0.2), 130, 0.06) for x in (-0.3, 0.0, 0.3)])
    made: Made = [box((width, 0.6, 0.55), "stone"), green]
    if flowers:
        hue = [(0.85, 0.2, 0.25), (0.95, 0.75, 0.2), (0.75, 0.35, 0.75), (0.95, 0.95, 0.9)][random.integers(4)]
        spots = random.uniform([-0.45, -0.24], [0.45, 0.24], (40, 2)) * [width, 1]
        made.append(
            join(
                [
                    blob(random, (x, y, 0.8 + 0.08 * random.random()), 0.035, "paint", rows=4, colour=hue)
                    for x, y in spots[:16]
                ]
            )
        )
    return made


def pot(random: np.random.Generator, height: float = 1.6) -> Made:
    """A plant in a pot."""
    stems = [
        bar(
            [
                (0, 0, 0.4),
                (0.1 * np.cos(a), 0.1 * np.sin(a), 0.6 * height),
                (0.25 * np.cos(a), 0.25 * np.sin(a), 0.85 * height),
            ],
            0.012,
            "bark",
        )
        for a in (0.3, 2.3, 4.4)
    ]
    return [
        tube([(0, 0.16), (0.42, 0.22), (0.45, 0.2), (0.40, 0.0)], "paint", colour=(0.45, 0.42, 0.4)),
        join(stems),
        leaves(random, (0, 0, 0.72 * height), (0.36, 0.36, 0.3 * height), 220, 0.075),
    ]


def rock(random: np.random.Generator, width: float = 1.2) -> Made:
    return [blob(random, (0, 0, 0.22 * width), 0.5 * width, "rock", 0.62, smooth=False)]


def rocks(random: np.random.Generator, width: float = 8.0, count: int = 12) -> Made:
    """Rocks of many sizes strewn along x."""
    made = []
    for _ in range(int(count)):
        size = 0.25 * np.exp(random.normal(0, 0.6))
        at = (random.uniform(-width / 2, width / 2), random.normal(0, 0.5), 0.35 * size)
        made.append(blob(random, at, size, "rock", 0.7, 8, smooth=False))
    return [join(made)]
