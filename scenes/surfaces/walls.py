"""What stands round people: walls, fronts, glass, ceilings, roofs. The fourth channel shines in the dark."""

import numpy as np

from scenes.surfaces.painting import axes, finish, grain, noise, slabs, surface, tint, worn

WARM = np.array([1.0, 0.82, 0.55])


@surface(3.0)
def brick(random: np.random.Generator, size: int = 512) -> np.ndarray:
    slab, joint = slabs(random, size, 24, 8, 0.12, 0.5)
    base = tint(random, (0.5, 0.27, 0.2), (0.62, 0.5, 0.38), (0.42, 0.3, 0.26))
    value = (1 + 0.16 * slab + 0.05 * grain(random, size)) * worn(random, size)
    return finish(np.where(joint[..., None], 0.55, base * value[..., None]))


@surface(5.0)
def plaster(random: np.random.Generator, size: int = 256) -> np.ndarray:
    palette = [(0.82, 0.79, 0.72), (0.78, 0.7, 0.55), (0.66, 0.69, 0.7), (0.75, 0.62, 0.55), (0.86, 0.85, 0.82)]
    value = (1 + 0.012 * grain(random, size)) * worn(random, size, 0.8)
    return finish(tint(random, *palette, spread=0.04) * value[..., None])


@surface(2.5)
def stone(random: np.random.Generator, size: int = 512) -> np.ndarray:
    slab, joint = slabs(random, size, 5, 4, 0.03, 0.5)
    base = tint(random, (0.66, 0.62, 0.55), (0.55, 0.54, 0.53), (0.7, 0.64, 0.52))
    value = (1 + 0.06 * slab + 0.02 * grain(random, size)) * worn(random, size)
    return finish(base * np.where(joint, 0.8, value)[..., None])


@surface(3.6)
def panels(random: np.random.Generator, size: int = 256) -> np.ndarray:
    slab, joint = slabs(random, size, 2, 3, 0.015, 0.0)
    base = tint(random, (0.72, 0.72, 0.7), (0.6, 0.62, 0.66), (0.68, 0.6, 0.48), (0.5, 0.56, 0.52))
    return finish(base * np.where(joint, 0.7, 1 + 0.025 * slab + 0.02 * noise(random, size, 4))[..., None])


@surface(2.0)
def corrugated(random: np.random.Generator, size: int = 256) -> np.ndarray:
    """Ribbed sheet metal with rust, grey: the colour comes from the piece."""
    _, u = axes(size)
    rust = np.clip(noise(random, size, 4, 4) - 1.2, 0, 1)[..., None]
    value = (0.72 + 0.2 * np.clip(1.6 * np.sin(2 * np.pi * 10 * u), -1, 1)) * worn(random, size)
    return finish(value[..., None] * (1 - rust) + rust * np.array([0.42, 0.25, 0.15]))


@surface(2.4)
def wallpaper(random: np.random.Generator, size: int = 256) -> np.ndarray:
    """Stripes and a small figure."""
    v, u = axes(size)
    base = tint(random, (0.42, 0.16, 0.15), (0.2, 0.3, 0.26), (0.6, 0.5, 0.36), (0.25, 0.28, 0.38))
    figure = np.cos(16 * np.pi * u) + np.cos(16 * np.pi * v + np.pi * ((u * 8).astype(int) % 2)) > 1.3
    value = 1 + 0.14 * ((u * 16) % 1 < 0.5) + 0.3 * figure
    return finish(base * value[..., None])


@surface(1.6)
def wood(random: np.random.Generator, size: int = 256) -> np.ndarray:
    _, u = axes(size)
    fibre = np.sin(2 * np.pi * (6 * u + 0.15 * noise(random, size, 3, 2)))
    board = ((u * 8).astype(int) * 7 % 5) / 5
    value = 1 + 0.08 * fibre + 0.12 * (board - 0.4) - 0.4 * ((u * 8) % 1 < 0.03)
    return finish(tint(random, (0.5, 0.34, 0.2), (0.36, 0.23, 0.14), (0.66, 0.5, 0.32)) * value[..., None])


@surface(2.4)
def rooftiles(random: np.random.Generator, size: int = 256) -> np.ndarray:
    v, _ = axes(size)
    slab, _ = slabs(random, size, 12, 12, 0.1, 0.5)
    value = (1 + 0.12 * slab) * (0.65 + 0.45 * ((12 * v) % 1)) * worn(random, size)
    return finish(tint(random, (0.52, 0.27, 0.2), (0.3, 0.3, 0.33)) * value[..., None])


@surface(3.6)
def ceiling(random: np.random.Generator, size: int = 256) -> np.ndarray:
    _, joint = slabs(random, size, 6, 6, 0.03, 0.0)
    return finish(np.where(joint[..., None], 0.62, np.full((size, size, 3), 0.8)))


@surface(12.0)
def facade(random: np.random.Generator, size: int = 768) -> np.ndarray:
    """Four storeys of four windows each; some are lit at night."""
    wall = (plaster, brick, stone)[int(random.integers(3))](random, size)[..., :3] / 255
    cell = size // 4
    width, height = random.uniform(0.4, 0.72), random.uniform(0.5, 0.7)
    frame = tint(random, (0.85, 0.85, 0.83), (0.2, 0.2, 0.22), (0.4, 0.28, 0.18))
    v, u = axes(cell)
    x, y = np.abs(u - 0.5), np.abs(v - 0.5)
    inside = (x < width / 2) & (y < height / 2)
    border = (x < width / 2 + 0.035) & (y < height / 2 + 0.035) & ~inside
    bars = inside & ((x < 0.013) | (np.abs(v - 0.42) < 0.012))
    sill = (x < width / 2 + 0.06) & (np.abs(v - 0.5 - height / 2 - 0.05) < 0.025)
    streaks = (x < width / 2) & (v > 0.5 + height / 2) & (noise(random, cell, 16, 1) > 0.3)
    glow = np.zeros((size, size))
    for i in range(4):
        for j in range(4):
            at = slice(i * cell, (i + 1) * cell), slice(j * cell, (j + 1) * cell)
            part = wall[at]
            glass = np.array([0.16, 0.2, 0.24]) * random.uniform(0.6, 1.6) + 0.12 * (0.6 - v + 0.3 * u)[..., None]
            curtain = v < 0.5 - height / 2 + height * random.choice([0, 0, 0.3, 0.5, 1.0])
            glass = np.where(curtain[..., None], glass * 0.4 + np.array([0.4, 0.38, 0.34]) * 0.8, glass)
            part[inside] = glass[inside]
            part[streaks] *= 0.93
            part[border | bars] = frame
            part[sill] *= 0.8
            if random.random() < 0.4:
                glow[at][inside & ~bars] = np.where(curtain, 0.6, 1.0)[inside & ~bars]
    return finish(wall, glow)


@surface(12.0)
def curtainwall(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """An office front of glass in a grid, with the sky in it."""
    v, u = axes(size)
    rows, columns = 4, int(random.choice([6, 8, 10]))
    sky = np.array([0.42, 0.52, 0.6]) * (1.15 - 0.5 * v)[..., None] * (1 + 0.1 * noise(random, size, 3, 2))[..., None]
    shade = random.uniform(0.65, 1.0, (rows, columns))
    row, column = (v * rows).astype(int), (u * columns).astype(int)
    out = sky * shade[row, column][..., None]
    band = (v * rows) % 1 > 0.82
    out[band] = tint(random, (0.3, 0.34, 0.38), (0.5, 0.5, 0.48))
    frame = ((u * columns) % 1 < 0.05) | ((v * rows) % 1 < 0.03)
    out[frame] = tint(random, (0.2, 0.21, 0.22), (0.65, 0.66, 0.67))
    lit = random.random((rows, columns)) < 0.45
    return finish(out, (lit[row, column] & ~frame & ~band) * 0.9)


@surface(12.0)
def shops(random: np.random.Generator, size: int = 768) -> np.ndarray:
    """A row of three shop fronts with signs, 12 m wide and drawn for 4 m of height; lit at night."""
    wall = stone(random, size)[..., :3] / 255
    v, u = axes(size)
    glow = np.zeros((size, size))
    for k in range(3):
        a, b = k / 3 + 0.02, (k + 1) / 3 - 0.02
        sign = (u > a) & (u < b) & (v > 0.06) & (v < 0.22)
        window = (u > a) & (u < b) & (v > 0.26) & (v < 0.92)
        door = window & (u > a + 0.19) & (u < a + 0.27)
        inner = np.array([0.34, 0.31, 0.26]) * random.uniform(0.5, 1.5)
        inner = inner + 0.16 * noise(random, size, 12, 2)[..., None] * [1, 0.8, 0.6]
        wall[window] = np.clip(inner, 0.03, 0.9)[window]
        for level in (0.52, 0.68, 0.84):  # what is on show
            for x in np.arange(a + 0.012, b - 0.02, 0.02):
                high, wide = random.uniform(0.04, 0.12), random.uniform(0.006, 0.014)
                left, right, top, bottom = (round(size * at) for at in (x - wide, x + wide, level - high, level))
                wall[top:bottom, left:right] = random.uniform(0.08, 0.8, 3) * 0.6 + 0.12
        wall[window & ((v * 6.25 % 1) < 0.05) & (v > 0.5)] = [0.25, 0.22, 0.2]
        wall[door] = [0.12, 0.13, 0.15]
        edges = np.min([np.abs(u - x) for x in (a, b, a + 0.19, a + 0.27)], axis=0)
        wall[window & (edges < 0.005)] = 0.15
        colour = tint(
            random,
            (0.6, 0.12, 0.12),
            (0.1, 0.25, 0.5),
            (0.1, 0.4, 0.25),
            (0.85, 0.65, 0.15),
            (0.12, 0.12, 0.13),
            (0.8, 0.78, 0.74),
        )
        wall[sign] = colour
        stroke = np.sin(u * 900 + 3 * np.sin(u * 310)) + np.sin(v * 260 + 2 * np.sin(u * 140)) > 0.1
        letters = sign & (np.abs(v - 0.14) < 0.032) & ((u * 60) % 1 < 0.75) & stroke
        letters &= np.abs(u - (a + b) / 2) < random.uniform(0.05, 0.12)
        wall[letters] = 0.95 if colour.mean() < 0.5 else 0.1
        glow[window & ~door], glow[sign] = 1.0, 0.5
    return finish(wall, glow)


@surface(4.0)
def glass(random: np.random.Generator, size: int = 256) -> np.ndarray:
    """A glazed front seen from inside: frames before a bright, blurred outside, whose windows shine at night."""
    v, u = axes(size)
    glow, lit = np.zeros((size, size)), random.random((24, 32)) < 0.3
    sky = np.array([0.78, 0.85, 0.93]) * (1.1 - 0.35 * v)[..., None]
    for k in range(14):  # houses, the nearer the darker
        left, wide, top = (k * 0.31) % 1, random.uniform(0.08, 0.16), random.uniform(0.3, 0.62) + 0.012 * k
        house = ((u - left) % 1 < wide) & (v > top)
        panes = house & ((u * 32) % 1 < 0.55) & ((v * 24) % 1 < 0.6) & (v > top + 0.03)
        sky[house] = random.uniform(0.5, 0.62) + random.normal(0, 0.012, 3) - 0.012 * k
        sky[panes] *= 0.85
        glow[house] = (panes & lit[(v * 24).astype(int), (u * 32).astype(int)])[house]
    sky[v > 0.86] = [0.4, 0.41, 0.38]
    frame = ((u * 4) % 1 < 0.05) | ((v * 2) % 1 < 0.03)
    sky[frame], glow[frame | (v > 0.86)] = 0.25, 0
    return finish(sky, glow)


@surface(1.0)
def pane(random: np.random.Generator, size: int = 128) -> np.ndarray:
    """Dark glass with something bright mirrored in it: windscreens, doors, screens."""
    v, _ = axes(size)
    mirrored = np.clip(noise(random, size, 3, 2) + 1.2 * (0.5 - v), 0, 1)[..., None]
    return finish(np.array([0.07, 0.09, 0.1]) + 0.3 * mirrored * np.array([0.75, 0.85, 1.0]))
