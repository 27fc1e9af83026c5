"""Procedural clothing textures, baked in numpy into one atlas a person.

The atlas is SIZE x SIZE, 8-bit sRGB. Each garment has its own tile; a tile repeats its left edge on its right, so
that the seam at
the back does not show. Parts without a pattern use the white tile and a colour per vertex.
"""

import colorsys

import numpy as np

SIZE = 512
GUTTER = 16
TILES = {
    "body": (0, 0, 256, 256),
    "sleeve": (256, 0, 256, 256),
    "legs": (0, 256, 256, 256),
    "white": (256, 256, 64, 64),
}
PATTERNS = ("plain", "stripes", "pinstripes", "checks", "blocks", "print", "denim", "camouflage", "open")


def tile_uv(tile: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """UV coordinates in the atlas for coordinates in a tile: u 0..1 round the body (may run over by 5 %), v 0..1
    upwards.
    """
    x0, y0, w, h = TILES[tile]
    x = x0 + GUTTER + np.clip(u, -0.05, 1.05) * (w - 2 * GUTTER)
    y = y0 + h - 4 - np.clip(v, 0, 1) * (h - 8)
    return np.stack([x / SIZE, 1 - y / SIZE], axis=-1)


def linear(colour: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 to linear light."""
    colour = np.asarray(colour, float)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def hex_colour(text: str) -> np.ndarray:
    """'#rrggbb' to sRGB in 0..1, (3,)."""
    return np.array([int(text[k : k + 2], 16) for k in (1, 3, 5)]) / 255


def jitter(colour: np.ndarray, random: np.random.Generator, amount: float = 1.0) -> np.ndarray:
    """A nearby colour: hue, saturation and value move a little."""
    h, s, v = colorsys.rgb_to_hsv(*colour)
    h = (h + random.normal(0, 0.012 * amount)) % 1
    s = np.clip(s * (1 + random.normal(0, 0.12 * amount)), 0, 1)
    v = np.clip(v * (1 + random.normal(0, 0.10 * amount)) + random.normal(0, 0.01), 0.02, 0.97)
    return np.array(colorsys.hsv_to_rgb(h, s, v))


def smooth_noise(random: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> np.ndarray:
    """Band-limited noise (H, W), roughly -1 to 1, periodic in x."""
    grid = random.normal(size=(cells[0] + 1, cells[1]))
    grid = np.concatenate([grid, grid[:, :1]], axis=1)
    y, x = np.linspace(0, cells[0] - 1e-6, shape[0]), np.linspace(0, cells[1] - 1e-6, shape[1])
    i, j = y.astype(int), x.astype(int)
    fy, fx = (y - i)[:, None], (x - j)[None]
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    a = grid[np.ix_(i, j)] * (1 - fx) + grid[np.ix_(i, j + 1)] * fx
    b = grid[np.ix_(i + 1, j)] * (1 - fx) + grid[np.ix_(i + 1, j + 1)] * fx
    return (a * (1 - fy) + b * fy) * 0.7


def cloth(
    pattern: str, colours: np.ndarray, random: np.random.Generator, height: int, width: int, front: bool
) -> np.ndarray:
    """One garment's cloth, (height, width, 3) sRGB in 0..1; x runs round the body from the back seam, the front at
    the middle.

    Args:
        pattern: one of PATTERNS.
        colours: (2, 3) main and second colour.
        front: whether the tile has a front (chest prints and open jackets draw there).
    """
    if pattern not in PATTERNS:
        raise ValueError(f"pattern: got {pattern!r}, wanted one of {', '.join(PATTERNS)}")
    y, x = np.mgrid[0:height, 0:width] / [[[height]], [[width]]]
    share = np.zeros((height, width))
    if pattern == "stripes":
        count = random.integers(6, 15)
        share = ((y * count + random.random()) % 1 < random.uniform(0.25, 0.55)).astype(float)
    elif pattern == "pinstripes":
        share = 0.7 * ((x * random.integers(22, 34)) % 1 < 0.16)
    elif pattern == "checks":
        nx, ny = random.integers(10, 18), random.integers(9, 15)
        share = 0.5 * ((x * nx) % 1 < 0.5) + 0.5 * ((y * ny) % 1 < 0.5)
    elif pattern == "blocks":
        low, high = sorted(random.uniform(0.3, 0.75, 2))
        share = ((y > low) & (y < high + 0.12)).astype(float) if random.random() < 0.5 else (y > low).astype(float)
    elif pattern == "camouflage":
        share = np.clip(3 * smooth_noise(random, (height, width), (14, 18)) + 0.5, 0, 1)
    elif pattern == "print" and front:
        share = _print(x, y, random)
    elif pattern == "open" and front:
        share = (np.abs(x - 0.5) < 0.035 + 0.05 * y**1.5).astype(float)
    fabric = colours[0] * (1 - share[..., None]) + colours[1] * share[..., None]
    shade = 1 + 0.035 * smooth_noise(random, (height, width), (10, 16)) + 0.02 * random.normal(size=(height, width))
    if pattern == "denim":
        fade = np.exp(-(((y - 0.35) / 0.3) ** 2)) * np.exp(-(((np.abs(x - 0.5) - 0.12) / 0.12) ** 2))
        shade = shade + 0.05 * random.normal(size=(height, width)) + 0.18 * fade
    return np.clip(fabric * shade[..., None], 0, 1)


def _print(x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """An invented chest print: bars like a word, a ring, or a block."""
    u, v = (x - 0.5) / 0.1, (y - random.uniform(0.25, 0.36)) / 0.1
    kind = random.integers(3)
    if kind == 0:
        letters = (np.floor(u * 5) * 7919 % 5 + np.floor(v * 3) * 31) % 3 > 0
        return ((np.abs(u) < 1) & (np.abs(v) < 0.4) & letters & ((u * 5) % 1 > 0.22)).astype(float)
    if kind == 1:
        radius = np.hypot(u, v * 1.1)
        return ((radius < 0.95) & (radius > random.uniform(0.1, 0.6))).astype(float)
    return ((np.abs(u) < 0.9) & (np.abs(v) < random.uniform(0.4, 0.9))).astype(float)


def _straps(cloth_: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Two shoulder straps painted on the front of a top."""
    y, x = np.mgrid[0 : cloth_.shape[0], 0 : cloth_.shape[1]] / [[[cloth_.shape[0]]], [[cloth_.shape[1]]]]
    strap = (np.abs(np.abs(x - 0.5) - 0.115 - 0.06 * y) < 0.018) & (y < 0.62)
    return np.where(strap[..., None], colour, cloth_)


def atlas(look: dict, random: np.random.Generator) -> np.ndarray:
    """The texture atlas of a look, (SIZE, SIZE, 3) uint8 sRGB."""
    picture = np.full((SIZE, SIZE, 3), 255, np.uint8)
    top, bottom = look["top"], look["bottom"]
    for tile, garment, front in (("body", top, True), ("sleeve", top, False), ("legs", bottom, True)):
        x0, y0, w, h = TILES[tile]
        colours = np.array([hex_colour(garment["colour"]), hex_colour(garment["second"])])
        pattern = garment["pattern"]
        drawn = cloth(pattern, colours, random, h, w - 2 * GUTTER, front and tile == "body")
        if tile == "body" and look.get("bag"):
            drawn = _straps(drawn, hex_colour(look["bag"]["colour"]) * 0.75)
        drawn = np.concatenate([drawn[:, -GUTTER:], drawn, drawn[:, :GUTTER]], axis=1)
        picture[y0 : y0 + h, x0 : x0 + w] = np.round(255 * drawn)
    return picture
