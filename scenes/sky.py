"""Sun and sky by weather and time of day: a small linear-light sky picture and a sun lamp (numpy).

Irradiance is in units of a clear noon's direct sun. The colours follow what the eye expects (blue above, pale at the
horizon, red and dim when the sun is low); they are no radiative transfer. Night is brighter than it is, as cameras show
it.
"""

from dataclasses import dataclass

import numpy as np

from opengspr import UserError
from scenes.surfaces.painting import noise

LATITUDE = np.deg2rad(40.0)


@dataclass(frozen=True)
class Weather:
    """Attributes: sun, share of its direct light that comes through; sky, its brightness; cover of clouds; grey, how
    much of the sky is one dome of cloud; visibility_m, at which contrast has fallen to 2 %, or None where that is
    beyond all there is; rain, 0 to 1; flashes, share of the instants that lightning lights.
    """

    sun: float
    sky: float
    cover: float
    grey: float
    visibility_m: float | None = None
    rain: float = 0.0
    flashes: float = 0.0


WEATHERS = {
    "extra sunny": Weather(1.0, 1.0, 0.0, 0.0),
    "clear": Weather(0.95, 1.0, 0.15, 0.0),
    "clouds": Weather(0.6, 1.3, 0.6, 0.3),
    "overcast": Weather(0.0, 1.5, 1.0, 0.9),
    "rain": Weather(0.0, 1.0, 1.0, 0.95, visibility_m=900.0, rain=0.6),
    "foggy": Weather(0.0, 1.3, 1.0, 1.0, visibility_m=150.0),
    "thunder": Weather(0.0, 0.4, 1.0, 1.0, visibility_m=700.0, rain=1.0, flashes=0.15),
}
MOON = 0.0035 * np.array([0.6, 0.75, 1.0])  # radiance of the night sky, with a town below it


@dataclass(frozen=True)
class Light:
    """The light of a weather at an hour.

    Attributes:
        sun_azimuth_deg: from the place's north, clockwise. sun_elevation_deg. sun: (3,) irradiance facing it.
        sun_size_deg. sky: (H, W, 3) radiance, row 0 the zenith. irradiance: horizontal, of both together.
        dark: 0 by day to 1 at night, when lamps shine. air: (3,) radiance of what haze there is.
        weather: its record.
    """

    sun_azimuth_deg: float
    sun_elevation_deg: float
    sun: np.ndarray
    sun_size_deg: float
    sky: np.ndarray
    irradiance: float
    dark: float
    air: np.ndarray
    weather: Weather


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
    record = WEATHERS[weather]
    azimuth, elevation = sun_position(hour)
    day = np.clip((elevation + 6) / 12, 0, 1)
    high = np.clip(np.sin(np.deg2rad(elevation)), 0, 1)
    red = np.exp(-6 * high)
    facing = record.sun * np.clip(elevation / 8, 0, 1) * (0.35 + 0.65 * high**0.5)
    sun = facing * np.array([1, 1 - 0.4 * red, 1 - 0.75 * red])
    rows = np.linspace(0, np.pi, height)[:, None]
    up = np.cos(rows)
    zenith = np.array([0.09, 0.17, 0.38])
    horizon = np.array([0.42, 0.5, 0.58]) * (1 - 0.5 * red * np.array([0, 0.3, 0.6]))
    veil = np.exp(-np.maximum(up, 0) * 3.2)[..., None]
    sky = (zenith * (1 - veil) + horizon * veil) * np.ones((1, 2 * height, 1))
    clouds = np.clip(noise(random, 2 * height, 5)[:height] + 2.2 * record.cover - 1.1, 0, 1)[..., None]
    clouds = clouds * np.clip(up * 5, 0, 1)[..., None]
    sky = sky * (1 - record.cover * clouds) + record.cover * clouds * np.array([0.62, 0.63, 0.65])
    dome = np.array([0.36, 0.38, 0.41]) * (1 + 2 * np.maximum(up, 0))[..., None] / 1.8
    sky = (sky * (1 - record.grey) + dome * record.grey) * record.sky
    sky = sky * 0.55 * (0.02 + 0.98 * (0.3 + 0.7 * high**0.5)) * day + MOON
    sky[up[:, 0] < 0] = sky[up[:, 0] < 0].mean() * 0.4
    solid = np.maximum(up, 0)[..., None] * np.sin(rows)[..., None] * (np.pi / height) * (np.pi / height)
    return Light(
        sun_azimuth_deg=azimuth,
        sun_elevation_deg=elevation,
        sun=sun,
        sun_size_deg=0.6 if record.grey < 0.5 else 8.0,
        sky=sky,
        irradiance=float((sky * solid).sum(axis=(0, 1)).mean() + sun.mean() * high),
        dark=float(np.clip((4.0 - elevation) / 6, 0, 1)),
        air=sky[int(0.42 * height) : height // 2].mean(axis=(0, 1)),
        weather=record,
    )
