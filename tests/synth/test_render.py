"""The render command: each mistake is one line and exit status 2, before any work."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tyro

from opengspr import UserError, command, farm
from opengspr.files import one_writer
from scenes.worlds import load_world
from synth import machine, only, render
from synth.capture import open_capture
from synth.machine import choose_device
from synth.plan import units
from synth.render import Render, main
from synth.work import Job

SMALL = ("--preset", "demo-src", "--scenes", "plaza", "--ids", "3", "--workers", "1")


@pytest.fixture
def refused(fails: Callable[..., str]) -> Callable[..., str]:
    """Runs the command, which must end in one line; returns it."""
    return lambda *args: fails(command, Render, main, [str(arg) for arg in args])


@pytest.fixture(autouse=True)
def asked(monkeypatch) -> list[list[Job]]:
    """Keeps the workers at home; holds the jobs that they would have got."""
    calls: list[list[Job]] = []

    def record(jobs: Iterator[Job], *_: object) -> dict[str, str]:
        calls.append([*jobs])
        return {}

    monkeypatch.setattr(farm, "run", record)
    return calls


@pytest.fixture
def rendered(asked: list, monkeypatch) -> list[list[Job]]:
    """Lets the command get as far as the workers wherever there is no Blender."""
    monkeypatch.setattr(render, "check_blender", list)
    return asked


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--preset", "mars"), "--preset: got 'mars', wanted one of demo, "),
        (("--scenes", "moon"), "--scenes: no place 'moon'; there are alley, bank"),
        (("--scenes",), "--scenes: got nothing, wanted a number of places"),
        (("--scenes", "0"), "--scenes: got 0, wanted 1 to 2, the places of demo-src"),
        (("--scenes", "26"), "--scenes: got 26, wanted 1 to 2"),
        (("--ids", "0"), "--ids: got 0, wanted at least 1"),
        (("--ids", "-4"), "--ids: got -4"),
        (("--workers", "0"), "--workers: got 0, wanted at least 1"),
        (("--quality", "superb"), "--quality: got 'superb', wanted one of draft"),
        (("--preset", "demo"), "--out: --preset demo makes 3 captures"),
        (("--views", "0"), "--views: got 0, wanted at least 1"),
        (("--views", "3"), "--views: got 3, demo-src has 2 cameras in plaza"),
        (("--per-id", "-1"), "--per-id: got -1, wanted at least 1"),
        (("--tracklet", "0"), "--tracklet: got 0, wanted at least 1"),
        (("--variations", "13"), "--variations: got 13, wanted at most 12"),
        (("--lookalikes", "1.5"), "--lookalikes: got 1.5, wanted a share from 0 to 1"),
        (("--assets", "nowhere"), "nowhere: not a folder"),
        (("--stride", "0"), "--stride: got 0, wanted at least 1"),
        (("--device", "abacus"), "--device: got 'abacus', wanted one of auto, cpu"),
        (("--shard", "3/3"), "--shard: got '3/3', wanted I/N with I from 0 to N - 1"),
        (("--shard", "one"), "--shard: got 'one'"),
    ],
)
def test_wrong_flags(tmp_path: Path, refused: Callable[..., str], args: tuple, said: str) -> None:
    assert said in refused("--preset", "demo-src", "--out", tmp_path / "x", *args)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("args", [("--wrokers", "2"), ("--ids", "many"), ("--seed",)])
def test_flags_that_cannot_be_read(args: tuple, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        command(Render, main, args)
    assert stop.value.code == 2 and "Traceback" not in capsys.readouterr().err


def test_places_to_write_that_are_none(tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "closed").mkdir(mode=0o555)
    for out, said in (("a/b", "parent is missing"), ("file", "a file stands in the way"), ("file/x", "file stands")):
        assert said in refused(*SMALL, "--out", tmp_path / out)
    assert "a file stands in the way" in refused(*SMALL, "--data-root", tmp_path / "file")
    if os.geteuid():
        assert "read-only" in refused(*SMALL, "--out", tmp_path / "closed")
        assert "cannot be made: Permission denied" in refused(*SMALL, "--out", tmp_path / "closed" / "x")


def test_a_read_only_folder(tmp_path: Path, refused: Callable[..., str], monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # holds for a superuser too
    assert "the output folder is read-only" in refused(*SMALL, "--out", tmp_path / "x")


def test_blender_that_cannot_be_used(tmp_path: Path, refused: Callable[..., str], monkeypatch) -> None:
    stubs = tmp_path / "stubs"
    for module in ("bpy", "anny", "OpenEXR"):
        (stubs / module).mkdir(parents=True)
        (stubs / module / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(stubs)
    monkeypatch.setenv("PYTHONPATH", str(stubs))
    monkeypatch.setattr(sys, "version_info", (3, 11, 9, "final", 0))
    bpy = stubs / "bpy" / "__init__.py"
    for text, said in (
        (
            "raise ImportError('libXi.so.6: cannot open shared object file: No such file or directory')",
            "the system library libXi.so.6: apt-get install libxi6",
        ),
        (
            "raise ImportError('libodd-2.so.1: cannot open shared object file: No such file or directory')",
            "the system library libodd-2.so.1: apt-get install the package with libodd-2.so.1",
        ),
        ("import os; os.abort()", "bpy cannot be imported: -6"),
        ("raise RuntimeError('out of luck')", "bpy cannot be imported: RuntimeError: out of luck"),
        ("class app: version = (5, 0, 1)", "rendering needs bpy 4.5, this is 5.0.1"),
    ):
        bpy.write_text(text)
        assert said in refused(*SMALL, "--out", tmp_path / "x")
    monkeypatch.setattr(sys, "version_info", (3, 13, 0, "final", 0))
    assert "rendering needs Python 3.11 (bpy 4.5 is built for it), this is 3.13.0" in refused(*SMALL)
    monkeypatch.setattr(sys, "version_info", (3, 11, 9, "final", 0))
    found = machine.importlib.util.find_spec
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None if name == "bpy" else found(name))
    line = refused(*SMALL, "--out", tmp_path / "x")
    assert "rendering needs bpy: pip install -c constraints.txt -e '.[render]'" in line


def test_another_plan_belongs_elsewhere(tmp_path: Path, refused: Callable[..., str], rendered: list) -> None:
    out = ("--out", tmp_path / "x")
    command(Render, main, [str(arg) for arg in (*SMALL, *out)])
    before = {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir() if path.is_file()}
    assert {*before} == {"capture.json", "people.parquet"}
    assert "holds a capture with seed 0, this command would make 1" in refused(*SMALL, *out, "--seed", "1")
    assert "with ids 3, this command would make 4" in refused(*SMALL, *out, "--ids", "4")
    assert "with quality 'draft', this command would make 'good'" in refused(*SMALL, *out, "--quality", "good")
    assert "with world 'demo-src'" in refused(*SMALL, *out, "--preset", "demo-tgt")
    assert "with places ['plaza'], this command would make ['mall']" in refused(*SMALL, *out, "--scenes", "mall")
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir() if path.is_file()}
    assert len(rendered) == 1


def test_a_run_goes_on_with_the_people_that_it_wrote(
    tmp_path: Path, rendered: list, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Even where the sampler has changed since: a capture holds one cast."""
    args = [str(arg) for arg in (*SMALL, "--ids", "12", "--scenes", "2", "--out", tmp_path / "x")]
    command(Render, main, args)
    (first,) = rendered
    done = first[0].path
    done.parent.mkdir()
    done.write_bytes(b"")
    monkeypatch.setattr(render, "identities", lambda *_: iter(()))
    command(Render, main, args)
    assert rendered[1] == first[1:]
    assert f"1 of {len(first)} units are there already" in capsys.readouterr().out
    monkeypatch.setattr(render, "choose_device", lambda *_: "optix")
    command(Render, main, args)
    assert "note: they were rendered on cpu, the rest on optix: other noise" in capsys.readouterr().err
    capture = open_capture(tmp_path / "x")
    assert capture.info["shots"] == sum(job.unit.shots for job in first) == 12 * 4 * 2
    rows = capture.people.to_pylist()
    assert [row["pid"] for row in rows] == [*range(12)]
    looks = {pid: look for job in first for pid, look in job.looks.items()}
    assert looks == {row["pid"]: json.loads(row["look"]) for row in rows}


def test_a_second_writer_is_refused(tmp_path: Path, refused: Callable[..., str], rendered: list) -> None:
    with one_writer(tmp_path):
        assert f"pid {os.getpid()} on host {os.uname().nodename} writes there now" in refused(*SMALL, "--out", tmp_path)
    assert not rendered


def test_units_set_aside_are_named_at_the_end(
    tmp_path: Path, refused: Callable[..., str], rendered: list, monkeypatch
) -> None:
    monkeypatch.setattr(farm, "run", lambda *_: {"plaza-00000": "it hung"})
    line = refused(*SMALL, "--out", tmp_path / "x")
    assert "1 units failed three times and are missing: plaza-00000" in line


def test_without_out_captures_lie_under_the_data_root(tmp_path: Path, rendered: list, capsys) -> None:
    command(Render, main, ["--preset", "demo", "--ids", "2", "--data-root", str(tmp_path / "new" / "data")])
    folders = [tmp_path / "new" / "data" / "captures" / name for name in ("demo-syn", "demo-src", "demo-tgt")]
    assert f"next: python -m labeler.label {' '.join(map(str, folders))}" in capsys.readouterr().out
    assert [open_capture(folder).info["world"] for folder in folders] == ["demo-syn", "demo-src", "demo-tgt"]


def shots(jobs: list[Job]) -> list[tuple]:
    return [
        (job.unit.place, sight.camera.viewpoint, instant.frame, pid)
        for job in jobs
        for instant in job.unit.instants
        for sight in instant.sights
        for pid in sight.pids
    ]


def test_views_are_spread_evenly(tmp_path: Path, rendered: list) -> None:
    command(Render, main, ["--ids", "5", "--views", "4", "--out", str(tmp_path / "x")])
    assert {(place, view) for place, view, _, _ in shots(rendered[0])} == {
        (place, view) for place in load_world("gspr").places for view in (0, 3, 6, 9)
    }
    assert len(shots(rendered[0])) == 5 * 26 * 4


def test_pictures_of_each_person(tmp_path: Path, rendered: list) -> None:
    command(Render, main, ["--scenes", "2", "--ids", "9", "--per-id", "6", "--out", str(tmp_path / "x")])
    for pid in range(9):
        places = [place for place, _, _, who in shots(rendered[0]) if who == pid]
        assert sorted(places) == ["mall"] * 3 + ["plaza"] * 3
    assert open_capture(tmp_path / "x").info["shots"] == 9 * 6


def test_sequences(tmp_path: Path, rendered: list) -> None:
    out = str(tmp_path / "x")
    command(Render, main, [*SMALL, "--tracklet", "4", "--stride", "3", "--out", out])
    frames = sorted({frame for _, _, frame, _ in shots(rendered[0])})
    first = frames[0]
    assert [frame - first for frame in frames[:4]] == [0, 3, 6, 9] and len(frames) == 4 * 4  # two casts, two rounds
    assert open_capture(out).info["tracklet"] == 4


def test_shards_share_the_units(tmp_path: Path, rendered: list, capsys) -> None:
    args = ["--preset", "demo-tgt", "--out", str(tmp_path / "x")]
    for share in range(3):
        command(Render, main, [*args, "--shard", f"{share}/3"])
    command(Render, main, args)
    parts, whole = [[job.unit.name for job in jobs] for jobs in rendered[:3]], [job.unit for job in rendered[3]]
    assert sorted(name for part in parts for name in part) == sorted(unit.name for unit in whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.long
def test_a_dry_run_writes_nothing_and_says_how_much_there_is(tmp_path: Path, monkeypatch, capsys) -> None:
    def none() -> list[str]:
        raise UserError("no Blender")

    monkeypatch.setattr(render, "check_blender", none)
    command(Render, main, ["--scenes", "26", "--ids", "40", "--dry-run", "--data-root", str(tmp_path / "data")])
    said = capsys.readouterr()
    assert f"gspr: 40 people, 312 viewpoints in 26 places: {26 * 12 * 40:,} shots" in said.out
    assert "note: no time can be measured here: no Blender" in said.err
    assert not [*tmp_path.iterdir()]
    command(Render, main, ["--preset", "mini-gspr", "--ids", "40", "--per-id", "20", "--dry-run"])
    assert (
        f"mini-gspr: 40 people, 20 pictures each, 52 viewpoints in 13 places: {40 * 20} shots"
        in capsys.readouterr().out
    )


def test_a_capture_says_by_what_command_it_comes(tmp_path: Path) -> None:
    words = ["--ids", "6", "--scenes", "plaza", "park", "--per-id", "2", "--quality", "draft", "--workers", "3"]
    asked = tyro.cli(Render, args=["--preset", "gspr", *words, "--data-root", str(tmp_path)])
    said = render.spoken(asked, "gspr")
    assert said == "python -m synth.render --preset gspr --scenes plaza park --ids 6 --per-id 2 --quality draft"
    again = tyro.cli(Render, args=said.split()[3:])
    assert all(getattr(again, name) == getattr(asked, name) for name in render.SHAPING)


def test_a_dry_run_measures(tmp_path: Path, rendered: list, monkeypatch, capsys) -> None:
    """The figures of the little job that it renders become hours and bytes of the whole."""

    def measured(jobs: Iterator[Job], *_: object) -> dict[str, str]:
        for job in jobs:
            job.report.parent.mkdir(parents=True, exist_ok=True)
            job.path.parent.mkdir(parents=True, exist_ok=True)
            job.report.write_text(json.dumps({"cpu_s": 0.5 * job.unit.shots, "shots": job.unit.shots, "dropped": {}}))
            job.path.write_bytes(bytes(20_000 * job.unit.shots))
        return {}

    monkeypatch.setattr(farm, "run", measured)
    command(Render, main, ["--preset", "demo-tgt", "--dry-run", "--workers", "2", "--data-root", str(tmp_path)])
    said = capsys.readouterr().out
    assert "took 0.50 CPU-s and 20 kB each" in said
    assert "all: about 0.1 CPU-hours, 0.0 hours with 2 workers, 0.0 GB" in said


def test_a_device_that_is_not_there_is_said(capsys) -> None:
    assert choose_device("cpu", ["optix", "cuda"]) == "cpu" and choose_device("auto", []) == "cpu"
    assert capsys.readouterr().err == ""
    assert choose_device("auto", ["optix", "cuda"]) == "optix"
    assert "rendering on the graphics card by optix" in capsys.readouterr().err
    assert choose_device("cuda", ["optix", "cuda"]) == "cuda"
    assert choose_device("optix", ["cuda"]) == "cpu"
    assert "--device optix: Blender finds only cuda here; rendering on the processor" in capsys.readouterr().err
    assert choose_device("cuda", []) == "cpu"
    assert "--device cuda: Blender finds no graphics card here" in capsys.readouterr().err


def test_a_shot_is_found_in_the_plan() -> None:
    world = load_world("demo-src")
    key = "00007_c02s02_{:06d}_00"
    for unit in units(world, 20, 0):
        for instant in unit.instants:
            for sight in instant.sights:
                if sight.camera.camid == 2 and 7 in sight.pids:
                    name, alone = only.unit_of(units(world, 20, 0), key.format(instant.frame))
                    assert name == unit.name and alone.shots == 1 and not alone.empty
                    assert alone.instants[0].walkers == instant.walkers and alone.key == unit.key
    for wrong in ("00007", "00007_c02s03_000000_00", "00020_c02s02_000000_00"):
        with pytest.raises(UserError, match="--only: "):
            only.unit_of(units(world, 20, 0), wrong)


def test_a_cluster_that_is_not_there(tmp_path: Path, refused: Callable[..., str], rendered: list, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "--cluster needs Ray: pip install" in refused(*SMALL, "--out", tmp_path / "x", "--cluster", "auto")
