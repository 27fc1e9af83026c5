"""The benchmarks' measures against plain ways of computing them."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.recognition import _alternate
from benchmarks.render import SIZE, _in_view, _some_shots, _world
from synth.plan import units
from train.parts.ssim import ssim

PLAN = [*units(_world(4), 12, 0)]


def _plain_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Window by window, 11 x 11 Gaussian weights, away from the edges."""
    x, y = (picture @ [0.299, 0.587, 0.114] for picture in (a, b))
    at = np.arange(-5, 6)
    weight = np.exp(-(at**2) / (2 * 1.5**2))
    window = np.outer(weight, weight) / weight.sum() ** 2
    out = []
    for i in range(5, x.shape[0] - 5):
        for j in range(5, x.shape[1] - 5):
            p, q = x[i - 5 : i + 6, j - 5 : j + 6], y[i - 5 : i + 6, j - 5 : j + 6]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            cov = (window * (p - mp) * (q - mq)).sum()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            out.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(out))


def test_structural_similarity() -> None:
    random = np.random.default_rng(0)
    a = random.uniform(0, 255, (60, 40, 3))
    b = np.clip(a + random.normal(0, 30, a.shape), 0, 255)
    same, other = ssim(np.stack([a, a]), np.stack([a, b]))
    assert same == pytest.approx(1)
    assert other == pytest.approx(_plain_ssim(a, b), abs=0.01)  # edges apart
    assert other < 0.99 and SIZE == (128, 256)


def test_some_shots_are_spread_over_the_plan() -> None:
    some = [*_some_shots(PLAN, 12)]
    whole = {
        (u.name, i.frame, s.camera.viewpoint, pid) for u in PLAN for i in u.instants for s in i.sights for pid in s.pids
    }
    kept = [
        (u.name, i.frame, s.camera.viewpoint, pid) for u in some for i in u.instants for s in i.sights for pid in s.pids
    ]
    assert len(kept) == len(set(kept)) and set(kept) <= whole and 12 <= len(kept) <= 13
    assert {u.place for u in some} == {u.place for u in PLAN}
    assert not any(u.empty or s.full for u in some for i in u.instants for s in i.sights)


def test_walkers_in_view_are_those_before_the_camera() -> None:
    instant = PLAN[0].instants[0]
    sight = instant.sights[0]
    unit = replace(PLAN[0], instants=(replace(instant, sights=(sight,)),))
    far = replace(
        unit, instants=(replace(unit.instants[0], walkers=tuple(replace(w, at=(1e4, 1e4)) for w in instant.walkers)),)
    )
    assert 1 <= _in_view([unit]) <= len(instant.walkers) and _in_view([far]) == 0


def test_half_of_each_persons_pictures() -> None:
    pid = np.array([3, 3, 1, 3, 1, 1, 2, 3])
    half = _alternate(pid)
    assert [int(half[pid == p].sum()) for p in (1, 2, 3)] == [2, 1, 2]
