import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets.manifest import COLUMNS, DatasetError
from datasets.opening import open_dataset
from datasets.pictures import decode
from opengspr.shards import read_shard
from tests.drawn import edit_json


@pytest.fixture
def little(shared_data: Path, tmp_path: Path) -> Path:
    """A copy of the dataset that a test may spoil."""
    return Path(shutil.copytree(shared_data / "little", tmp_path / "little"))


def test_opens_by_name_and_by_path(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset("little", shared_data)
    assert (dataset.name, dataset.root) == ("little", shared_data / "little")
    assert dataset.fingerprint == hashlib.sha256((dataset.root / "SHA256SUMS").read_bytes()).hexdigest()
    assert open_dataset(shared_data / "little").fingerprint == dataset.fingerprint
    monkeypatch.setenv("OPENGSPR_DATA", str(shared_data))
    assert open_dataset("little").root == dataset.root
    monkeypatch.chdir(shared_data / "little")
    assert open_dataset(".").name == "little"


def test_splits_hold_their_crops(shared_data: Path) -> None:
    dataset = open_dataset("little", shared_data)
    crops = {name: dataset.split(name) for name in ("train", "query", "gallery")}
    assert {name: len(split) for name, split in crops.items()} == {name: dataset.info["counts"][name] for name in crops}
    train = crops["train"]
    assert train.pid.dtype == train.camid.dtype == train.frame.dtype == np.int64
    for i, key in enumerate(train.column("key")):
        assert key.startswith(f"{train.pid[i]:05d}_c{train.camid[i]:02d}s00_{train.frame[i]:06d}")
        assert train.image(i).shape == (train.column("height")[i], train.column("width")[i], 3)
    assert train.column("box").shape == (len(train), 4)
    assert train.take(np.array([2, 0])).read(0) == train.read(2)
    with pytest.raises(DatasetError, match="no column 'colour'"):
        train.column("colour")
    with pytest.raises(DatasetError, match="no crops in split 'val'; it has {'train': 18"):
        dataset.split("val")


def test_crops_lie_where_the_manifest_says(shared_data: Path) -> None:
    crops = open_dataset("little", shared_data).crops
    members = {
        member.name: member.data
        for member in read_shard(crops.root / "shards/00000.tar", {"jpg": 1 << 20, "json": 1 << 20})
    }
    assert len(members) == 2 * len(crops)
    for i, key in enumerate(crops.column("key")):
        assert crops.read(i) == members[f"{key}.jpg"]
        assert (crops.image(i) == decode(members[f"{key}.jpg"], key)).all()


def test_an_unknown_name_lists_the_known_ones(shared_data: Path) -> None:
    with pytest.raises(DatasetError) as error:
        open_dataset("market", shared_data)
    assert (
        str(error.value) == f"no dataset 'market': expected at {shared_data / 'market'}; known in {shared_data}: little"
    )


def test_a_capture_that_is_not_labelled(data: Path) -> None:
    with pytest.raises(DatasetError, match=f"not labelled: python -m labeler.label {data}/captures/little --data-root"):
        open_dataset("little", data)
    with pytest.raises(DatasetError, match="a capture, not a dataset; label it"):
        open_dataset(data / "captures" / "little")


def test_folders_that_are_no_dataset(little: Path) -> None:
    with pytest.raises(DatasetError, match="not a dataset"):
        open_dataset(little.parent)
    with pytest.raises(DatasetError, match="a file, wanted a dataset's folder"):
        open_dataset(little / "dataset.json")
    edit_json(little / "dataset.json", schema=2)
    with pytest.raises(DatasetError, match="schema 2, this version reads 1 to 1"):
        open_dataset(little)
    (little / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match="not JSON"):
        open_dataset(little)
    (little / "SHA256SUMS").unlink()
    with pytest.raises(DatasetError, match="unfinished"):
        open_dataset(little)


@pytest.mark.parametrize(
    ("column", "value", "wanted"),
    [
        ("box", [0.0, 0.0, float("nan"), 1.0], "a box"),
        ("box", [5.0, 0.0, 1.0, 1.0], "a box"),
        ("pid", -2, "at least 0, or -1"),
        ("offset", -1, "at least 0"),
        ("size", 1 << 40, "a size"),
        ("split", "val", "a split"),
        ("camid", None, "column camid has empty values"),
    ],
)
def test_rows_that_mean_nothing_are_refused(little: Path, column: str, value: Any, wanted: str) -> None:
    rows = pq.read_table(little / "manifest.parquet").to_pylist()
    rows[3][column] = value
    pq.write_table(pa.Table.from_pylist(rows, COLUMNS), little / "manifest.parquet")
    with pytest.raises(DatasetError, match=wanted) as error:
        open_dataset(little).split("train")
    assert rows[3]["key"] in str(error.value) or value is None


def test_an_older_manifest_has_nobody_changed_or_alike(little: Path) -> None:
    table = pq.read_table(little / "manifest.parquet").drop_columns(["variation", "like"])
    pq.write_table(table, little / "manifest.parquet")
    crops = open_dataset(little).split("train")
    assert (crops.column("variation") == 0).all() and (crops.column("like") == -1).all()


def test_a_damaged_manifest_or_shard_is_named(little: Path) -> None:
    crops = open_dataset(little).crops
    (little / "shards" / "00000.tar").write_bytes(b"short")
    with pytest.raises(DatasetError, match=r"00000\.tar: cut off"):
        open_dataset(little).crops.read(0)
    (little / "shards" / "00000.tar").unlink()
    with pytest.raises(DatasetError, match=r"00000\.tar: missing"):
        crops.read(0)
    table = pq.read_table(little / "manifest.parquet")
    pq.write_table(table.drop_columns("camid"), little / "manifest.parquet")
    with pytest.raises(DatasetError, match="columns missing: camid"):
        open_dataset(little).split("train")
    (little / "manifest.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DatasetError, match=r"manifest\.parquet: cannot be read"):
        open_dataset(little).split("train")
