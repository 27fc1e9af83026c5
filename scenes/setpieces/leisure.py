"""Playgrounds, sports, beaches, harbours, building sites."""

import numpy as np

from scenes.mesh import Lamp, Made, Mesh, Point, bar, bars, box, boxes, join, prism, quad, sheet, shifted, tube, upright
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


def tent(random: np.random.Generator, width: float = 2.4) -> Made:
    w = width / 2
    tint = BRIGHT[random.integers(4)]
    return [prism([(-w, 0), (w, 0), (0, 1.5)], -1.2, 1.2, "cloth", "y", colour=tint)]


def gravestones(random: np.random.Generator, count: int = 6, spacing: float = 1.4) -> Made:
    """A row of upright stones along x."""
    made: list[Mesh] = []
    for k in range(int(count)):
        x, h = spacing * (k - (count - 1) / 2), random.uniform(0.7, 1.2)
        top = [(0.3 * np.cos(a), h - 0.3 + 0.3 * np.sin(a)) for a in np.linspace(0, np.pi, 9)]
        made.append(
            prism([(-0.3, 0.0), (0.3, 0.0), *top], -0.07, 0.07, "marble", "y").placed(
                np.array([x, random.uniform(-0.1, 0.1)]), random.uniform(-4, 4)
            )
        )
    return [join(made)]
