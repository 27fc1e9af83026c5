"""Fold maps: relief of cloth on the tiles of garments, drawn from strokes that follow how cloth hangs (numpy).

A map is drawn once for each kind, tile and variant, and shared by all who wear it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from opengspr.randomness import rng

VARIANTS = 5
DEPTH_M = 0.007  # of a fold of relief 1


@lru_cache(maxsize=96)
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
    relief = zoom(np.clip(drawn, -1.5, 1.5), 2, order=1).astype(np.float32)[: shape[0], : shape[1]]
    if kind == "knit":  # as fine as the tile, and a whole number of ribs: neither beats nor a seam show
        along, down = np.arange(shape[1]) / shape[1], np.arange(shape[0])[:, None] * size_m[0] / shape[0]
        ribs = np.sin(2 * np.pi * round(size_m[1] / 0.015) * along) * (0.5 + 0.5 * np.sin(2 * np.pi * down / 0.02))
        relief = relief + np.float32(0.18) * ribs.astype(np.float32)
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


Spread = tuple[float, ...]  # (low, high), even; (mean, deviation, 0), normal; (mean, deviation, 1), above the mean


@dataclass(frozen=True)
class Strokes:
    """So many strokes of a kind. Attributes: x: place in widths of the tile. z: place above its lower edge; of trunks,
    in heights of the tile. angle: 0 runs sideways, pi / 2 up. either: whether x and the angle, or the angle alone
    (`turns`), are on either side by chance. Lengths in metres.
    """

    count: int
    x: Spread
    z: Spread
    angle: Spread
    long: Spread
    wide: Spread
    strength: Spread
    either: bool = False
    turns: bool = False


# What pulls, presses or hangs: first on each side in turn, x and angle mirrored; then anywhere.
SIDED = {
    "trunk": (  # from the armpits, pressed together at the waist, the back
        Strokes(9, (0.12, 0.24), (0.52, 0.80), (0.5, 1.1), (0.05, 0.12), (0.008, 0.014), (0.4, 0.9)),
        Strokes(11, (0.10, 0.36), (0.10, 0.42), (-0.6, 0.35), (0.04, 0.11), (0.008, 0.015), (0.4, 0.9)),
        Strokes(8, (0.34, 0.50), (0.10, 0.75), (-0.9, 0.5), (0.05, 0.12), (0.010, 0.018), (0.3, 0.8)),
    )
}
UP = np.pi / 2
ANYWHERE = {
    "trunk": (Strokes(10, (-0.2, 0.2), (0.10, 0.55), (UP, 0.4, 0), (0.06, 0.16), (0.010, 0.018), (0.35, 0.75)),),
    "sleeve": (
        # the bend of the elbow, its crook, twisted down the arm, above the cuff
        Strokes(9, (-0.45, 0.45), (0.25, 0.05, 0), (0, 0.45, 0), (0.03, 0.07), (0.006, 0.011), (0.5, 1.0)),
        Strokes(8, (-0.40, -0.12), (0.25, 0.035, 0), (0, 0.35, 0), (0.03, 0.06), (0.007, 0.011), (0.7, 1.2)),
        Strokes(12, (-0.5, 0.5), (0.05, 0.50), (0.4, 1.1), (0.04, 0.10), (0.006, 0.011), (0.4, 0.9), turns=True),
        Strokes(8, (-0.5, 0.5), (0.05, 0.11), (0, 0.2, 0), (0.03, 0.07), (0.006, 0.010), (0.5, 1.0)),
    ),
    "skirt": (Strokes(26, (-0.5, 0.5), (0.106, 0.636), (UP, 0.06, 0), (0.12, 0.30), (0.012, 0.030), (0.3, 0.9)),),
    "leg": (  # the outer side in the middle, the front at +-width/4
        # from the crotch, behind and beside the knee, over the shoe, down the leg
        Strokes(9, (0.25, 0.45), (0.70, 0.88), (0.2, 0.7), (0.04, 0.09), (0.008, 0.013), (0.4, 0.9), either=True),
        Strokes(12, (-0.5, 0.5), (0.50, 0.06, 0), (0, 0.4, 0), (0.04, 0.08), (0.007, 0.012), (0.4, 0.9)),
        Strokes(14, (-0.5, 0.5), (0.06, 0.07, 1), (0, 0.22, 0), (0.04, 0.08), (0.007, 0.011), (0.4, 1.0)),
        Strokes(12, (-0.5, 0.5), (0.15, 0.90), (UP, 0.35, 0), (0.07, 0.20), (0.010, 0.016), (0.2, 0.6)),
    ),
}


def _hang(
    x: np.ndarray, z: np.ndarray, size_m: tuple[float, float], random: np.random.Generator, part: str, kind: str
) -> np.ndarray:
    """The folds of hanging cloth: where it is pulled, pressed together, and where it swings free."""
    out = np.zeros((z.shape[0], x.shape[1]), np.float32)
    height, width = size_m
    broad = 1.9 if kind == "jacket" else 1.7 if part == "trunk" else 1.3

    def draw(spread: Spread) -> float:
        if len(spread) == 2:
            return random.uniform(*spread)
        mean, deviation, above = spread
        more = random.normal(0, deviation)
        return mean + (abs(more) if above else more)

    def either(yes: bool) -> int:
        return random.choice([-1, 1]) if yes else 1

    def add(strokes: Strokes, side: int) -> None:
        for _ in range(strokes.count):
            at_x = side * either(strokes.either) * width * draw(strokes.x)
            at_z = draw(strokes.z) * (height if part == "trunk" else 1.0)
            angle = side * either(strokes.either or strokes.turns) * draw(strokes.angle)
            long, wide, strength = draw(strokes.long), broad * draw(strokes.wide), draw(strokes.strength)
            bend = random.normal(0, 0.8 * wide / broad)
            _add(out, x, z, (at_x, at_z), angle, 1.4 * long, wide, bend, 1.1 * strength)

    for side in (-1, 1):
        for strokes in SIDED.get(part, ()):
            add(strokes, side)
    for strokes in ANYWHERE["skirt" if kind == "skirt" and part == "leg" else part]:
        add(strokes, 1)
    return np.tanh(gaussian_filter(out, 0.5, mode=("nearest", "wrap")))
