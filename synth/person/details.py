"""What is sewn onto garments: closures, pockets, seams, ribs and belts, painted on their tiles (numpy).

To give a kind of garment its details, name a painter for it in TRUNK or LEGS.
"""

from collections.abc import Callable

import numpy as np

from synth.person.colours import hex_colour
from synth.person.textures import LEG_M, Canvas, periods

FRONT, BACK = -LEG_M / 4, LEG_M / 4  # on the tile of a leg


def _box(c: Canvas, x0: float, x1: float, z0: float, z1: float) -> np.ndarray:
    """Distance (H, W) from the outline of a box on both sides of the front, negative inside, metres."""
    dx = np.maximum(x0 - np.abs(c.x), np.abs(c.x) - x1)
    return np.maximum(dx, np.maximum(z0 - c.z, c.z - z1))


def _buttons(
    c: Canvas, at_x: float, low: float, high: float, pitch: float, colour: np.ndarray, radius: float = 0.007
) -> None:
    count = max(1, int((high - low) / pitch))
    for z in low + (np.arange(count) + 0.5) * (high - low) / count:
        disc = np.hypot(c.x - at_x, c.z - z) < radius
        c.paint(disc.astype(float), colour)
        c.relief += 0.4 * disc


def _zip(c: Canvas, dark: bool = True) -> None:
    c.paint(
        np.broadcast_to(np.abs(c.x) < 0.005, c.relief.shape), np.array([0.13, 0.13, 0.14] if dark else [0.6, 0.6, 0.62])
    )
    c.line(np.broadcast_to(np.abs(c.x) - 0.016, c.relief.shape), 0.002, 0.4, 0.2)


def _ribs(c: Canvas, where: np.ndarray) -> None:
    width_m = float(c.x[0, -1] - c.x[0, 0]) * c.x.size / (c.x.size - 1)
    rib = np.sin(2 * np.pi * c.x / periods(width_m, 0.012)) * where
    c.relief += 0.3 * rib
    c.albedo *= (0.95 + 0.06 * rib)[..., None]


def _shirt(c: Canvas, look: dict, hem_m: float) -> None:
    c.line(np.broadcast_to(np.abs(c.x) - 0.017, c.relief.shape) + 0 * c.z, 0.0015, 0.3, 0.16)
    pale = np.mean(hex_colour(look["colour"])) > 0.35
    _buttons(
        c,
        0.0,
        hem_m + 0.08,
        1.40,
        0.085,
        np.array([0.86, 0.85, 0.8]) if not pale else hex_colour(look["colour"]) * 0.75,
        0.005,
    )
    pocket = np.where(c.x > 0, _box(c, 0.06, 0.155, 1.17, 1.28), 1.0)
    c.line(pocket, 0.0015, 0.25, 0.14)


def _polo(c: Canvas, look: dict, hem_m: float) -> None:
    c.line(np.where(c.z > 1.27, np.abs(c.x) - 0.017, 1.0), 0.0015, 0.3, 0.16)
    _buttons(c, 0.0, 1.28, 1.42, 0.05, np.array([0.85, 0.84, 0.8]), 0.005)


def _hem(c: Canvas, look: dict, hem_m: float) -> None:
    c.line(np.broadcast_to(c.z - hem_m - 0.02, c.relief.shape), 0.0015, 0.25, 0.12)


def _rib_hem(c: Canvas, look: dict, hem_m: float) -> None:
    _ribs(c, np.broadcast_to(c.z < hem_m + 0.065, c.relief.shape).astype(float))
    c.line(np.broadcast_to(c.z - hem_m - 0.065, c.relief.shape), 0.002, 0.3, 0.15)


def _hoodie(c: Canvas, look: dict, hem_m: float) -> None:
    _rib_hem(c, look, hem_m)
    slant = _box(c, -1, 0.155, hem_m + 0.075, hem_m + 0.235)
    slant = np.maximum(slant, (np.abs(c.x) + 0.55 * (c.z - hem_m - 0.12) - 0.145) * 0.8)
    c.line(slant, 0.002, 0.35, 0.22)
    for x in (-0.028, 0.028):
        cord = (np.abs(c.x - x) < 0.0035) & (c.z > 1.25) & (c.z < 1.42)
        c.paint(cord.astype(float), np.array([0.85, 0.85, 0.83]))


def _jacket(c: Canvas, look: dict, hem_m: float) -> None:
    _zip(c)
    slant = np.abs(np.abs(c.x) - 0.115 - 0.35 * (1.06 - c.z)) + np.where((c.z > 0.93) & (c.z < 1.07), 0, 1)
    c.line(slant, 0.003, 0.5, 0.35)
    c.line(np.broadcast_to(c.z - 1.29, c.relief.shape), 0.0015, 0.2, 0.1)
    _hem(c, look, hem_m)


def _bomber(c: Canvas, look: dict, hem_m: float) -> None:
    _jacket(c, look, hem_m)
    _rib_hem(c, look, hem_m)


def _open_zip(c: Canvas, look: dict, hem_m: float) -> None:
    _rib_hem(c, look, hem_m)
    slant = np.abs(np.abs(c.x) - 0.13 - 0.35 * (1.04 - c.z)) + np.where((c.z > 0.94) & (c.z < 1.05), 0, 1)
    c.line(slant, 0.003, 0.4, 0.3)


def _blazer(c: Canvas, look: dict, hem_m: float) -> None:
    flap = _box(c, 0.105, 0.215, 0.93, 0.975)
    c.line(flap, 0.002, 0.35, 0.25)
    c.line(np.where(c.x > 0, _box(c, 0.08, 0.165, 1.235, 1.255), 1.0), 0.002, 0.3, 0.25)
    _buttons(c, -0.075, 1.0, 1.14, 0.11, hex_colour(look["colour"]) * 0.4, 0.008)


def _denim_jacket(c: Canvas, look: dict, hem_m: float) -> None:
    for x in (0.075, 0.16):
        c.line(np.where(c.z < 1.27, np.abs(c.x) - x, 1.0), 0.002, 0.3, 0.2)
    c.line(np.broadcast_to(c.z - 1.27, c.relief.shape), 0.002, 0.35, 0.22)
    c.line(np.broadcast_to(c.z - hem_m - 0.045, c.relief.shape), 0.002, 0.35, 0.22)
    c.line(_box(c, 0.08, 0.165, 1.17, 1.28), 0.002, 0.3, 0.2)


def _coat(c: Canvas, look: dict, hem_m: float) -> None:
    for x in (-0.055, 0.055):
        _buttons(c, x, 0.93, 1.22, 0.13, hex_colour(look["colour"]) * 0.35, 0.011)
    c.line(np.where(c.z < 1.22, c.x - 0.085, 1.0) + 0 * c.z, 0.002, 0.45, 0.25)
    c.line(_box(c, 0.12, 0.235, 0.88, 0.93), 0.002, 0.35, 0.25)
    c.line(np.where(c.z < 0.80, np.abs(c.x) - 0.524, 1.0) + 0 * c.z, 0.003, 0.4, 0.25)


def _parka(c: Canvas, look: dict, hem_m: float) -> None:
    c.line(np.broadcast_to(c.x - 0.035, c.relief.shape), 0.002, 0.5, 0.28)
    _buttons(c, 0.015, 0.72, 1.42, 0.13, np.array([0.2, 0.2, 0.2]), 0.008)
    for low in (0.80, 1.19):
        c.line(_box(c, 0.08, 0.215, low, low + 0.16), 0.002, 0.35, 0.22)
        c.line(_box(c, 0.075, 0.22, low + 0.10, low + 0.165), 0.002, 0.45, 0.28)
    c.line(np.broadcast_to(c.z - 1.06, c.relief.shape), 0.004, 0.6, 0.28)


def _work_vest(c: Canvas, look: dict, hem_m: float) -> None:
    silver = np.array([0.72, 0.73, 0.73])
    for z in (0.96, 1.08):
        c.paint(np.broadcast_to(np.abs(c.z - z) < 0.026, c.relief.shape), silver)
    c.paint(
        np.broadcast_to((np.abs(np.abs(c.x) - 0.13) < 0.025) | (np.abs(np.abs(c.x) - 0.40) < 0.025), c.relief.shape)
        & (c.z > 1.08),
        silver,
    )
    _zip(c)


def _dress(c: Canvas, look: dict, hem_m: float) -> None:
    c.line(np.broadcast_to(c.z - 1.06, c.relief.shape), 0.003, 0.4, 0.16)


def _waistband(c: Canvas, waist_m: float) -> None:
    c.line(np.broadcast_to(c.z - waist_m + 0.04, c.relief.shape), 0.0015, 0.3, 0.2)


def _trousers(c: Canvas, look: dict, waist_m: float) -> None:
    _waistband(c, waist_m)
    for x in (FRONT, BACK):
        c.relief += np.float32(0.35) * np.exp(-(((c.x - x) / 0.006) ** 2)) * (c.z < 0.85)
    c.line(np.where((c.z > 0.85) & (c.z < 0.98), c.x + 0.04 + 0.3 * (c.z - 0.98), 1.0), 0.0025, 0.4, 0.3)
    for x in (BACK - 0.045, BACK + 0.045):
        c.line(np.maximum(np.abs(c.x - BACK) - 0.055, np.abs(c.z - 0.93) - 0.001) + 0 * x, 0.0025, 0.3, 0.25)


def _jeans(c: Canvas, look: dict, waist_m: float) -> None:
    _waistband(c, waist_m)
    thread = np.minimum(hex_colour(look["colour"]) * 1.2 + [0.16, 0.11, 0.03], 1)
    seam = np.abs(np.where(c.z < 0.97, c.x, 1.0) + 0 * c.z)
    c.line(seam, 0.0025, 0.4, 0.22)
    scoop = np.hypot((c.x - 0.0) / 1.1, c.z - waist_m + 0.03) - 0.095
    scoop = np.where((c.x < 0) & (c.z < waist_m - 0.04), scoop, 1.0)
    c.line(scoop, 0.0025, 0.4, 0.2)
    c.paint(np.abs(scoop - 0.004) < 0.0012, thread, 0.7)
    pocket = np.maximum(np.abs(c.x - BACK + 0.005) - 0.065, np.maximum(0.815 - c.z, c.z - 0.945))
    c.line(pocket, 0.0025, 0.4, 0.25)
    c.paint(np.abs(pocket + 0.005) < 0.0012, thread, 0.7)
    yoke = np.where(c.x > 0.03, c.z - 0.965 + 0.12 * (c.x - BACK), 1.0)
    c.line(yoke, 0.002, 0.3, 0.18)
    c.line(np.where(c.z > 0.83, np.abs(c.x) - LEG_M / 2 + 0.03, 1.0), 0.002, 0.3, 0.15)


def _joggers(c: Canvas, look: dict, waist_m: float) -> None:
    _ribs(c, np.broadcast_to((c.z > waist_m - 0.045) | (c.z < 0.13), c.relief.shape).astype(float))
    c.line(np.where((c.z > 0.86) & (c.z < 0.97), c.x + 0.03 + 0.25 * (c.z - 0.97), 1.0), 0.0025, 0.4, 0.3)
    if look["trim"]:
        c.paint(np.broadcast_to(np.abs(np.abs(c.x) - 0.012) < 0.007, c.relief.shape), hex_colour(look["second"]))


def _shorts(c: Canvas, look: dict, waist_m: float) -> None:
    _joggers(c, look, waist_m) if look["trim"] else _jeans(c, look, waist_m)


def _leggings(c: Canvas, look: dict, waist_m: float) -> None:
    if look["trim"]:
        c.paint(np.broadcast_to(np.abs(c.x) < 0.022, c.relief.shape), hex_colour(look["second"]))


Painter = Callable[[Canvas, dict, float], None]
TRUNK: dict[str, Painter] = {
    "shirt": _shirt,
    "blouse": _shirt,
    "polo": _polo,
    "sweater": _rib_hem,
    "hoodie": _hoodie,
    "zip hoodie": _open_zip,
    "jacket": _jacket,
    "bomber": _bomber,
    "leather jacket": _open_zip,
    "puffer": lambda c, look, hem_m: _zip(c),
    "vest": lambda c, look, hem_m: None,
    "work vest": _work_vest,
    "cardigan": _rib_hem,
    "blazer": _blazer,
    "denim jacket": _denim_jacket,
    "coat": _coat,
    "open coat": lambda c, look, hem_m: c.line(_box(c, 0.12, 0.235, 0.88, 0.93), 0.002, 0.35, 0.25),
    "parka": _parka,
    "dress": _dress,
    "sundress": _dress,
    "long dress": _dress,
}
LEGS: dict[str, Painter] = {
    "trousers": _trousers,
    "wide trousers": _trousers,
    "jeans": _jeans,
    "slim jeans": _jeans,
    "joggers": _joggers,
    "leggings": _leggings,
    "shorts": _shorts,
    "short shorts": _shorts,
}


def sew_on(c: Canvas, look: dict, hem_m: float) -> None:
    """Adds the details of a trunk's garment to its tile; those without a painter get a hem."""
    TRUNK.get(look["kind"], _hem)(c, look, hem_m)


def sew_on_legs(c: Canvas, look: dict, waist_m: float, belt: str | None) -> None:
    """Adds the details of trousers to the tile of a leg. Args: belt: its colour."""
    if look["kind"] in LEGS:
        LEGS[look["kind"]](c, look, waist_m)
    if belt:
        c.paint(np.broadcast_to(np.abs(c.z - waist_m + 0.02) < 0.016, c.relief.shape), hex_colour(belt))


def sew_on_sleeve(c: Canvas, look: dict, sleeve_m: float, cinch: bool) -> None:
    """Adds a cuff to the tile of a sleeve."""
    place = c.z  # metres from the shoulder
    if cinch:
        _ribs(c, np.broadcast_to(place > sleeve_m - 0.055, c.relief.shape).astype(float))
    c.line(
        np.broadcast_to(place - sleeve_m + (0.055 if cinch or sleeve_m > 0.4 else 0.018), c.relief.shape),
        0.002,
        0.3,
        0.15,
    )
    if look["kind"] in ("tshirt", "hoodie", "jacket", "bomber", "joggers") and look["trim"]:
        c.paint(np.broadcast_to(np.abs(np.abs(c.x) - 0.012) < 0.006, c.relief.shape), hex_colour(look["second"]))


def sew_on_hat(c: Canvas, look: dict) -> None:
    """The tile of a hat, relative to its colour: seams of a cap, ribs of a beanie."""
    if look["kind"] == "cap":
        for x in np.linspace(-0.3, 0.3, 7)[:-1]:
            c.line(np.broadcast_to(c.x - x, c.relief.shape), 0.004, 0.4, 0.2)
        if look["trim"]:
            badge = np.hypot(c.x / 0.035, (c.z - 0.72) / 0.05) < 1
            c.paint(badge.astype(float), np.array([0.2, 0.2, 0.2]), 0.6)
    elif look["kind"] == "beanie":
        _ribs(c, np.ones(c.relief.shape))
