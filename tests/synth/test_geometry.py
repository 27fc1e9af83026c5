"""Silhouettes, boxes and angles, each against the slow and plain way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.geometry import Outline, azimuth_deg, box_of

QUAD = np.array([[0, 1, 2], [0, 2, 3]])
eighths = st.integers(-80, 200).map(lambda n: n / 8)  # exact in binary, so that edges meet pixel centres
points = st.lists(st.tuples(eighths, eighths), min_size=3, max_size=12)


def quad(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)


def depth(x: float, y: float, corners: list) -> float:
    """Positive inside a triangle, negative outside, 0 on its edge."""
    sides = [
        (bx - ax) * (y - ay) - (by - ay) * (x - ax)
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True)
    ]
    xs, ys = zip(*corners, strict=True)
    if not (min(xs) <= x <= max(xs) and min(ys) <= y <= max(ys)):  # matters for triangles without area
        return -1.0
    return max(min(sides), -max(sides))


@settings(max_examples=150, deadline=None)
@given(points, st.randoms(use_true_random=False), st.tuples(st.integers(1, 24), st.integers(1, 20)))
def test_silhouette_is_the_union_of_its_triangles(corners: list, random, size: tuple[int, int]) -> None:
    faces = [random.sample(range(len(corners)), 3) for _ in range(random.randint(1, 6))]
    mask = Outline(np.array(faces)).silhouette(np.array(corners), size)
    for y, x in np.ndindex(mask.shape):
        inside = max(depth(x + 0.5, y + 0.5, [corners[i] for i in face]) for face in faces)
        assert inside == 0 or mask[y, x] == (inside > 0)  # on an edge, either


def test_silhouette_of_many_sizes_at_once() -> None:
    """A fan of one large triangle, slivers and specks: all are drawn."""
    random = np.random.default_rng(0)
    corners = np.concatenate([random.uniform(0, 300, (90, 2)), random.uniform(100, 110, (90, 2))])
    faces = random.integers(0, 180, (80, 3))
    mask = Outline(faces).silhouette(corners, (200, 160))
    y, x = np.mgrid[0:160, 0:200] + 0.5
    wanted = np.zeros((160, 200), bool)
    for a, b, c in corners[faces]:
        if np.array_equal(a, b) or np.array_equal(b, c) or np.array_equal(a, c):
            continue
        sides = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        wanted |= (np.min(sides, axis=0) >= 0) | (np.max(sides, axis=0) <= 0)
    assert np.array_equal(mask, wanted) and 0.05 < mask.mean() < 1


def test_box_of_a_mask() -> None:
    mask = np.zeros((9, 12), bool)
    assert box_of(mask) is None
    mask[3, 4] = mask[5, 10] = True
    assert box_of(mask) == (4, 3, 11, 6)


@pytest.mark.parametrize(
    ("corners", "share"),
    [
        (quad(10, 10, 50, 90), 0.0),
        (quad(-40, 10, 40, 90), 0.5),
        (quad(160, 10, 240, 90), 0.5),
        (quad(10, -30, 50, 30), 0.5),
        (quad(10, 70, 50, 190), 0.75),
        (quad(-60, -60, -20, -10), 1.0),
        (quad(250, 10, 290, 90), 1.0),
    ],
)
def test_share_outside_the_frame(corners: np.ndarray, share: float) -> None:
    assert Outline(QUAD).outside_share(corners, (200, 100)) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(
    ("heading", "camera", "wanted"),
    [
        (0.0, (2, -5), 0),  # at heading 0 a person looks along -y
        (0.0, (9, 3), 90),  # their left
        (0.0, (2, 9), 180),
        (0.0, (-5, 3), 270),
        (np.pi / 2, (9, 3), 0),  # turned to +x
        (np.pi / 2, (2, 9), 90),
        (np.pi / 2, (2, -5), 270),
        (-7 * np.pi, (2, 9), 0),
        (0.0, (3, 2), 45),
    ],
)
def test_azimuth_by_hand(heading: float, camera: tuple, wanted: float) -> None:
    got = azimuth_deg(np.array([2.0, 3.0]), heading, np.array(camera, float))
    assert 0 <= got < 360 + 1e-9
    assert (got - wanted + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)
