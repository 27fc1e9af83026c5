"""Watching a render: what is done, dropped, under way."""

import json
import os
import time
from pathlib import Path

import pytest

from opengspr import command
from opengspr.files import one_writer, shared_writer
from synth.capture import open_capture
from synth.status import Status, main, status
from tests.drawn import draw_capture, edit_json


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Three of five units done, each with 12 shots and some dropped, one a minute."""
    path = draw_capture(tmp_path / "gspr")
    edit_json(path / "capture.json", units=5, shots=70)
    (path / "logs").mkdir()
    for k in range(3):
        report = {"unit": f"unit{k}", "shots": 12, "dropped": {"hidden": 2}, "cpu_s": 7.0, "wall_s": 60.0}
        (path / "logs" / f"unit{k}.json").write_text(json.dumps({**report, "peak_mib": 600 + k}))
        finished = time.time() - 60 * (2 - k)
        os.utime(path / "units" / f"unit{k}.tar", (finished, finished))
    (path / "logs" / "worker-0.log").write_text("Traceback (most recent call last):\n...\n")
    return path


def test_what_is_said(capture: Path, capsys) -> None:
    with shared_writer(capture, "0of2"):
        command(Status, main, [str(capture)])
    said = capsys.readouterr().out
    assert "done     3 of 5 units (60.0 %), 42 of 70 shots" in said
    assert "dropped  6: 6 hidden" in said
    assert "0.5 CPU-s a shot, at most 602 MiB a worker" in said
    assert "speed    0.23" in said and "0 h 02 min left" in said
    assert f"writing  share 0of2: pid {os.getpid()} on host" in said
    assert "errors   1 in logs/worker-0.log" in said
    command(Status, main, [str(capture)])
    assert "nobody is rendering; the same synth.render command goes on" in capsys.readouterr().out


def test_as_json(capture: Path, capsys) -> None:
    with one_writer(capture):
        command(Status, main, [str(capture), "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["shots_per_s"] == pytest.approx(42 / 180, rel=0.05)
    assert figures["seconds_left"] == pytest.approx(28 / (42 / 180), rel=0.05)
    assert (figures["units"], figures["dropped"], figures["tracebacks"]) == (3, {"hidden": 6}, {"worker-0.log": 1})


def test_notes_that_cannot_be_read_are_passed_over(capture: Path) -> None:
    for k, text in enumerate(("", "[1]", '{"unit": "odd3"}', '{"unit": "odd4", "dropped": 3, "shots": 1}')):
        (capture / "logs" / f"odd{k}.json").write_text(text)
    assert status(open_capture(capture))["shots"] == 42


def test_what_is_no_capture(tmp_path: Path, fails) -> None:
    assert "not a capture" in fails(command, Status, main, [str(tmp_path)])
    path = draw_capture(tmp_path / "odd")
    edit_json(path / "capture.json", units="many")
    assert "units is 'many', wanted a number" in fails(command, Status, main, [str(path)])
