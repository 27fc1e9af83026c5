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

from datasets.manifest import open_dataset
from datasets.verify import Settings as Verify
from datasets.verify import main as verify
from labeler import label
from labeler.crops import Rules, label_shot
from labeler.detection import Detection, match, truth
from labeler.label import Settings, main
from opengspr.command import UserError, command
from synth.capture import Shot, open_capture, read_unit, write_unit
from tests.drawn import draw_capture, draw_shot, edit_json, png, tree

ROOT = Path(__file__).parent.parent.parent
PEOPLE = {3: {"skin_tone": 5, "sex": "female", "age_group": "adult", "like": 1}}


def labelled(shot: Shot, **rules: Any) -> tuple[dict[str, Any], bytes] | str:
    return label_shot(shot, truth, Rules(**rules), PEOPLE)


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


def test_match_takes_the_best_mask_or_none() -> None:
    person = np.zeros((10, 10), bool)
    person[:, :5] = True
    found = [Detection((0, 0, 10, 10), 0.9, np.roll(person, by, axis=1)) for by in (4, 1, 2)]
    assert match(found, person, 0.5) is found[1]
    assert match(found[:1], person, 0.5) is None and match([], person, 0.0) is None


def test_the_dataset_is_whole_and_says_how_to_train(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(Settings((data / "captures" / "little",), data_root=data))
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
    main(Settings((capture,), data_root=tmp_path))
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
    main(Settings(tuple(captures), data_root=tmp_path))
    assert "train.smcr --syn my-syn --src my-src --tgt my-tgt --data-root" in capsys.readouterr().out.splitlines()[-1]


def test_drops_are_counted(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = data / "captures" / "little"
    unit = open_capture(capture).units()[0]
    shots = list(read_unit(unit))
    for shot in shots[:3]:
        shot.truth["visible_share"] = 0.1
    shots[3].truth["truncation"] = 0.9
    write_unit(unit, shots)
    main(Settings((capture,), data_root=data))
    assert open_dataset("little", data).info["drops"] == {"hidden": 3, "truncated": 1}
    assert "dropped 3 hidden, 1 truncated" in capsys.readouterr().out


def test_killed_and_run_again_is_as_if_uncut(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    capture = data / "captures" / "little"
    code = (
        "import os, signal, sys; from pathlib import Path; from labeler import label\n"
        "label.UNIT_BYTES, left, original = 1, iter(range(30)), label.label_shot\n"
        "def killing(*args):\n"
        "    if next(left, None) is None: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return original(*args)\n"
        "label.label_shot = killing\n"
        "label.main(label.Settings((Path(sys.argv[1]),), data_root=Path(sys.argv[2])))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, str(capture), str(data)], env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL and not (data / "little" / "SHA256SUMS").exists()
    monkeypatch.setattr(label, "UNIT_BYTES", 1)
    main(Settings((capture,), data_root=data))
    said = capsys.readouterr()
    assert "going on, 2 of 3 shards are there" in said.out and "stale lock" in said.err
    cut = tree(data / "little")
    shutil.rmtree(data / "little")
    main(Settings((capture,), data_root=data))
    assert tree(data / "little") == cut and len(cut) == 6


def test_a_second_run_does_nothing(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    settings = Settings((data / "captures" / "little",), data_root=data)
    main(settings)
    before = tree(data / "little")
    monkeypatch.setattr(label, "label_shot", None)
    main(settings)
    assert "already whole, nothing to do" in capsys.readouterr().out and tree(data / "little") == before
    with pytest.raises(UserError, match="made otherwise \\(padding: 0.1 there, 0.2 now\\)"):
        main(Settings(settings.captures, rules=Rules(padding=0.2), data_root=data))
    assert tree(data / "little") == before


def test_an_unfinished_capture_needs_partial(data: Path) -> None:
    capture = data / "captures" / "little"
    (capture / "units" / "unit1.tar").unlink()
    with pytest.raises(UserError, match="2 of 3 units are rendered"):
        main(Settings((capture,), data_root=data))
    assert not (data / "little").exists()
    main(Settings((capture,), partial=True, data_root=data))
    assert open_dataset("little", data).info["counts"]["crops"] == 24


def damage(capture: Path, number: int) -> None:
    unit = open_capture(capture).units()[0]
    shots = list(read_unit(unit))
    write_unit(unit, [Shot(shot.truth, b"", shot.png) if i < number else shot for i, shot in enumerate(shots)])


def test_damaged_pictures_stop_or_are_set_aside(tmp_path: Path) -> None:
    capture = draw_capture(tmp_path / "c", people=50, cameras=2, per_camera=1)
    damage(capture, 1)
    with pytest.raises(UserError, match=r"unit0\.tar: 00000_c00s00_000000_00: empty, wanted a picture"):
        main(Settings((capture,), data_root=tmp_path / "data"))
    main(Settings((capture,), on_bad="skip", data_root=tmp_path / "data"))
    assert open_dataset("c", tmp_path / "data").info["drops"] == {"damaged": 1}
    damage(capture, 2)
    with pytest.raises(UserError, match="2 damaged shots, more than 1 % of 100"):
        main(Settings((capture,), tmp_path / "other", on_bad="skip"))


def test_no_crop_left_is_said_and_other_rules_may_follow(data: Path) -> None:
    capture = data / "captures" / "little"
    with pytest.raises(UserError, match="no crop is left by these rules; dropped: 36 too low"):
        main(Settings((capture,), rules=Rules(min_height=500), data_root=data))
    main(Settings((capture,), data_root=data))


def test_one_camera_has_no_query_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(Settings((draw_capture(tmp_path / "captures" / "c", cameras=1),), data_root=tmp_path))
    assert "no query: nobody outside train was kept in two cameras" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a 'quoted' \"one\"", "new\nline", "Füße-日本", "x" * 250, "$(touch here)"])
def test_odd_names_work(tmp_path: Path, name: str) -> None:
    main(Settings((draw_capture(tmp_path / "captures" / name, people=2, units=1),), data_root=tmp_path))
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
        ([capture, "--backend", "detectron3"], "no such backend; there is truth"),
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
        main(Settings((capture,), data_root=data))


def test_progress_is_quiet_without_a_terminal(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(Settings((data / "captures" / "little",), data_root=data))
    assert capsys.readouterr().err == ""


def test_rows_in_the_shards_are_json(shared_data: Path) -> None:
    whole = (shared_data / "little" / "shards" / "00000.tar").read_bytes()
    at = whole.index(b'{"key"')
    row = json.loads(whole[at : whole.index(b"}", at) + 1])
    assert row["world"] == "test" and "split" not in row
