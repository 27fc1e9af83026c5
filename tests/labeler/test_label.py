import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as rle

from datasets import writer
from datasets.opening import open_dataset
from datasets.verify import Settings as Verify
from datasets.verify import main as verify
from labeler import label as label_module
from labeler import work
from labeler.crops import label_shots
from labeler.detection import Detection, box_iou, match, truth
from labeler.label import Settings, main
from labeler.rules import Rules
from opengspr.command import UserError, command
from opengspr.files import Busy
from opengspr.shards import read_shard
from opengspr.sharing import Sharing
from synth.capture import Shot, open_capture, read_unit, write_unit
from tests.drawn import draw_capture, draw_shot, edit_json, label, png, tree

CAPS = {"jpg": 1 << 20, "json": 1 << 20}
ROOT = Path(__file__).parent.parent.parent
PEOPLE = {3: {"skin_tone": 5, "sex": "female", "age_group": "adult", "like": 1}}


def labelled(shot: Shot, **rules: Any) -> tuple[dict[str, Any], bytes] | str:
    (crop,) = label_shots([shot], truth, Rules(**rules), PEOPLE)
    return crop


def test_a_tight_crop_is_the_person(tmp_path: Path) -> None:
    shot = draw_shot(3, 1, region=[300, 200, 40, 70], scale=2.0)
    row, data = labelled(shot, padding=0)
    assert (row["width"], row["height"], row["box"]) == (40, 100, [310.0, 210.0, 330.0, 260.0])
    assert (row["score"], row["skin_tone"], row["pid"], row["like"], row["place"]) == (1.0, 5, 3, 1, "place1")
    assert data[:2] == b"\xff\xd8" and b"\x01\x11\x00\x02\x11\x01\x03\x11\x01" in data  # JPEG, 4:4:4


def test_padding_is_random_bounded_seeded_and_clipped() -> None:
    rules, box = Rules(padding=0.1), (20, 20, 60, 120)
    boxes = np.array([rules.pad(box, f"key{i}", 80, 140) for i in range(500)])
    out = np.abs(boxes - box) / [40, 100, 40, 100]
    assert (boxes[:, :2] <= [20, 20]).all() and (boxes[:, 2:] >= [60, 120]).all() and out.max() <= 0.1 + 1e-9
    assert (np.abs(out.mean(axis=0) - 0.05) < 0.01).all()
    assert rules.pad(box, "key", 80, 140) == rules.pad(box, "key", 80, 140)
    assert [Rules(seed=1).pad(box, f"key{i}", 80, 140) for i in range(9)] != boxes[:9].tolist()
    assert Rules(padding=1).pad((0, 0, 40, 100), "key", 42, 101)[:2] == (0, 0)
    assert max(Rules(padding=1, seed=s).pad((0, 0, 40, 100), "key", 42, 101)[2] for s in range(30)) == 42


def with_mask(shot: Shot, change: Callable[[np.ndarray], None]) -> Shot:
    mask = shot.mask().copy()
    change(mask)
    return Shot(shot.truth, shot.jpg, png(mask))


@pytest.mark.parametrize(
    ("changes", "rules", "reason"),
    [
        ({"visible_share": 0.39}, {}, "hidden"),
        ({"truncation": 0.31}, {}, "truncated"),
        ({}, {"min_height": 101}, "too low"),
        ({}, {"min_width": 41}, "too narrow"),
        ({}, {"min_aspect": 2.6}, "too wide for its height"),
        ({}, {"max_aspect": 2.4}, "too high for its width"),
        ({"instance": 2}, {}, "nobody found where the person is"),
    ],
)
def test_every_drop_has_its_reason(changes: dict[str, Any], rules: dict[str, Any], reason: str) -> None:
    assert labelled(draw_shot(3, 1, **changes), **rules) == reason
    assert not isinstance(labelled(draw_shot(3, 1)), str)


def test_nobody_and_many() -> None:
    assert labelled(with_mask(draw_shot(3, 1), lambda mask: mask.fill(0))) == "nobody found"

    def second(mask: np.ndarray) -> None:
        mask[30:110, 50:75] = 2

    row, _ = labelled(with_mask(draw_shot(3, 1), second), padding=0)
    assert (row["width"], row["height"]) == (40, 100)
    assert labelled(with_mask(draw_shot(3, 1, instance=2), second), padding=0)[0]["width"] == 25


def found(*masks: np.ndarray, score: float = 0.9) -> list[Detection]:
    return [Detection.of(mask, score) for mask in masks]


def columns(first: int, last: int) -> np.ndarray:
    """A mask of 10 x 20 with so many columns."""
    mask = np.zeros((10, 20), bool)
    mask[:, first:last] = True
    return mask


def test_match_pairs_everybody_and_takes_the_person_s_own() -> None:
    instances = 1 * columns(0, 8) + 2 * columns(8, 16)
    both = found(columns(7, 15), columns(0, 9))
    assert match(both, instances, 1, 0.5) is both[1] and match(both, instances, 2, 0.5) is both[0]
    assert match(both[:1], instances, 1, 0.1) is None, "the neighbour's detection is not taken, however little is asked"
    assert match(both, instances, 3, 0.1) is None and match([], instances, 1, 0.0) is None
    assert match(found(columns(0, 4)), instances, 1, 0.51) is None
    thin = found(columns(0, 8) & (np.arange(20) % 2 == 0))  # the box fits and the mask does not
    assert match(thin, instances, 1, 0.51) is None


def test_a_poor_pair_takes_nobody_s_detection() -> None:
    """Two people and two detections: the larger sum of overlaps would leave one with a detection that does not fit."""
    instances = 1 * columns(0, 8) + 2 * columns(8, 16)
    first, second = found(columns(3, 11), columns(0, 2))
    assert match([first, second], instances, 1, 0.4) is first, "by 5 / 11; the second has 2 / 8"
    assert match([first, second], instances, 2, 0.4) is None


def test_a_mask_in_another_box() -> None:
    one = Detection((2, 1, 5, 4), 0.9, np.ones((3, 3), bool))
    whole = one.within((0, 0, 8, 6))
    assert whole.shape == (6, 8) and whole.sum() == 9 and whole[1:4, 2:5].all()
    assert one.within((4, 3, 9, 9)).sum() == 1 and one.within((6, 0, 8, 2)).sum() == 0
    assert one.on(whole) == 9 and one.on(~whole) == 0
    assert Detection.of(whole, 0.9).box == one.box


def test_overlap_of_boxes() -> None:
    assert box_iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 4, 4), (4, 0, 8, 4)) == 0 and box_iou((1, 2, 3, 4), (1, 2, 3, 4)) == pytest.approx(1)


def test_unsure_and_doubled_detections_go() -> None:
    seen = [*found(columns(0, 8), score=0.8), *found(columns(0, 9), columns(10, 20)), *found(columns(1, 4), score=0.4)]
    sure, unsure, twice = Rules().sure(seen)
    assert [one.box[::2] for one in sure] == [(0, 9), (10, 20)] and (unsure, twice) == (1, 1)


def test_two_people_in_one_detection_are_dropped() -> None:
    def two(mask: np.ndarray) -> None:
        mask[20:120, 60:75] = 2

    shot = with_mask(draw_shot(3, 1), two)

    def merged(pictures: Any, truths: Any) -> list[list[Detection]]:
        return [found(instances > 0) for instances in truths]

    (crop,) = label_shots([shot], merged, Rules(), PEOPLE)
    assert crop == "two people merged"
    (crop,) = label_shots([shot], merged, Rules(max_merged=0.3), PEOPLE)
    assert not isinstance(crop, str) and crop[0]["width"] > 55


def test_what_the_truth_drops_is_not_looked_for() -> None:
    def asked(pictures: Any, truths: Any) -> list[list[Detection]]:
        raise AssertionError

    assert [*label_shots([draw_shot(3, 1, visible_share=0.1)], asked, Rules(), PEOPLE)] == ["hidden"]


def test_the_mask_of_a_crop_is_in_its_row() -> None:
    row, _ = labelled(draw_shot(3, 1), padding=0)
    mask = rle.decode({"size": [row["height"], row["width"]], "counts": row["mask"].encode()})
    assert mask.shape == (100, 40) and mask.all()
    row, _ = labelled(draw_shot(3, 1, attributes={"upper": "coat"}))
    mask = rle.decode({"size": [row["height"], row["width"]], "counts": row["mask"].encode()})
    assert mask.sum() == 4000 and json.loads(row["attributes"]) == {"upper": "coat"}


def test_the_dataset_is_whole_and_says_how_to_train(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label(data / "captures" / "little", data_root=data)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"done: {data / 'little'}; train: python -m train.smcr --syn little --src SRC --tgt TGT")
    verify(Verify("little", pictures=True, data_root=data))
    dataset = open_dataset("little", data)
    assert dataset.info["counts"] == {"crops": 36, "ids": 6, "cameras": 3, "train": 18, "query": 9, "gallery": 9}
    assert dataset.info["provenance"]["capture"]["world"] == "test" and dataset.info["drops"] == {}
    assert set(dataset.crops.column("world")) == {"test"}


def test_distractors_are_never_queries(tmp_path: Path) -> None:
    capture = draw_capture(tmp_path / "captures" / "little", people=10)
    edit_json(capture / "capture.json", split={"train": 0.5, "distractors": 0.2})
    label(capture, data_root=tmp_path)
    verify(Verify("little", data_root=tmp_path))
    crops = open_dataset("little", tmp_path).crops
    pid, split = crops.pid, crops.column("split").astype(str)
    people = {name: {*pid[split == name]} for name in ("train", "query", "gallery")}
    assert [len(people[name]) for name in ("train", "query", "gallery")] == [5, 3, 5]
    assert people["query"] < people["gallery"] and not people["gallery"] & people["train"]
    alone = people["gallery"] - people["query"]
    assert (split[np.isin(pid, [*alone])] == "gallery").all() and len(alone) == 2


def test_three_worlds_make_one_training_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    captures = [draw_capture(tmp_path / "captures" / f"my-{role}") for role in ("tgt", "syn", "src")]
    label(*captures, data_root=tmp_path)
    assert "train.smcr --syn my-syn --src my-src --tgt my-tgt --data-root" in capsys.readouterr().out.splitlines()[-1]


def test_drops_are_counted(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = data / "captures" / "little"
    unit = open_capture(capture).units()[0]
    shots = list(read_unit(unit))
    for shot in shots[:3]:
        shot.truth["visible_share"] = 0.1
    shots[3].truth["truncation"] = 0.9
    write_unit(unit, shots)
    label(capture, data_root=data)
    assert open_dataset("little", data).info["drops"] == {"hidden": 3, "truncated": 1}
    assert "dropped 3 hidden, 1 truncated" in capsys.readouterr().out


def test_killed_and_run_again_is_as_if_uncut(data: Path, capsys: Any) -> None:
    capture = data / "captures" / "little"
    code = (
        "import os, signal, sys; from pathlib import Path; from labeler import work; from opengspr import farm\n"
        "from tests.conftest import do_here; from tests.drawn import label\n"
        "farm.run, left, original = do_here, iter(range(30)), work.label_shots\n"
        "def killing(*args):\n"
        "    for crop in original(*args):\n"
        "        if next(left, None) is None: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        yield crop\n"
        "work.label_shots = killing\n"
        "label(Path(sys.argv[1]), data_root=Path(sys.argv[2]))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, str(capture), str(data)], env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL and not (data / "little" / "SHA256SUMS").exists(), done.stderr
    label(capture, data_root=data)
    said = capsys.readouterr()
    assert "going on, 2 of 3 units are there" in said.out and "stale lock" in said.err
    cut = tree(data / "little")
    shutil.rmtree(data / "little")
    label(capture, data_root=data)
    assert tree(data / "little") == cut and len(cut) == 4


def test_workers_and_shards_make_the_same_dataset(data: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = data / "captures" / "little"
    label(capture, data_root=data)
    whole = tree(data / "little")
    (data / "o").mkdir()
    for share, there in (("2/3", "1 of 3 units are labelled"), ("0/3", "2 of 3 units are"), ("1/3", "36 crops")):
        label(capture, out=data / "o" / "little", sharing=Sharing(shard=share))
        assert there in capsys.readouterr().out
    assert tree(data / "o" / "little") == whole
    monkeypatch.undo()  # real processes
    label(capture, out=data / "two", sharing=Sharing(workers=2))
    assert {name: data for name, data in tree(data / "two").items() if name.startswith("shards")} == {
        name: data for name, data in whole.items() if name.startswith("shards")
    }


def test_parts_are_joined_to_shards_of_a_size(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SHARD_BYTES", 40_000)
    label(data / "captures" / "little", data_root=data)
    verify(Verify("little", pictures=True, data_root=data))
    crops = open_dataset("little", data).crops
    assert len({*crops.column("shard")}) > 1
    members = {
        (path.stem, member.name): member.data
        for path in (data / "little" / "shards").iterdir()
        for member in read_shard(path, CAPS)
    }
    for i, (key, shard) in enumerate(zip(crops.column("key"), crops.column("shard"))):
        assert crops.read(i) == members[f"{shard:05d}", f"{key}.jpg"]


def test_a_second_run_does_nothing(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    capture = data / "captures" / "little"
    label(capture, data_root=data)
    before = tree(data / "little")
    monkeypatch.setattr(work, "label_shots", None)
    label(capture, data_root=data)
    assert "already whole, nothing to do" in capsys.readouterr().out and tree(data / "little") == before
    with pytest.raises(UserError, match="made otherwise \\(padding: 0.1 there, 0.2 now\\)"):
        label(capture, rules=Rules(padding=0.2), data_root=data)
    assert tree(data / "little") == before


def test_an_unfinished_capture_needs_partial(data: Path) -> None:
    capture = data / "captures" / "little"
    (capture / "units" / "unit1.tar").unlink()
    with pytest.raises(UserError, match="2 of 3 units are rendered"):
        label(capture, data_root=data)
    assert not (data / "little").exists()
    label(capture, partial=True, data_root=data)
    assert open_dataset("little", data).info["counts"]["crops"] == 24


def damage(capture: Path, number: int, which: int = 0) -> None:
    unit = open_capture(capture).units()[which]
    shots = list(read_unit(unit))
    write_unit(unit, [Shot(shot.truth, b"", shot.png) if i < number else shot for i, shot in enumerate(shots)])


def test_damaged_pictures_stop_or_are_set_aside(tmp_path: Path) -> None:
    capture = draw_capture(tmp_path / "c", people=50, cameras=2, per_camera=1)
    damage(capture, 1)
    with pytest.raises(UserError, match=r"unit0\.tar: 00000_c00s00_000000_00: empty, wanted a picture"):
        label(capture, data_root=tmp_path / "data")
    label(capture, on_bad="skip", data_root=tmp_path / "data")
    assert open_dataset("c", tmp_path / "data").info["drops"] == {"damaged": 1}
    damage(capture, 2)
    with pytest.raises(UserError, match="2 damaged shots, more than 1 % of 100"):
        label(capture, out=tmp_path / "other", on_bad="skip")


def test_too_much_damage_may_be_repaired(tmp_path: Path) -> None:
    """Damage in several units, too little in each to stop there."""
    capture = draw_capture(tmp_path / "c", people=50, cameras=2, per_camera=1, units=3)
    whole = [unit.read_bytes() for unit in open_capture(capture).units()]
    damage(capture, 1, 0)
    damage(capture, 1, 2)
    with pytest.raises(UserError, match="2 damaged shots, more than 1 % of 100"):
        label(capture, out=tmp_path / "crops", on_bad="skip")
    assert {path.name for path in (tmp_path / "crops" / "parts").iterdir()} == {"unit1.parquet", "unit1.tar"}
    for unit, data in zip(open_capture(capture).units(), whole):
        unit.write_bytes(data)
    label(capture, out=tmp_path / "crops", on_bad="skip")
    assert open_dataset(tmp_path / "crops").info["counts"]["crops"] == 100


def test_damage_that_stops_a_worker_undoes_what_was_skipped_before(tmp_path: Path) -> None:
    capture = draw_capture(tmp_path / "c", people=50, cameras=2, per_camera=1, units=3)
    damage(capture, 1, 0)
    damage(capture, 2, 1)
    with pytest.raises(UserError, match="2 damaged shots, more than 1 % of 100"):
        label(capture, out=tmp_path / "crops", on_bad="skip")
    assert not [*(tmp_path / "crops" / "parts").glob("unit*")]


def test_a_part_that_was_made_otherwise_is_not_joined(data: Path) -> None:
    """As two shards leave them that are given other rules."""
    capture, out = data / "captures" / "little", data / "o"
    label(capture, out=out, sharing=Sharing(shard="0/2"))
    label(capture, out=data / "other", rules=Rules(padding=0.2), sharing=Sharing(shard="1/2"))
    for part in (data / "other" / "parts").iterdir():
        part.rename(out / "parts" / part.name)
    with pytest.raises(UserError, match=r"unit1\.parquet: was made otherwise \(padding: 0\.2 there, 0\.1 now\)"):
        label(capture, out=out)


def test_shards_that_end_together(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """One joins the parts; the other says so and ends well."""
    capture, out = data / "captures" / "little", data / "o"
    label(capture, out=out, sharing=Sharing(shard="0/2"))
    real = label_module.one_writer

    def held(folder: Path) -> Any:
        raise Busy(f"{folder}: another writes there now")

    monkeypatch.setattr(label_module, "one_writer", held)
    label(capture, out=out, sharing=Sharing(shard="1/2"))
    assert "all 3 units are labelled; another shard makes the dataset of them" in capsys.readouterr().out
    monkeypatch.setattr(label_module, "one_writer", real)
    label(capture, out=out, sharing=Sharing(shard="1/2"))
    assert len(open_dataset(out).crops) == 36


def test_no_crop_left_is_said_and_other_rules_may_follow(data: Path) -> None:
    capture = data / "captures" / "little"
    with pytest.raises(UserError, match="no crop is left by these rules; dropped: 36 too low"):
        label(capture, rules=Rules(min_height=500), data_root=data)
    label(capture, data_root=data)


def test_one_camera_has_no_query_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label(draw_capture(tmp_path / "captures" / "c", cameras=1), data_root=tmp_path)
    assert "no query: nobody outside train was kept in two cameras" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a 'quoted' \"one\"", "new\nline", "Füße-日本", "x" * 250, "$(touch here)"])
def test_odd_names_work(tmp_path: Path, name: str) -> None:
    label(draw_capture(tmp_path / "captures" / name, people=2, units=1), data_root=tmp_path)
    assert len(open_dataset(name, tmp_path).crops) == 12


def test_refusals_are_one_line(data: Path, fails: Callable[..., str]) -> None:
    capture = str(data / "captures" / "little")
    other = str(draw_capture(data / "elsewhere" / "little"))
    broken = draw_capture(data / "captures" / "broken")
    edit_json(broken / "capture.json", split={"train": 2})
    greedy = draw_capture(data / "captures" / "greedy")
    edit_json(greedy / "capture.json", split={"train": 0.5, "distractors": "many"})
    (data / "full").mkdir()
    (data / "full" / "thesis.tex").touch()
    (data / "sums").mkdir()
    (data / "sums" / "SHA256SUMS").touch()
    root = ["--data-root", str(data)]
    for arguments, wanted in (
        ([capture, "--backend", "detectron3"], "no such backend; there is torchvision, detectron2, truth"),
        ([capture, other], "two captures of the same name"),
        ([capture, other, "--out", str(data / "o")], "for one capture only, got 2"),
        ([str(data)], "not a capture"),
        ([], "no capture named"),
        ([str(broken)], "split.train is 2, wanted a share"),
        ([str(greedy)], "split.distractors is 'many', wanted a share"),
        ([capture, "--padding", "nan"], "--padding nan: wanted a share"),
        ([capture, "--out", str(data / "no" / "such")], "parent is missing"),
        ([capture, "--out", str(data / "full" / "thesis.tex")], "a file stands in the way"),
        ([capture, "--out", str(data / "full")], "holds other files"),
        ([capture, "--out", str(data / "sums")], "holds other files"),
        ([capture, "--out", capture], "holds other files"),
    ):
        assert wanted in fails(command, Settings, main, arguments + root), arguments
    assert not (data / "little").exists()


def test_a_person_who_is_not_in_the_list_is_named(data: Path) -> None:
    capture = data / "captures" / "little"
    write_unit(capture / "units" / "unit2.tar", [draw_shot(77, 0)])
    with pytest.raises(UserError, match=r"unit2\.tar: 00077_c00s00_000000_00: pid 77 is not in people"):
        label(capture, data_root=data)


def test_progress_is_quiet_without_a_terminal(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label(data / "captures" / "little", data_root=data)
    assert capsys.readouterr().err == ""


def test_rows_in_the_shards_are_json(shared_data: Path) -> None:
    whole = (shared_data / "little" / "shards" / "00000.tar").read_bytes()
    at = whole.index(b'{"key"')
    row, _ = json.JSONDecoder().raw_decode(whole[at : at + 4000].decode(errors="replace"))
    assert row["world"] == "test" and "split" not in row
