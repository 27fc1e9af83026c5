"""The render command: each mistake is one line and exit status 2, before any work."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opengspr import command
from opengspr.files import one_writer
from synth import render
from synth.capture import open_capture
from synth.farm import Job
from synth.render import Render, main

SMALL = ("--preset", "demo-src", "--scenes", "plaza", "--ids", "3", "--workers", "1")


@pytest.fixture
def refused(fails: Callable[..., str]) -> Callable[..., str]:
    """Runs the command, which must end in one line; returns it."""
    return lambda *args: fails(command, Render, main, [str(arg) for arg in args])


@pytest.fixture(autouse=True)
def asked(monkeypatch) -> list[list[Job]]:
    """Keeps the workers at home; holds the jobs that they would have got."""
    calls: list[list[Job]] = []

    def record(jobs: list[Job], *_: object) -> dict[str, str]:
        calls.append(jobs)
        return {}

    monkeypatch.setattr(render, "render", record)
    return calls


@pytest.fixture
def rendered(asked: list, monkeypatch) -> list[list[Job]]:
    """Lets the command get as far as the workers wherever there is no Blender."""
    monkeypatch.setattr(render, "_check_blender", lambda: None)
    return asked


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--preset", "mars"), "--preset: got 'mars', wanted one of demo, "),
        (("--scenes", "moon"), "--scenes: no place 'moon'; there are mall, plaza"),
        (("--scenes",), "--scenes: got nothing, wanted a number of places"),
        (("--scenes", "0"), "--scenes: got 0, wanted at least 1"),
        (("--ids", "0"), "--ids: got 0, wanted at least 1"),
        (("--ids", "-4"), "--ids: got -4"),
        (("--workers", "0"), "--workers: got 0, wanted at least 1"),
        (("--quality", "superb"), "--quality: got 'superb', wanted one of draft"),
        (("--preset", "demo"), "--out: --preset demo makes 3 captures"),
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
    found = render.importlib.util.find_spec
    monkeypatch.setattr(render.importlib.util, "find_spec", lambda name: None if name == "bpy" else found(name))
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
    assert "with plan_hash" in refused(*SMALL, *out, "--scenes", "mall")
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir() if path.is_file()}
    assert len(rendered) == 1


def test_a_run_goes_on_with_the_people_that_it_wrote(tmp_path: Path, rendered: list, capsys) -> None:
    """Even where the sampler has changed since: a capture holds one cast."""
    args = [str(arg) for arg in (*SMALL, "--ids", "12", "--scenes", "2", "--out", tmp_path / "x")]
    command(Render, main, args)
    (first,) = rendered
    done = first[0].path
    done.parent.mkdir()
    done.write_bytes(b"")
    render_identities = render.identities
    try:
        render.identities = lambda *_: iter(())  # type: ignore[assignment]
        command(Render, main, args)
    finally:
        render.identities = render_identities
    assert rendered[1] == first[1:]
    assert f"1 of {len(first)} units are there already" in capsys.readouterr().out
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
    monkeypatch.setattr(render, "render", lambda *_: {"plaza-00000": "it hung"})
    line = refused(*SMALL, "--out", tmp_path / "x")
    assert "1 units failed three times and are missing: plaza-00000" in line


def test_more_places_than_there_are(tmp_path: Path, rendered: list, capsys) -> None:
    command(Render, main, [str(a) for a in (*SMALL, "--scenes", "26", "--out", tmp_path / "x")])
    assert "26 places asked for; demo-src has 2: plaza, mall" in capsys.readouterr().err
    assert {job.unit.place for job in rendered[0]} == {"plaza", "mall"}


def test_without_out_captures_lie_under_the_data_root(tmp_path: Path, rendered: list, capsys) -> None:
    command(Render, main, ["--preset", "demo", "--ids", "2", "--data-root", str(tmp_path / "new" / "data")])
    folders = [tmp_path / "new" / "data" / "captures" / name for name in ("demo-syn", "demo-src", "demo-tgt")]
    assert f"next: python -m labeler.label {' '.join(map(str, folders))}" in capsys.readouterr().out
    assert [open_capture(folder).info["world"] for folder in folders] == ["demo-syn", "demo-src", "demo-tgt"]
