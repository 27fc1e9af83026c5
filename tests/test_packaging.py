"""The frame: what is installed, with which versions, and what a wrong Python is told."""

import ast
import importlib
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import tyro

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BARE = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}  # of `make test`
ROOMS = ("opengspr", "synth", "scenes", "labeler", "datasets", "train")


def test_every_package_is_listed() -> None:
    there = {path.parent.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("__init__.py")}
    assert {".".join(path.parts) for path in there} == set(PROJECT["tool"]["setuptools"]["packages"])


def test_constraints_pin_every_dependency_and_hold_no_address() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)
    pinned = {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in lines}
    extras = PROJECT["project"]["optional-dependencies"]
    asked = PROJECT["project"]["dependencies"] + [line for name in extras if name != "smplx" for line in extras[name]]
    names = {re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", line)[0]).lower() for line in asked}
    assert names <= pinned and not {"datasets", "smplx"} & (names | pinned)


def test_a_wrong_python_is_told_which_one_is_wanted(tmp_path: Path) -> None:
    for python in ("/bin/false", "no-such-python"):
        command = ["make", f"{tmp_path}/.ready", f"VENV={tmp_path}", f"PYTHON={python}"]
        done = subprocess.run(command, cwd=ROOT, env=BARE, capture_output=True, text=True)
        said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
        assert done.returncode == 2 and len(said) == 1, done.stderr
        assert said[0].startswith(f"error: '{python}' is not Python 3.11") and "PYTHON=/path/to/python3.11" in said[0]
        assert not list(tmp_path.iterdir())


def test_the_demo_is_the_commands_of_the_readme() -> None:
    plan = subprocess.run(
        ["make", "-n", "demo", "OPENGSPR_DATA="], cwd=ROOT, env=BARE, capture_output=True, text=True
    ).stdout
    for command in (
        "-m synth.render --preset demo",
        "-m labeler.label data/captures/demo-syn data/captures/demo-src data/captures/demo-tgt",
        "-m datasets.sheet demo-tgt",
        "-m train.smcr --syn demo-syn --src demo-src --tgt demo-tgt",
    ):
        assert command in plan, plan


def written_commands() -> list[list[str]]:
    """Every `python -m MODULE ...` of ours in the pages' code blocks."""
    found = []
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        for line in page.read_text().splitlines():
            if not line.startswith(("python -m ", "    python -m ", "srun python -m ")):
                continue
            words = shlex.split(line.partition("python -m ")[2], comments=True)
            if (ROOT / words[0].partition(".")[0]).is_dir():
                found.append(words)
    return found


@pytest.mark.parametrize("words", written_commands(), ids=" ".join)
def test_the_flags_of_written_commands_exist(words: list[str], capsys) -> None:
    """Read as the command reads them, not run."""
    module = importlib.import_module(words[0])
    calls = [
        node for node in ast.walk(ast.parse(Path(module.__file__ or "").read_text())) if isinstance(node, ast.Call)
    ]
    starts = ("command", "preparation.start")  # a recipe's
    (settings,) = {ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) in starts}
    try:
        tyro.cli(getattr(module, settings), args=words[1:])
    except SystemExit:
        pytest.fail(capsys.readouterr().err)


def test_commands_are_found_in_the_pages() -> None:
    assert {words[0] for words in written_commands()} >= {
        "synth.render",
        "labeler.label",
        "train.smcr",
        "datasets.sheet",
    }
