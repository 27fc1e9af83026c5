"""Fixtures that all rooms' tests share."""

import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from opengspr import farm
from opengspr.work import Job, do
from tests.drawn import draw_capture, label

# A shell starts what runs in the background with SIGINT ignored, and the commands under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def do_here(jobs: Iterable[Job], *_: object) -> dict[str, str]:
    """In place of `farm.run`: does jobs in this process, which starts no others."""
    for job in jobs:
        do(job, Path())
    return {}


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands do their work in this process."""
    monkeypatch.setattr(farm, "run", do_here)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data root with the capture `little`."""
    draw_capture(tmp_path / "captures" / "little")
    return tmp_path


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the dataset `little`, labelled; not to be changed."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(farm, "run", do_here)
        label(draw_capture(root / "captures" / "little"), data_root=root)
    return root


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a call that must end as a user's error does: status 2 and one line on the error stream, which it returns."""

    def run(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            call(*args, **kwargs)
        lines = capsys.readouterr().err.strip().splitlines()
        assert stop.value.code == 2 and len(lines) == 1 and lines[0].startswith("error: "), lines
        return lines[0]

    return run
