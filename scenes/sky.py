"""Sun and sky by weather and time of day: a small linear-light sky picture and a sun lamp (numpy).

Irradiance is in units of a clear noon's direct sun. The colours follow what the eye expects (blue above, pale at the
horizon, red and dim when the
sun is low); they are no radiative transfer.
"""

from dataclasses import dataclass

import numpy as np

from opengspr import UserError
from scenes.surfaces import noise

LATITUDE = np.deg2rad(40.0)
WEATHERS = {  # share of direct sun that comes through, sky brightness, cloud cover, greyness
    "extra sunny": (1.0, 1.0, 0.0, 0.0),
    "clear": (0.95, 1.0, 0.15, 0.0),
    "clouds": (0.6, 1.3, 0.6, 0.3),
    "overcast": (0.0, 1.5, 1.0, 0.9),
}


@dataclass(frozen=True)
class Light:
    """Attributes: sun_azimuth_deg (from the place's north, clockwise), sun_elevation_deg, sun (3,) irradiance facing
    it, sun_size_deg,
    sky (H, W, 3) radiance, row 0 the zenith, horizontal irradiance of both together."""

    sun_azimuth_deg: float
    sun_elevation_deg: float
    sun: np.ndarray
    sun_size_deg: float
    sky: np.ndarray
    irradiance: float


def sun_position(hour: float) -> tuple[float, float]:
    """Azimuth and elevation in degrees on an equinox-like day at 40 degrees north."""
    angle, tilt = np.deg2rad(15 * (hour - 12)), np.deg2rad(10)
    sin_el = np.sin(LATITUDE) * np.sin(tilt) + np.cos(LATITUDE) * np.cos(tilt) * np.cos(angle)
    elevation = np.arcsin(sin_el)
    azimuth = np.arctan2(
        -np.sin(angle) * np.cos(tilt), np.cos(LATITUDE) * np.sin(tilt) - np.sin(LATITUDE) * np.cos(tilt) * np.cos(angle)
    )
    return float(np.rad2deg(azimuth) % 360), float(np.rad2deg(elevation))


def light(weather: str, hour: float, random: np.random.Generator, height: int = 128) -> Light:
    """The light of a weather at an hour. Raises ValueError for an unknown weather or an hour outside 0-24."""
    if weather not in WEATHERS:
        raise UserError(f"weather: got {weather!r}, wanted one of {', '.join(WEATHERS)}")
    if not 0 <= hour <= 24:
        raise UserError(f"hour: got {hour}, wanted 0 to 24")
    through, brightness, cover, grey = WEATHERS[weather]
    azimuth, elevation = sun_position(hour)
    day = np.clip((elevation + 6) / 12, 0, 1)
    high = np.clip(np.sin(np.deg2rad(elevation)), 0, 1)
    red = np.exp(-6 * high)
    sun = (
        through
        * np.clip(elevation / 8, 0, 1)
        * (0.35 + 0.65 * high**0.5)
        * np.array([1, 1 - 0.4 * red, 1 - 0.75 * red])
    )
    rows = np.linspace(0, np.pi, height)[:, None]
    up = np.cos(rows)
    zenith, horizon = (
        np.array([0.09, 0.17, 0.38]),
        np.array([0.42, 0.5, 0.58]) * (1 - 0.5 * red * np.array([0, 0.3, 0.6])),
    )
    veil = np.exp(-np.maximum(up, 0) * 3.2)[..., None]
    sky = (zenith * (1 - veil) + horizon * veil) * np.ones((1, 2 * height, 1))
    clouds = (
        np.clip(noise(random, 2 * height, 5)[:height] + 2.2 * cover - 1.1, 0, 1)[..., None]
        * np.clip(up * 5, 0, 1)[..., None]
    )
    sky = sky * (1 - cover * clouds) + cover * clouds * np.array([0.62, 0.63, 0.65])
    dome = np.array([0.36, 0.38, 0.41]) * (1 + 2 * np.maximum(up, 0))[..., None] / 1.8
    sky = (sky * (1 - grey) + dome * grey) * brightness * (0.02 + 0.98 * day * (0.3 + 0.7 * high**0.5)) * 0.55
    sky[up[:, 0] < 0] = sky[up[:, 0] < 0].mean() * 0.4
    solid = np.maximum(up, 0)[..., None] * np.sin(rows)[..., None] * (np.pi / height) * (np.pi / height)
    irradiance = float((sky * solid).sum(axis=(0, 1)).mean() + sun.mean() * high)
    return Light(azimuth, elevation, sun, 0.6 if grey < 0.5 else 8.0, sky, irradiance)
