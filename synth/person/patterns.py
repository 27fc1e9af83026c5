"""Fabrics: what is woven into or printed on a garment's tile of the atlas."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import zoom

from scenes.surfaces.things import word
from synth.person.colours import hex_colour
from synth.person.textures import TRUNK_M, Canvas, periods


@dataclass(frozen=True)
class Cloth:
    """What a pattern is made of.

    Attributes:
        main, second, third: (3,) sRGB in 0..1. random: what it draws from. width_m: of the tile.
        is_trunk: whether the tile is a trunk's; else a sleeve's or a leg's.
    """

    main: np.ndarray
    second: np.ndarray
    third: np.ndarray
    random: np.random.Generator
    width_m: float
    is_trunk: bool


@lru_cache(maxsize=64)
def _noise(shape: tuple[int, int], cells: tuple[int, int], variant: int) -> np.ndarray:
    """Band-limited noise (H, W), standard deviation about 1, periodic in x."""
    random = np.random.Generator(np.random.PCG64(variant))
    grid = random.normal(size=cells).astype(np.float32)
    grid = np.concatenate([grid, grid[:, :2]], axis=1)
    big = zoom(grid, (shape[0] / cells[0], shape[1] / cells[1]), order=1)
    return big[: shape[0], : shape[1]] * np.float32(1.5)


def weave(c: Canvas, garment: dict, random: np.random.Generator, width_m: float, is_trunk: bool) -> None:
    """Fills a tile with a garment's fabric. Raises ValueError for one that does not exist."""
    kind = garment["pattern"]
    if kind not in PATTERNS:
        raise ValueError(f"pattern: got {kind!r}, wanted one of {', '.join(PATTERNS)}")
    main, second, third = (hex_colour(garment[name]) for name in ("colour", "second", "third"))
    c.albedo[:] = main
    PATTERNS[kind](c, Cloth(main, second, third, random, width_m, is_trunk))


def _plain(c: Canvas, *_: object) -> None:
    pass


def _heather(c: Canvas, cloth: Cloth) -> None:
    grain = _noise(c.relief.shape, c.relief.shape, 5)
    c.albedo *= 1 + np.float32(0.035) * grain[..., None]


def _stripes(c: Canvas, cloth: Cloth) -> None:
    period = cloth.random.choice([0.018, 0.03, 0.05, 0.08, 0.14], p=[0.2, 0.3, 0.25, 0.15, 0.1])
    share = cloth.random.uniform(0.25, 0.55)
    place = (c.z / period + cloth.random.random()) % 1
    c.paint(np.broadcast_to(place < share, c.relief.shape), cloth.second)
    if cloth.random.random() < 0.25:
        c.paint(np.broadcast_to(np.abs(place - share - 0.12) < 0.05, c.relief.shape), cloth.third)


def _pinstripes(c: Canvas, cloth: Cloth) -> None:
    period = periods(cloth.width_m, cloth.random.choice([0.02, 0.035, 0.06]))
    wide = cloth.random.choice([0.12, 0.2, 0.45])
    c.paint(np.broadcast_to((c.x / period) % 1 < wide, c.relief.shape), cloth.second, 0.8)


def _checks(c: Canvas, cloth: Cloth) -> None:
    period = periods(cloth.width_m, cloth.random.choice([0.03, 0.05, 0.08]))
    share = 0.5 * ((c.x / period) % 1 < 0.5) + 0.5 * ((c.z / period) % 1 < 0.5)
    c.paint(share, cloth.second)


def _tartan(c: Canvas, cloth: Cloth) -> None:
    period = periods(cloth.width_m, cloth.random.choice([0.09, 0.13, 0.18]))
    for colour, place, wide in ((cloth.second, 0.3, 0.17), (cloth.third, 0.72, 0.06), (cloth.second, 0.9, 0.03)):
        for axis in (c.x, c.z):
            c.paint(np.broadcast_to(np.abs((axis / period) % 1 - place) < wide, c.relief.shape), colour, 0.5)


def _dots(c: Canvas, cloth: Cloth) -> None:
    period = periods(cloth.width_m, cloth.random.choice([0.03, 0.045, 0.07]))
    row = np.floor(c.z / period)
    dx, dz = ((c.x / period + 0.5 * (row % 2)) % 1 - 0.5), (c.z / period) % 1 - 0.5
    c.paint(dx**2 + dz**2 < cloth.random.uniform(0.05, 0.1), cloth.second)


def _flowers(c: Canvas, cloth: Cloth) -> None:
    """Blossoms of five petals and leaves, strewn over a grid."""
    period = periods(cloth.width_m, cloth.random.choice([0.05, 0.08, 0.12]))
    for shift, colour, petals, size in (
        (0.0, cloth.second, 5, 0.40),
        (0.5, cloth.third, 2, 0.28),
        (0.25, cloth.second, 5, 0.22),
    ):
        row = np.floor(c.z / period + shift)
        column = np.floor(c.x / period + shift + 0.5 * (row % 2))
        seed = np.sin(12.99 * row + 78.2 * column + 37 * shift) * 43758.5
        jump, turn = (seed % 1) * 0.5 - 0.25, 6.28 * ((seed * 1.7) % 1)
        dx = (c.x / period + shift + 0.5 * (row % 2)) % 1 - 0.5 - jump
        dz = (c.z / period + shift) % 1 - 0.5 + jump * 0.7
        radius = size * (0.55 + 0.45 * np.cos(petals * (np.arctan2(dz, dx) + turn)))
        c.paint(np.hypot(dx, dz) < radius * 0.9, colour)
        if petals == 5:
            c.paint(np.hypot(dx, dz) < 0.08, np.array([0.9, 0.75, 0.3]))


def _blocks(c: Canvas, cloth: Cloth) -> None:
    style = cloth.random.integers(4)
    top, low = float(c.z.max()), float(c.z.min())
    edge = low + (top - low) * cloth.random.uniform(0.4, 0.68)
    if style == 0:
        c.paint(np.broadcast_to(c.z < edge, c.relief.shape), cloth.second)
    elif style == 1:
        c.paint(np.broadcast_to(np.abs(c.z - edge) < 0.06, c.relief.shape), cloth.second)
        c.paint(np.broadcast_to(np.abs(c.z - edge) < 0.012, c.relief.shape), cloth.third)
    elif style == 2 and cloth.is_trunk:
        c.paint(np.broadcast_to(np.abs(np.abs(c.x) - 0.26) < 0.09, c.relief.shape), cloth.second)
    else:
        c.paint(np.broadcast_to(c.z > edge, c.relief.shape), cloth.second if cloth.is_trunk else cloth.main)
        if not cloth.is_trunk:
            c.albedo[:] = cloth.second


def _denim(c: Canvas, cloth: Cloth) -> None:
    grain = _noise(c.relief.shape, (c.relief.shape[0] // 2, c.relief.shape[1]), 7)
    c.albedo *= 1 + np.float32(0.035) * grain[..., None]
    if not cloth.is_trunk:
        fade = np.exp(-(((c.z - 0.66) / 0.17) ** 2) - ((c.x + cloth.width_m / 4) / 0.07) ** 2)
        c.paint(fade, np.minimum(cloth.main * 1.3 + 0.16, 1), 0.55 * cloth.random.uniform(0, 1))


def _knit(c: Canvas, cloth: Cloth) -> None:
    pitch = periods(cloth.width_m, 0.02)
    rib = np.sin(2 * np.pi * c.x / pitch) * np.sign(np.sin(2 * np.pi * c.z / 0.028))
    c.relief += np.float32(0.3) * rib
    c.albedo *= (1 + 0.07 * rib)[..., None].astype(np.float32)


def _camouflage(c: Canvas, cloth: Cloth) -> None:
    """Blots in tones of one colour."""
    rows, columns = c.relief.shape
    tan = np.array([0.45, 0.41, 0.32])
    for k, colour in enumerate((0.5 * cloth.main + 0.5 * tan, 0.45 * cloth.main + 0.02, 0.15 * cloth.main + 0.03)):
        blots = _noise((rows, columns), (rows // 14, columns // 14), 21 + k) - (0.2, 0.6, 1.1)[k]
        c.paint(np.clip(blots / 0.15 + 0.5, 0, 1), colour)


def _print(c: Canvas, cloth: Cloth) -> None:
    """A print on the chest, now and then on the back: an invented word, a badge or a picture."""
    if not cloth.is_trunk:
        return
    where = cloth.random.choice(["front", "back", "both"], p=[0.65, 0.15, 0.2])
    for front in {"front": [True], "back": [False], "both": [True, False]}[where]:
        size = cloth.random.choice([0.10, 0.18, 0.26], p=[0.25, 0.45, 0.3])
        mark = _mark(cloth.random, cloth.second, cloth.third)
        place_z = cloth.random.uniform(1.16, 1.27)
        across = c.x if front else (np.abs(c.x) - TRUNK_M / 2) * np.sign(c.x)
        ratio = mark.shape[0] / mark.shape[1]
        u = (across / size + 0.5) * mark.shape[1]
        v = (0.5 - (c.z - place_z) / (size * ratio)) * mark.shape[0]
        inside = (u >= 0) & (u < mark.shape[1] - 1) & (v >= 0) & (v < mark.shape[0] - 1)
        i, j = np.clip(v, 0, mark.shape[0] - 1).astype(int), np.clip(u, 0, mark.shape[1] - 1).astype(int)
        picked = mark[np.broadcast_to(i, inside.shape), np.broadcast_to(j, inside.shape)]
        share = (picked[..., 3] * inside)[..., None]
        c.albedo += share * (picked[..., :3] - c.albedo)


def _mark(random: np.random.Generator, colour: np.ndarray, other: np.ndarray) -> np.ndarray:
    """An invented mark (H, W, 4), floats 0..1."""
    picture = Image.new("RGBA", (160, 120), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    one, two = (tuple(int(255 * v) for v in c) + (255,) for c in (colour, other))
    kind = random.integers(5)
    name = word(random)
    font = ImageFont.load_default(int(240 / max(len(name), 4)))
    if kind in (0, 1):
        draw.text((80, 60), name, one, font, anchor="mm", stroke_width=1)
        if kind == 1:
            draw.rectangle((10, 96, 150, 104), two)
    elif kind == 2:
        draw.ellipse((35, 15, 125, 105), outline=one, width=int(random.integers(6, 18)))
        draw.text((80, 60), name[:1], two, ImageFont.load_default(60), anchor="mm")
    elif kind == 3:
        points = (
            [
                (80 + r * np.cos(a), 60 + r * np.sin(a))
                for k in range(n * 2)
                for r, a in [((52 if k % 2 else random.uniform(20, 36)), np.pi * k / n)]
            ]
            if (n := int(random.integers(3, 9)))
            else []
        )
        draw.polygon(points, one)
    else:
        draw.rounded_rectangle((15, 15, 145, 105), 12, one)
        draw.text((80, 60), name[:5], two, ImageFont.load_default(38), anchor="mm")
    return np.asarray(picture, np.float32) / 255


Painter = Callable[[Canvas, Cloth], None]
PATTERNS: dict[str, Painter] = {
    "plain": _plain,
    "heather": _heather,
    "stripes": _stripes,
    "pinstripes": _pinstripes,
    "checks": _checks,
    "tartan": _tartan,
    "dots": _dots,
    "flowers": _flowers,
    "blocks": _blocks,
    "denim": _denim,
    "knit": _knit,
    "camouflage": _camouflage,
    "print": _print,
}
