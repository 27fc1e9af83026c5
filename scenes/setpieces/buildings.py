"""Houses and what belongs to them: fronts, walls, roofs, fences, stairs."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from scenes.mesh import (
    PANE,
    Lamp,
    Made,
    Mesh,
    bars,
    box,
    boxes,
    flat,
    join,
    picture,
    prism,
    quad,
    shifted,
    tube,
    upright,
)

DOORS = [(0.3, 0.12, 0.1), (0.12, 0.2, 0.3), (0.15, 0.25, 0.17), (0.35, 0.25, 0.15), (0.7, 0.7, 0.68)]


def building(
    random: np.random.Generator,
    width: float = 24.0,
    height: float = 12.0,
    depth: float = 10.0,
    shop: bool = True,
    front: str = "facade",
) -> Made:
    """A house front over a row of shops, its face on y = 0.

    Args:
        shop: with a row of shops below, else with a door. front: facade and curtainwall have windows painted on; brick,
            concrete, plaster and stone are given some.
    """
    base = 4.0 if shop else 0.0
    top = base + height
    made: Made = [
        upright(width, base, top, front, roughness=0.3 if front == "curtainwall" else 0.8),
        box((depth, 0.05, top), "plaster").placed(np.array([-width / 2, depth / 2]), 90),
        box((depth, 0.05, top), "plaster").placed(np.array([width / 2, depth / 2]), 90),
        boxes([((width + 0.5, 0.4, 0.4), (0, 0, top)), ((width, 0.12, 0.3), (0, -0.06, base or 0.6))], "stone"),
        flat(width, depth, top, "concrete", (0, depth / 2)),
    ]
    if front in ("brick", "concrete", "plaster", "stone"):
        made += _windows(random, width, base, top)
    if shop:
        made.append(picture(width, 0, base, "shops", -0.02, times=width / 12, roughness=0.4))
        colours = random.uniform(0.1, 0.7, (3, 3))
        for k in range(int(width // 4)):
            if random.random() < 0.5:
                x = -width / 2 + 2 + 4 * k
                made += shifted(awning(random, 3.4, tuple(colours[k % 3])), (x, 0.0, 2.7))
    else:
        made += shifted(door(random), (random.uniform(-0.3, 0.3) * width, -0.05))
    return made


def _windows(random: np.random.Generator, width: float, low: float, high: float) -> list[Mesh]:
    """Rows of windows on a wall at y = 0, between two heights."""
    wide, tall = random.uniform(1.0, 1.5), random.uniform(1.3, 1.7)
    columns, storeys = max(1, int(width / (2.1 * wide))), int((high - low - 0.3) / 2.7)
    pieces = [
        piece.placed(np.array([(k + 0.5) * width / columns - width / 2, 0.0, low + 2.7 * level]), 0)
        for k in range(columns)
        for level in range(storeys)
        if low or level or abs((k + 0.5) / columns - 0.5) > 0.35  # where no door may be
        for piece in window(random, wide, tall)
        if isinstance(piece, Mesh)
    ]
    surfaces = {piece.surface for piece in pieces}
    return [join([piece for piece in pieces if piece.surface == surface]) for surface in sorted(surfaces)]


def awning(random: np.random.Generator, width: float = 3.4, colour: tuple[float, ...] | None = None) -> Made:
    """A striped blind that leans out from y = 0 at its own height 0."""
    tint = tuple(random.uniform(0.2, 0.8, 3)) if colour is None else colour
    w = width / 2
    cover = quad([(-w, -1.3, -0.3), (w, -1.3, -0.3), (w, 0, 0.3), (-w, 0, 0.3)], "fabric", (width, 1.4), colour=tint)
    return [cover, upright(width, -0.52, -0.3, "fabric", -1.3, colour=tint)]


def door(random: np.random.Generator, width: float = 1.0, height: float = 2.1, step: bool = True) -> Made:
    """A panelled door in its frame, with a step of stone, or without."""
    tint = DOORS[random.integers(len(DOORS))]
    made = boxes([((width, 0.06, height), (0, 0, 0))], "wood", colour=tint)
    frame = [((0.12, 0.12, height + 0.12), (s * (width / 2 + 0.06), 0, 0)) for s in (-1, 1)]
    return [
        made,
        boxes([*frame, ((width + 0.24, 0.12, 0.12), (0, 0, height))], "paint"),
        box((0.05, 0.06, 0.14), "steel", (0.4 * width, -0.05, 1.0)),
        *([box((width + 0.5, 0.5, 0.12), "stone", (0, -0.2, 0))] if step else []),
    ]


def window(
    random: np.random.Generator, width: float = 1.3, height: float = 1.4, sill: float = 0.9, inside: bool = False
) -> Made:
    """A window in a frame, on a wall at y = 0. Args: inside: seen from the room, with the town beyond it."""
    sizes = [((0.07, 0.08, height), (x, 0, sill)) for x in (-width / 2, 0, width / 2)]
    sizes += [((width + 0.07, 0.08, 0.07), (0, 0, sill + z)) for z in (0, 0.62 * height, height)]
    if inside:
        pane = upright(width, sill, sill + height, "glass", -0.02, glow=0.9, window=True)
    else:
        pane = picture(width, sill, sill + height, "pane", -0.02, roughness=0.15)
    return [pane, boxes(sizes, "paint"), box((width + 0.3, 0.2, 0.06), "stone", (0, -0.06, sill - 0.06))]


def house(
    random: np.random.Generator, width: float = 10.0, depth: float = 8.0, height: float = 5.4, surface: str = "plaster"
) -> Made:
    """A dwelling with a pitched roof, door and windows in its face on y = 0."""
    ridge = height + 0.38 * depth
    body = prism(
        [(0, 0), (depth, 0), (depth, height), (depth / 2, ridge), (0, height)], -width / 2, width / 2, surface, "x"
    )
    w, over = width / 2 + 0.4, 0.5
    slope = 0.38 * 2 * over
    roof = [
        quad(
            [
                (-w, -over, height - slope),
                (w, -over, height - slope),
                (w, depth / 2, ridge + 0.1),
                (-w, depth / 2, ridge + 0.1),
            ],
            "rooftiles",
            (2 * w, depth / 1.8),
        ),
        quad(
            [
                (w, depth + over, height - slope),
                (-w, depth + over, height - slope),
                (-w, depth / 2, ridge + 0.1),
                (w, depth / 2, ridge + 0.1),
            ],
            "rooftiles",
            (2 * w, depth / 1.8),
        ),
    ]
    made: Made = [body, join(roof), box((0.7, 0.7, 1.4), "brick", (0.25 * width, depth / 2, ridge - 0.5))]
    made += shifted(door(random), (random.choice([-0.3, 0.0, 0.3]) * width * 0.3, -0.04))
    for k in (-1, 1):
        for level in (0.9, 3.4) if height > 4.5 else (0.9,):
            made += shifted(window(random, sill=level), (k * 0.3 * width, 0.0))
    return [*made, Lamp((0.0, -0.6, 2.6), 25.0)]


def wall(
    random: np.random.Generator,
    width: float = 20.0,
    height: float = 4.0,
    surface: str = "plaster",
    skirting: bool = True,
    pictures: bool = True,
) -> Made:
    """A wall with its face on y = 0; posters hang on plain ones. Glass and shops shine into the room."""
    if surface == "glass":
        return [upright(width, 0, height, "glass", glow=0.9, window=True), *_skirting(width, skirting)]
    if surface == "shops":
        return [picture(width, 0, height, "shops", times=width / 12, glow=0.35), *_skirting(width, skirting)]
    made: Made = [upright(width, 0, height, surface), *_skirting(width, skirting)]
    if pictures and surface in ("plaster", "panels", "wallpaper", "brick", "concrete"):
        for k in range(int(width // 4)):
            x, w, h = -width / 2 + 4 * k + random.uniform(1.2, 2.8), random.uniform(0.7, 1.5), random.uniform(0.6, 1.3)
            made.append(picture(w, 1.3, 1.3 + h, "poster", -0.03, x))
    return made


def _skirting(width: float, wanted: bool) -> list[Mesh]:
    return [box((width, 0.05, 0.14), "wood", (0, -0.025, 0))] if wanted else []


def pillar(random: np.random.Generator, height: float = 4.0, width: float = 0.5, surface: str = "stone") -> Made:
    """Square or round, with a base and a capital."""
    if random.random() < 0.5:
        shaft = box((width, width, height), surface)
    else:
        shaft = tube([(0, width / 2), (height, width / 2)], surface, sides=20)
    return [shaft, boxes([((width * 1.3, width * 1.3, 0.25), (0, 0, z)) for z in (0, height - 0.25)], surface)]


def column(random: np.random.Generator, height: float = 4.5, width: float = 0.6) -> Made:
    """A classical column, swelling, with base and capital."""
    r = width / 2
    profile = [
        (0, 1.35),
        (0.12, 1.35),
        (0.14, 1.15),
        (0.3, 1.0),
        (0.35 * height, 1.0),
        (height - 0.45, 0.84),
        (height - 0.3, 0.95),
        (height - 0.2, 1.25),
    ]
    return [
        tube([(z, r * f) for z, f in profile], "marble", sides=24),
        boxes([((2.8 * r, 2.8 * r, 0.12), (0, 0, 0)), ((2.9 * r, 2.9 * r, 0.2), (0, 0, height - 0.2))], "marble"),
    ]


def ceiling(
    random: np.random.Generator,
    width: float = 24.0,
    depth: float = 24.0,
    height: float = 4.0,
    glow: float = 0.6,
    surface: str = "ceiling",
    spacing: float = 4.0,
) -> Made:
    """A ceiling that lights the room evenly, with brighter lamp panels. Args: spacing: of the panels, 0 for none."""
    w, d = width / 2, depth / 2
    sky = quad([(-w, d, height), (w, d, height), (w, -d, height), (-w, -d, height)], surface, (width, depth), glow=glow)
    if not spacing:
        return [sky]
    panels = []
    for x in np.arange(-w + spacing / 2, w - 0.7, spacing):
        for y in np.arange(-d + spacing / 2, d - 0.2, spacing):
            z = height - 0.02
            corners = [(x - 0.6, y + 0.15, z), (x + 0.6, y + 0.15, z), (x + 0.6, y - 0.15, z), (x - 0.6, y - 0.15, z)]
            panels.append(quad(corners, "ceiling", (1.2, 0.3), glow=4.0))
    return [sky, join(panels)]


def beams(
    random: np.random.Generator, width: float = 20.0, depth: float = 20.0, height: float = 4.0, spacing: float = 2.5
) -> Made:
    """Beams under a ceiling, along y."""
    xs = np.arange(-width / 2 + spacing / 2, width / 2, spacing)
    return [boxes([((0.25, depth, 0.3), (x, 0, height - 0.3)) for x in xs], "wood", colour=(0.75, 0.7, 0.65))]


def pipes(random: np.random.Generator, width: float = 20.0, height: float = 2.6) -> Made:
    """Pipes and a duct under a ceiling, along x."""
    lines = [[(-width / 2, y, height - 0.1), (width / 2, y, height - 0.1)] for y in (-0.5, -0.3)]
    return [
        bars([[(a, b, c) for a, b, c in line] for line in lines], 0.05, "paint", colour=(0.75, 0.3, 0.2)),
        box((width, 0.5, 0.35), "steel", (0, 0.2, height - 0.35)),
    ]


def stairs(random: np.random.Generator, width: float = 3.0, steps: int = 8, surface: str = "stone") -> Made:
    """Steps that rise backwards from y = 0."""
    tops = [((width, 0.32, 0.16 * (k + 1)), (0, 0.16 + 0.32 * k, 0)) for k in range(int(steps))]
    rails = [[(s * width / 2, 0.1, 1.0), (s * width / 2, 0.32 * steps, 1.0 + 0.16 * steps)] for s in (-1, 1)]
    posts = [
        [(s * width / 2, 0.32 * k + 0.1, 0.16 * k), (s * width / 2, 0.32 * k + 0.1, 0.16 * k + 1.0)]
        for s in (-1, 1)
        for k in (0, int(steps) - 1)
    ]
    lines = [[(a, b, c) for a, b, c in line] for line in rails + posts]
    return [boxes([(size, at) for size, at in tops], surface, ground=True), bars(lines, 0.025, "steel")]


def fence(random: np.random.Generator, width: float = 10.0, height: float = 1.1, style: str = "wood") -> Made:
    """A fence along x. Args: style: wood, mesh (tall, of wire), iron."""
    if style == "wood":
        slats = [
            ((0.09, 0.03, height * random.uniform(0.96, 1.0)), (x, 0, 0.05))
            for x in np.arange(-width / 2, width / 2, 0.16)
        ]
        rails = [((width, 0.05, 0.08), (0, 0.04, z * height)) for z in (0.25, 0.8)]
        return [boxes([*slats, *rails], "wood")]
    if style not in ("mesh", "iron"):
        raise ValueError(f"style: got {style!r}, wanted wood, mesh or iron")
    pitch = 0.12 if style == "iron" else 0.35
    lines = [[(x, 0, 0), (x, 0, height)] for x in np.arange(-width / 2, width / 2 + 0.01, pitch)]
    lines += [
        [(-width / 2, 0, z), (width / 2, 0, z)]
        for z in ([0.15, height - 0.08] if style == "iron" else np.arange(0.1, height + 0.01, 0.35))
    ]
    posts = [[(x, 0, 0), (x, 0, height + 0.1)] for x in np.linspace(-width / 2, width / 2, max(2, int(width / 2.5)))]
    thin = bars([[(a, b, c) for a, b, c in line] for line in lines], 0.009 if style == "iron" else 0.005, sides=3)
    return [thin, bars([[(a, b, c) for a, b, c in post] for post in posts], 0.03)]


def railing(random: np.random.Generator, width: float = 10.0, height: float = 1.05, glass: bool = False) -> Made:
    """A handrail on posts along x, with bars or panes."""
    xs = np.linspace(-width / 2, width / 2, max(2, int(width / 1.5) + 1))
    posts = [[(float(x), 0.0, 0.0), (float(x), 0.0, height)] for x in xs]
    made: Made = [bars([*posts, [(-width / 2, 0.0, height), (width / 2, 0.0, height)]], 0.025, "steel")]
    if glass:
        made.append(upright(width, 0.1, height - 0.08, "pane", **PANE))
    else:
        levels = np.arange(0.18, height - 0.05, 0.16)
        made.append(bars([[(-width / 2, 0.0, float(z)), (width / 2, 0.0, float(z))] for z in levels], 0.008, "steel"))
    return made


def hut(random: np.random.Generator, width: float = 3.0, depth: float = 2.4, height: float = 2.3) -> Made:
    """A wooden cabin with a door and a pitched roof, its face on y = 0."""
    tint = tuple(random.uniform(0.45, 0.95, 3))
    ridge = height + 0.3 * width
    w = width / 2
    body = prism([(-w, 0), (w, 0), (w, height), (0, ridge), (-w, height)], 0.0, depth, "planks", "y", colour=tint)
    slope = [
        quad(
            [
                (-w - 0.2, -0.2, height - 0.12),
                (0, -0.2, ridge + 0.03),
                (0, depth + 0.2, ridge + 0.03),
                (-w - 0.2, depth + 0.2, height - 0.12),
            ],
            "rooftiles",
            (1.5, depth),
        ),
        quad(
            [
                (0, -0.2, ridge + 0.03),
                (w + 0.2, -0.2, height - 0.12),
                (w + 0.2, depth + 0.2, height - 0.12),
                (0, depth + 0.2, ridge + 0.03),
            ],
            "rooftiles",
            (1.5, depth),
        ),
    ]
    return [body, join(slope), *shifted(door(random, 0.8, 1.9), (0.0, -0.03))]


def arch(random: np.random.Generator, width: float = 6.0, height: float = 5.0, thick: float = 1.0) -> Made:
    """A wall on y = 0 with a round-headed opening as wide as two thirds of it."""
    r = width / 3
    spring = height - r - 0.8
    angle = np.linspace(np.pi, 0, 17)
    inner = [(-r, 0.0), *[(float(r * np.cos(a)), float(spring + r * np.sin(a))) for a in angle], (r, 0.0)]
    outer = [(-width / 2, 0.0), *[(float(x), height) for x in np.linspace(-width / 2, width / 2, 17)], (width / 2, 0.0)]
    faces = []
    for (a, b), (c, d) in zip(pairwise(outer), pairwise(inner), strict=True):
        for y, turn in ((-thick / 2, 1), (thick / 2, -1)):
            corners = [(c[0], y, c[1]), (d[0], y, d[1]), (b[0], y, b[1]), (a[0], y, a[1])][::turn]
            uv = np.array([[x, z] for x, _, z in corners]) / 2.5
            face = quad(corners, "stone", (1, 1))
            faces.append(replace(face, uv=uv[np.array([[0, 1, 2], [0, 2, 3]])]))
        faces.append(
            quad(
                [(d[0], -thick / 2, d[1]), (c[0], -thick / 2, c[1]), (c[0], thick / 2, c[1]), (d[0], thick / 2, d[1])],
                "stone",
                (0.5, thick),
            )
        )
    return [join(faces), boxes([((width + 0.3, thick + 0.3, 0.3), (0, 0, height))], "stone")]
