"""What stands indoors: counters, shelves, furniture, machines, exhibits."""

from itertools import pairwise

import numpy as np

from scenes.mesh import (
    PANE,
    Lamp,
    Made,
    Point,
    bar,
    bars,
    blob,
    box,
    boxes,
    flat,
    join,
    picture,
    prism,
    shifted,
    tube,
    upright,
)
from scenes.setpieces.street import chair

CLOTHS = [(0.3, 0.33, 0.4), (0.5, 0.18, 0.16), (0.22, 0.35, 0.3), (0.6, 0.52, 0.4), (0.15, 0.15, 0.17)]


def shelves(random: np.random.Generator, width: float = 3.0, height: float = 1.9, surface: str = "goods") -> Made:
    """Shelves that are full on both sides. Args: surface: goods, books, bottles."""
    front = upright(width, 0.05, height, surface, -0.26)
    return [
        box((width + 0.06, 0.5, height + 0.06), "metal" if surface == "goods" else "wood"),
        front,
        *shifted([front], (0, 0), 180),
    ]


def fridge(random: np.random.Generator, width: float = 3.0, height: float = 2.1) -> Made:
    """A lit cabinet with glass doors."""
    sizes: list[tuple[Point, Point]] = [
        ((0.06, 0.06, height - 0.3), (x, -0.36, 0.2)) for x in np.arange(-width / 2, width / 2 + 0.1, 0.75)
    ]
    return [
        box((width + 0.1, 0.7, height), "steel"),
        picture(width, 0.25, height - 0.12, "goods", -0.355, times=width / 3, glow=0.5),
        boxes(sizes, "steel"),
        box((width + 0.1, 0.1, 0.2), "paint", (0, -0.35, height - 0.1), colour=(0.15, 0.4, 0.6), glow=0.3),
    ]


def checkout(random: np.random.Generator) -> Made:
    """A supermarket till with its belt along y."""
    return [
        box((0.8, 2.6, 0.85), "panels"),
        flat(0.5, 1.6, 0.856, "rubber", (0, -0.4), colour=(0.15, 0.15, 0.16)),
        box((0.4, 0.5, 0.35), "paint", (0.15, 0.7, 0.85), colour=(0.1, 0.1, 0.11)),
        *shifted([picture(0.35, 1.25, 1.5, "screen", 0, glow=0.6)], (0.1, 0.6), -90),
        bar([(-0.3, 1.2, 0), (-0.3, 1.2, 2.3)], 0.02, "steel"),
        box((0.35, 0.1, 0.3), "paint", (-0.3, 1.2, 2.3), colour=(0.2, 0.65, 0.3), glow=0.6),
    ]


def trolley(random: np.random.Generator) -> Made:
    """A shopping trolley along y."""
    low, high = (
        [(-0.2, -0.4), (0.2, -0.4), (0.25, 0.35), (-0.25, 0.35)],
        [(-0.25, -0.45), (0.25, -0.45), (0.3, 0.45), (-0.3, 0.45)],
    )
    lines: list[list[Point]] = []
    for t in np.linspace(0, 1, 5):
        ring = [(a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), 0.45 + 0.45 * t) for a, b in zip(low, high)]
        lines.append([*ring, ring[0]])
    for k in range(4):
        a, b, c, d = low[k], low[(k + 1) % 4], high[k], high[(k + 1) % 4]
        for s in np.linspace(0, 1, 7):
            lines.append(
                [
                    (a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1]), 0.45),
                    (c[0] + s * (d[0] - c[0]), c[1] + s * (d[1] - c[1]), 0.9),
                ]
            )
    legs: list[list[Point]] = [[(s * 0.22, 0.35, 0.45), (s * 0.22, 0.35, 0.15), (s * 0.2, -0.4, 0.1)] for s in (-1, 1)]
    return [
        bars(lines, 0.004, "steel", sides=3),
        bars(legs, 0.014, "steel"),
        bar([(-0.3, 0.5, 1.0), (0.3, 0.5, 1.0)], 0.02, "paint", colour=(0.7, 0.1, 0.1)),
    ]


def counter(random: np.random.Generator, width: float = 3.0, panes: bool = False) -> Made:
    """A counter with a screen. Args: panes: glass before the staff, as at a bank."""
    made: Made = [
        box((width, 0.7, 1.0), "panels"),
        box((width + 0.1, 0.8, 0.05), "wood", (0, 0, 1.0)),
        box((0.4, 0.05, 0.35), "metal", (width * 0.25, 0.1, 1.05)),
    ]
    if panes:
        xs = np.linspace(-width / 2, width / 2, max(2, int(width / 1.2) + 1))
        made.append(
            boxes(
                [((0.05, 0.06, 1.1), (float(x), 0.0, 1.05)) for x in xs] + [((width, 0.06, 0.05), (0, 0, 2.1))], "steel"
            )
        )
        made.append(upright(width, 1.3, 2.1, "pane", 0.02, **PANE))
        made.append(picture(width, 2.15, 2.45, "timetable", -0.05, times=width / 2, glow=0.4))
    return made


def bar_counter(random: np.random.Generator, width: float = 5.0) -> Made:
    """A pub's bar: panelled, with taps and stools before it and bottles behind it."""
    made: Made = [
        box((width, 0.55, 1.05), "wood", (0, 0, 0)),
        box((width + 0.15, 0.75, 0.06), "wood", (0, -0.05, 1.05), colour=(0.7, 0.6, 0.5), roughness=0.25),
        bar([(-width / 2, -0.42, 0.2), (width / 2, -0.42, 0.2)], 0.03, "paint", colour=(0.7, 0.55, 0.2), roughness=0.3),
        picture(width, 0.9, 2.4, "bottles", 1.55, times=round(width / 1.5), glow=0.25),
        box((width + 0.2, 0.35, 0.9), "wood", (0, 1.7, 0)),
        boxes([((0.1, 0.1, 0.35), (x, 0, 1.1)) for x in (-0.4, -0.2, 0.0)], "paint", colour=(0.75, 0.6, 0.25)),
    ]
    for x in np.arange(-width / 2 + 0.6, width / 2 - 0.3, 1.1):
        made += shifted(stool(random), (x + random.uniform(-0.1, 0.1), -0.75))
    return made


def stool(random: np.random.Generator, height: float = 0.75) -> Made:
    legs: list[list[Point]] = [
        [(0.18 * np.cos(a), 0.18 * np.sin(a), 0), (0.12 * np.cos(a), 0.12 * np.sin(a), height)]
        for a in (0.8, 2.4, 3.9, 5.5)
    ]
    return [
        bars(legs, 0.018, "wood"),
        tube([(height, 0.17), (height + 0.06, 0.18), (height + 0.07, 0.0)], "cloth", colour=CLOTHS[1]),
    ]


def table(random: np.random.Generator, width: float = 0.9, seats: int = 4) -> Made:
    """A dining table with chairs round it."""
    made: Made = [
        tube([(0, 0.3), (0.03, 0.05), (0.72, 0.04)], "metal", smooth=False),
        box((width, width, 0.04), "wood", (0, 0, 0.72)),
    ]
    for k in range(int(seats)):
        angle = 90.0 * k
        at = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))]) * (width / 2 + 0.18)
        made += shifted(chair(random), tuple(at), angle - 90 + random.uniform(-8, 8))
    return made


def desk(random: np.random.Generator, width: float = 1.6) -> Made:
    """An office desk with a screen and a chair, whose sitter looks towards -y."""
    return [
        box((width, 0.75, 0.04), "wood", (0, 0, 0.72)),
        boxes([((0.05, 0.7, 0.72), (s * width / 2 * 0.95, 0, 0)) for s in (-1, 1)], "metal"),
        box((0.6, 0.04, 0.36), "paint", (0, -0.2, 0.85), colour=(0.07, 0.07, 0.08)),
        *shifted([picture(0.56, 0.87, 1.19, "screen", 0, glow=0.5)], (0, -0.17), 180),
        box((0.42, 0.15, 0.02), "paint", (0, 0.1, 0.76), colour=(0.1, 0.1, 0.1)),
        *shifted(swivel(random), (0.1, 0.75), 10),
    ]


def swivel(random: np.random.Generator) -> Made:
    """An office chair."""
    feet: list[list[Point]] = [[(0, 0, 0.12), (0.3 * np.cos(a), 0.3 * np.sin(a), 0.05)] for a in np.arange(5) * 1.257]
    return [
        bars([*feet, [(0, 0, 0.1), (0, 0, 0.45)]], 0.025, "metal"),
        boxes([((0.5, 0.5, 0.09), (0, 0, 0.45)), ((0.46, 0.08, 0.6), (0, 0.24, 0.62))], "cloth", colour=CLOTHS[4]),
    ]


def sofa(random: np.random.Generator, width: float = 2.0) -> Made:
    tint = CLOTHS[random.integers(len(CLOTHS))]
    sizes: list[tuple[Point, Point]] = [((width, 0.85, 0.3), (0, 0, 0.1)), ((width, 0.22, 0.75), (0, 0.36, 0.1))]
    sizes += [((0.2, 0.85, 0.55), (s * (width / 2 - 0.1), 0, 0.1)) for s in (-1, 1)]
    count = max(1, round(width / 0.7))
    wide = (width - 0.4) / count
    sizes += [((wide - 0.03, 0.6, 0.14), (-width / 2 + 0.2 + wide * (k + 0.5), -0.06, 0.38)) for k in range(count)]
    return [boxes(sizes, "cloth", colour=tint)]


def seats(random: np.random.Generator, count: int = 4) -> Made:
    """A row of waiting-room seats that face -y."""
    tint = CLOTHS[random.integers(len(CLOTHS))]
    shells = [((0.5, 0.48, 0.05), (0.58 * (k - (count - 1) / 2), 0, 0.42)) for k in range(int(count))]
    backs = [((0.5, 0.05, 0.42), (0.58 * (k - (count - 1) / 2), 0.24, 0.46)) for k in range(int(count))]
    width = 0.58 * count
    lines: list[list[Point]] = [[(-width / 2, 0, 0.38), (width / 2, 0, 0.38)]]
    lines += [[(s * 0.4 * width, y, 0), (s * 0.4 * width, 0, 0.38)] for s in (-1, 1) for y in (-0.25, 0.25)]
    return [boxes([(size, at) for size, at in shells + backs], "paint", colour=tint), bars(lines, 0.025, "steel")]


def lockers(random: np.random.Generator, width: float = 3.0, height: float = 1.9) -> Made:
    """A row of metal lockers."""
    tint = CLOTHS[random.integers(3)]
    count = max(1, round(width / 0.4))
    doors = [
        ((0.37, 0.03, height / 2 - 0.05), (0.4 * (k - (count - 1) / 2), -0.26, 0.04 + z * height / 2))
        for k in range(count)
        for z in (0, 1)
    ]
    return [
        box((0.4 * count, 0.5, height), "metal"),
        boxes([(s, a) for s, a in doors], "paint", colour=tint, roughness=0.4),
    ]


def machine(random: np.random.Generator, style: str = "cash") -> Made:
    """A machine that people stand before. Args: style: cash, tickets, drinks."""
    looks = {
        "cash": ((0.15, 0.35, 0.6), "screen"),
        "tickets": ((0.75, 0.15, 0.12), "screen"),
        "drinks": ((0.12, 0.12, 0.14), "goods"),
    }
    if style not in looks:
        raise ValueError(f"style: got {style!r}, wanted one of {', '.join(looks)}")
    tint, face = looks[style]
    made: Made = [box((0.9, 0.7, 1.9), "paint", colour=tint, roughness=0.35)]
    if style == "drinks":
        return [
            *made,
            picture(0.6, 0.55, 1.75, face, -0.36, -0.1, glow=0.6),
            box((0.6, 0.05, 0.25), "metal", (-0.1, -0.35, 0.15)),
        ]
    made += [picture(0.45, 1.15, 1.5, face, -0.36, glow=0.6), box((0.6, 0.2, 0.06), "steel", (0, -0.42, 0.95))]
    return [*made, box((0.92, 0.1, 0.3), "paint", (0, -0.32, 1.62), colour=(0.95, 0.95, 0.92), glow=0.3)]


def gates(random: np.random.Generator, count: int = 4) -> Made:
    """Ticket barriers side by side along x."""
    made: Made = []
    for k in range(int(count) + 1):
        x = 0.95 * (k - count / 2)
        made.append(box((0.24, 1.5, 1.0), "steel", (x, 0, 0), roughness=0.35))
        made.append(box((0.2, 0.2, 0.04), "paint", (x, -0.6, 1.0), colour=(0.2, 0.8, 0.4), glow=0.6))
        if k < count:
            made.append(box((0.3, 0.04, 0.6), "pane", (x + 0.29, 0, 0.3), roughness=0.1))
    return made


def barrier(random: np.random.Generator, width: float = 4.0) -> Made:
    """Posts with a rope between them."""
    xs = np.linspace(-width / 2, width / 2, max(2, round(width / 1.5) + 1))
    posts = [
        tube(
            [(0, 0.16), (0.03, 0.15), (0.05, 0.025), (0.95, 0.025), (0.97, 0.04), (1.0, 0.0)],
            "paint",
            (float(x), 0),
            colour=(0.75, 0.6, 0.25),
            roughness=0.3,
        )
        for x in xs
    ]
    t = np.linspace(0, 1, 9)
    ropes = [
        bar(np.column_stack([a + (b - a) * t, 0 * t, 0.92 - 0.7 * t * (1 - t)]), 0.02, "cloth", colour=(0.5, 0.08, 0.1))
        for a, b in pairwise(xs)
    ]
    return [join(posts), join(ropes)]


def picture_wall(
    random: np.random.Generator, width: float = 6.0, height: float = 4.0, surface: str = "plaster"
) -> Made:
    """A gallery wall on y = 0 with framed paintings, a lamp above each."""
    made: Made = [upright(width, 0, height, surface), box((width, 0.05, 0.14), "wood", (0, -0.025, 0))]
    x = -width / 2 + 0.6
    while x < width / 2 - 1.2:
        w, h = random.uniform(0.8, 2.0), random.uniform(0.8, 1.5)
        made += [
            box((w + 0.02, 0.06, h), "wood", (x + w / 2, -0.03, 1.55 - h / 2)),
            picture(w, 1.55 - h / 2, 1.55 + h / 2, "painting", -0.07, x + w / 2),
        ]
        made.append(box((0.4, 0.08, 0.05), "metal", (x + w / 2, -0.2, 1.72 + h / 2), glow=0.6))
        x += w + random.uniform(0.7, 1.4)
    return made


def plinth(random: np.random.Generator, height: float = 1.1, glass: bool = False) -> Made:
    """An exhibit: a vase or a bust on a plinth, or things under glass."""
    tint = tuple(random.uniform(0.25, 0.8, 3))
    made: Made = [box((0.6, 0.6, height), "marble")]
    if glass:
        made = [box((1.6, 0.8, 0.85), "wood")]
        lines: list[list[Point]] = [[(x, y, 0.85), (x, y, 1.3)] for x in (-0.78, 0.78) for y in (-0.38, 0.38)]
        lines.append(
            [(-0.78, -0.38, 1.3), (0.78, -0.38, 1.3), (0.78, 0.38, 1.3), (-0.78, 0.38, 1.3), (-0.78, -0.38, 1.3)]
        )
        made.append(bars(lines, 0.012, "steel"))
        return [
            *made,
            box((1.54, 0.74, 0.43), "pane", (0, 0, 0.86), **PANE),
            join(
                [
                    blob(random, (x, random.uniform(-0.15, 0.15), 0.93), 0.1, "paint", colour=tint)
                    for x in (-0.5, -0.1, 0.35)
                ]
            ),
        ]
    if random.random() < 0.5:
        profile = [(0, 0.1), (0.05, 0.12), (0.25, 0.22), (0.45, 0.12), (0.55, 0.08), (0.62, 0.12), (0.6, 0.0)]
        return [*made, tube([(height + z, r) for z, r in profile], "paint", colour=tint, sides=20, roughness=0.3)]
    bust = [(0, 0.2), (0.1, 0.24), (0.25, 0.2), (0.32, 0.07), (0.4, 0.07)]
    return [
        *made,
        tube([(height + z, r) for z, r in bust], "marble"),
        blob(random, (0, -0.02, height + 0.52), 0.14, "marble", 1.15),
    ]


def timetable(random: np.random.Generator, width: float = 3.0, height: float = 1.4, above: float = 2.7) -> Made:
    """A hanging board of departures, on both sides."""
    faces = [picture(width, above, above + height, "timetable", -0.11, glow=0.9)]
    hangers: list[list[Point]] = [
        [(s * width * 0.4, 0, above + height), (s * width * 0.4, 0, above + height + 1.2)] for s in (-1, 1)
    ]
    return [
        box((width + 0.1, 0.2, height + 0.1), "metal", (0, 0, above - 0.05)),
        *faces,
        *shifted([*faces], (0, 0), 180),
        bars(hangers, 0.015, "steel"),
    ]


def chandelier(random: np.random.Generator, height: float = 3.2, watts: float = 60.0) -> Made:
    """A shaded lamp that hangs and always shines."""
    return [
        bar([(0, 0, height + 0.2), (0, 0, height + 1.4)], 0.015, "metal"),
        tube(
            [(height, 0.26), (height + 0.24, 0.12), (height + 0.25, 0.0)], "cloth", colour=(0.85, 0.65, 0.4), glow=0.8
        ),
        Lamp((0.0, 0.0, height - 0.02), watts, 0.4, always=True),
    ]


def signboard(
    random: np.random.Generator, width: float = 2.4, above: float = 2.6, colour: list[float] | None = None
) -> Made:
    """A lit sign that hangs across, on both sides."""
    tint = (0.1, 0.25, 0.5) if colour is None else (colour[0], colour[1], colour[2])
    arrow = prism(
        [(-0.15, above + 0.13), (0.1, above + 0.13), (0.0, above + 0.3), (-0.05, above + 0.3)],
        -0.09,
        -0.08,
        "paint",
        "y",
        colour=(0.95, 0.95, 0.95),
        glow=0.5,
    )
    bars_ = boxes(
        [
            ((w, 0.01, 0.06), (x, -0.085, above + z))
            for w, x, z in ((0.7, 0.6, 0.25), (0.5, 0.5, 0.13), (0.6, -0.7, 0.2))
        ],
        "paint",
        colour=(0.95, 0.95, 0.95),
        glow=0.5,
    )
    face = [arrow, bars_]
    hangers = [[(s * 0.35 * width, 0.0, above + 0.4), (s * 0.35 * width, 0.0, above + 1.0)] for s in (-1, 1)]
    return [
        bars([[(x, y, z) for x, y, z in line] for line in hangers], 0.012, "steel"),
        box((width, 0.15, 0.45), "paint", (0, 0, above), colour=tint, glow=0.35),
        *face,
        *shifted([*face], (0, 0), 180),
    ]
