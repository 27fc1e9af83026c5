import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from opengspr.command import UserError, command, data_root

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Settings:
    """A command."""

    number: int = 0


def run(code: list[str], path: list[Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run([sys.executable, *code], env=environment, cwd=cwd, capture_output=True, text=True)


def test_a_users_mistake_is_one_line(fails: Callable[..., str]) -> None:
    def main(settings: Settings) -> None:
        raise UserError(f"--number {settings.number}:\nwanted 0")

    assert fails(command, Settings, main, ["--number", "7"]) == "error: --number 7: wanted 0"


def test_what_the_machine_refuses_is_one_line(fails: Callable[..., str]) -> None:
    def main(settings: Settings) -> None:
        open("x" * 300)

    assert "File name too long" in fails(command, Settings, main, [])


@pytest.mark.parametrize("bug", [ValueError("ours"), FileNotFoundError(2, "ours"), KeyError("ours")])
def test_our_own_bug_is_not_swallowed(bug: Exception) -> None:
    def main(settings: Settings) -> None:
        raise bug

    with pytest.raises(type(bug), match="ours"):
        command(Settings, main, [])


def test_output_that_nobody_reads_to_the_end_is_no_bug(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from opengspr.command import command
from tests.opengspr.test_command import Settings
command(Settings, lambda settings: [print("much" * 1000) for _ in range(1000)], [])
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 128 + signal.SIGPIPE


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(SystemExit) as stop:
        command(Settings, lambda settings: None, ["--nubmer", "7"])
    assert stop.value.code == 2


def test_sigterm_unwinds_with_its_own_status() -> None:
    ended = []

    def main(settings: Settings) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            ended.append(True)

    with pytest.raises(SystemExit) as stop:
        command(Settings, main, [])
    assert stop.value.code == 143 and ended


def test_data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENGSPR_DATA", "/from/environment")
    assert data_root("given") == Path("given") and data_root() == Path("/from/environment")
    monkeypatch.delenv("OPENGSPR_DATA")
    assert data_root() == Path("data")


@pytest.mark.parametrize("module", ["labeler.label", "train.smcr"])
def test_a_foreign_datasets_package_is_one_line_with_the_remedy(tmp_path: Path, module: str) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("raise RuntimeError('somebody else')")
    done = run(["-m", module, "--help"], [tmp_path, ROOT], tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert str(tmp_path / "datasets" / "__init__.py") in done.stderr and "virtual environment" in done.stderr
    room = module.partition(".")[0]
    imported = run(["-c", f"import {room}"], [tmp_path, ROOT], tmp_path)
    assert "ImportError: another package named 'datasets'" in imported.stderr


def test_commands_start_without_torch_and_bpy(tmp_path: Path) -> None:
    modules = ["labeler.label", *(f"datasets.{name}" for name in ("cut", "export", "sheet", "unlabelled", "verify"))]
    code = f"import sys, {', '.join(modules)}; sys.exit({{'torch', 'bpy'}} & set(sys.modules) != set())"
    assert run(["-c", code], [ROOT], tmp_path).returncode == 0
