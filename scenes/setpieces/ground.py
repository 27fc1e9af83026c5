"""What lies underfoot and what lies beyond: floors, kerbs, markings, water, hills, the horizon."""

from dataclasses import replace

import numpy as np

from scenes.mesh import Made, Mesh, box, boxes, flat, join, quad, sheet

WHITE, YELLOW = (0.9, 0.9, 0.88), (0.9, 0.72, 0.15)


def ground(random: np.random.Generator, surface: str = "paving", size: float = 80.0) -> Made:
    """The plane that everything stands on."""
    return [flat(size, size, 0.0, surface, roughness=0.75, ground=True)]


def strip(
    random: np.random.Generator,
    surface: str = "asphalt",
    width: float = 6.0,
    depth: float = 40.0,
    height: float = 0.0,
    colour: list[float] | None = None,
) -> Made:
    """A road, lawn, path or rug: a slab lying on the ground."""
    tint = None if colour is None else (colour[0], colour[1], colour[2])
    return [box((width, depth, height + 0.006), surface, colour=tint, ground=True)]


def kerb(random: np.random.Generator, width: float = 40.0) -> Made:
    """A line of kerb stones with a gutter before it."""
    return [
        box((width, 0.18, 0.14), "concrete", ground=True),
        flat(width, 0.35, 0.008, "cobbles", (0, -0.26), ground=True),
    ]


def crossing(random: np.random.Generator, width: float = 4.0, depth: float = 7.0) -> Made:
    """A zebra crossing; people walk along y."""
    count = int(width / 1.0)
    stripes = [flat(0.5, depth, 0.012, "paint", (k - (count - 1) / 2, 0)) for k in range(count)]
    return [replace(join(stripes), colour=WHITE, ground=True)]


def lane(random: np.random.Generator, width: float = 60.0, dashed: bool = True) -> Made:
    """A line on a road, along x."""
    length = 3.0 if dashed else width
    starts = np.arange(-width / 2, width / 2 - length / 2, 2 * length if dashed else width)
    dashes = [flat(length, 0.13, 0.012, "paint", (x + length / 2, 0)) for x in starts]
    return [replace(join(dashes), colour=WHITE, ground=True)]


def bays(
    random: np.random.Generator, count: int = 6, width: float = 2.5, depth: float = 5.0, yellow: bool = False
) -> Made:
    """Lines of parking bays side by side along x, open to -y."""
    lines = [flat(0.1, depth, 0.012, "paint", ((k - count / 2) * width, 0)) for k in range(int(count) + 1)]
    lines.append(flat(count * width, 0.1, 0.012, "paint", (0, depth / 2)))
    return [replace(join(lines), colour=YELLOW if yellow else WHITE, ground=True)]


def court(
    random: np.random.Generator,
    surface: str = "rubber",
    width: float = 15.0,
    depth: float = 24.0,
    colour: tuple[float, float, float] = (0.25, 0.42, 0.62),
) -> Made:
    """A sports court with its lines."""
    w, d = width / 2 - 1.0, depth / 2 - 1.0
    lines = [flat(2 * w, 0.07, 0.012, "paint", (0, y)) for y in (-d, 0, d)]
    lines += [flat(0.07, 2 * d, 0.012, "paint", (x, 0)) for x in (-w, w)]
    angle = np.linspace(0, 2 * np.pi, 41)
    ring = np.stack([np.stack([r * np.cos(angle), r * np.sin(angle), 0 * angle + 0.013], 1) for r in (1.87, 1.8)])
    lines += [sheet(ring, "paint")]
    lines += [flat(3.6, 0.07, 0.012, "paint", (0, s * (d - 5.6))) for s in (-1, 1)]
    lines += [flat(0.07, 5.6, 0.012, "paint", (x, s * (d - 2.8))) for x in (-1.8, 1.8) for s in (-1, 1)]
    tint = (colour[0], colour[1], colour[2])
    return [box((width, depth, 0.008), surface, colour=tint, ground=True), replace(join(lines), colour=WHITE)]


def water(random: np.random.Generator, width: float = 200.0, depth: float = 100.0, level: float = 0.01) -> Made:
    """Sea, river or pond."""
    return [flat(width, depth, level, "water", roughness=0.12)]


def quay(random: np.random.Generator, width: float = 80.0, depth: float = 30.0, drop: float = 1.2) -> Made:
    """A paved edge above water: the top reaches from y = 0 backwards, its wall drops to the water before it."""
    top = flat(width, depth, 0.004, "concrete", (0, depth / 2), ground=True)
    edge = boxes([((width, 0.5, 0.16), (0, 0.25, 0.0))], "stone")
    front = quad(
        [(-width / 2, 0, -drop), (width / 2, 0, -drop), (width / 2, 0, 0.05), (-width / 2, 0, 0.05)],
        "stone",
        (width, drop),
    )
    return [top, edge, front]


def mound(
    random: np.random.Generator, width: float = 30.0, depth: float = 14.0, height: float = 4.0, surface: str = "grass"
) -> Made:
    """A smooth bank or dune with uneven crest; its front foot is at y = -depth / 2."""
    x, y = np.linspace(-1, 1, 25), np.linspace(-1, 1, 17)
    crest = 1 + 0.25 * np.sin(3 * x + random.uniform(0, 6)) + 0.15 * np.sin(7 * x + random.uniform(0, 6))
    z = height * np.maximum(1 - y[:, None] ** 2, 0) ** 1.2 * np.maximum(1 - x**4, 0) * crest
    grid = np.stack([*np.broadcast_arrays(x * width / 2, y[:, None] * depth / 2, z - 0.03)], -1)
    return [sheet(grid, surface, (width, depth), smooth=True, roughness=0.9, ground=True)]


def cliff(
    random: np.random.Generator, width: float = 40.0, height: float = 14.0, depth: float = 8.0, surface: str = "rock"
) -> Made:
    """A craggy rock face that leans back from y = 0."""
    columns, rows = max(12, int(width / 0.6)), 40
    x, t = np.linspace(-width / 2, width / 2, columns), np.linspace(0, 1, rows)[:, None]
    bulge = 0.12 * random.normal(size=(rows, columns)) + np.repeat(random.normal(0, 0.8, columns // 7 + 1), 7)[:columns]
    coarse = 0.4 * random.normal(size=(rows // 4, columns // 4 + 1))
    bulge = bulge + np.kron(coarse, np.ones((4, 4)))[:, :columns]
    bulge = (np.roll(bulge, 1, 1) + 2 * bulge + np.roll(bulge, -1, 1)) / 4
    ledges = np.floor(t * 5 + 0.4 * np.sin(x / 5)) / 5
    y = depth * (0.35 * t + 0.65 * ledges) + bulge * np.minimum(1, 3 * t + 0.3)
    z = height * t * (0.75 + 0.25 * np.sin(x / 7 + random.uniform(0, 6)) ** 2) - 0.3
    grid = np.stack([*np.broadcast_arrays(x + 0.3 * bulge, y, z)], -1)
    return [sheet(grid, surface, (width, height))]


def horizon(
    random: np.random.Generator,
    style: str = "city",
    radius: float = 95.0,
    height: float = 16.0,
    begin: float = 0.0,
    end: float = 360.0,
) -> Made:
    """What stands far off, all round or between two bearings in degrees (0 along x, counter-clockwise).

    Args:
        style: city, hills or woods.
    """
    arc = np.deg2rad(np.linspace(begin, end, max(8, int((end - begin) / 3))))
    if style == "city":
        return [_city(random, arc, radius, height)]
    if style not in ("hills", "woods"):
        raise ValueError(f"style: got {style!r}, wanted city, hills or woods")
    t = np.linspace(0, 1, 9)[:, None]
    waves = sum(
        random.uniform(0.4, 1) / k * np.sin(k * arc + random.uniform(0, 6))
        for k in ((2, 3, 5, 9) if style == "hills" else (3, 8, 17, 29))
    )
    crest = height * np.clip(0.7 + 0.35 * waves, 0.25, 1.6)
    away = radius * (1 + (0.9 if style == "hills" else 0.06) * t)
    jag = 0.0 if style == "hills" else random.uniform(-0.06, 0.06, len(arc))
    z = crest * (np.sin(t * np.pi / 2) + jag * t) - 0.5
    grid = np.stack([*np.broadcast_arrays(away * np.cos(arc), away * np.sin(arc), z)], -1)[:, ::-1]
    return [sheet(grid, "hills" if style == "hills" else "foliage", (4 * radius, 2 * height), smooth=style == "hills")]


def _city(random: np.random.Generator, arc: np.ndarray, radius: float, height: float) -> Mesh:
    """Blocks of houses shoulder to shoulder, some taller ones behind."""
    step = (arc[1] - arc[0]) * radius
    blocks = []
    for angle in (arc[:-1] + arc[1:]) / 2:
        for far, tall, wide in ((1.0, (0.45, 0.8), 1.15), (1.25, (0.7, 1.7), 0.7)):
            if far > 1 and random.random() < 0.45:
                continue
            block = box((step * wide, 8.0, height * random.uniform(*tall)), "skyline", roughness=0.9)
            block = replace(block, uv=block.uv + random.integers(0, 24, 2) / 24)  # other windows of the surface
            turn = np.rad2deg(angle) - 90
            blocks.append(block.placed(radius * far * np.array([np.cos(angle), np.sin(angle)]), turn))
    return join(blocks)
