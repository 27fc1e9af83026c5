"""What surfaces are painted with: noise, slabs, stains (numpy)."""

from collections.abc import Callable

import numpy as np

Painter = Callable[..., np.ndarray]
METRES: dict[str, float] = {}  # what one repeat of a surface covers
SURFACES: dict[str, Painter] = {}


def surface(metres: float) -> Callable[[Painter], Painter]:
    """Registers a function that takes a generator and returns one repeat (H, W, 3) or (H, W, 4) uint8, sRGB; the
    fourth channel is how much of its colour it gives off in the dark.
    """

    def register(paint: Painter) -> Painter:
        METRES[paint.__name__], SURFACES[paint.__name__] = metres, paint
        return paint

    return register


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


def grain(random: np.random.Generator, size: int) -> np.ndarray:
    """White noise (size, size)."""
    return random.normal(size=(size, size))


def axes(size: int) -> tuple[np.ndarray, np.ndarray]:
    """v downwards and u to the right (size, size), 0 to 1."""
    v, u = np.mgrid[0:size, 0:size] / size
    return v, u


def finish(colour: np.ndarray, glow: np.ndarray | None = None) -> np.ndarray:
    """Floats 0 to 1 to 8 bits. Args: colour: (H, W, 3) sRGB. glow: (H, W) or None."""
    picture = colour if glow is None else np.concatenate([colour, np.asarray(glow, float)[..., None]], axis=-1)
    return np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def tint(random: np.random.Generator, *bases: tuple[float, float, float], spread: float = 0.06) -> np.ndarray:
    """One of some colours, a little off."""
    base = np.array(bases[random.integers(len(bases))])
    return np.clip(base * (1 + random.normal(0, spread)) + random.normal(0, spread / 6, 3), 0.02, 0.95)


def slabs(
    random: np.random.Generator, size: int, rows: int, columns: int, joint: float, stagger: float
) -> tuple[np.ndarray, np.ndarray]:
    """Value of each slab (size, size), roughly -1 to 1, and the joints' mask."""
    y, x = axes(size)
    row = (y * rows).astype(int)
    u = (x * columns + stagger * (row % 2)) % columns
    values = random.normal(0, 0.5, (rows, columns + 1))
    values[:, columns] = values[:, 0]
    mask = ((y * rows) % 1 < joint) | (u % 1 < joint * columns / rows)
    return values[row, u.astype(int)], mask


def cells(random: np.random.Generator, size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest of `count` x `count` jittered points and how much farther the second one is, in cells
    (size, size); periodic.
    """
    y, x = axes(size)
    y, x = y * count, x * count
    points = random.uniform(0.1, 0.9, (count, count, 2))
    i, j = y.astype(int), x.astype(int)
    first, second = np.full((2, size, size), 9.0)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            p = points[(i + di) % count, (j + dj) % count]
            d = np.hypot(i + di + p[..., 0] - y, j + dj + p[..., 1] - x)
            second = np.minimum(second, np.maximum(first, d))
            first = np.minimum(first, d)
    return first, second - first


def worn(random: np.random.Generator, size: int, amount: float = 1.0) -> np.ndarray:
    """Factor (size, size) of stains, scuffs and dust on what people walk on or rain runs down."""
    soft, hard = noise(random, size, 3), noise(random, size, 9, 4)
    stains = np.clip(noise(random, size, 6, 4) - 1.4, 0, 0.8)
    return 1 + amount * (0.04 * soft + 0.025 * hard - 0.12 * stains)
