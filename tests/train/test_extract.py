"""Features of a dataset and of a folder of pictures, as Parquet."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from datasets.opening import open_dataset
from tests.train.worlds import draw_world
from train import extract
from train.parts import backbones
from train.parts.data import Images
from train.parts.evaluation import extract as features_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    backbones.build(backbones.EncoderSpec("timm:test_efficientnet", 32, 16), "none", 0).save(path)
    return path


def test_a_dataset_s_features(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_world(tmp_path, "tgt", 6, 0.6, train=0.5)
    out = tmp_path / "features.parquet"
    extract.main([str(model), "--data", "tgt", "--data-root", str(tmp_path), "--out", str(out), "--device", "cpu"])
    assert f"{out}: 36 pictures" in capsys.readouterr().out
    table = pq.read_table(out)
    assert table.column_names == ["picture", "split", "pid", "camid", "feature"] and len(table) == 36
    query = open_dataset(tmp_path / "tgt").split("query")
    rows = [i for i, split in enumerate(table["split"].to_pylist()) if split == "query"]
    assert [table["picture"][i].as_py() for i in rows] == query.column("key").tolist()
    found = np.array(table["feature"].to_pylist(), np.float32)
    wanted = features_of(backbones.load(model), Images(query, 32, 16)).numpy()
    np.testing.assert_allclose(found[rows], wanted, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_folder_s_features(model: Path, tmp_path: Path) -> None:
    draw_world(tmp_path, "tgt", 2, 0.6)
    crops = open_dataset(tmp_path / "tgt").split("train")
    (tmp_path / "some" / "deep").mkdir(parents=True)
    for i, name in enumerate(("b.jpg", "a.JPG", "deep/c.jpeg")):
        (tmp_path / "some" / name).write_bytes(crops.read(i))
    (tmp_path / "some" / "notes.txt").write_text("no picture")
    out = tmp_path / "features.parquet"
    extract.main([str(model), "--data", str(tmp_path / "some"), "--out", str(out), "--device", "cpu"])
    table = pq.read_table(out)
    assert table["picture"].to_pylist() == ["a.JPG", "b.jpg", "deep/c.jpeg"] and table.column_names[1:] == ["feature"]
    wanted = features_of(backbones.load(model), Images(crops, 32, 16)).numpy()[[1, 0, 2]]
    np.testing.assert_allclose(np.array(table["feature"].to_pylist()), wanted, atol=1e-5)


def test_bad_input_is_one_line(model: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "torn.jpg").write_bytes(b"\xff\xd8torn")
    for args, wanted in (
        (["--data", str(tmp_path / "empty")], "not a dataset"),
        (["--data", "nowhere", "--data-root", str(tmp_path)], "no dataset 'nowhere'"),
        (["--data", str(tmp_path / "some")], "cannot be read as a picture"),
        (["--data", str(tmp_path / "some"), "--row", "best"], "--row best: wanted one of: model"),
        (["--data", str(tmp_path / "some"), "--out", str(tmp_path / "no" / "f.parquet")], "no such folder"),
    ):
        assert wanted in fails(extract.main, [str(model), *args, "--device", "cpu"]), args
    assert not [*tmp_path.rglob("*.parquet")]
