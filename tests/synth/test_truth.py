"""The windows in which people are shot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.places import FRAME
from synth.truth import WIDE, window_round

HEIGHT = 270


@settings(max_examples=400, deadline=None)
@given(
    st.tuples(st.floats(-400, 2000), st.floats(-400, 1000)), st.floats(40, 1500), st.floats(0.2, 1.2), st.floats(0.3, 1)
)
def test_windows_show_people_with_room_and_in_few_pixels(
    corner: tuple[float, float], height: float, aspect: float, resolution: float
) -> None:
    full = np.array([*corner, corner[0] + aspect * height, corner[1] + height])
    window = window_round(full, HEIGHT, 0.1, resolution)
    room = np.array([-1, -1, 1, 1]) * 0.1 * height
    shown = np.clip(full + room, 0, [*FRAME, *FRAME])
    if window is None:
        scale = min(resolution, HEIGHT / height * min(1, np.sqrt(WIDE / aspect)))
        assert ((shown[2:] - shown[:2]) * scale < [9, 17]).any()
        return
    wanted = shown * window.scale
    assert (np.abs(wanted - [window.x0, window.y0, window.x1, window.y1]) < 1.01).all()
    assert window.scale <= resolution + 1 / 240 or window.step == 6
    rounding = window.step / (window.step - 0.5)
    assert height * window.scale <= HEIGHT * rounding or window.step == 6
    assert aspect * (height * window.scale) ** 2 <= WIDE * HEIGHT**2 * rounding**2 or window.step == 6


def test_wide_people_are_rendered_lower() -> None:
    narrow, wide = (window_round([800, 100, 800 + 540 * aspect, 640], HEIGHT, 0.1) for aspect in (0.3, 0.8))
    assert narrow and wide
    assert 540 * narrow.scale == pytest.approx(270, abs=3)
    assert 540 * wide.scale == pytest.approx(270 * np.sqrt(WIDE / 0.8), abs=3)
