"""Others' datasets: a little tree in each one's true layout, with its traps, and what our readers make of it."""

import itertools
import os
import re
import shutil
import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets import cut, export, known, sheet, verify
from datasets import list as listing
from datasets.known import KNOWN
from datasets.manifest import Dataset
from datasets.opening import open_dataset
from datasets.pictures import DatasetError, encode
from datasets.unlabelled import unlabelled
from opengspr.command import command

PICTURES = (encode(np.full((16, 8, 3), light, np.uint8)) for light in itertools.cycle(range(256)))


def plant(root: Path, *names: str) -> Path:
    """Pictures of these names, each another."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(next(PICTURES))
    return root


def people(dataset: Dataset, split: str) -> dict[str, tuple[int, int]]:
    """Pid and camid of each picture, by the end of its name."""
    crops = dataset.split(split)
    keys = (Path(key).name for key in crops.column("key"))
    return dict(zip(keys, zip(crops.pid.tolist(), crops.camid.tolist())))


MARKET = (
    "bounding_box_train/0002_c1s1_000451_03.jpg",
    "bounding_box_train/0002_c6s1_000451_00.jpg",
    "query/1488_c1s6_023021_00.jpg.jpg",
    "bounding_box_test/1488_c3s6_023021_00.jpg",
    "bounding_box_test/0000_c1s1_000151_01.jpg",
    "bounding_box_test/-1_c1s1_000401_03.jpg",
    "gt_bbox/1488_c3s6_023021_00.jpg",
)


@pytest.mark.parametrize("folder", ["market", "Market-1501-v15.09.15", "market1501/Market-1501-v15.09.15"])
def test_market(tmp_path: Path, folder: str) -> None:
    """Junk goes, distractors stay; wherever its folder lies, and whatever else is in it."""
    root = plant(tmp_path / folder, *MARKET)
    (root / "bounding_box_train" / "Thumbs.db").write_bytes(b"no picture")
    market = open_dataset("market", tmp_path)
    assert (market.name, market.root) == ("market", root)
    assert people(market, "train") == {"0002_c1s1_000451_03.jpg": (2, 0), "0002_c6s1_000451_00.jpg": (2, 5)}
    assert people(market, "query") == {"1488_c1s6_023021_00.jpg.jpg": (1488, 0)}
    assert people(market, "gallery") == {"1488_c3s6_023021_00.jpg": (1488, 2), "0000_c1s1_000151_01.jpg": (0, 0)}
    assert market.info["drops"] == {"junk (pid -1)": 1} and market.split("train").frame.tolist() == [451, 451]
    assert open_dataset(root).fingerprint == market.fingerprint
    assert open_dataset(root).name == "market"
    assert market.split("train").image(0).shape == (16, 8, 3)
    assert (root / MARKET[0]).read_bytes() == market.split("train").read(0)
    assert market.split("train").column("skin_tone").tolist() == [-1, -1]
    assert market.split("train").column("box").shape == (2, 4)


def test_duke(tmp_path: Path) -> None:
    names = ("bounding_box_train/0001_c2_f0046182.jpg", "query/0005_c8_f0046985.jpg")
    plant(tmp_path / "DukeMTMC-reID", *names, "bounding_box_test/7139_c2_f0160695.jpg")
    duke = open_dataset("duke", tmp_path)
    assert people(duke, "query") == {"0005_c8_f0046985.jpg": (5, 7)} and duke.split("train").frame.tolist() == [46182]


MSMT = {
    "list_train.txt": ("train", "0000/0000_000_01_0303morning_0008_0.jpg 0"),
    "list_val.txt": ("train", "0001/0001_001_15_0303noon_0008_0_ex.jpg 1"),
    "list_query.txt": ("test", "0000/0000_000_13_0113afternoon_0262_2.jpg 0"),
    "list_gallery.txt": ("test", "0000/0000_001_02_0113afternoon_0262_10.jpg 0"),
}


def msmt(root: Path, train: str = "train", test: str = "test") -> Path:
    for file, (part, line) in MSMT.items():
        plant(root / {"train": train, "test": test}[part], line.rpartition(" ")[0])
        (root / file).write_text(f"{line}\n")
    return root


@pytest.mark.parametrize(
    ("folder", "parts", "version"),
    [
        ("MSMT17_V1", ("train", "test"), "V1"),
        ("msmt17/MSMT17_V2", ("mask_train_v2", "mask_test_v2"), "V2, faces masked"),
        ("MSMT17_V2/MSMT17_V2", ("mask_train_v2", "mask_test_v2"), "V2, faces masked"),
    ],
)
def test_msmt17(tmp_path: Path, folder: str, parts: tuple[str, str], version: str) -> None:
    """Train and val are one, cameras have two digits, and the same number is not the same person in train and test."""
    root = msmt(tmp_path / folder, *parts)
    both = MSMT["list_train.txt"][1] + "\r\n" + MSMT["list_val.txt"][1] + "\r\n"
    for text in (MSMT["list_train.txt"][1], both):  # some copies list all of train in one
        (root / "list_train.txt").write_text(text)
        data = open_dataset("msmt17", tmp_path)
        assert data.info["provenance"]["version"] == version
        assert [*people(data, "train").values()] == [(0, 0), (1, 14)]
        assert [*people(data, "query").values()] == [(2, 12)] and [*people(data, "gallery").values()] == [(2, 1)]
    assert open_dataset(root).name == "msmt17"


def test_msmt17_repacked_as_market(tmp_path: Path) -> None:
    names = ("bounding_box_train/0000_c1_0000.jpg", "query/0000_c13_0272.jpg", "bounding_box_test/0000_c2_0001.jpg")
    data = open_dataset("msmt17", plant(tmp_path / "MSMT17_V1", *names).parent)
    assert [*people(data, "train").values()] == [(0, 0)] and [*people(data, "query").values()] == [(1, 12)]


@pytest.mark.parametrize(("name", "boxes"), [("cuhk03-labelled", "labeled"), ("cuhk03-detected", "detected")])
def test_cuhk03(tmp_path: Path, name: str, boxes: str) -> None:
    names = ("bounding_box_train/0001_c1_1.png", "query/0003_c1_22.png", "bounding_box_test/0003_c2_21.png")
    root = plant(tmp_path / "cuhk03-np" / boxes, *names)
    assert people(open_dataset(name, tmp_path), "gallery") == {"0003_c2_21.png": (3, 1)}
    assert open_dataset(root).name == name


def test_personx(tmp_path: Path) -> None:
    """Cameras are backgrounds 3, 4, 8, 10, 11 and 12."""
    train = [f"bounding_box_train/0004_c{camera}s1_01.jpg" for camera in (3, 4, 8, 10, 11, 12)]
    names = ("query/0001_c12s1_32.jpg", "bounding_box_test/0001_c3s1_01.jpg")
    data = open_dataset("personx", plant(tmp_path / "personx/subset1", *train, *names).parents[1])
    assert sorted(camera for _, camera in people(data, "train").values()) == [0, 1, 2, 3, 4, 5]
    assert people(data, "query") == {"0001_c12s1_32.jpg": (1, 5)}


@pytest.mark.parametrize(
    "name", ["{pid:06d}_s{scene:02d}_c{camera:02d}_f000264", "{pid:06d}_c{camera:02d}_s{scene:02d}_f000264"]
)
def test_randperson(tmp_path: Path, name: str) -> None:
    """Cameras are counted in each scene; the first subset named them before the scene."""
    seen = [(0, 0, 0), (0, 0, 1), (7999, 10, 0)]
    names = [f"{name.format(pid=pid, scene=scene, camera=camera)}.jpg" for pid, scene, camera in seen]
    data = open_dataset("randperson", plant(tmp_path / "randperson_subset", *names).parent)
    assert [*people(data, "train").values()] == [(0, 0), (0, 1), (7999, 2)]
    with pytest.raises(DatasetError, match="no crops in split 'query'"):
        data.split("query")


def test_unrealperson(tmp_path: Path) -> None:
    """The same number of another model is somebody else; the same camera of another scene is another."""
    names = (
        "unreal_v1.1/images/333_c001_78.jpg",
        "unreal_v1.2/images/333_c001_9.jpg",
        "unreal_v3.1/images/333_c001_1.png",
    )
    data = open_dataset("unrealperson", plant(tmp_path / "UnrealPerson", *names).parent)
    assert [*people(data, "train").values()] == [(0, 0), (1, 0), (0, 1)]


def test_clonedperson(tmp_path: Path) -> None:
    names = ("train/700000_s02_c00_f023389.jpg", "test/query/705227_s02_c02_f001117.jpg")
    plant(tmp_path / "clonedperson", *names, "test/gallery/705227_s06_c02_f005521.jpg")
    data = open_dataset("clonedperson", tmp_path)
    assert [*people(data, "query").values(), *people(data, "gallery").values()] == [(705227, 1), (705227, 2)]


def mars(root: Path) -> Path:
    """Two tracklets to learn from; junk, a distractor, and one person's two tracklets of which one is the query."""
    train = ["0001C1T0001F001.jpg", "0001C1T0001F002.jpg", "0001C6T0001F001.jpg"]
    test = ["00-1C1T0001F001.jpg", "0000C2T0001F001.jpg", "0002C1T0001F001.jpg", "0002C2T0001F0010.jpg"]
    (root / "info").mkdir(parents=True)
    for part, names in (("train", train), ("test", test)):
        plant(root, *(f"bbox_{part}/{name[:4]}/{name}" for name in names))
        (root / "info" / f"{part}_name.txt").write_bytes("".join(f"{name}\r\n" for name in names).encode())
    tracks = {
        "train": [[1, 2, 1, 1], [3, 3, 1, 6]],
        "test": [[1, 1, -1, 1], [2, 2, 0, 2], [3, 3, 2, 1], [4, 4, 2, 2]],
    }
    for part, rows in tracks.items():
        matrix = {f"track_{part}_info": np.array(rows, np.int32)}
        scipy.io.savemat(root / "info" / f"tracks_{part}_info.mat", matrix)
    scipy.io.savemat(root / "info" / "query_IDX.mat", {"query_IDX": np.array([[3]], np.uint16)})
    return root


def test_mars(tmp_path: Path) -> None:
    mars(tmp_path / "mars")
    data = open_dataset("mars", tmp_path)
    assert data.split("train").column("tracklet").tolist() == [0, 0, 1]
    assert people(data, "query") == {"0002C1T0001F001.jpg": (2, 0)}
    assert [*people(data, "gallery").values()] == [(0, 1), (2, 1)] and data.info["drops"] == {"junk (pid -1)": 1}


def test_any_folder_like_market(tmp_path: Path) -> None:
    root = plant(tmp_path / "mine", *MARKET)
    data = open_dataset("mine", tmp_path)
    assert data.name == "mine" and data.info["provenance"]["dataset"] == "like Market-1501"
    assert open_dataset(root).info["counts"] == {
        "crops": 5,
        "ids": 3,
        "cameras": 3,
        "train": 2,
        "query": 1,
        "gallery": 2,
    }


def test_any_other_folder_is_crops_that_nobody_labelled(tmp_path: Path) -> None:
    """Its subfolders are cameras; hidden files and others than pictures are none."""
    root = plant(tmp_path / "mine", "yard/x 1.jpg", "door/b.PNG", "door/deep/a.jpg", "loose.jpg", "door/.hidden.jpg")
    (root / "door" / "notes.txt").write_text("no picture")
    dataset = open_dataset(root)
    assert people(dataset, "train") == {"loose.jpg": (-1, 0), "b.PNG": (-1, 1), "a.jpg": (-1, 1), "x 1.jpg": (-1, 2)}
    assert dataset.name == "mine" and not dataset.ours and (dataset.crops.column("split") == "train").all()
    before = dataset.fingerprint
    plant(root, "yard/new.jpg")
    assert open_dataset(root).fingerprint != before
    with pytest.raises(DatasetError, match="wanted a name that is text"):
        open_dataset(plant(tmp_path / "odd", "a\nb.jpg"))


def test_one_s_own_export_is_read_back(shared_data: Path, tmp_path: Path) -> None:
    export.main(export.Settings("little", tmp_path / "m", data_root=shared_data))
    ours, back = open_dataset("little", shared_data), open_dataset(tmp_path / "m")
    for split in ("train", "query", "gallery"):
        first, second = ours.split(split), back.split(split)
        rows = [
            sorted(zip(crops.pid - base, crops.camid, map(crops.read, range(len(crops)))))
            for crops, base in ((first, 0), (second, 1))
        ]
        assert rows[0] == rows[1]


def test_a_target_of_files_shows_nobody_s_name(tmp_path: Path) -> None:
    plant(tmp_path / "market", *MARKET)
    crops = open_dataset("market", tmp_path).split("train")
    target = unlabelled(crops)
    assert not hasattr(target, "pid") and not hasattr(target, "column")
    assert sorted(map(target.read, range(2))) == sorted(map(crops.read, range(2)))


# What commands say of them


def test_verify_compares_with_what_is_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "market", *MARKET)
    with pytest.raises(DatasetError, match="train is 2 of 1 people, published are 12936 of 751; query is 1 of 1"):
        verify.main(verify.Settings("market", data_root=tmp_path))
    few = {"train": known.Count(2, 1), "query": known.Count(1, 1), "gallery": known.Count(2, 2)}
    monkeypatch.setitem(known.KNOWN, "market", replace(known.KNOWN["market"], counts=few))
    capsys.readouterr()
    verify.main(verify.Settings("market", data_root=tmp_path))
    said = capsys.readouterr().out
    assert re.search(r"left out +1 junk \(pid -1\)", said) and "without a match from another camera: 0" in said
    (root / MARKET[0]).write_bytes(b"")
    with pytest.raises(DatasetError, match="0002_c1s1_000451_03.jpg: empty, wanted a picture"):
        verify.main(verify.Settings("market", data_root=tmp_path))


def test_mars_is_counted_in_sequences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mars(tmp_path / "mars")
    with pytest.raises(DatasetError, match="train is 2 of 1 people, published are 8298 of 625"):
        verify.main(verify.Settings("mars", data_root=tmp_path))


def test_list_says_what_is_here_and_what_was_withdrawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shared_data: Path
) -> None:
    command(listing.Settings, listing.main, ["--data-root", str(tmp_path)])
    nothing = capsys.readouterr().out
    assert nothing.startswith(f"In {tmp_path}: none\n") and all(name in nothing for name in KNOWN)
    assert "withdrawn by Duke University" in nothing and "12,936 / 751" in nothing
    root = msmt(tmp_path / "MSMT17_V1")
    shutil.copytree(shared_data / "little", tmp_path / "little")
    command(listing.Settings, listing.main, ["--data-root", str(tmp_path)])
    here = capsys.readouterr().out.partition("Others'")[0]
    assert re.search(rf"msmt17 +4 +3 +4  no +{root}, V1\n", here) and re.search(r"little +36 +6 +3  yes +ours\n", here)
    (root / "list_train.txt").write_text("?")
    command(listing.Settings, listing.main, ["--data-root", str(tmp_path)])
    assert "msmt17               cannot be read" in capsys.readouterr().out


def test_a_sheet_of_theirs(tmp_path: Path) -> None:
    plant(tmp_path / "market", *MARKET)
    sheet.main(sheet.Settings("market", tmp_path / "sheet.png", data_root=tmp_path))
    assert (tmp_path / "sheet.png").stat().st_size > 1000


@pytest.mark.parametrize("main", [cut.main, export.main])
def test_only_ours_is_cut_and_exported(tmp_path: Path, main: Callable[[Any], None]) -> None:
    plant(tmp_path / "market", *MARKET)
    kind = cut.Settings if main is cut.main else export.Settings
    with pytest.raises(DatasetError, match="market: somebody else's dataset"):
        main(kind("market", tmp_path / "o", data_root=tmp_path))
    assert not (tmp_path / "o").exists()


# What is wrong with it


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("../../secret.jpg 0", "wanted a path and a pid"),
        ("/etc/passwd 0", "wanted a path and a pid"),
        ("0000/0000_000_01_0303morning_0008_0.jpg", "wanted a path and a pid"),
        ("0000/0000_000_01_0303morning_0008_0.jpg -1", "wanted a path and a pid"),
        ("0000/0000_000_01_0303morning_0008_9.jpg 0", "missing; list_train.txt names it"),
        ("link/0000_000_01_0303morning_0008_0.jpg 0", "a link leads out"),
    ],
)
def test_a_list_that_leads_astray(tmp_path: Path, line: str, wanted: str) -> None:
    root = msmt(tmp_path / "MSMT17_V1")
    plant(tmp_path / "elsewhere", "0000_000_01_0303morning_0008_0.jpg")
    (root / "train" / "link").symlink_to(tmp_path / "elsewhere")
    (root / "list_train.txt").write_text(line)
    with pytest.raises(DatasetError, match=re.escape(wanted)):
        open_dataset("msmt17", tmp_path)


def test_a_name_of_another_kind_is_shown(tmp_path: Path) -> None:
    plant(tmp_path / "market", *MARKET, "query/holiday.jpg")
    with pytest.raises(DatasetError, match=r"query/holiday\.jpg': wanted a name as market has them"):
        open_dataset("market", tmp_path)
    os.rename(tmp_path / "market/query/holiday.jpg", os.fsencode(tmp_path) + b"/market/query/0001_c1s1_1_\xff.jpg")
    with pytest.raises(DatasetError, match="wanted a name as market has them"):
        open_dataset("market", tmp_path)


@pytest.mark.parametrize("spoil", ["tracks", "rows", "names", "query"])
def test_mars_whose_lists_do_not_fit(tmp_path: Path, spoil: str) -> None:
    info = mars(tmp_path / "mars") / "info"
    if spoil == "tracks":
        (info / "tracks_test_info.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    elif spoil == "rows":
        scipy.io.savemat(info / "tracks_test_info.mat", {"track_test_info": np.array([[1, 99, 1, 1]])})
    elif spoil == "names":
        (info / "test_name.txt").write_text("../x.jpg\n" * 4)
    else:
        scipy.io.savemat(info / "query_IDX.mat", {"other": np.zeros(1)})
    with pytest.raises(DatasetError):
        open_dataset("mars", tmp_path)


RULES = [layout.rule for one in KNOWN.values() for layout in one.layouts]
TEXT = st.text(st.sampled_from(string.digits + "_csf-CTF.mornig٣e"), max_size=30)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXT | st.sampled_from(RULES).flatmap(lambda rule: st.from_regex(rule, fullmatch=True)))
def test_only_our_error_comes_of_any_name(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    if "/" in name or "\0" in name or len(name.encode()) > 200:
        return
    root = tmp_path_factory.mktemp("any")
    for folder in known.MARKET.values():
        plant(root, f"{folder}/0001_c1s1_000001_01.jpg")
    plant(root, f"query/{name}.jpg")
    try:
        data = open_dataset(root)
    except DatasetError:
        return
    assert (data.crops.camid >= 0).all() and (data.crops.pid >= 0).all()


@settings(max_examples=200, deadline=None)
@given(
    lines=st.lists(TEXT | st.sampled_from([line for _, line in MSMT.values()]), max_size=4), junk=st.binary(max_size=8)
)
def test_only_our_error_comes_of_any_list(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], junk: bytes
) -> None:
    root = msmt(tmp_path_factory.mktemp("any") / "MSMT17_V1")
    (root / "list_query.txt").write_bytes("\n".join(lines).encode() + junk)
    try:
        data = open_dataset(root)
    except DatasetError:
        return  # in one line, which other tests look at
    assert np.count_nonzero(data.crops.column("split") == "query") <= len(lines) + junk.count(b"\n")
    assert (data.crops.camid >= 0).all() and (data.crops.pid >= 0).all()
