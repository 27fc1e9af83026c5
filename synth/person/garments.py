"""Garments as records over the body's surface: where each is cut, how far it stands off, how it hangs.

To add a garment, add a record to TOPS, OUTERS or BOTTOMS. Heights are on the 1.7 m template (metres above the ground:
ankle 0.07, knee 0.50, crotch 0.80, hip joint 0.90, navel 1.02, armpit 1.28, neck 1.45), places along the arm in metres
from the shoulder joint (elbow 0.25, wrist 0.47).
"""

from dataclasses import dataclass

import numpy as np

from synth.person.pieces import Places

ELBOW_M, WRIST_M = 0.247, 0.472


@dataclass(frozen=True)
class Garment:
    """One garment.

    Attributes:
        hem_m: height of its lower edge; below the crotch it has legs, unless `skirt_m` says otherwise.
        neck_m, waist_m: height of its upper edge: at the neck's axis, or round the waist.
        sleeve_m: place of the cuffs along the arm; None leaves the arms out.
        scoop: (depth_m, half-width_m) of a V or round neck at the front; round below 0.6 of the width.
        open_m: half-width of the front opening at the (hem, neck); None is closed.
        skirt_m: height of the hem of a skirt or coat tail that hangs freely from the hips.
        gap_m: how far it stands off what is below it. ease_m: more of it towards hems and cuffs.
        fall: how far cloth falls in below what it hangs from, metres per metre: 0 hangs straight, 1 is tight.
        leg_m: least radius of the trouser legs at the hem.
        flare_m: how much wider a skirt gets downwards.
        shoulder_m: how far its shoulders fill up to a straight line at most.
        soft: rounds of smoothing.
        cinch: hem and cuffs are ribbed and lie close.
        collar: none, rib, stand, leaf, hood, lapel. roughness: of the cloth.
        folds: which folds it has (see `folds`).
    """

    hem_m: float
    neck_m: float | None = None
    waist_m: float | None = None
    sleeve_m: float | None = None
    scoop: tuple[float, float] = (0.0, 0.08)
    open_m: tuple[float, float] | None = None
    skirt_m: float | None = None
    gap_m: float = 0.006
    ease_m: float = 0.006
    fall: float = 0.25
    leg_m: float = 0.0
    flare_m: float = 0.0
    shoulder_m: float = 0.012
    soft: int = 2
    cinch: bool = False
    collar: str = "none"
    roughness: float = 0.85
    folds: str = "shirt"


TOPS = {
    "tshirt": Garment(0.865, neck_m=1.437, sleeve_m=0.16, ease_m=0.010, fall=0.20, collar="rib"),
    "loose tshirt": Garment(0.835, neck_m=1.437, sleeve_m=0.21, gap_m=0.008, ease_m=0.022, fall=0.06, collar="rib"),
    "v-neck": Garment(0.87, neck_m=1.437, sleeve_m=0.15, scoop=(0.09, 0.075), ease_m=0.008, fall=0.25, collar="rib"),
    "polo": Garment(0.865, neck_m=1.452, sleeve_m=0.18, ease_m=0.010, fall=0.22, collar="leaf"),
    "tank": Garment(0.88, neck_m=1.425, sleeve_m=-0.015, scoop=(0.05, 0.09), gap_m=0.005, ease_m=0.006, fall=0.35),
    "longsleeve": Garment(0.87, neck_m=1.437, sleeve_m=0.492, ease_m=0.007, fall=0.28, collar="rib"),
    "turtleneck": Garment(0.87, neck_m=1.487, sleeve_m=0.495, gap_m=0.008, fall=0.3, collar="rib", folds="knit"),
    "shirt": Garment(0.84, neck_m=1.455, sleeve_m=0.492, gap_m=0.007, ease_m=0.014, fall=0.12, collar="leaf"),
    "blouse": Garment(0.86, neck_m=1.44, sleeve_m=0.40, scoop=(0.06, 0.07), gap_m=0.007, ease_m=0.016, fall=0.12),
    "sweater": Garment(
        0.86,
        neck_m=1.445,
        sleeve_m=0.498,
        gap_m=0.013,
        ease_m=0.012,
        fall=0.15,
        soft=5,
        cinch=True,
        collar="rib",
        folds="knit",
    ),
    "hoodie": Garment(
        0.85, neck_m=1.462, sleeve_m=0.502, gap_m=0.015, ease_m=0.018, fall=0.10, soft=6, cinch=True, collar="hood"
    ),
    "dress": Garment(
        0.93, neck_m=1.432, sleeve_m=0.13, scoop=(0.04, 0.08), skirt_m=0.52, ease_m=0.006, fall=0.35, flare_m=0.07
    ),
    "sundress": Garment(
        0.95, neck_m=1.40, sleeve_m=-0.02, scoop=(0.05, 0.10), skirt_m=0.42, ease_m=0.006, fall=0.35, flare_m=0.12
    ),
    "long dress": Garment(
        0.93, neck_m=1.44, sleeve_m=0.44, skirt_m=0.16, gap_m=0.007, ease_m=0.010, fall=0.25, flare_m=0.10
    ),
}
OUTERS = {
    "jacket": Garment(
        0.845,
        neck_m=1.462,
        sleeve_m=0.505,
        gap_m=0.014,
        ease_m=0.014,
        fall=0.10,
        soft=5,
        shoulder_m=0.018,
        collar="stand",
        roughness=0.6,
        folds="jacket",
    ),
    "bomber": Garment(
        0.87,
        neck_m=1.455,
        sleeve_m=0.502,
        gap_m=0.017,
        ease_m=0.022,
        fall=0.05,
        soft=7,
        cinch=True,
        collar="rib",
        roughness=0.5,
        folds="jacket",
    ),
    "zip hoodie": Garment(
        0.85,
        neck_m=1.455,
        sleeve_m=0.502,
        open_m=(0.075, 0.05),
        gap_m=0.012,
        ease_m=0.016,
        fall=0.10,
        soft=5,
        cinch=True,
        collar="hood",
    ),
    "cardigan": Garment(
        0.82,
        neck_m=1.437,
        sleeve_m=0.495,
        open_m=(0.09, 0.07),
        gap_m=0.010,
        ease_m=0.012,
        fall=0.12,
        soft=4,
        collar="rib",
        folds="knit",
    ),
    "blazer": Garment(
        0.83,
        neck_m=1.45,
        sleeve_m=0.502,
        open_m=(0.055, 0.035),
        gap_m=0.010,
        ease_m=0.010,
        fall=0.16,
        soft=5,
        shoulder_m=0.018,
        collar="lapel",
        roughness=0.8,
        folds="jacket",
    ),
    "denim jacket": Garment(
        0.90,
        neck_m=1.452,
        sleeve_m=0.500,
        open_m=(0.07, 0.055),
        gap_m=0.010,
        ease_m=0.012,
        fall=0.10,
        soft=4,
        shoulder_m=0.018,
        collar="leaf",
        folds="jacket",
    ),
    "leather jacket": Garment(
        0.885,
        neck_m=1.455,
        sleeve_m=0.502,
        open_m=(0.05, 0.05),
        gap_m=0.010,
        ease_m=0.008,
        fall=0.14,
        soft=4,
        shoulder_m=0.018,
        collar="lapel",
        roughness=0.35,
        folds="jacket",
    ),
    "vest": Garment(
        0.86,
        neck_m=1.46,
        sleeve_m=-0.01,
        open_m=(0.06, 0.045),
        gap_m=0.020,
        ease_m=0.014,
        fall=0.08,
        soft=8,
        collar="stand",
        roughness=0.5,
        folds="quilt",
    ),
    "work vest": Garment(0.88, neck_m=1.45, sleeve_m=-0.008, scoop=(0.09, 0.07), gap_m=0.010, ease_m=0.014, fall=0.06),
    "puffer": Garment(
        0.84,
        neck_m=1.47,
        sleeve_m=0.505,
        gap_m=0.030,
        ease_m=0.014,
        fall=0.06,
        soft=12,
        collar="stand",
        roughness=0.45,
        folds="quilt",
    ),
    "parka": Garment(
        0.86,
        neck_m=1.465,
        sleeve_m=0.508,
        skirt_m=0.66,
        gap_m=0.020,
        ease_m=0.016,
        fall=0.08,
        soft=9,
        flare_m=0.02,
        collar="hood",
        roughness=0.6,
        folds="jacket",
    ),
    "coat": Garment(
        0.88,
        neck_m=1.455,
        sleeve_m=0.505,
        skirt_m=0.46,
        gap_m=0.016,
        ease_m=0.012,
        fall=0.12,
        soft=7,
        flare_m=0.05,
        shoulder_m=0.018,
        collar="lapel",
        folds="jacket",
    ),
    "open coat": Garment(
        0.88,
        neck_m=1.455,
        sleeve_m=0.505,
        open_m=(0.07, 0.04),
        skirt_m=0.44,
        gap_m=0.014,
        ease_m=0.012,
        fall=0.12,
        soft=6,
        flare_m=0.05,
        shoulder_m=0.018,
        collar="lapel",
        folds="jacket",
    ),
}
BOTTOMS = {
    "trousers": Garment(0.055, waist_m=1.03, ease_m=0.006, fall=0.10, leg_m=0.070, folds="trousers", roughness=0.8),
    "wide trousers": Garment(0.04, waist_m=1.04, ease_m=0.012, fall=0.04, leg_m=0.092, folds="trousers", roughness=0.8),
    "jeans": Garment(0.06, waist_m=1.01, ease_m=0.004, fall=0.14, leg_m=0.064, folds="trousers"),
    "slim jeans": Garment(0.075, waist_m=1.01, gap_m=0.004, ease_m=0.001, fall=0.35, leg_m=0.050, folds="trousers"),
    "joggers": Garment(
        0.085,
        waist_m=1.02,
        gap_m=0.007,
        ease_m=0.008,
        fall=0.10,
        leg_m=0.072,
        cinch=True,
        folds="trousers",
        roughness=0.9,
    ),
    "leggings": Garment(0.10, waist_m=1.04, gap_m=0.002, ease_m=0.0, fall=1.0, soft=0, folds="tight", roughness=0.7),
    "shorts": Garment(0.50, waist_m=1.01, ease_m=0.010, fall=0.06, leg_m=0.092, folds="trousers"),
    "short shorts": Garment(0.68, waist_m=1.01, ease_m=0.008, fall=0.08, folds="trousers"),
    "skirt": Garment(
        0.98, waist_m=1.04, skirt_m=0.55, gap_m=0.005, ease_m=0.004, fall=0.25, flare_m=0.08, folds="skirt"
    ),
    "mini skirt": Garment(
        0.98, waist_m=1.03, skirt_m=0.68, gap_m=0.005, ease_m=0.004, fall=0.30, flare_m=0.06, folds="skirt"
    ),
    "midi skirt": Garment(
        0.98, waist_m=1.04, skirt_m=0.33, gap_m=0.005, ease_m=0.004, fall=0.25, flare_m=0.10, folds="skirt"
    ),
    "long skirt": Garment(
        0.98, waist_m=1.04, skirt_m=0.12, gap_m=0.005, ease_m=0.004, fall=0.2, flare_m=0.12, folds="skirt"
    ),
    "pencil skirt": Garment(
        0.98, waist_m=1.05, skirt_m=0.53, gap_m=0.004, ease_m=0.003, fall=0.5, flare_m=-0.01, folds="skirt"
    ),
}


def neck_line(garment: Garment, at: np.ndarray) -> np.ndarray:
    """Metres below the neck line of a top, which dips at the front; positive where there is cloth."""
    assert garment.neck_m is not None
    x, y, z = at.T
    depth, width = garment.scoop
    across = np.clip(np.abs(x) / width, 0, 1)
    dip = depth * (1 - (across if depth > 0.07 else across**2.5)) * (y < 0.0)
    on_shoulder = 0.6 * np.maximum(np.abs(x) - 0.065, 0)  # where what has no sleeves keeps its straps
    return garment.neck_m + 0.55 * (y + 0.005) - dip + on_shoulder - z


def region(garment: Garment, p: Places) -> np.ndarray:
    """Metres inside the garment's edges (N,), negative outside; the skirt of one that has it is left out."""
    z, arms = leg_height(p.at), p.on_arm > 0.35
    inside = z - garment.hem_m
    if garment.waist_m is not None:
        inside = np.minimum(inside, garment.waist_m - z)
    if garment.neck_m is not None:
        inside = np.minimum(inside, neck_line(garment, p.at))
    if garment.open_m is not None:
        inside = np.minimum(inside, opening(garment, p.at))
    if garment.sleeve_m is None:
        return np.where(arms, -1.0, inside)
    sleeve = garment.sleeve_m - p.arm_m
    if garment.sleeve_m < 0:
        across = _armhole_m(p.at[:, 2]) + garment.sleeve_m
        return np.minimum(np.minimum(inside, across - np.abs(p.at[:, 0])), 0.15 * (0.5 - p.on_arm))
    return np.where(arms, sleeve, inside)


def _armhole_m(z: np.ndarray) -> np.ndarray:
    """How far aside armholes are at heights (N,)."""
    return np.interp(z, [1.20, 1.27, 1.33, 1.45], [0.205, 0.178, 0.158, 0.162])


def armhole(p: Places) -> np.ndarray:
    """Metres outside the seam between trunk and sleeve (N,)."""
    return np.minimum(np.abs(p.at[:, 0]) - _armhole_m(p.at[:, 2]) - 0.008, 0.3 * (p.on_arm - 0.15))


def leg_height(at: np.ndarray) -> np.ndarray:
    """Heights (N,) of template positions, lowered along the foot, so that a level of them runs round the ankle."""
    return at[:, 2] - np.maximum(0.0, -0.065 - at[:, 1]) * (at[:, 2] < 0.14)


def opening(garment: Garment, at: np.ndarray) -> np.ndarray:
    """Metres outside the front opening."""
    assert garment.open_m is not None
    x, y, z = at.T
    low, high = garment.open_m
    half = np.interp(z, [garment.hem_m, 1.25, 1.42], [low, 0.6 * low + 0.4 * high, high])
    return np.where(y < 0.02, np.abs(x) - half, 1.0)
