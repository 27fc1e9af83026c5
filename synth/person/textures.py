"""Procedural textures, baked in numpy into one atlas a person.

The atlas is SIZE x SIZE, 8 bits: sRGB and, in the fourth channel, relief (128 is level). Each garment has its own tile;
a tile repeats its left edge on its right, so that the seam does not show. Parts without a pattern use the white tile
and a colour per vertex.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import zoom

from scenes.surfaces.things import word
from synth.person.colours import hex_colour
from synth.person.folds import VARIANTS, fold_map

SIZE = 1024
GUTTER = 8
TILES = {  # left, top, width, height
    "top": (0, 0, 384, 512),
    "outer": (384, 0, 384, 512),
    "top sleeve": (768, 0, 128, 512),
    "outer sleeve": (896, 0, 128, 512),
    "bottom": (0, 512, 384, 512),
    "bottom left": (0, 512, 192, 512),  # legs, instead of skirts
    "bottom right": (192, 512, 192, 512),
    "suit": (0, 0, 1024, 512),  # of an asset pack, instead of tops and outer garments
    "face": (384, 512, 256, 256),
    "hair": (384, 768, 256, 256),
    "shoes": (640, 512, 256, 128),
    "bag": (640, 640, 256, 128),
    "hat": (640, 768, 256, 128),
    "white": (960, 960, 64, 64),
}
TRUNK_M, SLEEVE_M, LEG_M = 1.05, 0.42, 0.55  # widths of cloth that a tile stands for
SLEEVE_LOW_M, SLEEVE_HIGH_M = 0.5, -0.06  # places along the arm at the lower and upper edge of a sleeve's tile


def tile_uv(tile: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """UV coordinates in the atlas for coordinates in a tile: u 0..1 round the body (may run over by the gutter), v 0..1
    upwards.
    """
    x0, y0, w, h = TILES[tile]
    over = (GUTTER - 1) / (w - 2 * GUTTER)  # never between two tiles
    x = x0 + GUTTER + np.clip(u, -over, 1 + over) * (w - 2 * GUTTER)
    y = y0 + h - 4 - np.clip(v, 0, 1) * (h - 8)
    return np.stack([x / SIZE, 1 - y / SIZE], axis=-1)


def white_uv() -> np.ndarray:
    """The middle of the white tile (2,)."""
    return tile_uv("white", np.array(0.5), np.array(0.5))


@dataclass
class Canvas:
    """A tile that is being painted.

    Attributes:
        x, z: (1, W), (H, 1) metres: x = 0 at the front of the trunk, z height on the template (down the sleeve: metres
            from the shoulder).
        albedo: (H, W, 3) sRGB in 0..1. relief: (H, W), about -1 to 1.
    """

    x: np.ndarray
    z: np.ndarray
    albedo: np.ndarray
    relief: np.ndarray

    def paint(self, where: np.ndarray, colour: np.ndarray, strength: float = 1.0) -> None:
        """Lays a colour over the tile. Args: where: (H, W) 0 to 1."""
        share = (where * strength).astype(np.float32)[..., None]
        self.albedo += share * (colour.astype(np.float32) - self.albedo)

    def line(self, where: np.ndarray, half_m: float, depth: float, dark: float) -> None:
        """A seam or edge where the distance `where` (H, W) is below half_m: pressed in and darker."""
        share = np.clip(1.5 - np.abs(where) / half_m, 0, 1)
        self.relief -= (0.6 * depth * share).astype(np.float32)
        self.albedo *= (1 - dark * share).astype(np.float32)[..., None]


def canvas(tile: str, width_m: float, low_m: float, high_m: float) -> Canvas:
    """An empty canvas for a tile of the atlas, so wide and from so low to so high on the person, metres."""
    _, _, w, h = TILES[tile]
    w, h = w - 2 * GUTTER, h - 8
    x = (np.arange(w, dtype=np.float32)[None] + 0.5) / w * width_m - width_m / 2
    z = high_m - (np.arange(h, dtype=np.float32)[:, None] + 0.5) / h * (high_m - low_m)
    return Canvas(x, z, np.ones((h, w, 3), np.float32), np.zeros((h, w), np.float32))


@lru_cache(maxsize=64)
def _noise(shape: tuple[int, int], cells: tuple[int, int], variant: int) -> np.ndarray:
    """Band-limited noise (H, W), standard deviation about 1, periodic in x."""
    random = np.random.Generator(np.random.PCG64(variant))
    grid = random.normal(size=cells).astype(np.float32)
    grid = np.concatenate([grid, grid[:, :2]], axis=1)
    big = zoom(grid, (shape[0] / cells[0], shape[1] / cells[1]), order=1)
    return big[: shape[0], : shape[1]] * np.float32(1.5)


def periods(width_m: float, wanted_m: float) -> float:
    """The period nearest to the wanted one of which a whole number fits round."""
    return width_m / max(1, round(width_m / wanted_m))


def weave(c: Canvas, garment: dict, random: np.random.Generator, width_m: float, is_trunk: bool) -> None:
    """Fills a tile with a garment's fabric. Raises ValueError for one that does not exist."""
    kind = garment["pattern"]
    if kind not in PATTERNS:
        raise ValueError(f"pattern: got {kind!r}, wanted one of {', '.join(PATTERNS)}")
    main, second, third = (hex_colour(garment[name]) for name in ("colour", "second", "third"))
    c.albedo[:] = main
    PATTERNS[kind](c, main, second, third, random, width_m, is_trunk)


def _plain(c: Canvas, *_: object) -> None:
    pass


def _heather(c: Canvas, main: np.ndarray, *_: object) -> None:
    grain = _noise(c.relief.shape, c.relief.shape, 5)
    c.albedo *= 1 + np.float32(0.035) * grain[..., None]


def _stripes(
    c: Canvas,
    main: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    random: np.random.Generator,
    width_m: float,
    is_trunk: bool,
) -> None:
    period = random.choice([0.018, 0.03, 0.05, 0.08, 0.14], p=[0.2, 0.3, 0.25, 0.15, 0.1])
    share = random.uniform(0.25, 0.55)
    place = (c.z / period + random.random()) % 1
    c.paint(np.broadcast_to(place < share, c.relief.shape), second)
    if random.random() < 0.25:
        c.paint(np.broadcast_to(np.abs(place - share - 0.12) < 0.05, c.relief.shape), third)


def _pinstripes(
    c: Canvas,
    main: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    random: np.random.Generator,
    width_m: float,
    is_trunk: bool,
) -> None:
    period = periods(width_m, random.choice([0.02, 0.035, 0.06]))
    wide = random.choice([0.12, 0.2, 0.45])
    c.paint(np.broadcast_to((c.x / period) % 1 < wide, c.relief.shape), second, 0.8)


def _checks(
    c: Canvas,
    main: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    random: np.random.Generator,
    width_m: float,
    is_trunk: bool,
) -> None:
    period = periods(width_m, random.choice([0.03, 0.05, 0.08]))
    share = 0.5 * ((c.x / period) % 1 < 0.5) + 0.5 * ((c.z / period) % 1 < 0.5)
    c.paint(share, second)


def _tartan(
    c: Canvas,
    main: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    random: np.random.Generator,
    width_m: float,
    is_trunk: bool,
) -> None:
    period = periods(width_m, random.choice([0.09, 0.13, 0.18]))
    for colour, place, wide in ((second, 0.3, 0.17), (third, 0.72, 0.06), (second, 0.9, 0.03)):
        for axis in (c.x, c.z):
            c.paint(np.broadcast_to(np.abs((axis / period) % 1 - place) < wide, c.relief.shape), colour, 0.5)


def _dots(
    c: Canvas,
    main: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    random: np.random.Generator,
    width_m: float,
    is_trunk: bool,
) -> None:
    period = periods(width_m, random.choice([0.03, 0.045, 0.07]))
    row = np.floor(c.z / period)
    dx, dz = ((c.x / period + 0.5 * (row % 2)) % 1 - 0.5), (c.z / period) % 1 - 0.5
    c.paint(dx**2 + dz**2 < random.uniform(0.05, 0.1), second)


def _flowers(
    c: Canvas,
    main: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    random: np.random.Generator,
    width_m: float,
    is_trunk: bool,
) -> None:
    """Blossoms of five petals and leaves, strewn over a grid."""
    period = periods(width_m, random.choice([0.05, 0.08, 0.12]))
    for shift, colour, petals, size in ((0.0, second, 5, 0.40), (0.5, third, 2, 0.28), (0.25, second, 5, 0.22)):
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


def _blocks(
    c: Canvas,
    main: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    random: np.random.Generator,
    width_m: float,
    is_trunk: bool,
) -> None:
    style = random.integers(4)
    top, low = float(c.z.max()), float(c.z.min())
    edge = low + (top - low) * random.uniform(0.4, 0.68)
    if style == 0:
        c.paint(np.broadcast_to(c.z < edge, c.relief.shape), second)
    elif style == 1:
        c.paint(np.broadcast_to(np.abs(c.z - edge) < 0.06, c.relief.shape), second)
        c.paint(np.broadcast_to(np.abs(c.z - edge) < 0.012, c.relief.shape), third)
    elif style == 2 and is_trunk:
        c.paint(np.broadcast_to(np.abs(np.abs(c.x) - 0.26) < 0.09, c.relief.shape), second)
    else:
        c.paint(np.broadcast_to(c.z > edge, c.relief.shape), second if is_trunk else main)
        if not is_trunk:
            c.albedo[:] = second


def _denim(
    c: Canvas,
    main: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    random: np.random.Generator,
    width_m: float,
    is_trunk: bool,
) -> None:
    grain = _noise(c.relief.shape, (c.relief.shape[0] // 2, c.relief.shape[1]), 7)
    c.albedo *= 1 + np.float32(0.035) * grain[..., None]
    if not is_trunk:
        fade = np.exp(-(((c.z - 0.66) / 0.17) ** 2) - ((c.x + width_m / 4) / 0.07) ** 2)
        c.paint(fade, np.minimum(main * 1.3 + 0.16, 1), 0.55 * random.uniform(0, 1))


def _knit(
    c: Canvas,
    main: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    random: np.random.Generator,
    width_m: float,
    is_trunk: bool,
) -> None:
    pitch = periods(width_m, 0.02)
    rib = np.sin(2 * np.pi * c.x / pitch) * np.sign(np.sin(2 * np.pi * c.z / 0.028))
    c.relief += np.float32(0.3) * rib
    c.albedo *= (1 + 0.07 * rib)[..., None].astype(np.float32)


def _camouflage(c: Canvas, main: np.ndarray, *_: object) -> None:
    """Blots in tones of one colour."""
    rows, columns = c.relief.shape
    tan = np.array([0.45, 0.41, 0.32])
    for k, colour in enumerate((0.5 * main + 0.5 * tan, 0.45 * main + 0.02, 0.15 * main + 0.03)):
        blots = _noise((rows, columns), (rows // 14, columns // 14), 21 + k) - (0.2, 0.6, 1.1)[k]
        c.paint(np.clip(blots / 0.15 + 0.5, 0, 1), colour)


def _print(
    c: Canvas,
    main: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    random: np.random.Generator,
    width_m: float,
    is_trunk: bool,
) -> None:
    """A print on the chest, now and then on the back: an invented word, a badge or a picture."""
    if not is_trunk:
        return
    where = random.choice(["front", "back", "both"], p=[0.65, 0.15, 0.2])
    for front in {"front": [True], "back": [False], "both": [True, False]}[where]:
        size = random.choice([0.10, 0.18, 0.26], p=[0.25, 0.45, 0.3])
        mark = _mark(random, second, third)
        place_z = random.uniform(1.16, 1.27)
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


Painter = Callable[[Canvas, np.ndarray, np.ndarray, np.ndarray, np.random.Generator, float, bool], None]
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


def crease(c: Canvas, folds: str, part: str, variant: int, width_m: float) -> None:
    """Lays folds into a tile: relief, and the shade that stays in its valleys."""
    size = (abs(float(c.z[0, 0] - c.z[-1, 0])), width_m)
    height, shade = fold_map(folds, part, variant % VARIANTS, c.relief.shape, size)
    c.relief += np.float32(0.9) * height.astype(np.float32)
    c.albedo *= shade.astype(np.float32)[..., None]


class Atlas:
    """The texture of one person. Attributes: pixels (SIZE, SIZE, 4) uint8."""

    def __init__(self) -> None:
        self.pixels = np.full((SIZE, SIZE, 4), 255, np.uint8)
        self.pixels[..., 3] = 128

    def put(self, tile: str, c: Canvas) -> None:
        x0, y0, w, h = TILES[tile]
        drawn = np.empty((h, w, 4), np.uint8)
        inner = np.empty((h - 8, w - 2 * GUTTER, 4), np.float32)
        inner[..., :3], inner[..., 3] = c.albedo * 255, 128 + c.relief * 100
        drawn[4:-4, GUTTER:-GUTTER] = np.clip(inner + 0.5, 0, 255)
        drawn[:4], drawn[-4:] = drawn[4], drawn[-5]
        drawn[:, :GUTTER], drawn[:, -GUTTER:] = drawn[:, -2 * GUTTER : -GUTTER], drawn[:, GUTTER : 2 * GUTTER]
        self.pixels[y0 : y0 + h, x0 : x0 + w] = drawn
