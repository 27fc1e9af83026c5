"""What the benchmark of places makes of pictures."""

import numpy as np
import pytest

from benchmarks.places import HELD_OUT, _small, features, probe
from scenes.worlds import load_world
from synth.plan import units


def stripes(colour: tuple[float, ...], across: bool, light: float, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:90, 0:160] + random.uniform(0, 20, (2, 1, 1))
    wave = 0.6 + 0.3 * np.sin((x if across else y) / 3)[..., None]
    return (light * wave * np.array(colour) + random.normal(0, 4, (90, 160, 3))).clip(0, 255).astype(np.uint8)


def test_the_probe_names_places_by_colour_and_by_edges() -> None:
    kinds = [((1.0, 0.6, 0.5), True), ((1.0, 0.6, 0.5), False), ((0.5, 0.6, 1.0), True)]
    frames = [
        np.stack([features(stripes(*kind, 90 + 12 * (k % 9), 100 * n + k)) for k in range(24)])
        for n, kind in enumerate(kinds)
    ]
    assert probe(frames) > 0.95
    noise = [np.random.default_rng(n).random((24, 40)) for n in range(4)]
    assert probe(noise) < 0.6  # and nothing where there is nothing to be seen
    assert len(HELD_OUT) == 3


def test_features_do_not_tell_how_bright_a_picture_is() -> None:
    one, other = (features(stripes((1.0, 0.8, 0.6), True, light, 0)) for light in (80, 160))
    far = features(stripes((0.6, 0.8, 1.0), False, 80, 0))
    assert np.linalg.norm(one - other) < 0.5 * np.linalg.norm(one - far)


def test_small_units_have_whole_instants() -> None:
    unit = next(units(load_world("gspr"), 12, 0))
    small = _small(unit)
    assert small.instants == unit.instants[: len(small.instants)] and 12 <= small.shots < unit.shots
    assert small.shots == pytest.approx(21, abs=9)
