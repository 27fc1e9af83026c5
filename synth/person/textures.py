"""Procedural textures, baked in numpy into one atlas a person.

The atlas is SIZE x SIZE, 8 bits: sRGB and, in the fourth channel, relief (128 is level). Each garment has its own tile;
a tile repeats its left edge on its right, so that the seam does not show. Parts without a pattern use the white tile
and a colour per vertex.
"""

from dataclasses import dataclass

import numpy as np

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


def periods(width_m: float, wanted_m: float) -> float:
    """The period nearest to the wanted one of which a whole number fits round."""
    return width_m / max(1, round(width_m / wanted_m))


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
