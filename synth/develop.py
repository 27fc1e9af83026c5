"""From linear light to the picture a surveillance camera would save (numpy)."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from synth.randomness import rng


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
    """

    exposure_ev: float = 0.0
    warmth: float = 0.0
    saturation: float = 1.0
    contrast: float = 1.0
    blur_px: float = 0.0
    noise: float = 0.0
    jpeg: int = 100


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
