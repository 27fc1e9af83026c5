"""Fold maps: relief of cloth on the tiles of garments, drawn from strokes that follow how cloth hangs (numpy).

A map is drawn once for each kind, tile and variant, and shared by all who wear it.
"""

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from synth.randomness import rng

VARIANTS = 5
DEPTH_M = 0.007  # of a fold of relief 1


@lru_cache(maxsize=128)
def fold_map(
    kind: str, part: str, variant: int, shape: tuple[int, int], size_m: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Relief, about -1 to 1, and how much light it leaves to the colour; (H, W) float16, since many are kept.

    The light is the sky's: less in valleys and on what faces down. Small pictures show no more of folds than this.

    Args:
        kind: shirt, knit, jacket, quilt, trousers, tight or skirt. part: trunk, sleeve or leg.
        shape: (H, W). size_m: (height, width) of the tile; x = 0 in its middle, which is the front of the trunk and
            the outer side of a leg; z counts up from the tile's lower edge.
    """
    random = rng("folds", kind, part, variant)
    rows, columns = shape[0] // 2, shape[1] // 2
    z = np.linspace(size_m[0], 0, rows, dtype=np.float32)[:, None]
    x = np.linspace(-size_m[1] / 2, size_m[1] / 2, columns, dtype=np.float32)[None]
    drawn = np.zeros((rows, columns), np.float32)
    if kind == "quilt":
        pitch = random.uniform(0.055, 0.085)
        drawn = (
            np.abs(np.sin(np.pi * (z / pitch + 0.12 * np.sin(2 * np.pi * 2 * x / size_m[1])))).astype(np.float32) ** 0.6
            * 1.6
            - 1.0
        )
        drawn = drawn + _strokes(x, z, size_m, random, 50, 0.35, part, tilt=0.9, long=0.03)
    else:
        strength = {"shirt": 1.0, "knit": 0.8, "jacket": 0.9, "trousers": 1.0, "tight": 0.25, "skirt": 0.5}[kind]
        drawn = drawn + strength * _hang(x, z, size_m, random, part, kind)
    if kind == "knit":
        drawn = drawn + 0.25 * np.sin(2 * np.pi * x / 0.012) * (0.5 + 0.5 * np.sin(2 * np.pi * z / 0.02))
    relief = zoom(np.clip(drawn, -1.5, 1.5), 2, order=1).astype(np.float32)[: shape[0], : shape[1]]
    pitch = size_m[0] / shape[0]
    up = np.gradient(gaussian_filter(relief, 1.0, mode=("nearest", "wrap")), pitch, axis=0) * DEPTH_M
    valley = relief - gaussian_filter(relief, 0.012 / pitch, mode=("nearest", "wrap"))
    shade = 1 + np.clip(0.45 * up, -0.30, 0.22) + np.clip(0.30 * valley, -0.22, 0.08)
    return relief.astype(np.float16), shade.astype(np.float16)


def _stroke(
    x: np.ndarray, z: np.ndarray, at: tuple[float, float], angle: float, long: float, wide: float, bend: float
) -> np.ndarray:
    """A ridge with a valley beside it. Args: angle: 0 runs sideways, pi/2 up."""
    dx, dz = x - at[0], z - at[1]
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along, across = (dx * c + dz * s) / np.float32(long), -dx * s + dz * c
    across = (across - np.float32(bend) * along * along) / np.float32(wide)
    fade = np.exp(-np.minimum(along**2, 9.0) * 1.2)
    return fade * np.exp(-np.minimum(across**2, 9.0)) * (1 - 0.9 * across)


def _strokes(
    x: np.ndarray,
    z: np.ndarray,
    size_m: tuple[float, float],
    random: np.random.Generator,
    count: int,
    strength: float,
    part: str,
    tilt: float,
    long: float,
) -> np.ndarray:
    """Strokes strewn over the tile."""
    out = np.zeros((z.shape[0], x.shape[1]), np.float32)
    for _ in range(count):
        at = (random.uniform(-0.5, 0.5) * size_m[1], random.uniform(0, 1) * size_m[0])
        _add(
            out,
            x,
            z,
            at,
            random.normal(0, tilt),
            long * random.uniform(0.6, 1.6),
            long * 0.25 * random.uniform(0.6, 1.5),
            random.normal(0, 0.2 * long),
            strength * random.uniform(0.4, 1.0),
        )
    return out


def _add(
    out: np.ndarray,
    x: np.ndarray,
    z: np.ndarray,
    at: tuple[float, float],
    angle: float,
    long: float,
    wide: float,
    bend: float,
    strength: float,
) -> None:
    """Adds a stroke where it is, seams left and right joined."""
    width = float(x[0, -1] - x[0, 0])
    reach = 2.2 * long + 2 * wide
    for shift in (0.0, width, -width):
        centre = (at[0] + shift, at[1])
        columns = np.flatnonzero(np.abs(x[0] - centre[0]) < reach)
        rows = np.flatnonzero(np.abs(z[:, 0] - centre[1]) < reach)
        if len(columns) and len(rows):
            window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            out[window] += np.float32(strength) * _stroke(
                x[:, window[1]], z[window[0]], centre, angle, long, wide, bend
            )


def _hang(
    x: np.ndarray, z: np.ndarray, size_m: tuple[float, float], random: np.random.Generator, part: str, kind: str
) -> np.ndarray:
    """The folds of hanging cloth: where it is pulled, pressed together, and where it swings free."""
    out = np.zeros((z.shape[0], x.shape[1]), np.float32)
    height, width = size_m
    u = random.uniform
    broad = 1.9 if kind == "jacket" else 1.3

    def add(at: tuple[float, float], angle: float, long: float, wide: float, strength: float) -> None:
        _add(out, x, z, at, angle, 1.4 * long, wide * broad, random.normal(0, 0.8 * wide), 1.1 * strength)

    if part == "trunk":
        for side in (-1, 1):
            armpit = side * 0.24 * width
            for _ in range(7):  # pulled from the armpits
                add(
                    (armpit * u(0.5, 1.0), height * u(0.52, 0.8)),
                    side * u(0.5, 1.1),
                    u(0.05, 0.12),
                    u(0.008, 0.014),
                    u(0.4, 0.9),
                )
            for _ in range(7):  # pressed together at the waist
                add(
                    (side * width * u(0.12, 0.34), height * u(0.12, 0.4)),
                    side * u(-0.5, 0.3),
                    u(0.04, 0.10),
                    u(0.008, 0.015),
                    u(0.4, 0.9),
                )
            for _ in range(6):  # the back
                add(
                    (side * width * u(0.34, 0.5), height * u(0.1, 0.75)),
                    side * u(-0.9, 0.5),
                    u(0.05, 0.12),
                    u(0.01, 0.018),
                    u(0.3, 0.8),
                )
        for _ in range(8):  # hangs free
            add(
                (width * u(-0.2, 0.2), height * u(0.1, 0.55)),
                np.pi / 2 + random.normal(0, 0.4),
                u(0.06, 0.16),
                u(0.010, 0.018),
                u(0.25, 0.6),
            )
    elif part == "sleeve":
        for _ in range(9):  # the bend of the elbow
            add(
                (width * u(-0.45, 0.45), 0.25 + random.normal(0, 0.05)),
                random.normal(0, 0.45),
                u(0.03, 0.07),
                u(0.006, 0.011),
                u(0.5, 1.0),
            )
        for _ in range(12):  # twisted down the arm
            add(
                (width * u(-0.5, 0.5), height * u(0.1, 0.9)),
                random.choice([-1, 1]) * u(0.4, 1.1),
                u(0.04, 0.10),
                u(0.006, 0.011),
                u(0.3, 0.8),
            )
        for _ in range(7):  # gathers above the cuff
            add(
                (width * u(-0.5, 0.5), 0.05 + u(0, 0.06)),
                random.normal(0, 0.2),
                u(0.03, 0.07),
                u(0.006, 0.010),
                u(0.4, 0.9),
            )
    elif kind == "skirt":
        for _ in range(26):
            add(
                (width * u(-0.5, 0.5), height * u(0.1, 0.6)),
                np.pi / 2 + random.normal(0, 0.06),
                u(0.12, 0.3),
                u(0.012, 0.03),
                u(0.3, 0.9),
            )
    else:  # a leg; the outer side in the middle, the front at +-width/4
        for _ in range(9):  # from the crotch
            add(
                (random.choice([-1, 1]) * width * u(0.25, 0.45), u(0.70, 0.88)),
                random.choice([-1, 1]) * u(0.2, 0.7),
                u(0.04, 0.09),
                u(0.008, 0.013),
                u(0.4, 0.9),
            )
        for _ in range(12):  # behind and beside the knee
            add(
                (width * u(-0.5, 0.5), 0.50 + random.normal(0, 0.06)),
                random.normal(0, 0.4),
                u(0.04, 0.08),
                u(0.007, 0.012),
                u(0.4, 0.9),
            )
        for _ in range(14):  # over the shoe
            add(
                (width * u(-0.5, 0.5), 0.06 + abs(random.normal(0, 0.07))),
                random.normal(0, 0.22),
                u(0.04, 0.08),
                u(0.007, 0.011),
                u(0.4, 1.0),
            )
        for _ in range(12):  # down the leg
            add(
                (width * u(-0.5, 0.5), u(0.15, 0.9)),
                np.pi / 2 + random.normal(0, 0.35),
                u(0.07, 0.2),
                u(0.010, 0.016),
                u(0.2, 0.6),
            )
    return np.tanh(gaussian_filter(out, 0.5, mode=("nearest", "wrap")))
