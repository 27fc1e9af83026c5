"""Light and pictures: the sky of a weather, and what each trait of a camera does to a picture."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from opengspr import UserError
from opengspr.randomness import rng
from scenes.sky import WEATHERS, light, sun_position
from synth.develop import Traits, automatic_exposure, develop, haze, jpeg, odd_traits, png, streaks, tone


def scene() -> np.ndarray:
    """Linear light (60, 40, 3): a grey gradient with a red and a blue patch and a bright edge."""
    out = np.ones((60, 40, 3)) * np.linspace(0.02, 0.5, 40)[None, :, None]
    out[5:20, 5:20], out[30:45, 5:20], out[:, 30:] = (0.4, 0.05, 0.05), (0.05, 0.05, 0.4), 0.7
    return out


def shown(traits: Traits, key: str = "k", light_: np.ndarray | None = None) -> np.ndarray:
    return develop(scene() if light_ is None else light_, 1.0, traits, 0.5, key).astype(float)


IDEAL = Traits()


def test_tone_rises_from_black_to_white() -> None:
    values = tone(np.concatenate([[-1.0, 0.0], np.geomspace(1e-4, 50, 2000)]))
    assert values[0] == values[1] == 0 and values[-1] < 1.0001
    assert (np.diff(values) >= 0).all() and (np.diff(values[2:1500]) > 0).all()
    assert np.abs(np.diff(tone(np.linspace(0, 2, 20_000)))).max() < 0.002  # no step where its pieces meet
    assert tone(np.array(0.18)) == pytest.approx(0.461, abs=0.005)  # middle grey is where sRGB has it


def test_the_same_key_gives_the_same_picture() -> None:
    noisy = Traits(noise=0.08, blur_px=1.0, jpeg=60)
    assert np.array_equal(shown(noisy), shown(noisy))
    assert not np.array_equal(shown(noisy), shown(noisy, "other"))
    assert np.array_equal(shown(IDEAL), shown(IDEAL, "other"))  # only noise asks for the key
    assert develop(scene(), 1.0, noisy, 0.5, "k").dtype == np.uint8


def test_traits_do_what_they_say() -> None:
    plain = shown(IDEAL)
    assert shown(replace(IDEAL, exposure_ev=0.5)).mean() > plain.mean() + 10
    assert np.array_equal(develop(scene() / 2, 2.0, IDEAL, 0.5, "k"), plain)
    warm, cold = (shown(replace(IDEAL, warmth=w)) for w in (1, -1))
    assert (warm[..., 0] - warm[..., 2]).mean() > (plain[..., 0] - plain[..., 2]).mean() + 5
    assert (cold[..., 0] - cold[..., 2]).mean() < (plain[..., 0] - plain[..., 2]).mean() - 5
    grey = shown(replace(IDEAL, saturation=0))
    assert np.abs(grey - grey.mean(-1, keepdims=True)).max() < 1
    vivid = shown(replace(IDEAL, saturation=1.3))
    assert vivid[10, 10, 0] - vivid[10, 10, 1] > plain[10, 10, 0] - plain[10, 10, 1] + 5
    assert shown(replace(IDEAL, contrast=0.6)).std() < 0.75 * plain.std()
    assert np.abs(np.diff(shown(replace(IDEAL, blur_px=3)), axis=1)).max() < 0.7 * np.abs(np.diff(plain, axis=1)).max()
    flat = np.full((64, 64, 3), 0.18)
    spread = [shown(replace(IDEAL, noise=n), light_=flat).std() for n in (0, 0.03, 0.09)]
    assert spread[0] == 0 < 3 < spread[1] < spread[2] / 2
    poor = shown(replace(IDEAL, jpeg=20))
    assert 1 < np.abs(poor - plain).mean() < 30


def test_files_come_back_as_they_were() -> None:
    picture = develop(scene(), 1.0, IDEAL, 0.5, "k")
    with Image.open(BytesIO(jpeg(picture))) as image:
        assert image.format == "JPEG" and image.layer[0][1:3] == (1, 1)  # 4:4:4
        assert np.abs(np.asarray(image).astype(int) - picture).mean() < 3
    indices = (np.arange(2400).reshape(60, 40) % 9).astype(np.uint8)
    with Image.open(BytesIO(png(indices))) as image:
        assert np.array_equal(np.asarray(image), indices)
    assert jpeg(picture) == jpeg(picture) and png(indices) == png(indices)


def test_the_dark_stays_darker_than_the_day() -> None:
    greys = [level * automatic_exposure(level) for level in (1.0, 0.1, 0.05, 0.01, 0.001)]
    assert greys[:3] == pytest.approx([0.18] * 3)
    assert 0.18 > greys[3] > greys[4] > 0.03


def test_haze_takes_contrast_with_distance() -> None:
    """At the visibility 2 % of it are left, which is what the word means (Koschmieder)."""
    fog = light("foggy", 12.0, rng("sky"))
    assert fog.weather.visibility_m
    near, far = np.full((1, 1), 0.0), np.full((1, 1), fog.weather.visibility_m)
    black, white = np.zeros((1, 1, 3)), np.ones((1, 1, 3))
    assert np.allclose(haze(white, near, fog), 1)
    left = haze(white, far, fog) - haze(black, far, fog)
    assert np.allclose(left, 0.02, atol=1e-3)
    assert np.allclose(haze(white, np.full((1, 1), 1e10), fog), fog.air, rtol=1e-4)


def test_rain_falls_in_bright_upright_streaks() -> None:
    grey = np.full((160, 120, 3), 0.2)
    wet = streaks(grey, 1.0, 0.5, "k")
    assert np.array_equal(wet, streaks(grey, 1.0, 0.5, "k")) and not np.array_equal(wet, streaks(grey, 1.0, 0.5, "j"))
    assert (wet >= grey - 1e-9).all() and 0.01 < (wet > 1.1 * grey).mean() < 0.6
    assert wet.mean() > streaks(grey, 0.3, 0.5, "k").mean()
    drops = wet[..., 0] - wet.mean()

    def alike(dy: int, dx: int) -> float:
        return float((drops * np.roll(drops, (dy, dx), (0, 1))).mean() / drops.var())

    assert max(alike(4, dx) for dx in range(-3, 4)) > 0.5 > 0.2 > max(alike(0, dx) for dx in (3, 4, 5))


def test_odd_cameras_differ_more_the_odder_they_are() -> None:
    assert odd_traits(rng("t"), 0.0) == Traits(jpeg=95)
    many = [odd_traits(rng("t", k), 1.0) for k in range(200)]
    assert len({*many}) == 200
    assert 50 <= min(t.jpeg for t in many) and max(t.blur_px for t in many) <= 1.8
    assert np.std([t.exposure_ev for t in many]) > 2 * np.std(
        [odd_traits(rng("t", k), 0.4).exposure_ev for k in range(200)]
    )


@pytest.mark.parametrize("weather", WEATHERS)
def test_every_weather_lights_the_day(weather: str) -> None:
    noon, evening, night = (light(weather, hour, rng("sky")) for hour in (12, 18, 23))
    for now in (noon, evening, night):
        assert np.isfinite(now.sky).all() and now.sky.min() >= 0 and now.sun.min() >= 0
    assert noon.irradiance > 1.5 * evening.irradiance > 0 and evening.irradiance > night.irradiance
    assert night.sun.max() == 0
    again = light(weather, 12, rng("sky"))
    assert np.array_equal(noon.sky, again.sky) and np.array_equal(noon.sun, again.sun)


def test_clear_and_overcast_differ() -> None:
    clear, dull = light("extra sunny", 12, rng("sky")), light("overcast", 12, rng("sky"))
    assert clear.sun.max() > 0.5 and dull.sun.max() == 0
    blue = [(now.sky[:20, :, 2] / now.sky[:20, :, 0]).mean() for now in (clear, dull)]
    assert blue[0] > 2 > 1.4 > blue[1] > 1


def test_the_sun_goes_from_east_over_south_to_west() -> None:
    morning, noon, evening = sun_position(8), sun_position(12), sun_position(16)
    assert 60 < morning[0] < 140 and noon[0] == pytest.approx(180) and 220 < evening[0] < 300
    assert 15 < morning[1] < noon[1] < 70 and morning[1] == pytest.approx(evening[1])
    assert sun_position(0)[1] < 0


def test_unknown_weather_and_hours_are_refused() -> None:
    with pytest.raises(UserError, match="'hail', wanted one of extra sunny"):
        light("hail", 12, rng("sky"))
    with pytest.raises(UserError, match="hour: got 25"):
        light("clear", 25, rng("sky"))
