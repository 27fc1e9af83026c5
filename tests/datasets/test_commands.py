"""The commands that take a finished dataset: export, cut, sheet, verify."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from datasets import cut, export, sheet, verify
from datasets.choice import choose_crops, choose_ids, with_cameras
from datasets.known import MARKET
from datasets.manifest import COLUMNS, Crops
from datasets.masks import decoded
from datasets.opening import open_dataset
from datasets.writer import checksums
from opengspr.command import UserError, command
from tests.drawn import colour, draw_capture, edit_json, label, tree


@pytest.fixture
def little(shared_data: Path, tmp_path: Path) -> Path:
    """A copy of the dataset that a test may spoil."""
    return Path(shutil.copytree(shared_data / "little", tmp_path / "little"))


def test_market_layout(shared_data: Path, tmp_path: Path) -> None:
    export.main(export.Settings("little", tmp_path / "m", data_root=shared_data))
    crops = open_dataset("little", shared_data).crops
    rows = dict(line.split(",") for line in (tmp_path / "m" / "names.csv").read_text().splitlines()[1:])
    assert len(rows) == len(crops) and len(tree(tmp_path / "m")) == len(crops) + 2
    where = {key: i for i, key in enumerate(crops.column("key"))}
    folders = {"bounding_box_train": "train", "query": "query", "bounding_box_test": "gallery"}
    for file, key in rows.items():
        folder, name = file.split("/")
        i = where[key]
        pid, camid, view, frame = map(int, re.fullmatch(r"(\d{4})_c(\d\d)s(\d\d)_(\d{6})_00\.jpg", name).groups())
        assert (pid, camid, view, frame) == (crops.pid[i] + 1, crops.camid[i] + 1, 1, crops.frame[i])
        assert folders[folder] == crops.column("split")[i]
        assert (tmp_path / "m" / file).read_bytes() == crops.read(i)


def placed(crops: Crops) -> Crops:
    """The crops as if two places had seen them, by two viewpoints each, all of one camera."""
    number = np.arange(len(crops))
    crops = crops.replaced("place", np.array([f"p{n % 2}" for n in number]))
    return crops.replaced("viewpoint", number // 2 % 2).replaced("camid", number * 0)


def test_a_camera_may_be_a_place_or_a_viewpoint(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = placed(open_dataset("little", shared_data).crops)
    places, viewpoints = with_cameras(crops, "place").camid, with_cameras(crops, "viewpoint").camid
    assert places.tolist()[:4] == [0, 1, 0, 1] and viewpoints.tolist()[:4] == [0, 2, 1, 3]
    assert with_cameras(crops, "camid") is crops
    monkeypatch.setattr("datasets.manifest.Dataset.crops", crops)
    for number, camera in ((2, "place"), (4, "viewpoint")):
        export.main(export.Settings("little", tmp_path / camera, camera=camera, data_root=shared_data))
        names = [path.name for path in (tmp_path / camera).rglob("*.jpg")]
        assert {name[6:8] for name in names} == {f"{k + 1:02d}" for k in range(number)}
        assert json.loads((tmp_path / camera / "export.json").read_text())["camera"] == camera
        for query in (tmp_path / camera / "query").iterdir():
            gallery = os.listdir(tmp_path / camera / "bounding_box_test")
            assert any(name[:4] == query.name[:4] and name[6:8] != query.name[6:8] for name in gallery)
    cut.main(cut.Settings("little", tmp_path / "cut", ids=4, per_id=5, camera="place", data_root=shared_data))
    monkeypatch.undo()
    small = open_dataset(tmp_path / "cut")
    assert small.info["counts"]["cameras"] == 2 and small.info["provenance"]["cut"]["camera"] == "place"


def test_market_safe_is_what_common_readers_take(tmp_path: Path, at_home: None) -> None:
    label(draw_capture(tmp_path / "wide", people=8, cameras=11), data_root=tmp_path / "data")
    export.main(export.Settings("wide", tmp_path / "m", market_safe=True, data_root=tmp_path / "data"))
    read = {
        folder: [
            tuple(map(int, re.match(r"([-\d]+)_c(\d)", name).groups())) for name in os.listdir(tmp_path / "m" / folder)
        ]
        for folder in MARKET.values()
    }
    everyone = [pair for pairs in read.values() for pair in pairs]
    assert {camid for _, camid in everyone} == {1, 2, 3, 4, 5, 6}
    assert {pid for pid, _ in everyone} == set(range(1, 9))
    assert len(everyone) == 8 * 6 * 2
    for pid, camid in read["query"]:
        assert any(other == pid and camera != camid for other, camera in read["bounding_box_test"])
    assert not {pid for pid, _ in read["query"]} & {pid for pid, _ in read["bounding_box_train"]}


def test_market_safe_limits_people(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MARKET_IDS", 4)
    export.main(export.Settings("little", tmp_path / "m", market_safe=True, data_root=shared_data))
    names = [path.name for path in (tmp_path / "m").rglob("*.jpg")]
    assert {int(name[:4]) for name in names} == {1, 2, 3, 4}


def test_names_tell_alike_crops_apart(little: Path) -> None:
    crops = open_dataset(little).crops
    twice = crops.take(np.array([0, 0, 1]))
    names = export.market_names(twice)
    assert len(set(names)) == 3 and names[0].endswith("_00.jpg") and names[1].endswith("_01.jpg")


def test_export_refuses_a_full_folder_and_leaves_nothing_half(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="wanted an empty folder"):
        export.main(export.Settings("little", tmp_path / "full", data_root=shared_data))
    assert tree(tmp_path / "full") == {"thesis.tex": b"mine"}

    def stop(self: Any, i: int) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("datasets.manifest.Crops.read", stop)
    with pytest.raises(KeyboardInterrupt):
        export.main(export.Settings("little", tmp_path / "m", data_root=shared_data))
    assert list((tmp_path / "m").iterdir()) == []


def test_cut_is_smaller_whole_and_the_same_again(shared_data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        cut.main(cut.Settings("little", tmp_path / name, ids=4, per_id=5, size="64x32", data_root=shared_data))
    small, large = open_dataset(tmp_path / "a").crops, open_dataset("little", shared_data).crops
    files = [
        {name: data for name, data in tree(tmp_path / folder).items() if name.startswith(("shards", "manifest"))}
        for folder in ("a", "b")
    ]
    assert files[0] == files[1]
    verify.main(verify.Settings(str(tmp_path / "a"), pictures=True))
    assert len(small) == 20 and small.image(0).shape == (64, 32, 3)
    for i in range(len(small)):
        (j,) = np.flatnonzero(large.column("key") == small.column("key")[i])
        both = (small, i), (large, j)
        mine, theirs = (decoded(crops.column("mask")[k], *crops.image(k).shape[:2]) for crops, k in both)
        assert mine.any() and abs(mine.mean() - theirs.mean()) < 0.06
    train = {name: set(crops.pid[crops.column("split") == "train"]) for name, crops in [("s", small), ("l", large)]}
    assert train["s"] < train["l"] and len(train["s"]) == 2
    for pid in set(small.pid):  # 5 crops over 3 cameras
        assert sorted(np.unique(small.camid[small.pid == pid], return_counts=True)[1]) == [1, 2, 2]
    cut.main(cut.Settings("little", tmp_path / "a", ids=4, per_id=5, size="64x32", data_root=shared_data))
    with pytest.raises(UserError, match="was made otherwise \\(ids: 4 there, 5 now\\)"):
        cut.main(cut.Settings("little", tmp_path / "a", ids=5, per_id=5, size="64x32", data_root=shared_data))


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--size", "128"], "--size 128: wanted HEIGHTxWIDTH"),
        (["--size", "0x64"], "--size 0x64"),
        (["--size", "128x9999"], "--size 128x9999"),
        (["--quality", "0"], "--quality 0: wanted 1 to 95"),
        (["--ids", "7"], "--ids 7: little has 6 people"),
        (["--per-id", "0"], "--per-id 0"),
    ],
)
def test_cut_refuses_in_one_line(
    shared_data: Path, tmp_path: Path, fails: Callable[..., str], flags: list[str], wanted: str
) -> None:
    ids = [] if "--ids" in flags else ["--ids", "4"]
    known = ["little", "--out", str(tmp_path / "a"), "--data-root", str(shared_data), *ids]
    assert wanted in fails(command, cut.Settings, cut.main, known + flags)
    assert not (tmp_path / "a").exists()


def test_choice_prefers_people_with_enough_crops_and_cameras(little: Path) -> None:
    crops = open_dataset(little).crops
    keep = (crops.pid != 2) | ((crops.camid == 0) & (crops.frame == 0))
    crops = crops.take(np.flatnonzero(keep))
    assert 2 not in choose_ids(crops, 5, per_id=2) and 2 in choose_ids(crops, 6, per_id=2)
    assert crops.camid[choose_crops(crops, 1, 3)].tolist() == [0, 1, 2]


def test_sheet_has_a_row_for_each_person(shared_data: Path, tmp_path: Path) -> None:
    sheet.main(sheet.Settings("little", tmp_path / "s.png", ids=4, per_id=3, data_root=shared_data))
    with Image.open(tmp_path / "s.png") as picture:
        drawn = np.array(picture.convert("RGB"))
    crops = open_dataset("little", shared_data).crops
    step_x, step_y = sheet.CELL[0] + sheet.GAP, sheet.CELL[1] + sheet.CAPTION + sheet.GAP
    for row, pid in enumerate(choose_ids(crops, 4, 3)):
        for column in range(3):
            centre = drawn[
                sheet.HEAD + row * step_y + sheet.CELL[1] // 2, sheet.SIDE + column * step_x + sheet.CELL[0] // 2
            ].astype(int)
            assert (np.abs(centre - colour(pid)) < 45).all(), (pid, centre)


def test_sheet_refuses_in_one_line(shared_data: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    known = ["little", "--data-root", str(shared_data)]
    for flags, wanted in (
        (["--out", str(tmp_path / "s.gif")], "wanted a name ending in .jpg or .png"),
        (["--out", str(tmp_path / "no" / "s.jpg")], "parent is missing"),
        (["--out", str(tmp_path / "s.jpg"), "--ids", "0"], "wanted at least 1"),
    ):
        if "parent" in wanted:
            flags[1] = str(tmp_path / "no" / "such" / "s.jpg")
        assert wanted in fails(command, sheet.Settings, sheet.main, known + flags)


def spoil(little: Path, how: str) -> None:
    """Spoils a dataset; other than sums are then made to agree, as one who edits it by hand would."""
    manifest, shard = little / "manifest.parquet", little / "shards" / "00000.tar"
    rows = pq.read_table(manifest).to_pylist()
    first = {split: next(row for row in rows if row["split"] == split) for split in ("train", "query", "gallery")}
    if how == "changed":
        data = bytearray(shard.read_bytes())
        data[600] ^= 1
        shard.write_bytes(data)
        return
    if how == "missing":
        shard.unlink()
        return
    if how == "extra":
        (little / "shards" / "00001.tar").touch()
        return
    if how == "escaping":
        (little / "SHA256SUMS").write_text(f"{'0' * 64}  ../../etc/passwd\n")
        return
    if how == "counts":
        edit_json(little / "dataset.json", counts={"crops": 1})
    elif how == "both":
        first["gallery"]["split"] = "train"
        edit_json(little / "dataset.json", counts=open_dataset(little).info["counts"] | {"train": 19, "gallery": 8})
    elif how == "twice":
        rows[1]["key"] = rows[0]["key"]
    elif how == "alone":
        for row in rows:
            if row["pid"] == first["query"]["pid"] and row["split"] == "gallery":
                row["camid"] = first["query"]["camid"]
    elif how == "size":
        rows[0]["width"] += 1
    pq.write_table(pa.Table.from_pylist(rows, COLUMNS), manifest)
    (little / "SHA256SUMS").write_text(checksums(little))


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ("changed", "00000.tar: changed"),
        ("missing", "00000.tar: missing"),
        ("extra", "not in SHA256SUMS: shards/00001.tar"),
        ("escaping", "not a line for a file of a dataset"),
        ("counts", "dataset.json counts"),
        ("both", "is in train and in test"),
        ("twice", "the same key"),
        ("alone", "has no match from another camera"),
        ("size", "the manifest says"),
    ],
)
def test_verify_finds_what_is_wrong(little: Path, fails: Callable[..., str], how: str, wanted: str) -> None:
    verify.main(verify.Settings(str(little), pictures=True))
    spoil(little, how)
    assert wanted in fails(command, verify.Settings, verify.main, [str(little), "--pictures"])
