import json
from pathlib import Path

import pytest

from benchmarks.labeler import SHOWN, Benchmark, main
from tests.drawn import draw_capture


def test_the_last_line_has_every_figure(tmp_path: Path, at_home: None, capsys: pytest.CaptureFixture[str]) -> None:
    """By the true masks, which a perfect detector would give."""
    capture = draw_capture(tmp_path / "captures" / "little", frames=True)
    main(Benchmark(capture, "truth"))
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(lines[-1])
    assert [*figures][: len(SHOWN)] == [*SHOWN]
    assert figures["frame_box_ap50"] == figures["region_box_ap50"] == figures["median_crop_iou"] == 1
    assert figures["wrong_identity"] == figures["false_positives_per_empty_frame"] == 0 and figures["kept_share"] == 1
    shares = [figures[f"{part}_time_share"] for part in ("decode", "detect", "encode")]
    assert sum(shares) == pytest.approx(1, abs=1e-3) and min(shares) > 0
    assert any(line.startswith("found, by weather (frames): clear 1.000 of 6") for line in lines)
    main(Benchmark(capture, "truth", json=True))
    assert len(capsys.readouterr().out.splitlines()) == 1
