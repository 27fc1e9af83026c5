"""What synthetic data is worth, measured small."""

import csv
import json
from pathlib import Path

import pytest

from benchmarks import worth
from opengspr import UserError
from tests.train.worlds import TINY_WORLD


@pytest.mark.long
def test_each_size_is_learnt_from_and_scored_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = worth.Settings(
        data="src", targets="tgt", ids="6", per_id="2,4", epochs=1, runs=tmp_path / "runs", out=tmp_path / "out",
        data_root=TINY_WORLD, json=True,
    )  # fmt: skip
    worth.main(settings)
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row["crops"] for row in rows] == [12, 24] and all(0 < row["tgt"] < 100 for row in rows)
    with open(tmp_path / "out" / "worth.csv", newline="") as file:
        assert [line["data"] for line in csv.DictReader(file)] == ["src-6x2", "src-6x4"]
    assert (tmp_path / "out" / "worth.html").read_text().count("<polyline") == 1
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("result.json")}
    worth.main(settings)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("result.json")} == before


def test_bad_input_gets_one_line(tmp_path: Path) -> None:
    given = {"data": "src", "out": tmp_path / "out", "data_root": TINY_WORLD}
    with pytest.raises(UserError, match="--targets: wanted names"):
        worth.main(worth.Settings(**given))
    with pytest.raises(UserError, match="--ids 6,x: wanted whole numbers"):
        worth.main(worth.Settings(targets="tgt", ids="6,x", **given))
    with pytest.raises(UserError, match="--ids 99: src has 20 people"):
        worth.main(worth.Settings(targets="tgt", ids="99", **given))
