"""From linear light to the picture a surveillance camera would save (numpy)."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from opengspr.randomness import rng
from scenes.sky import Light

GREY = 0.18  # middle grey, linear
DIM = 0.05  # views darker than this are left darker than middle grey


@dataclass(frozen=True)
class Traits:
    """How a camera makes its pictures; the defaults are an ideal camera.

    Attributes:
        exposure_ev: stops brighter than its automatic exposure.
        warmth: -1 bluish to 1 reddish white balance.
        saturation: 1 neutral.
        contrast: 1 neutral.
        blur_px: standard deviation of the lens blur, in pixels of the 1920x1080 frame.
        noise: standard deviation of the sensor noise at mid grey, of 1.
        jpeg: quality of the camera's own compression, 100 for none.
        shutter_s: its longest exposure, seconds, which blurs what moves; 0 freezes everything.
        resolution: pixels of its frame per pixel of one of 1920 x 1080, in each direction.
    """

    exposure_ev: float = 0.0
    warmth: float = 0.0
    saturation: float = 1.0
    contrast: float = 1.0
    blur_px: float = 0.0
    noise: float = 0.0
    jpeg: int = 100
    shutter_s: float = 0.0
    resolution: float = 1.0


def odd_traits(random: np.random.Generator, amount: float) -> Traits:
    """Traits as cameras have that somebody hung up once. Args: amount: 0 an ideal camera, 1 poor ones too, of which one
    in five has a small frame.
    """
    poor = amount * random.random()
    return Traits(
        exposure_ev=float(random.normal(0, 0.45) * amount),
        warmth=float(np.clip(random.normal(0, 0.5), -1, 1) * amount),
        saturation=float(1 + random.uniform(-0.4, 0.15) * amount),
        contrast=float(1 + random.uniform(-0.2, 0.08) * amount),
        blur_px=float(1.8 * poor),
        noise=float(0.06 * poor * random.uniform(0.3, 1)),
        jpeg=int(95 - 45 * poor),
        shutter_s=float(0.06 * amount * random.random()),
        resolution=float(random.uniform(0.25, 0.6)) if random.random() < 0.2 * amount else 1.0,
    )


def automatic_exposure(tone_middle: float) -> float:
    """The factor that brings the middle of a view's tones to middle grey, in the dark to a darker one.

    Args:
        tone_middle: geometric mean of the view's luminance; a white card in a clear noon's sun has 1.
    """
    return GREY * min(1.0, (tone_middle / DIM) ** 0.3) / tone_middle


def exposure_time_s(traits: Traits, exposure: float) -> float:
    """How long a camera exposes: longest in the dark, shorter with more light, down to a tenth.

    Args:
        exposure: factor of the automatic exposure.
    """
    return traits.shutter_s * float(np.clip(exposure * DIM / GREY, 0.1, 1))


def haze(colour: np.ndarray, depth_m: np.ndarray, light: Light) -> np.ndarray:
    """What haze leaves of the light (H, W, 3) from so many metres away (H, W), and its own (Koschmieder 1924)."""
    assert light.weather.visibility_m
    through = np.exp(-3.912 / light.weather.visibility_m * np.minimum(depth_m, 1e5))[..., None].astype(np.float32)
    return colour * through + light.air.astype(np.float32) * (1 - through)


def streaks(colour: np.ndarray, rain: float, scale: float, key: str) -> np.ndarray:
    """Rain that falls before the camera, brighter than what is behind it.

    Args:
        colour: (H, W, 3) linear light. rain: 0 to 1. scale: picture pixels per frame pixel. key: names the shot.
    """
    height, width = colour.shape[:2]
    random = rng("rain", key)
    length, slant = max(3, round(42 * scale)), random.normal(0, 0.12)
    drops = random.random((height + length, width)) < 0.0012 * rain / scale
    falling = (drops * random.uniform(0.2, 1.0, drops.shape)).astype(np.float32)
    lines = np.zeros((height, width), np.float32)
    for k in range(length):
        lines += np.roll(falling[k : k + height], round(slant * k), axis=1)
    lines = gaussian_filter(lines, (0, max(0.35, 0.6 * scale)))
    bright = np.quantile(colour.mean(2), 0.7).astype(np.float32)
    share = np.minimum(0.5 * lines, 0.5)[..., None]
    return colour + share * (0.25 * colour + 0.5 * bright)


def tone(linear: np.ndarray) -> np.ndarray:
    """Linear light (1 = white card in the exposed light) to display values in 0..1: sRGB with a soft shoulder."""
    x = np.maximum(linear, 0)
    x = np.where(x < 0.6, x, 0.6 + 0.4 * (1 - np.exp(-(x - 0.6) / 0.4)))
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)


def develop(light: np.ndarray, exposure: float, traits: Traits, scale: float, key: str) -> np.ndarray:
    """A camera's picture of a region.

    Args:
        light: (H, W, 3) linear RGB. exposure: factor of the automatic exposure. scale: picture pixels per frame pixel.
        key: names the shot; the noise depends only on it.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    balance = np.array([1 + 0.14 * traits.warmth, 1.0, 1 - 0.18 * traits.warmth])
    x = light * (exposure * 2**traits.exposure_ev) * balance
    if traits.blur_px > 0:
        x = gaussian_filter(x, (traits.blur_px * scale, traits.blur_px * scale, 0))
    if traits.noise > 0:
        grain = rng("noise", key).normal(size=x.shape)
        x = x + traits.noise * np.sqrt(np.maximum(x, 0) / 0.18 + 0.1) * 0.18 * grain * 2
    y = tone(x)
    grey = y @ np.array([0.299, 0.587, 0.114])
    y = grey[..., None] + traits.saturation * (y - grey[..., None])
    y = 0.5 + traits.contrast * (y - 0.5)
    picture = np.round(255 * np.clip(y, 0, 1)).astype(np.uint8)
    if traits.jpeg < 100:
        picture = np.asarray(Image.open(BytesIO(jpeg(picture, traits.jpeg))).convert("RGB"))
    return picture


def jpeg(picture: np.ndarray, quality: int = 95) -> bytes:
    """(H, W, 3) uint8 as JPEG, 4:4:4 at quality 95 and above, else 4:2:0 as cameras do."""
    out = BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=quality, subsampling=0 if quality >= 95 else 2)
    return out.getvalue()


def png(indices: np.ndarray) -> bytes:
    """(H, W) uint8 as PNG."""
    out = BytesIO()
    Image.fromarray(indices).save(out, "PNG", compress_level=6)
    return out.getvalue()
