"""What stands in roads: cars, buses, bicycles."""

from dataclasses import replace

import numpy as np

from scenes.mesh import Made, Mesh, Point, bar, bars, box, boxes, join, picture, prism, shifted
from scenes.setpieces.street import BRIGHT

CAR_PAINTS = [
    (0.75, 0.76, 0.78),
    (0.08, 0.08, 0.09),
    (0.9, 0.9, 0.9),
    (0.3, 0.32, 0.35),
    (0.45, 0.06, 0.07),
    (0.1, 0.16, 0.32),
    (0.16, 0.25, 0.2),
]


def _wheel(at: Point, radius: float, width: float = 0.22) -> list[Mesh]:
    """A wheel whose axle runs along y."""
    angle = np.linspace(0, 2 * np.pi, 15)[:-1]
    rim, tyre = ([(at[0] + r * np.cos(a), at[2] + r * np.sin(a)) for a in angle] for r in (0.62 * radius, radius))
    low, high = at[1] - width / 2, at[1] + width / 2
    return [
        prism(tyre, low, high, "paint", "y", colour=(0.04, 0.04, 0.04)),
        prism(rim, low - 0.01, high + 0.01, "steel", "y", roughness=0.4),
    ]


def car(random: np.random.Generator, style: str = "car", length: float = 4.3) -> Made:
    """A parked vehicle along x. Args: style: car, van, taxi."""
    tint = (0.9, 0.7, 0.1) if style == "taxi" else CAR_PAINTS[random.integers(len(CAR_PAINTS))]
    s, half = length / 4.3, 0.86
    look = {"colour": tint, "roughness": 0.25}
    if style == "van":
        hull = [(-2.3, 0.35), (2.3, 0.35), (2.35, 0.8), (2.2, 1.1), (-2.35, 1.1), (-2.35, 0.5)]
        cabin, roof, half = [(-2.33, 1.08), (2.2, 1.08), (1.55, 1.95), (-2.28, 1.95)], 1.95, 0.95
    else:
        hull = [(-2.05, 0.3), (2.05, 0.3), (2.13, 0.62), (1.9, 0.8), (1.0, 0.93), (-1.95, 0.96), (-2.12, 0.62)]
        cabin, roof = [(-1.75, 0.94), (1.1, 0.91), (0.4, 1.43), (-1.3, 1.45)], 1.42
    parts = [prism([(s * x, z) for x, z in hull], -half, half, "paint", "y", **look)]
    glass = prism([(s * x, z) for x, z in cabin], -half + 0.04, half - 0.04, "pane", "y", roughness=0.1)
    narrow = 1 - 0.22 * np.clip((glass.vertices[:, 2:] - 0.95) / 0.5, 0, 1) * (0.4 if style == "van" else 1.0)
    made: Made = [replace(glass, vertices=glass.vertices * np.hstack([narrow**0, narrow, narrow**0]))]
    (x1, _), (x0, _) = cabin[2:]
    top = box(
        (s * (x1 - x0), 1.62 * half if style != "van" else 1.8 * half, 0.05),
        "paint",
        (s * (x0 + x1) / 2, 0, roof),
        **look,
    )
    posts = []
    for side in (-1, 1):
        for a, b in ((cabin[0], cabin[3]), (cabin[1], cabin[2]), ((-0.2, 0.95), (-0.25, roof))):
            y0, y1 = side * (half - 0.03), side * half * (0.8 if style != "van" else 0.9)
            posts.append([(s * a[0], y0, a[1]), (s * b[0], y1, b[1])])
    made += [join([*parts, top]), bars(posts, 0.035, "paint", **look)]
    if style == "van":
        made.append(box((s * 2.9, 1.82 * half, 0.8), "paint", (-s * 0.83, 0, 1.1), **look))
    nose, tail = s * 2.1, -s * 2.1
    for x, colour, glow in ((nose, (0.95, 0.95, 0.9), 0.2), (tail, (0.6, 0.04, 0.03), 0.1)):
        made.append(
            boxes([((0.08, 0.32, 0.12), (x, side * 0.6, 0.62)) for side in (-1, 1)], "paint", colour=colour, glow=glow)
        )
        made.append(box((0.05, 0.5, 0.11), "paint", (1.015 * x, 0, 0.45), colour=(0.85, 0.85, 0.8)))
    if style == "taxi":
        made.append(box((0.2, 0.5, 0.14), "paint", (-0.3, 0, roof + 0.05), colour=(0.95, 0.95, 0.9), glow=0.8))
    tyres = [part for x in (1.3, -1.3) for y in (half - 0.1, 0.1 - half) for part in _wheel((s * x, y, 0.31), 0.31)]
    return [*made, join(tyres[::2]), join(tyres[1::2])]


def bus(random: np.random.Generator, length: float = 10.5) -> Made:
    """A city bus along x."""
    tint = BRIGHT[random.integers(len(BRIGHT))]
    half, n = 1.25, length / 2
    windows = [
        shifted([picture(1.3, 1.1, 2.2, "pane", 0, roughness=0.1)], (x, side * (half + 0.015)), 0 if side < 0 else 180)
        for x in np.arange(-n + 1.3, n - 0.6, 1.45)
        for side in (-1, 1)
    ]
    tyres = [
        part
        for x in (0.62 * n, -0.55 * n)
        for y in (half - 0.12, 0.12 - half)
        for part in _wheel((x, y, 0.48), 0.48, 0.28)
    ]
    made: Made = [
        box((length, 2 * half, 2.6), "paint", (0, 0, 0.35), colour=tint, roughness=0.3),
        box((length + 0.01, 2 * half + 0.02, 0.3), "paint", (0, 0, 0.75), colour=(0.9, 0.9, 0.88)),
        *[part for group in windows for part in group],
        join(tyres[::2]),
        join(tyres[1::2]),
    ]
    for x, turn in ((n + 0.015, 90), (-n - 0.015, -90)):
        made += shifted(
            [picture(2.1, 1.0, 2.4, "pane", 0, roughness=0.1), picture(1.5, 2.5, 2.8, "timetable", 0, glow=0.4)],
            (x, 0),
            turn,
        )
    return made


def bicycle(random: np.random.Generator) -> Made:
    """A bicycle along x, on its wheels."""
    tint = tuple(random.uniform(0.05, 0.7, 3))
    angle = np.linspace(0, 2 * np.pi, 19)
    tyres = [np.column_stack([x + 0.34 * np.cos(angle), 0 * angle, 0.35 + 0.34 * np.sin(angle)]) for x in (-0.52, 0.52)]
    spokes: list[list[Point]] = [
        [(x, 0, 0.35), (x + 0.33 * np.cos(a), 0, 0.35 + 0.33 * np.sin(a))]
        for x in (-0.52, 0.52)
        for a in np.arange(0, 6.2, 0.8)
    ]
    frame: list[list[Point]] = [
        [(-0.52, 0, 0.35), (-0.1, 0, 0.32), (0.38, 0, 0.75), (-0.22, 0, 0.82), (-0.52, 0, 0.35)],
        [(-0.1, 0, 0.32), (-0.27, 0, 0.95)],
        [(0.52, 0, 0.35), (0.34, 0, 1.0), (0.4, 0.27, 1.02)],
        [(0.34, 0, 1.0), (0.4, -0.27, 1.02)],
    ]
    return [
        join([bar(ring, 0.02, "paint", 5, colour=(0.05, 0.05, 0.05)) for ring in tyres]),
        bars(spokes, 0.003, "steel", sides=3),
        bars(frame, 0.017, "paint", colour=tint, roughness=0.3),
        box((0.26, 0.14, 0.06), "paint", (-0.27, 0, 0.95), colour=(0.06, 0.05, 0.05)),
    ]


def bicycles(random: np.random.Generator, count: int = 5) -> Made:
    """Bicycles leaning in a rack along x."""
    made: Made = []
    for k in range(int(count)):
        made += shifted(
            bicycle(random), ((k - (count - 1) / 2) * 0.6, random.uniform(-0.1, 0.1)), 90 + random.uniform(-6, 6)
        )
    rail = (count + 1) * 0.3
    return [*made, bars([[(-rail, 0.3, 0.0), (-rail, 0.3, 0.5), (rail, 0.3, 0.5), (rail, 0.3, 0.0)]], 0.025, "steel")]
