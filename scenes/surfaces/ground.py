"""What people walk on."""

import numpy as np

from scenes.surfaces.painting import axes, cells, finish, grain, noise, slabs, surface, tint, worn


@surface(3.2)
def paving(random: np.random.Generator, size: int = 512) -> np.ndarray:
    base = tint(random, (0.55, 0.53, 0.5), (0.47, 0.42, 0.38), (0.6, 0.57, 0.5), (0.42, 0.43, 0.45))
    rows = int(random.choice([4, 6, 8, 12]))
    slab, joint = slabs(random, size, rows, int(random.choice([4, 6, 8])), 0.035, float(random.choice([0, 0.5])))
    value = (1 + 0.07 * slab + 0.03 * grain(random, size)) * worn(random, size)
    return finish(base * np.where(joint, 0.72, value)[..., None])


@surface(2.0)
def cobbles(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """Rows of rounded setts."""
    rows, columns = 16, 12
    slab, _ = slabs(random, size, rows, columns, 0.1, 0.5)
    y, x = axes(size)
    row = (y * rows).astype(int)
    dy, dx = np.abs((y * rows) % 1 - 0.5), np.abs((x * columns + 0.5 * (row % 2)) % 1 - 0.5)
    dome = np.clip(1.15 - (2 * dy) ** 4 - (2 * dx) ** 4, 0, 1)
    value = (0.62 + 0.38 * dome) * (1 + 0.13 * slab + 0.05 * grain(random, size)) * worn(random, size)
    return finish(tint(random, (0.43, 0.42, 0.42), (0.5, 0.45, 0.4)) * value[..., None])


@surface(6.0)
def asphalt(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """With patches of other ages and cracks."""
    _, edge = cells(random, size, 4)
    crack = (edge < 0.008) & (noise(random, size, 3, 2) > 0.5)
    patch = np.where(noise(random, size, 2, 1) > 1.2, 0.86, 1.0)
    value = patch * (1 + 0.05 * noise(random, size, 4) + 0.08 * grain(random, size)) * worn(random, size)
    return finish(tint(random, (0.3, 0.3, 0.31)) * np.where(crack, 0.55, value)[..., None])


@surface(4.0)
def concrete(random: np.random.Generator, size: int = 512) -> np.ndarray:
    _, joint = slabs(random, size, 2, 2, 0.006, 0.0)
    value = (1 + 0.03 * noise(random, size, 6, 4) + 0.02 * grain(random, size)) * worn(random, size, 1.6)
    return finish(tint(random, (0.55, 0.54, 0.52), (0.48, 0.48, 0.47)) * np.where(joint, 0.7, value)[..., None])


@surface(2.4)
def tiles(random: np.random.Generator, size: int = 512) -> np.ndarray:
    base = tint(random, (0.72, 0.7, 0.66), (0.5, 0.48, 0.45), (0.62, 0.55, 0.45), (0.8, 0.8, 0.78))
    n = int(random.choice([2, 4, 6]))
    slab, joint = slabs(random, size, n, n, 0.015, 0.0)
    y, x = (np.stack(axes(size)) * n).astype(int)
    chess = ((x + y) % 2) * float(random.choice([0, 0, 0.25]))
    value = (1 + 0.025 * slab - chess) * worn(random, size, 0.5)
    return finish(base * np.where(joint, 0.8, value)[..., None])


@surface(4.0)
def marble(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """Large veined slabs."""
    slab, joint = slabs(random, size, 4, 4, 0.01, 0.0)
    veins = np.exp(-((noise(random, size, 3, 5) / 0.06) ** 2)) * np.clip(noise(random, size, 2, 2) + 0.5, 0, 1)
    base = tint(random, (0.82, 0.8, 0.77), (0.74, 0.68, 0.6))
    value = (1 + 0.03 * slab - 0.16 * veins) * worn(random, size, 0.3)
    return finish(base * np.where(joint, 0.75, value)[..., None])


@surface(4.0)
def grass(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """A lawn with clover, straw and bare spots."""
    value = 1 + 0.14 * noise(random, size, 8) + 0.16 * grain(random, size)
    straw = np.clip(noise(random, size, 4, 4) - 0.8, 0, 1)[..., None]
    return finish(
        tint(random, (0.25, 0.34, 0.14), (0.3, 0.36, 0.16)) * value[..., None] * (1 - 0.5 * straw)
        + 0.5 * straw * np.array([0.46, 0.42, 0.24])
    )


@surface(6.0)
def turf(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """Mown in stripes."""
    _, u = axes(size)
    value = np.where(u < 0.5, 1.0, 0.88) * (1 + 0.08 * grain(random, size) + 0.04 * noise(random, size, 8))
    return finish(np.array([0.22, 0.42, 0.16]) * value[..., None])


@surface(5.0)
def sand(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """With footprints."""
    pits, _ = cells(random, size, 16)
    hollow = np.clip(1 - pits / 0.28, 0, 1) * (noise(random, size, 4, 2) > -0.2)
    value = 1 + 0.04 * noise(random, size, 6, 4) + 0.035 * grain(random, size) - 0.12 * hollow
    return finish(tint(random, (0.76, 0.67, 0.5), (0.8, 0.73, 0.6)) * value[..., None])


@surface(1.6)
def gravel(random: np.random.Generator, size: int = 512) -> np.ndarray:
    _, edge = cells(random, size, 64)
    # with more contrast, pictures of few samples make straw of it from afar
    value = 0.93 + 0.16 * np.clip(edge, 0, 0.5) + 0.05 * noise(random, size, 24, 2)
    return finish(tint(random, (0.56, 0.53, 0.48), (0.62, 0.54, 0.42)) * (value * worn(random, size))[..., None])


@surface(5.0)
def dirt(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """Trodden earth with stones and tufts."""
    value = 1 + 0.12 * noise(random, size, 5, 5) + 0.06 * grain(random, size)
    near, _ = cells(random, size, 28)
    stones = (near < 0.2) & (noise(random, size, 6, 2) > 0.7)
    tufts = np.clip(noise(random, size, 7, 3) - 0.9, 0, 1)[..., None]
    out = tint(random, (0.45, 0.37, 0.28), (0.5, 0.43, 0.35)) * value[..., None]
    out[stones] = 0.56
    return finish(out * (1 - tufts) + tufts * np.array([0.3, 0.36, 0.16]))


@surface(2.4)
def planks(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """Weathered boards, side by side along v."""
    v, u = axes(size)
    count = 16
    board = (u * count).astype(int)
    values = random.normal(0, 0.5, count)
    fibre = np.repeat(noise(random, size, 64, 1)[:1], size, axis=0) + 0.6 * noise(random, size, 4, 3)
    ends = (v + random.random(count)[board]) % 1 < 0.006
    value = 1 + 0.1 * values[board] + 0.05 * fibre
    gap = ((u * count) % 1 < 0.06) | ends
    base = tint(random, (0.52, 0.45, 0.37), (0.45, 0.33, 0.23))
    return finish(base * (np.where(gap, 0.62, value) * worn(random, size))[..., None])


@surface(3.0)
def parquet(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """Strips laid in squares."""
    v, u = axes(size)
    count, strips = 6, 5
    i, j = (v * count).astype(int), (u * count).astype(int)
    along = np.where((i + j) % 2, (v * count) % 1, (u * count) % 1)
    strip = (along * strips).astype(int)
    values = random.normal(0, 0.5, (count, count, strips))
    value = 1 + 0.12 * values[i, j, strip] + 0.03 * noise(random, size, 30, 2)
    return finish(
        tint(random, (0.55, 0.37, 0.21), (0.62, 0.47, 0.3))
        * np.where((along * strips) % 1 < 0.06, 0.86 * value, value)[..., None]
    )


@surface(3.0)
def rubber(random: np.random.Generator, size: int = 256) -> np.ndarray:
    """Speckled granules, as under playgrounds and weights."""
    specks = noise(random, size, 64, 1)
    value = 1 + 0.05 * noise(random, size, 5) + 0.10 * (specks > 1.3) - 0.05 * grain(random, size)
    return finish(np.full(3, 0.55) * value[..., None])


@surface(3.0)
def carpet(random: np.random.Generator, size: int = 256) -> np.ndarray:
    value = 1 + 0.05 * noise(random, size, 5) + 0.07 * grain(random, size)
    return finish(tint(random, (0.3, 0.32, 0.38), (0.42, 0.2, 0.2), (0.35, 0.33, 0.3)) * value[..., None])


@surface(9.0)
def water(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """Ripples with foam."""
    v, _ = axes(size)
    waves = np.sin(2 * np.pi * (9 * v + 0.35 * noise(random, size, 4, 3))) + 0.6 * noise(random, size, 14, 3)
    foam = np.clip(waves - 1.9, 0, 0.4)[..., None]
    return finish(tint(random, (0.10, 0.2, 0.24), (0.12, 0.22, 0.22)) * (1 + 0.2 * waves)[..., None] + foam * 0.7)
