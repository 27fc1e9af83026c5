"""What stands in streets and squares: lamps, benches, signs, stalls."""

from dataclasses import replace

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
    join,
    picture,
    prism,
    quad,
    shifted,
    tube,
    upright,
)

BRIGHT = [(0.8, 0.15, 0.12), (0.12, 0.35, 0.65), (0.95, 0.72, 0.1), (0.15, 0.5, 0.28), (0.9, 0.9, 0.88)]


def lamp(random: np.random.Generator, height: float = 4.2, watts: float = 160.0) -> Made:
    """A street lamp that shines when it is dark."""
    return [
        tube([(0, 0.1), (0.3, 0.06), (height, 0.04)], "metal"),
        tube([(height - 0.1, 0.03), (height, 0.2), (height + 0.3, 0.14), (height + 0.32, 0.0)], "paint", glow=0.3),
        Lamp((0.0, 0.0, height - 0.15), watts),
    ]


def highlamp(random: np.random.Generator, height: float = 7.5, reach: float = 1.6, watts: float = 450.0) -> Made:
    """A mast whose arm reaches over the road, towards -y."""
    return [
        bar([(0, 0, 0), (0, 0, 0.8 * height), (0, -0.3 * reach, 0.97 * height), (0, -reach, height)], 0.06, "steel", 9),
        box((0.3, 0.7, 0.1), "metal", (0, -reach, height - 0.05)),
        Lamp((0.0, -reach, height - 0.1), watts),
    ]


def bench(random: np.random.Generator, width: float = 1.8) -> Made:
    slats = [((width, 0.1, 0.04), (0, y, 0.43)) for y in (-0.18, -0.05, 0.08)]
    slats += [((width, 0.03, 0.12), (0, 0.18, z)) for z in (0.55, 0.72)]
    legs = [((0.06, 0.4, 0.43), (x, 0, 0)) for x in (-0.4 * width, 0.4 * width)]
    return [boxes([(size, at) for size, at in slats], "wood"), boxes([(size, at) for size, at in legs], "metal")]


def bollards(random: np.random.Generator, count: int = 5, spacing: float = 1.6) -> Made:
    posts = [
        tube([(0, 0.07), (0.85, 0.07), (0.92, 0.0)], "metal", ((k - (count - 1) / 2) * spacing, 0))
        for k in range(int(count))
    ]
    return [join(posts)]


def bin(random: np.random.Generator) -> Made:
    """A litter bin."""
    tint = BRIGHT[random.integers(len(BRIGHT))]
    return [
        tube([(0.1, 0.21), (0.85, 0.25), (0.9, 0.25)], "paint", colour=tuple(0.5 * c for c in tint)),
        tube([(0.9, 0.27), (0.98, 0.2), (1.0, 0.0)], "metal"),
        tube([(0, 0.05), (0.12, 0.05)], "metal"),
    ]


def dumpster(random: np.random.Generator) -> Made:
    """A wheeled container for refuse, with bags beside it."""
    tint = [(0.12, 0.3, 0.2), (0.2, 0.24, 0.3), (0.5, 0.16, 0.12)][random.integers(3)]
    return [
        prism([(-0.85, 0.15), (0.85, 0.15), (1.0, 1.2), (-1.0, 1.2)], -0.5, 0.55, "corrugated", "y", colour=tint),
        box((2.05, 1.15, 0.08), "paint", (0, 0.02, 1.2), colour=tuple(0.6 * c for c in tint)),
        join(
            [
                blob(random, (1.25 + 0.3 * k, -0.1 * k, 0.25), 0.3, "cloth", 0.8, colour=(0.06, 0.06, 0.07))
                for k in range(3)
            ]
        ),
    ]


def kiosk(random: np.random.Generator, width: float = 2.6) -> Made:
    """A newspaper stand."""
    return [
        box((width, 2.0, 2.5), "panels"),
        box((width + 0.6, 2.6, 0.15), "metal", (0, 0, 2.5)),
        picture(width * 0.8, 1.0, 2.1, "goods", -1.02),
        box((width * 0.85, 0.4, 0.06), "wood", (0, -1.2, 0.95)),
        picture(width * 0.9, 2.2, 2.5, "poster", -1.02, times=3),
        Lamp((0.0, -1.2, 2.4), 40.0),
    ]


def board(random: np.random.Generator, width: float = 1.2, height: float = 1.8) -> Made:
    """A free-standing advertising board, lit at night."""
    return [
        box((width + 0.12, 0.14, height + 0.08), "metal"),
        picture(width, 0.35, height, "poster", -0.08),
        *shifted([picture(width, 0.35, height, "poster", -0.08)], (0, 0), 180),
    ]


def sign(random: np.random.Generator, height: float = 2.4, style: str = "round") -> Made:
    """A traffic sign. Args: style: round, warning, parking, street."""
    post = bar([(0, 0, 0), (0, 0, height + 0.3)], 0.03, "steel")
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    shapes = {
        "round": [(0.3 * np.cos(a), height + 0.3 * np.sin(a)) for a in angle],
        "warning": [(-0.36, height - 0.24), (0.36, height - 0.24), (0.0, height + 0.36)],
        "parking": [(-0.3, height - 0.3), (0.3, height - 0.3), (0.3, height + 0.3), (-0.3, height + 0.3)],
        "street": [(-0.5, height), (0.5, height), (0.5, height + 0.2), (-0.5, height + 0.2)],
    }
    if style not in shapes:
        raise ValueError(f"style: got {style!r}, wanted one of {', '.join(shapes)}")
    edge, field = {
        "round": (BRIGHT[0], BRIGHT[4]),
        "warning": (BRIGHT[0], BRIGHT[4]),
        "parking": (BRIGHT[4], BRIGHT[1]),
    }.get(style, (BRIGHT[4], (0.1, 0.2, 0.45)))
    middle = np.array(shapes[style]).mean(0)
    inner = [tuple(middle + 0.78 * (np.array(p) - middle)) for p in shapes[style]]
    return [
        post,
        prism(shapes[style], -0.05, -0.03, "paint", "y", colour=edge),
        prism(inner, -0.055, -0.05, "paint", "y", colour=field),
    ]


def signals(random: np.random.Generator, height: float = 3.2) -> Made:
    """Traffic lights that face -y."""
    red = random.random() < 0.5
    lights = [(0.62, (0.9, 0.1, 0.05), red), (0.38, (0.9, 0.6, 0.05), False), (0.14, (0.1, 0.8, 0.3), not red)]
    made: Made = [
        bar([(0, 0, 0), (0, 0, height)], 0.06, "metal"),
        box((0.3, 0.22, 0.8), "paint", (0, -0.1, height - 0.8), colour=(0.06, 0.07, 0.06)),
    ]
    angle = np.linspace(0, 2 * np.pi, 13)[:-1]
    for z, colour, on in lights:
        disc = [(0.09 * np.cos(a), height - 0.8 + z + 0.09 * np.sin(a)) for a in angle]
        made.append(
            prism(
                disc,
                -0.22,
                -0.21,
                "paint",
                "y",
                colour=colour if on else tuple(0.15 * c for c in colour),
                glow=3.0 if on else 0,
            )
        )
    return made


def shelter(random: np.random.Generator, width: float = 4.0) -> Made:
    """A bus shelter with seats, panes, a poster and a timetable."""
    posts = [((0.08, 0.08, 2.4), (x, y, 0)) for x in (-width / 2, width / 2) for y in (0.0, 1.3)]
    made: Made = [
        boxes([(size, at) for size, at in posts], "metal"),
        box((width + 0.5, 1.9, 0.12), "metal", (0, 0.55, 2.4)),
        upright(width, 0.35, 2.2, "pane", 1.28, **PANE),
        box((0.7 * width, 0.35, 0.05), "wood", (0, 1.0, 0.48)),
        boxes([((0.06, 0.3, 0.48), (s * 0.3 * width, 1.0, 0)) for s in (-1, 1)], "metal"),
        Lamp((0.0, 0.6, 2.35), 60.0),
    ]
    made += shifted(
        [
            box((1.25, 0.12, 2.1), "metal"),
            picture(1.1, 0.3, 2.0, "poster", -0.07),
            *shifted([picture(1.1, 0.3, 2.0, "poster", -0.07)], (0, 0), 180),
        ],
        (width / 2 + 0.05, 0.6),
        90,
    )
    return made + shifted(
        [bar([(0, 0, 0), (0, 0, 2.9)], 0.04, "steel"), picture(0.5, 2.2, 2.8, "timetable", -0.05)],
        (-width / 2 - 0.8, -0.4),
    )


def stall(random: np.random.Generator, width: float = 2.6) -> Made:
    """A market stall with a striped roof and crates of fruit."""
    tint = BRIGHT[random.integers(4)]
    w = width / 2
    posts: list[list[Point]] = [[(s * w, y, 0), (s * w, y, z)] for s in (-1, 1) for y, z in ((-0.8, 2.1), (0.8, 2.5))]
    cover = quad(
        [(-w - 0.2, -1.1, 2.0), (w + 0.2, -1.1, 2.0), (w + 0.2, 1.0, 2.6), (-w - 0.2, 1.0, 2.6)],
        "fabric",
        (width, 2.2),
        colour=tint,
    )
    made: Made = [
        bars(posts, 0.03, "paint"),
        cover,
        upright(width + 0.4, 1.72, 2.0, "fabric", -1.1, colour=tint),
        upright(width, 0.0, 0.75, "cloth", -0.7, colour=tuple(0.7 * c for c in tint)),
        box((width, 1.3, 0.06), "wood", (0, 0, 0.75)),
        Lamp((0.0, 0.0, 2.0), 50.0),
    ]
    fruit = [(0.8, 0.15, 0.1), (0.95, 0.55, 0.1), (0.55, 0.7, 0.15), (0.85, 0.75, 0.2), (0.4, 0.12, 0.3)]
    for k in range(int(width / 0.6)):
        for y in (-0.35, 0.25):
            x = -w + 0.4 + 0.6 * k
            made.append(box((0.52, 0.42, 0.2), "wood", (x, y, 0.78)))
            made.append(blob(random, (x, y, 0.97), 0.22, "paint", 0.4, 7, colour=fruit[random.integers(5)]))
    return made


def parasol(random: np.random.Generator, height: float = 2.4, width: float = 2.6) -> Made:
    tint, r = BRIGHT[random.integers(len(BRIGHT))], width / 2
    return [
        tube([(0, 0.25), (0.08, 0.24), (0.1, 0.03), (height, 0.025)], "metal"),
        tube([(height - 0.3, r), (height - 0.28, r), (height + 0.2, 0.0)], "fabric", sides=16, colour=tint),
    ]


def cafe(random: np.random.Generator, width: float = 0.75) -> Made:
    """A small round table with two chairs."""
    tint = BRIGHT[random.integers(len(BRIGHT))]
    made: Made = [
        tube([(0, 0.22), (0.03, 0.04), (0.7, 0.03), (0.71, width / 2), (0.74, width / 2), (0.741, 0.0)], "metal")
    ]
    for x, turn in ((-0.75, -90), (0.75, 90)):
        made += shifted(chair(random, tint), (x, random.uniform(-0.1, 0.1)), turn + random.uniform(-20, 20))
    return made


def chair(random: np.random.Generator, colour: tuple[float, ...] = (0.5, 0.36, 0.22)) -> Made:
    """A chair that faces -y."""
    legs: list[list[Point]] = [[(x, y, 0), (x, y, 0.9 if y > 0 else 0.45)] for x in (-0.2, 0.2) for y in (-0.2, 0.2)]
    seat = boxes([((0.44, 0.44, 0.04), (0, 0, 0.44)), ((0.42, 0.04, 0.3), (0, 0.2, 0.6))], "paint", colour=colour)
    return [bars(legs, 0.016, "metal"), seat]


def fountain(random: np.random.Generator, width: float = 4.0) -> Made:
    """A round basin with a bowl and a jet."""
    r = width / 2
    jets = []
    for k in range(8):
        a, t = k * np.pi / 4, np.linspace(0, 1, 6)
        at = np.column_stack([0.7 * r * t * np.cos(a), 0.7 * r * t * np.sin(a), 1.9 + 0.9 * t - 2.4 * t**2])
        jets.append(bar(at, 0.02, "paint", 5, colour=(0.85, 0.92, 0.97)))
    return [
        tube([(0, r), (0.5, r), (0.52, r - 0.25), (0.3, r - 0.27)], "stone", sides=28),
        tube([(0.4, r - 0.2), (0.401, 0.0)], "water", sides=28, roughness=0.1),
        tube([(0.2, 0.3), (0.9, 0.18), (1.3, 0.2), (1.5, 0.75), (1.55, 0.75), (1.5, 0.0)], "stone", sides=24),
        join(jets),
    ]


def statue(random: np.random.Generator, height: float = 3.2) -> Made:
    """An abstract figure of bronze on a plinth."""
    t = np.linspace(0, 1, 14)
    bend = 0.12 * np.sin(2 * np.pi * t + random.uniform(0, 6))
    base = 0.4 * height
    body = [(base + z * 0.6 * height, r) for z, r in zip(t, 0.1 + 0.18 * np.sin(np.pi * t) ** 0.8 * (1 - 0.4 * t))]
    figure = tube(body, "paint", colour=(0.28, 0.35, 0.28), roughness=0.4)
    wave = np.interp(figure.vertices[:, 2], [z for z, _ in body], bend)
    head = blob(random, (float(bend[-1]), 0, height + 0.1), 0.16, "paint", 1.1, colour=(0.28, 0.35, 0.28))
    return [
        boxes([((1.4, 1.4, 0.25), (0, 0, 0)), ((1.0, 1.0, base - 0.25), (0, 0, 0.25))], "stone"),
        replace(figure, vertices=figure.vertices + np.column_stack([wave, 0 * wave, 0 * wave])),
        head,
    ]


def pump(random: np.random.Generator) -> Made:
    """A petrol pump on its island."""
    tint = BRIGHT[random.integers(4)]
    return [
        box((1.2, 3.0, 0.15), "concrete"),
        box((0.5, 0.9, 1.7), "paint", (0, 0, 0.15), colour=(0.9, 0.9, 0.88)),
        box((0.52, 0.92, 0.37), "paint", (0, 0, 1.5), colour=tint),
        *[
            part
            for turn in (90, -90)
            for part in shifted([picture(0.6, 1.0, 1.4, "screen", 0, glow=0.3)], (0.27 if turn > 0 else -0.27, 0), turn)
        ],
        bar([(0.1, 0.5, 1.2), (0.25, 0.65, 0.6), (0.1, 0.55, 0.9)], 0.025, "paint", colour=(0.05, 0.05, 0.05)),
    ]


def canopy(random: np.random.Generator, width: float = 12.0, depth: float = 7.0, height: float = 4.6) -> Made:
    """A flat roof on pillars, lit from below at night."""
    tint = BRIGHT[random.integers(4)]
    posts = [((0.4, 0.4, height), (x * width, y * depth, 0)) for x in (-0.35, 0.35) for y in (-0.3, 0.3)]
    lights = [
        Lamp((float(x * width), float(y * depth), height - 0.05), 10 * height**2, 1.0, (0.95, 0.97, 1.0))
        for x in (-0.25, 0.25)
        for y in (-0.2, 0.2)
    ]
    return [
        boxes([(size, at) for size, at in posts], "paint"),
        box((width, depth, 0.7), "paint", (0, 0, height)),
        box((width + 0.06, depth + 0.06, 0.35), "paint", (0, 0, height + 0.2), colour=tint, glow=0.2),
        *lights,
    ]
