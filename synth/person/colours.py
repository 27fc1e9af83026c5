"""Colours: sRGB, linear light, CIE L*a*b*, and how different two look."""

import colorsys

import numpy as np

_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colour: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 to linear light."""
    colour = np.asarray(colour, float)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def hex_colour(text: str) -> np.ndarray:
    """'#rrggbb' to sRGB in 0..1, (3,)."""
    return np.array([int(text[k : k + 2], 16) for k in (1, 3, 5)]) / 255


def to_hex(colour: np.ndarray) -> str:
    """sRGB in 0..1 to '#rrggbb'."""
    return "#" + "".join(f"{round(255 * c):02x}" for c in np.clip(colour, 0, 1))


def jitter(colour: np.ndarray, random: np.random.Generator, amount: float = 1.0) -> np.ndarray:
    """A nearby colour: hue, saturation and value move a little."""
    h, s, v = colorsys.rgb_to_hsv(*colour)
    h = (h + random.normal(0, 0.012 * amount)) % 1
    s = np.clip(s * (1 + random.normal(0, 0.12 * amount)), 0, 1)
    v = np.clip(v * (1 + random.normal(0, 0.10 * amount)) + random.normal(0, 0.01), 0.02, 0.97)
    return np.array(colorsys.hsv_to_rgb(h, s, v))


def lab(colour: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 (..., 3) to CIE L*a*b* under D65."""
    xyz = linear(colour) @ _XYZ.T / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def ciede2000(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Colour difference of L*a*b* colours (..., 3): Sharma, Wu and Dalal, 2005."""
    l1, a1, b1 = np.moveaxis(np.asarray(one, float), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(other, float), -1, 0)
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    grey = c1 * c2 == 0
    turn = np.where(grey, 0, (h2 - h1 + 180) % 360 - 180)
    turn = np.where(~grey & (h2 - h1 == 180), 180, turn)  # the paper's convention at the tie
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    total = h1 + h2
    far = np.abs(h1 - h2) > 180
    hm = np.where(grey, total, np.where(far, np.where(total < 360, (total + 360) / 2, (total - 360) / 2), total / 2))
    hue = np.radians(hm)
    t = (
        1
        - 0.17 * np.cos(hue - np.radians(30))
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.radians(6))
        - 0.20 * np.cos(4 * hue - np.radians(63))
    )
    sl = 1 + 0.015 * (lm - 50) ** 2 / np.sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    rotate = -2 * np.sqrt(cm**7 / (cm**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((hm - 275) / 25) ** 2))))
    c, h = dc / sc, dh / sh
    return np.sqrt((dl / sl) ** 2 + c**2 + h**2 + rotate * c * h)
