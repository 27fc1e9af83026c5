"""The benchmark of a training step runs, and says what it says it says."""

import json

import pytest

from benchmarks import training


@pytest.mark.long
def test_it_measures_our_loop(capsys: pytest.CaptureFixture[str]) -> None:
    small = {"height": 32, "width": 16, "batch": 8, "per_identity": 4, "steps": 2, "turns": 2}
    training.main(training.Settings(backbone="timm:test_resnet", **small, device="cpu"))  # type: ignore[arg-type]  # these fields are int
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(figures) == ["ours_images_per_s"] and figures["ours_images_per_s"] > 0


@pytest.mark.long
def test_what_is_no_checkout_is_said(tmp_path: object) -> None:
    with pytest.raises(ValueError, match="wanted a checkout of cluster-contrast-reid"):
        training.main(training.Settings(beside=tmp_path))  # type: ignore[arg-type]  # a Path
