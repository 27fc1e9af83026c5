"""What earlier versions wrote is still read: tests/data/earlier, which no version writes again.

    python -m synth.render --preset demo-tgt --ids 3 --scenes 1 --views 2 --per-id 2 --quality draft --out capture
    python -m labeler.label capture --out dataset

and, on the worlds that tests/train/worlds.py draws, train.smcr as there, on timm:test_efficientnet, which left `run`.
"""

import json
from pathlib import Path

import pytest

from datasets import verify
from datasets.opening import open_dataset
from labeler import label
from labeler.backends import Choice
from opengspr.sharing import Sharing
from synth.capture import open_capture
from train import evaluate

VERSIONS = sorted((Path(__file__).parent / "data" / "earlier").iterdir())


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_captures(folder: Path, tmp_path: Path) -> None:
    shots = [*open_capture(folder / "capture").shots()]
    assert len(shots) == 6 and {shot.truth["pid"] for shot in shots} == {0, 1, 2}
    assert all((shot.mask() == shot.truth["instance"]).any() for shot in shots)
    label.main(label.Settings((folder / "capture",), tmp_path / "out", Choice("truth"), sharing=Sharing(workers=1)))
    again, first = open_dataset(tmp_path / "out").crops, open_dataset(folder / "dataset").crops
    assert set(first.column("key")) <= set(again.column("key"))


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_datasets(folder: Path) -> None:
    verify.main(verify.Settings(str(folder / "dataset")))
    dataset = open_dataset(folder / "dataset")
    assert dataset.info["counts"]["crops"] == len(dataset.crops) == 5
    assert [len(dataset.split(name)) for name in ("train", "query", "gallery")] == [3, 1, 1]
    assert {dataset.crops.image(k).shape[2] for k in range(5)} == {3}


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.main([str(folder / "run"), "--data", str(folder / "tgt"), "--device", "cpu"])
    out = capsys.readouterr().out
    for row, figures in json.loads((folder / "run" / "result.json").read_text())["figures"].items():
        (line,) = [line for line in out.splitlines() if line.startswith(f"{row}  ")]
        shown = [float(word) for word in line.split()[-4:]]
        assert shown == pytest.approx([figures[name] for name in ("mAP", "rank1", "rank5", "rank10")], abs=6)
