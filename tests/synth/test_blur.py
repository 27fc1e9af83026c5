"""Blur of what moves, against a picture averaged over many moments."""

import numpy as np
import pytest

from synth.blur import blurred, motion
from synth.develop import DIM, GREY, Traits, automatic_exposure, exposure_time_s


def scene(x: float) -> tuple[np.ndarray, np.ndarray]:
    """A striped square 20 pixels wide over a flat ground, its left edge at x, and where it is."""
    at = np.arange(80)
    inside = (at[:, None] >= 30) & (at[:, None] < 50) & (at >= x) & (at < x + 20)
    stripes = 0.4 + 0.3 * np.sin((at - x) / 2.0)
    return np.where(inside[..., None], stripes[None, :, None], 0.2) * np.ones(3), inside


@pytest.mark.parametrize("way", [(8.0, 0.0), (0.0, 6.0), (-5.0, 0.0)])
def test_a_moving_square_is_the_mean_of_its_moments(way: tuple[float, float]) -> None:
    still, mask = scene(30)
    flow = np.where(mask[..., None], np.array(way, np.float32), 0)
    moments = []
    for share in (np.arange(400) + 0.5) / 400 - 0.5:
        shift = np.round(np.array(way) * share).astype(int)
        moments.append(np.roll(still, shift[::-1], (0, 1)))
    got, wanted = blurred(still, mask, flow), np.mean(moments, 0)
    assert np.abs(got - wanted).max() < 0.08 and np.abs(got - wanted).mean() < 0.002
    assert np.abs(still - wanted).max() > 0.1
    assert got.sum() == pytest.approx(still.sum(), rel=0.002)  # light is neither made nor lost


def test_what_does_not_move_stays_as_it_is() -> None:
    still, mask = scene(30)
    assert blurred(still, mask, np.zeros((80, 80, 2), np.float32)) is still
    everywhere = np.ones_like(mask)
    flat = np.full_like(still, 0.3)
    moved = blurred(flat, everywhere, np.full((80, 80, 2), 3.0, np.float32))
    assert np.abs(moved - 0.3).max() < 1e-6


def test_pixels_move_with_the_nearest_vertex_in_front() -> None:
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    middle = np.array([[12.5, 30.5], [47.5, 30.5], [47.5, 30.5], [2.5, 2.5]])
    moves = np.array([[2.0, 0], [0, 4], [9, 9], [7, 7]])
    flow = motion(middle - moves / 2, middle + moves / 2, np.array([3.0, 3.0, 5.0, 1.0]), mask)
    assert (flow[~mask] == 0).all()
    assert flow[12, 12] == pytest.approx([2, 0], abs=0.01) and flow[47, 47] == pytest.approx([0, 4], abs=0.01)
    assert np.abs(np.diff(flow[:, 11:49], axis=1)[15:45]).max() < 1  # without a seam between them


def test_cameras_expose_longer_in_the_dark() -> None:
    slow = Traits(shutter_s=0.04)
    times = [exposure_time_s(slow, automatic_exposure(middle)) for middle in (2.0, 0.2, DIM, 0.005)]
    assert times == sorted(times) and times[0] == pytest.approx(0.004) and times[-1] == pytest.approx(0.04)
    assert times[1] == pytest.approx(0.04 * DIM / 0.2)
    assert automatic_exposure(0.2) * 0.2 == pytest.approx(GREY)
    assert exposure_time_s(Traits(), 1.0) == 0
