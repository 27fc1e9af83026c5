import json
from pathlib import Path

import pytest

from benchmarks.labeler import SHOWN, Benchmark, _wrong, main
from datasets.opening import open_dataset
from opengspr.command import UserError
from synth.capture import Shot, open_capture, read_unit, write_unit
from tests.drawn import draw_capture, label, png


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


def test_a_capture_without_frames_is_refused(tmp_path: Path, at_home: None) -> None:
    capture = draw_capture(tmp_path / "captures" / "little")
    with pytest.raises(UserError, match="wanted whole frames with people and some without"):
        main(Benchmark(capture, "truth"))


def test_a_mask_on_somebody_else_is_a_wrong_identity(tmp_path: Path, at_home: None) -> None:
    """The capture says afterwards that the crops were of the others in the pictures."""
    path = draw_capture(tmp_path / "captures" / "little", units=1)
    unit = open_capture(path).units()[0]
    shots = [*read_unit(unit)]

    def with_another(shot: Shot) -> Shot:
        mask = shot.mask()
        mask[20:120, 30:40] = 2
        return Shot(shot.truth, shot.jpg, png(mask))

    write_unit(unit, [with_another(shot) for shot in shots[:4]] + shots[4:])
    label(path, data_root=tmp_path)
    dataset = open_dataset("little", tmp_path)
    assert _wrong(open_capture(path), dataset) == (0, 4)
    swapped = [Shot({**shot.truth, "instance": 2}, shot.jpg, with_another(shot).png) for shot in shots[:3]]
    write_unit(unit, swapped + [with_another(shots[3])] + shots[4:])
    assert _wrong(open_capture(path), dataset) == (3, 4)
