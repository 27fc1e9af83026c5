"""Sheets to look at: what is asked for is on them, and wrong requests end in a line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengspr import command
from synth import preview
from synth.preview import Preview, main


def test_wrong_requests(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "check_blender", lambda: None)  # it takes a while
    for args, said in (
        (["people", "--ids", "5"], "--ids: got '5', wanted a range of people like 0:48"),
        (["people", "--ids", "5:5"], "--ids: got '5:5'"),
        (["people", "--size", "8"], "--size: got 8, wanted 32 to 2048"),
        (["person", "3", "--out", str(tmp_path / "x.gif")], "wanted a name ending in .jpg or .png"),
        (["people", "--preset", "nowhere"], "nowhere"),
        (["people", "--assets", str(tmp_path / "none")], "none: not a folder"),
        (["people", "--preset", "demo"], "--preset demo: a group of worlds; name one: demo-syn, demo-src, demo-tgt"),
    ):
        with pytest.raises(SystemExit) as ended:
            command(Preview, main, args)
        assert ended.value.code == 2 and said in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_the_sheet_holds_every_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Grey pictures of growing brightness in the places of the portraits come out in order."""
    asked = []

    def portraits(orders: list, settings: preview.Sheet) -> list:
        asked.extend(orders)
        return [[np.full((settings.size, settings.size // 2, 3), 10 * k, np.uint8)] for k in range(1, len(orders) + 1)]

    monkeypatch.setattr(preview, "_portraits", portraits)
    out = tmp_path / "sheet.png"
    command(Preview, main, ["people", "--ids", "3:17", "--size", "64", "--out", str(out)])
    assert [look["pid"] for look, _ in asked] == [*range(3, 17)]
    sheet = np.asarray(Image.open(out))
    step_x, step_y = 32 + preview.GAP, 64 + preview.CAPTION + preview.GAP
    for k in range(14):
        x, y = preview.GAP + k % 12 * step_x, preview.GAP + k // 12 * step_y
        assert (sheet[y : y + 64, x : x + 32] == 10 * (k + 1)).all(), k
    asked.clear()
    command(Preview, main, ["person", "7", "--size", "64", "--out", str(out)])
    assert {look["pid"] for look, _ in asked} == {7} and len(asked) == 8 + 2 * len(preview.ACTIONS)
