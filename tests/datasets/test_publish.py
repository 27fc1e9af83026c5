"""Publishing: every form holds the same bytes, says what it is, and is gone on with where it was cut off."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import mlcroissant
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from datasets import forms, publish, verify
from datasets.manifest import COLUMNS
from datasets.opening import open_dataset
from datasets.pictures import DatasetError
from opengspr.command import UserError
from tests.datasets.test_readers import MARKET, plant
from tests.drawn import edit_json, tree

FORMS = ["webdataset", "parquet", "folder"]


@pytest.fixture
def little(shared_data: Path, tmp_path: Path) -> Path:
    """A copy of the dataset that a test may spoil."""
    return Path(shutil.copytree(shared_data / "little", tmp_path / "little"))


def published(little: Path, out: Path, to: Any) -> Path:
    publish.main(publish.Settings(str(little), out, to))
    return out


@pytest.fixture(scope="module")
def parquet(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(shared_data / "little", tmp_path_factory.mktemp("out") / "dist", "parquet")


@pytest.mark.parametrize("to", FORMS)
def test_what_is_published_is_read_back_to_the_bit(little: Path, tmp_path: Path, to: str) -> None:
    out = published(little, tmp_path / "dist", to)
    before, after = open_dataset(little), open_dataset(out)
    for split in ("train", "query", "gallery"):
        first, second = before.split(split), after.split(split)
        order = np.argsort(second.column("key"))[np.argsort(np.argsort(first.column("key")))]
        assert [first.read(i) for i in range(len(first))] == [second.read(int(i)) for i in order]
        for name in {*COLUMNS.names} - {"shard", "offset"}:
            assert (first.column(name) == second.column(name)[order]).all(), name
    verify.main(verify.Settings(str(out), pictures=True))
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=out).returncode == 0


def test_tars_are_webdataset_s(little: Path, tmp_path: Path) -> None:
    out = published(little, tmp_path / "dist", "webdataset")
    crops = open_dataset(little).split("query")
    with tarfile.open(out / "data/query-00000-of-00001.tar") as tar:
        names = tar.getnames()
        assert names[::2] == [f"{name.removesuffix('.json')}.jpg" for name in names[1::2]]
        read = {name: tar.extractfile(name).read() for name in names}  # type: ignore[union-attr]  # they are files
    for i, key in enumerate(crops.column("key")):
        assert read[f"{key}.jpg"] == crops.read(i)
        assert json.loads(read[f"{key}.json"])["pid"] == crops.pid[i]


def test_parquet_is_as_hugging_face_shows_it(parquet: Path, shared_data: Path) -> None:
    table = pq.read_table(parquet / "data/train-00000-of-00001.parquet")
    crops = open_dataset("little", shared_data).split("train")
    known = dict(zip(crops.column("key"), map(crops.read, range(len(crops)))))
    rows = table.to_pylist()
    assert {row["key"]: row["image"]["bytes"] for row in rows} == known
    assert all(row["image"]["path"] == f"{row['key']}.jpg" for row in rows)
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"} and {*features} == {*table.column_names}
    header = yaml.safe_load((parquet / "README.md").read_text().split("---")[1])
    assert header["license"] == "cc-by-4.0"
    for one in header["configs"][0]["data_files"]:
        assert sum(len(pq.read_table(path)) for path in parquet.glob(one["path"])) == len(
            open_dataset("little", shared_data).split(one["split"])
        )


def test_plain_files_have_their_metadata_beside_them(little: Path, tmp_path: Path) -> None:
    out = published(little, tmp_path / "dist", "folder")
    rows = pq.read_table(out / "gallery/metadata.parquet").to_pylist()
    assert {row["file_name"] for row in rows} == {
        path.relative_to(out / "gallery").as_posix() for path in (out / "gallery").rglob("*.jpg")
    }
    assert all(row["file_name"].startswith(f"{row['pid']:05d}/") for row in rows)


def test_a_split_is_dealt_to_several_files(little: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "FILE_BYTES", 10_000)
    out = published(little, tmp_path / "dist", "parquet")
    files = open_dataset(out).info["files"]
    assert len([name for name in files if "train" in name]) > 2
    sizes = [len(pq.read_table(out / name)) for name in files if "train" in name]
    assert max(sizes) - min(sizes) <= 1 and sum(sizes) == 18
    verify.main(verify.Settings(str(out), pictures=True))


@pytest.mark.long
@pytest.mark.parametrize("to", FORMS)
def test_cut_off_it_is_gone_on_with(little: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setattr(forms, "FILE_BYTES", 10_000)
    whole = tree(published(little, tmp_path / "whole", to))

    def cut(*_: Any) -> None:
        raise KeyboardInterrupt

    stops = ["datasets.publish.draw_sheet", "datasets.publish.checksums"]
    for stop in stops if to == "folder" else ["datasets.forms.located", *stops]:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(stop, cut)
            published(little, tmp_path / "cut", to)
        assert not (tmp_path / "cut" / "SHA256SUMS").exists()
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").rglob("*.jpg") if to == "folder"}
    made |= {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").glob("data/*")}
    assert made
    assert tree(published(little, tmp_path / "cut", to)) == whole
    assert all(path.stat().st_mtime_ns == at for path, at in made.items() if path.name != "sheet.jpg")


def test_croissant_is_valid_and_its_records_are_the_manifest_s(
    parquet: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = mlcroissant.Dataset(jsonld=parquet / "croissant.json")
    issues = data.metadata.ctx.issues
    assert not issues.errors and not issues.warnings
    crops = open_dataset(parquet).crops
    for i, record in enumerate(data.records("crops")):
        assert record["crops/key"].decode() == crops.column("key")[i]
        assert record["crops/pid"] == crops.pid[i] and record["crops/offset"] == crops.column("offset")[i]
    assert i + 1 == len(crops)
    said = json.loads((parquet / "croissant.json").read_text())
    assert "do not exist" in said["rai:personalSensitiveInformation"]


def test_card_and_datasheet_say_how_and_what_not(parquet: Path) -> None:
    card = (parquet / "README.md").read_text()
    assert "python -m synth.render --preset test" in card and "python -m labeler.label" in card
    assert "without consent" in card and "CC-BY-4.0" in card and (parquet / "sheet.jpg").stat().st_size > 1000
    assert "## Maintenance" in (parquet / "DATASHEET.md").read_text()


# What is not published


def test_only_what_was_rendered_here_is_published(tmp_path: Path, little: Path) -> None:
    plant(tmp_path / "market", *MARKET)
    with pytest.raises(DatasetError, match="market: somebody else's dataset"):
        publish.main(publish.Settings("market", tmp_path / "o", data_root=tmp_path))
    info = json.loads((little / "dataset.json").read_text())
    edit_json(little / "dataset.json", provenance={"sources": []})
    with pytest.raises(DatasetError, match="little: not rendered by this collector"):
        published(little, tmp_path / "o", "parquet")
    info["provenance"]["capture"] |= {"body": "smplx"}
    edit_json(little / "dataset.json", provenance=info["provenance"])
    with pytest.raises(DatasetError, match="under other terms, yet it says CC-BY-4.0"):
        published(little, tmp_path / "o", "parquet")
    assert not (tmp_path / "o").exists()


def test_what_is_not_free_says_so(little: Path, tmp_path: Path) -> None:
    info = json.loads((little / "dataset.json").read_text())
    info["provenance"]["capture"] |= {"body": "smplx"}
    licence = "LicenseRef-SMPL-X-non-commercial"
    edit_json(little / "dataset.json", provenance=info["provenance"], licence=licence)
    card = (published(little, tmp_path / "o", "folder") / "README.md").read_text()
    assert "license: other" in card and licence in card and "cc-by" not in card


def test_a_folder_of_something_else_is_left_alone(little: Path, tmp_path: Path, parquet: Path) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        published(little, tmp_path / "o", "parquet")
    assert tree(tmp_path / "o") == {"thesis.tex": b"mine"}
    with pytest.raises(UserError, match="holds little as parquet; choose another --out"):
        published(little, parquet, "folder")


def test_names_of_files_may_not_lead_out(parquet: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(parquet, tmp_path / "o"))
    for name in ("../x.tar", "/etc/passwd", "data/../../x.tar"):
        edit_json(out / "dataset.json", files=[name])
        with pytest.raises(DatasetError, match="wanted names below data/"):
            open_dataset(out)
    edit_json(out / "dataset.json", files=["data/train-00000-of-00001.parquet"])
    with pytest.raises(DatasetError, match="names 1 files"):
        _ = open_dataset(out).crops
