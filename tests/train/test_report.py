"""Runs side by side."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from datasets.opening import open_dataset
from tests.train.worlds import TINY_WORLD
from train import report
from train.parts import backbones, trained
from train.parts.evaluation import Truth


def run(runs: Path, method: str, seed: int, start: float, figure: float, **settings: object) -> None:
    """A finished run, as far as its figures go."""
    folder = runs / method / "market2duke" / f"s{seed}-{report.run.short_hash({'seed': seed, **settings})}"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed": seed, **settings}))
    figures = {"direct transfer": {"mAP": start, "rank1": start + 20}, method.upper(): {"mAP": figure, "rank1": 90.0}}
    figures["another row"] = {"mAP": 1.0, "rank1": 2.0}
    cost = {method: {"seconds": 60.0 * (1 + seed), "peak_mib": 700.0 + seed}, "pretrain-1": {"seconds": 9e9}}
    result = {"figures": figures, "main": method.upper(), "image_steps": 5000, "cost": cost}
    (folder / "result.json").write_text(json.dumps(result))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed, start in enumerate((30.0, 32.0, 31.0)):
        run(tmp_path, "udap", seed, start, start + 20 + seed, steps=140)
        run(tmp_path, "spcl", seed, start, start + 10, steps=70)
    run(tmp_path, "spcl", 0, 30.0, 35.0, steps=7)
    (tmp_path / "stages" / "pretrain-1234abcd").mkdir(parents=True)
    (tmp_path / "stages" / "pretrain-1234abcd" / "result.json").write_text('{"image_steps": 1}')
    return tmp_path


def test_means_intervals_and_gains(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.main([str(runs), "--out", str(runs / "table.md")])
    out = capsys.readouterr().out
    text = (runs / "table.md").read_text()
    assert text in out
    cells = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:] for line in text.splitlines()}
    half = 4.30265 * np.std([30, 32, 31], ddof=1) / 3**0.5
    assert cells["direct transfer"][:3] == ["3", f"31.0 ± {half:.1f}", f"51.0 ± {half:.1f}"]
    half = 4.30265 * np.std([50, 53, 53], ddof=1) / 3**0.5
    assert cells["UDAP"][:2] == ["3", f"52.0 ± {half:.1f}"]
    assert cells["UDAP"][3:] == [f"21.0 ± {4.30265 / 3**0.5:.1f}", "5,000", "2.0", "702"]
    assert cells["SPCL (steps 70)"][3] == "10.0 ± 0.0" and cells["SPCL (steps 7)"][:2] == ["1", "35.0"]
    assert "another row" not in text and "stages" not in text
    report.main([str(runs), "--rows"])
    assert "another row" in capsys.readouterr().out


def test_whose_start_it_is_is_told(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(runs, "abmt", 0, 33.0, 50.0, steps=1)
    report.main([str(runs)])
    out = capsys.readouterr().out
    assert out.count("| direct transfer |") == 1 and "| direct transfer (ABMT) | 1 | 33.0 |" in out


def test_other_data_of_the_same_name_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, tgt in enumerate(("0123456789ab", "ba9876543210")):
        run(tmp_path, "udap", seed, 30.0, 40.0, steps=1, data={"src": "aaaaaaaaaaaa", "tgt": tgt})
    report.main([str(tmp_path)])
    out = capsys.readouterr().out
    assert "UDAP (data of --tgt 01234567) |" in out and "UDAP (data of --tgt ba987654) |" in out


def test_gains_by_what_is_known_of_the_queries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two runs, as their files say when they are scored one by one; nobody counts twice."""
    run(tmp_path, "udap", 0, 30.0, 40.0)
    run(tmp_path, "udap", 1, 30.0, 40.0)
    spec, truth = backbones.EncoderSpec("mobilenetv3_small_050", 64, 32), Truth(open_dataset("tgt", TINY_WORLD), 64, 32)
    gains = []
    for seed, folder in enumerate(sorted((tmp_path / "udap" / "market2duke").iterdir())):
        result = json.loads((folder / "result.json").read_text())
        result["rows"] = {"direct transfer": {"direct": 1.0}, "UDAP": {"udap": 1.0}}
        (folder / "result.json").write_text(json.dumps(result))
        for k, name in enumerate(("direct", "udap")):
            backbones.build(spec, "none", 2 * seed + k).save(folder / f"{name}.safetensors")
        encoders, _ = trained.encoders_of(("direct", "udap"), folder, "cpu")
        told = {name: truth.features(one) for name, one in encoders.items()}
        start, end = (truth.breakdown(truth.score(one), one)["sex"]["female"][0] for one in told.values())
        gains.append(end - start)
    report.main([str(tmp_path), "--by", "tgt", "--data-root", str(TINY_WORLD)])
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if ": " in line]
    cells = {line[0]: line[1:] for line in lines}
    assert cells["sex: female"][2] == report.interval(gains)
    assert sum(int(cells[f"sex: {sex}"][0]) for sex in ("female", "male")) == len(truth.crops["query"])
    assert not any(name.startswith("cameras") for name in cells)


def test_what_is_not_there_is_said(tmp_path: Path, runs: Path, fails: Callable[..., str]) -> None:
    assert "no such folder of runs" in fails(report.main, [str(tmp_path / "none")])
    (tmp_path / "empty").mkdir()
    assert "no finished run" in fails(report.main, [str(tmp_path / "empty")])
    assert "no dataset" in fails(report.main, [str(runs), "--by", "nowhere", "--data-root", str(tmp_path)])
    assert "no such folder as" in fails(report.main, [str(runs), "--out", str(tmp_path / "none" / "table.md")])
