"""Baked surface textures for places: paving, walls, facades, wood, foliage (numpy, periodic, 8-bit sRGB).

Each function takes a generator and returns (H, W, 3) uint8; `METRES` says how much ground one repeat covers.
"""

from collections.abc import Callable

import numpy as np

METRES = {
    "paving": 3.2, "asphalt": 6.0, "tiles": 2.4, "grass": 4.0, "brick": 3.0, "plaster": 5.0, "facade": 12.0, "shops":
    12.0,
    "wood": 1.6, "foliage": 2.0, "bark": 1.0, "metal": 2.0, "stone": 2.5, "panels": 3.6, "goods": 3.0, "carpet": 3.0,
    "ceiling": 3.6, "poster": 1.0, "glass": 4.0,
}  # fmt: skip


def noise(random: np.random.Generator, size: int, cells: int, octaves: int = 3) -> np.ndarray:
    """Periodic band-limited noise (size, size), standard deviation about 1."""
    out = np.zeros((size, size))
    for k in range(octaves):
        n = cells * 2**k
        grid = random.normal(size=(n, n))
        at = np.arange(size) / size * n
        i, f = at.astype(int), at % 1
        f = f * f * (3 - 2 * f)
        j = (i + 1) % n
        rows = grid[i] * (1 - f)[:, None] + grid[j] * f[:, None]
        out += (rows[:, i] * (1 - f) + rows[:, j] * f) * 0.6**k
    return out / max(out.std(), 1e-9)


def _picture(colour: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(colour, 0, 1)).astype(np.uint8)


def _tint(random: np.random.Generator, base: tuple[float, float, float], spread: float = 0.06) -> np.ndarray:
    return np.clip(np.array(base) * (1 + random.normal(0, spread)) + random.normal(0, spread / 6, 3), 0.02, 0.95)


def _bricks(
    random: np.random.Generator, size: int, rows: int, columns: int, joint: float, stagger: float
) -> tuple[np.ndarray, np.ndarray]:
    """Value of each slab (size, size), roughly -1 to 1, and the joints' mask."""
    y, x = np.mgrid[0:size, 0:size] / size
    row = (y * rows).astype(int)
    u = (x * columns + stagger * (row % 2)) % columns
    values = random.normal(0, 0.5, (rows, columns + 1))
    values[:, columns] = values[:, 0]
    mask = ((y * rows) % 1 < joint) | (u % 1 < joint * columns / rows)
    return values[row, u.astype(int)], mask


def paving(random: np.random.Generator, size: int = 512) -> np.ndarray:
    base = _tint(
        random, [(0.55, 0.53, 0.5), (0.47, 0.42, 0.38), (0.6, 0.57, 0.5), (0.42, 0.43, 0.45)][random.integers(4)]
    )
    rows = int(random.choice([4, 6, 8, 12]))
    slab, joint = _bricks(random, size, rows, int(random.choice([4, 6, 8])), 0.035, float(random.choice([0, 0.5])))
    value = 1 + 0.07 * slab + 0.05 * noise(random, size, 6) + 0.03 * random.normal(size=(size, size))
    return _picture(base * np.where(joint, 0.72, value)[..., None])


def asphalt(random: np.random.Generator, size: int = 512) -> np.ndarray:
    value = 1 + 0.08 * noise(random, size, 4) + 0.09 * random.normal(size=(size, size))
    return _picture(_tint(random, (0.3, 0.3, 0.31)) * value[..., None])


def tiles(random: np.random.Generator, size: int = 512) -> np.ndarray:
    base = _tint(
        random, [(0.72, 0.7, 0.66), (0.5, 0.48, 0.45), (0.62, 0.55, 0.45), (0.8, 0.8, 0.78)][random.integers(4)]
    )
    n = int(random.choice([2, 4, 6]))
    slab, joint = _bricks(random, size, n, n, 0.015, 0.0)
    y, x = (np.mgrid[0:size, 0:size] / size * n).astype(int)
    chess = ((x + y) % 2) * float(random.choice([0, 0, 0.25]))
    value = 1 + 0.025 * slab - chess + 0.02 * noise(random, size, 8)
    return _picture(base * np.where(joint, 0.8, value)[..., None])


def grass(random: np.random.Generator, size: int = 512) -> np.ndarray:
    value = 1 + 0.16 * noise(random, size, 8) + 0.16 * random.normal(size=(size, size))
    return _picture(_tint(random, (0.25, 0.34, 0.14)) * value[..., None])


def brick(random: np.random.Generator, size: int = 512) -> np.ndarray:
    slab, joint = _bricks(random, size, 24, 8, 0.12, 0.5)
    base = _tint(random, [(0.5, 0.27, 0.2), (0.62, 0.5, 0.38), (0.42, 0.3, 0.26)][random.integers(3)])
    value = 1 + 0.16 * slab + 0.07 * noise(random, size, 6)
    return _picture(np.where(joint[..., None], 0.55, base * value[..., None]))


def plaster(random: np.random.Generator, size: int = 256) -> np.ndarray:
    palette = [(0.82, 0.79, 0.72), (0.78, 0.7, 0.55), (0.66, 0.69, 0.7), (0.75, 0.62, 0.55), (0.86, 0.85, 0.82)]
    value = 1 + 0.035 * noise(random, size, 4) + 0.012 * random.normal(size=(size, size))
    return _picture(_tint(random, palette[random.integers(len(palette))], 0.04) * value[..., None])


def facade(random: np.random.Generator, size: int = 768) -> np.ndarray:
    """Four storeys of four windows each, 12 x 12 m."""
    wall = {0: plaster, 1: brick, 2: stone}[int(random.integers(3))](random, size) / 255
    cell = size // 4
    width, height = random.uniform(0.4, 0.72), random.uniform(0.5, 0.7)
    frame = _tint(random, [(0.85, 0.85, 0.83), (0.2, 0.2, 0.22), (0.4, 0.28, 0.18)][random.integers(3)])
    v, u = np.mgrid[0:cell, 0:cell] / cell
    inside = (np.abs(u - 0.5) < width / 2) & (np.abs(v - 0.5) < height / 2)
    border = (np.abs(u - 0.5) < width / 2 + 0.035) & (np.abs(v - 0.5) < height / 2 + 0.035) & ~inside
    bars = inside & ((np.abs(u - 0.5) < 0.013) | (np.abs(v - 0.42) < 0.012))
    sill = (np.abs(u - 0.5) < width / 2 + 0.06) & (np.abs(v - 0.5 - height / 2 - 0.05) < 0.025)
    for i in range(4):
        for j in range(4):
            part = wall[i * cell : (i + 1) * cell, j * cell : (j + 1) * cell]
            glass = np.array([0.16, 0.2, 0.24]) * random.uniform(0.6, 1.6) + 0.12 * (0.6 - v + 0.3 * u)[..., None]
            curtain = v < 0.5 - height / 2 + height * random.choice([0, 0, 0.3, 0.5, 1.0])
            glass = np.where(curtain[..., None], glass * 0.4 + np.array([0.4, 0.38, 0.34]) * 0.8, glass)
            part[inside] = glass[inside]
            part[border | bars] = frame
            part[sill] *= 0.8
    return _picture(wall)


def shops(random: np.random.Generator, size: int = 768) -> np.ndarray:
    """A row of three shop fronts with signs, 12 m wide and drawn for 4 m of height."""
    wall = stone(random, size) / 255
    v, u = np.mgrid[0:size, 0:size] / size
    for k in range(3):
        a, b = k / 3 + 0.02, (k + 1) / 3 - 0.02
        sign = (u > a) & (u < b) & (v > 0.06) & (v < 0.22)
        window = (u > a) & (u < b) & (v > 0.26) & (v < 0.92)
        door = window & (u > a + 0.19) & (u < a + 0.27)
        glow = np.array([0.34, 0.31, 0.26]) * random.uniform(0.5, 1.5) + 0.16 * noise(random, size, 12, 2)[
            ..., None
        ] * [1, 0.8, 0.6]
        wall[window] = np.clip(glow, 0.03, 0.9)[window]
        shelf = window & ((v * 9 % 1) < 0.06)
        wall[shelf] = [0.25, 0.22, 0.2]
        wall[door] = [0.12, 0.13, 0.15]
        wall[
            window
            & (
                (np.abs(u - a) < 0.006)
                | (np.abs(u - b) < 0.006)
                | (np.abs(u - a - 0.19) < 0.004)
                | (np.abs(u - a - 0.27) < 0.004)
            )
        ] = 0.15
        colour = np.array(
            [
                [0.6, 0.12, 0.12],
                [0.1, 0.25, 0.5],
                [0.1, 0.4, 0.25],
                [0.85, 0.65, 0.15],
                [0.12, 0.12, 0.13],
                [0.8, 0.78, 0.74],
            ][random.integers(6)]
        )
        wall[sign] = colour
        letters = (
            sign
            & (np.abs(v - 0.14) < 0.032)
            & ((u * 60 + 0.3 * np.sin(u * 300)) % 1 < 0.55)
            & (np.abs(u - (a + b) / 2) < random.uniform(0.05, 0.12))
        )
        wall[letters] = 0.95 if colour.mean() < 0.5 else 0.1
    return _picture(wall)


def wood(random: np.random.Generator, size: int = 256) -> np.ndarray:
    _y, x = np.mgrid[0:size, 0:size] / size
    grain = np.sin(2 * np.pi * (6 * x + 0.15 * noise(random, size, 3, 2)))
    planks = ((x * 8).astype(int) * 7 % 5) / 5
    value = 1 + 0.08 * grain + 0.12 * (planks - 0.4) - 0.4 * ((x * 8) % 1 < 0.03)
    return _picture(
        _tint(random, [(0.5, 0.34, 0.2), (0.36, 0.23, 0.14), (0.66, 0.5, 0.32)][random.integers(3)]) * value[..., None]
    )


def foliage(random: np.random.Generator, size: int = 256) -> np.ndarray:
    value = 1 + 0.28 * noise(random, size, 10, 3) + 0.14 * random.normal(size=(size, size))
    return _picture(
        _tint(random, [(0.17, 0.26, 0.09), (0.24, 0.3, 0.1), (0.14, 0.22, 0.12)][random.integers(3)]) * value[..., None]
    )


def bark(random: np.random.Generator, size: int = 128) -> np.ndarray:
    value = 1 + 0.2 * noise(random, size, 8, 3)
    return _picture(np.array([0.26, 0.2, 0.15]) * value[..., None])


def metal(random: np.random.Generator, size: int = 128) -> np.ndarray:
    value = 1 + 0.04 * noise(random, size, 4, 3)
    return _picture(
        _tint(random, [(0.15, 0.16, 0.17), (0.45, 0.46, 0.48), (0.12, 0.2, 0.17)][random.integers(3)])
        * value[..., None]
    )


def stone(random: np.random.Generator, size: int = 512) -> np.ndarray:
    slab, joint = _bricks(random, size, 5, 4, 0.03, 0.5)
    base = _tint(random, [(0.66, 0.62, 0.55), (0.55, 0.54, 0.53), (0.7, 0.64, 0.52)][random.integers(3)])
    value = 1 + 0.06 * slab + 0.05 * noise(random, size, 6)
    return _picture(base * np.where(joint, 0.8, value)[..., None])


def panels(random: np.random.Generator, size: int = 256) -> np.ndarray:
    slab, joint = _bricks(random, size, 2, 3, 0.015, 0.0)
    base = _tint(
        random, [(0.72, 0.72, 0.7), (0.6, 0.62, 0.66), (0.68, 0.6, 0.48), (0.5, 0.56, 0.52)][random.integers(4)]
    )
    return _picture(base * np.where(joint, 0.7, 1 + 0.025 * slab + 0.02 * noise(random, size, 4))[..., None])


def goods(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """Shelves full of coloured boxes."""
    picture = np.full((size, size, 3), 0.16)
    rows = 5
    for r in range(rows):
        x = 0
        top, bottom = int(size * (r + 0.12) / rows), int(size * (r + 0.9) / rows)
        while x < size - 6:
            width = int(random.integers(10, 46))
            height = int((bottom - top) * random.uniform(0.45, 1))
            box = picture[bottom - height : bottom, x : x + width]
            box[:] = 0.45 * random.uniform(0.1, 0.85) + 0.55 * random.uniform(0.1, 0.75, 3)
            box[height // 3 : height // 2] = np.clip(box[0, 0] * 0.5 + 0.4, 0, 1)
            x += width + int(random.integers(1, 4))
        picture[bottom : bottom + int(0.06 * size / rows)] = 0.62
    return _picture(picture)


def carpet(random: np.random.Generator, size: int = 256) -> np.ndarray:
    value = 1 + 0.05 * noise(random, size, 5) + 0.07 * random.normal(size=(size, size))
    return _picture(
        _tint(random, [(0.3, 0.32, 0.38), (0.42, 0.2, 0.2), (0.35, 0.33, 0.3)][random.integers(3)]) * value[..., None]
    )


def ceiling(random: np.random.Generator, size: int = 256) -> np.ndarray:
    _, joint = _bricks(random, size, 6, 6, 0.03, 0.0)
    return _picture(np.where(joint[..., None], 0.62, np.full((size, size, 3), 0.8)))


def poster(random: np.random.Generator, size: int = 128) -> np.ndarray:
    """An invented picture: fields of colour and a sun."""
    y, x = np.mgrid[0:size, 0:size] / size
    a, b, c = random.uniform(0.05, 0.9, (3, 3))
    hill = y > 0.6 + 0.15 * np.sin(x * random.uniform(3, 9) + random.uniform(0, 6))
    disc = np.hypot(x - random.uniform(0.2, 0.8), y - 0.35) < random.uniform(0.08, 0.2)
    picture = np.where(hill[..., None], a, b * (0.6 + 0.6 * y[..., None]))
    picture[disc & ~hill] = c
    edge = (np.minimum(x, 1 - x) < 0.05) | (np.minimum(y, 1 - y) < 0.05)
    picture[edge] = 0.9
    return _picture(picture)


def glass(random: np.random.Generator, size: int = 256) -> np.ndarray:
    """A glazed front seen from inside: frames before a bright, blurred outside."""
    y, x = np.mgrid[0:size, 0:size] / size
    sky = np.array([0.75, 0.82, 0.9]) * (1.1 - 0.5 * y)[..., None]
    town = y > 0.55 + 0.08 * np.sign(noise(random, size, 6, 1))
    sky[town] = (np.array([0.45, 0.45, 0.42]) * (1 + 0.2 * noise(random, size, 8, 2))[..., None])[town]
    sky[((x * 4) % 1 < 0.05) | ((y * 2) % 1 < 0.03)] = 0.25
    return _picture(sky)


SURFACES: dict[str, Callable[..., np.ndarray]] = {
    f.__name__: f
    for f in (
        paving,
        asphalt,
        tiles,
        grass,
        brick,
        plaster,
        facade,
        shops,
        wood,
        foliage,
        bark,
        metal,
        stone,
        panels,
        goods,
        carpet,
        ceiling,
        poster,
        glass,
    )
}
