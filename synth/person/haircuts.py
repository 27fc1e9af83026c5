"""Haircuts as records, and where hair grows (numpy). To add a haircut, add a record to HAIR."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from synth.person.headwear import HATS, hat_inside, units
from synth.person.pieces import places

COVERED_M = 0.016  # inside the hairline nothing is seen of the skin
SHOULDER_M = 1.42  # hair that ends above hangs straight down and covers the ears


@dataclass(frozen=True)
class Hair:
    """Attributes: crown_m, side_m thickness on top and at the sides; fringe_m how far hair falls over the forehead, and
    sweep sideways there, radians; part_x place of a parting or None; quiff_m more at the front; rough_m relief of the
    locks; jag_m by how much their ends differ; fade_m how slowly it gets thick at the sides and the nape; curl 0
    straight to 1; hang_m height on the template of the ends of hanging hair; tie: tail, bun, top bun or braids; top:
    whether there is hair on top.
    """

    crown_m: float
    side_m: float
    fringe_m: float = 0.0
    sweep: float = 0.0
    part_x: float | None = None
    quiff_m: float = 0.0
    rough_m: float = 0.002
    jag_m: float = 0.003
    fade_m: float = 0.0
    curl: float = 0.0
    hang_m: float | None = None
    tie: str = ""
    top: bool = True


HAIR: dict[str, Hair | None] = {
    "bald": None,
    "buzz": Hair(0.004, 0.003, rough_m=0.0, jag_m=0.001),
    "receding": Hair(0.010, 0.008, top=False, rough_m=0.001),
    "crew": Hair(0.016, 0.006, rough_m=0.0015, fade_m=0.012),
    "short": Hair(0.024, 0.012, fringe_m=0.012, sweep=0.10, rough_m=0.003, jag_m=0.006, fade_m=0.010),
    "side part": Hair(0.024, 0.012, part_x=0.032, rough_m=0.0025, fade_m=0.014),
    "quiff": Hair(0.022, 0.006, quiff_m=0.026, rough_m=0.003, fade_m=0.012),
    "fringe": Hair(0.024, 0.016, fringe_m=0.034, sweep=0.22, rough_m=0.003, jag_m=0.010),
    "curly": Hair(0.034, 0.024, rough_m=0.006, curl=1.0, fringe_m=0.012, jag_m=0.008),
    "afro": Hair(0.068, 0.056, rough_m=0.006, curl=1.0, jag_m=0.004),
    "bob": Hair(0.020, 0.016, hang_m=1.465, part_x=0.02, jag_m=0.006),
    "fringed bob": Hair(0.020, 0.016, hang_m=1.46, fringe_m=0.040, sweep=0.06, jag_m=0.007),
    "shoulder": Hair(0.018, 0.014, hang_m=1.37, part_x=0.0, jag_m=0.014),
    "long": Hair(0.018, 0.013, hang_m=1.20, part_x=0.012, jag_m=0.022),
    "wavy": Hair(0.024, 0.019, hang_m=1.28, part_x=0.03, rough_m=0.0035, jag_m=0.022, curl=0.6),
    "ponytail": Hair(0.009, 0.008, tie="tail", rough_m=0.0015),
    "bun": Hair(0.009, 0.008, tie="bun", rough_m=0.0015),
    "top bun": Hair(0.010, 0.009, tie="top bun", rough_m=0.0015),
    "braids": Hair(0.011, 0.010, part_x=0.0, tie="braids", rough_m=0.002, fade_m=0.014),
}


def hairline(hair: Hair, at: np.ndarray) -> np.ndarray:
    """Metres inside the hairline at template positions (..., 3), negative where no hair grows."""
    side, back, up = units(at)
    # forehead, temple, in front of the ear, over it, behind it, nape
    line = np.interp(
        back,
        [-0.75, -0.63, -0.55, -0.47, -0.39, -0.06, 0.00, 0.12, 0.30, 0.40, 0.60, 1.00],
        [0.54, 0.54, 0.32, 0.16, -0.12, -0.22, 0.10, 0.16, 0.05, -0.30, -0.62, -0.80],
    )
    temples = 0.12 * np.exp(-(((np.abs(side) - 0.62) / 0.22) ** 2)) * np.clip((-back - 0.45) / 0.12, 0, 1)
    low = line + temples - hair.fringe_m / 0.108 * np.clip((-back - 0.25) / 0.2, 0, 1)
    inside = np.minimum((up - low) * 0.108, np.where(up < 0.25, 0.96 - np.abs(side), 1.0) * 0.078)  # not on the ears
    if not hair.top:
        bare = np.hypot(side / 0.72, (back + 0.25) / 1.05) - 1 + np.where(up < 0.45, 3.0, 0.0)
        inside = np.minimum(inside, bare * 0.05)
    return np.where(at[..., 2] > 1.42, inside, -1.0)


def roots(hair: Hair, at: np.ndarray) -> np.ndarray:
    """How much hair grows from the skin at template positions (H, W, 3), 0 to 1: it thins out beyond the hairline."""
    return np.clip((hairline(replace(hair, fringe_m=0.0), at) - 0.001 + 0.008 * _fuzz(at.shape[:2])) / 0.012, 0, 1)


@lru_cache(maxsize=1)
def _fuzz(shape: tuple[int, int]) -> np.ndarray:
    """Short strands upwards (H, W), 0 to 1."""
    drawn = gaussian_filter(np.random.Generator(np.random.PCG64(0)).normal(size=shape), (3.0, 0.6), mode="wrap")
    return np.clip(0.5 + 0.35 * drawn / drawn.std(), 0, 1).astype(np.float32)


@lru_cache(maxsize=128)
def under_hair(kind: str, hat: str | None) -> np.ndarray:
    """Which vertices of the body's skin (M,) are well under hair or a hat."""
    at, hair = places("body").at, HAIR[kind]
    hidden = np.zeros(len(at), bool)
    if hair is not None:
        hidden |= hairline(replace(hair, fringe_m=0.0), at) > COVERED_M * (1 if hair.hang_m is None else 2)
        if hair.hang_m is not None and hair.hang_m > SHOULDER_M:
            hidden |= on_ear(at)
    if hat is not None:
        hidden |= (hat_inside(HATS[hat], at) > (0.035 if HATS[hat].hides == "all" else 0.02)) & (at[:, 2] > 1.48)
    return hidden


def on_ear(at: np.ndarray) -> np.ndarray:
    """Which template positions (N, 3) are on the ears."""
    x, y, z = at.T
    return (np.abs(x) > 0.071) & (np.abs(y + 0.043) < 0.034) & (np.abs(z - 1.575) < 0.042)
