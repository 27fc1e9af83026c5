import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opengspr.command import UserError
from opengspr.shards import write_shard
from synth.capture import FIELDS, CaptureError, Shot, check_truth, open_capture, read_unit, write_unit
from tests.drawn import draw_capture, draw_shot, edit_json, png


def test_what_is_written_is_read(tmp_path: Path) -> None:
    shots = [draw_shot(3, 1, number) for number in range(4)]
    capture = open_capture(draw_capture(tmp_path / "c", people=2, units=2))
    assert [unit.name for unit in capture.units()] == ["unit0.tar", "unit1.tar"]
    assert len(list(capture.shots())) == capture.info["shots"] == 12
    assert capture.people["pid"].to_pylist() == [0, 1] and capture.name == "c"
    write_unit(tmp_path / "u.tar", shots)
    assert list(read_unit(tmp_path / "u.tar")) == shots
    assert shots[0].mask().sum() == 40 * 100


def test_a_folder_that_is_no_capture(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="not a capture: no capture.json"):
        open_capture(tmp_path)
    with pytest.raises(CaptureError, match="not a capture"):
        open_capture(tmp_path / "missing")
    path = draw_capture(tmp_path / "c") / "capture.json"
    edit_json(path, schema=2)
    with pytest.raises(CaptureError, match="schema 2, this version reads 1 to 1"):
        open_capture(path.parent)
    for text in ("{", "[]", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(CaptureError, match=r"capture\.json"):
            open_capture(path.parent)


def test_people_that_cannot_be_read(tmp_path: Path) -> None:
    capture = open_capture(draw_capture(tmp_path / "c"))
    (capture.path / "people.parquet").write_bytes(b"PAR1")
    with pytest.raises(CaptureError, match=r"people\.parquet"):
        _ = capture.people
    (capture.path / "people.parquet").unlink()
    with pytest.raises(CaptureError, match=r"people\.parquet: missing"):
        _ = capture.people


def test_a_killed_unit_is_absent(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from synth.capture import write_unit; from tests.drawn import draw_shot\n"
        "def shots():\n    yield draw_shot(0, 0)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_unit(sys.argv[1] + '/units/u.tar', shots())"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    done = subprocess.run([sys.executable, "-c", code, str(draw_capture(tmp_path / "c"))], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert [unit.name for unit in open_capture(tmp_path / "c").units()] == ["unit0.tar", "unit1.tar", "unit2.tar"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("box", [320, 220, math.nan, 320]),
        ("box", [360, 220, 320, 320]),
        ("box", [320, 220, 320, 320]),
        ("box", [-1, 220, 360, 320]),
        ("box", [320, 220, 360, 1081]),
        ("box", [1, 2, 3]),
        ("region", [0, 0, 0, 10]),
        ("scale", 0),
        ("scale", 1000.0),
        ("scale", math.inf),
        ("instance", 0),
        ("instance", 256),
        ("visible_share", 1.5),
        ("truncation", -0.1),
        ("keypoints_2d", [[0, 0, 1]] * 16),
        ("pid", "3"),
        ("pid", True),
        ("pid", 10**400),
        ("hour", None),
        ("camera", []),
    ],
)
def test_bad_truth_is_refused_with_its_key(field: str, value: Any) -> None:
    with pytest.raises(CaptureError, match=r"^00003_c01s00_000000_00: "):
        check_truth(draw_shot(3, 1).truth | {field: value})


@pytest.mark.parametrize(
    "key", ["../../etc_00", "00003", 3, None, "00003_c01s00_000000_00.jpg", "00003_c01s00_000000_00\n"]
)
def test_bad_keys_are_refused(key: Any) -> None:
    with pytest.raises(CaptureError, match="wanted a key like"):
        check_truth(draw_shot(3, 1, key=key).truth)


TRUTH = draw_shot(3, 1).truth
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(st.sampled_from([*FIELDS]), values, max_size=3))
def test_any_truth_is_accepted_or_refused_by_our_error(changes: dict[str, Any]) -> None:
    try:
        check_truth(TRUTH | changes)
    except CaptureError:
        return
    assert "key" not in changes or changes["key"] == TRUTH["key"]


def test_members_out_of_order_are_refused(tmp_path: Path) -> None:
    shot = draw_shot(3, 1)
    truth = json.dumps(shot.truth).encode()
    for members in (
        [(f"{shot.key}.jpg", shot.jpg), (f"{shot.key}.json", truth), (f"{shot.key}.png", shot.png)],
        [(f"{shot.key}.jpg", shot.jpg), (f"{shot.key}.png", shot.png)],
        [("other.jpg", shot.jpg), ("other.png", shot.png), ("other.json", truth)],
        [(f"{shot.key}.jpg", shot.jpg), (f"{shot.key}.png", shot.png), (f"{shot.key}.json", b"{")],
    ):
        write_shard(tmp_path / "u.tar", members)
        with pytest.raises(CaptureError, match=r"u\.tar"):
            list(read_unit(tmp_path / "u.tar"))


def test_masks_that_do_not_fit_are_refused() -> None:
    shot = draw_shot(3, 1)
    bomb = bytearray(png(np.zeros((1, 1), np.uint8)))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    for data in (
        png(np.zeros((70, 40), np.uint8)),
        png(np.zeros((140, 80), np.uint16)),
        b"",
        shot.png[:60],
        bytes(bomb),
    ):
        with pytest.raises(CaptureError, match=shot.key):
            Shot(shot.truth, shot.jpg, data).mask()


def test_a_writer_refuses_what_a_reader_would(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="box"):
        write_unit(tmp_path / "u.tar", [draw_shot(3, 1, box=[0, 0, 0, 0])])
    assert not list(tmp_path.iterdir())
