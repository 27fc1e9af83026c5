"""The workers, with a stand-in for the work: what dies, hangs or fails is tried again, then set aside."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from opengspr import UserError, farm
from opengspr.farm import run, scratch_folder
from opengspr.work import Job

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Stub(Job):
    """A unit of two shots; `how` tells the stand-in what to do."""

    path: Path
    how: dict
    device: str = "cpu"
    shots: int = 2
    seconds: float = 60.0

    def make(self, scratch: Path, note: Callable[[str], None]) -> int:
        raise NotImplementedError  # `stand_in` does it


def job(folder: Path, name: str, seconds: float = 60.0, **how: object) -> Stub:
    return Stub(folder / f"{name}.tar", how, seconds=seconds)


def stand_in(link: Connection, core: int, log: Path, scratch: Path) -> None:
    """In place of `farm._work`: does to each unit what it asks for, and writes down in what process."""
    while True:
        try:
            given: Stub = link.recv()
        except EOFError:
            return
        how, marks = given.how, given.path.with_suffix(".tries")
        with open(marks, "a") as file:
            print(os.getpid(), file=file)
        link.send(("shot", ""))
        if len(marks.read_text().split()) <= how.get("times", 0):
            if how["ends"] == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            elif how["ends"] == "hung":
                time.sleep(60)
            link.send((how["ends"], how.get("text", "")))
            continue
        given.path.write_text(given.name)
        link.send(("done", ""))


@pytest.fixture
def quick(monkeypatch) -> None:
    monkeypatch.setattr(farm, "_work", stand_in)


def tries(path: Path) -> list[str]:
    return path.with_suffix(".tries").read_text().split()


def test_workers_of_two_commands_take_different_cores() -> None:
    code = "import os, sys; from opengspr.farm import pin; kept = pin({core}); print(*os.sched_getaffinity(0)); input()"
    cores = sorted(os.sched_getaffinity(0))
    workers = []
    for _ in range(len(cores) + 1):
        command = [sys.executable, "-c", code.format(core=cores[0])]
        workers.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        workers[-1].core = int(workers[-1].stdout.readline())
    took = [worker.core for worker in workers]
    for worker in workers:
        worker.communicate("\n")
    free = [core for core in took[:-1] if core != cores[0]]
    assert len(set(free)) == len(free) and took[-1] == cores[0]


def test_every_unit_once_whoever_takes_it(tmp_path: Path, quick: None) -> None:
    jobs = [job(tmp_path, f"u{k}") for k in range(5)]
    assert run(jobs, 2, 2, tmp_path / "logs", "t") == {}
    assert [len(tries(one.path)) for one in jobs] == [1] * 5
    assert all(one.path.read_text() == one.name for one in jobs)


def test_a_worker_is_replaced_before_it_grows(tmp_path: Path, quick: None, monkeypatch) -> None:
    monkeypatch.setattr(farm, "RECYCLE_UNITS", 2)
    jobs = [job(tmp_path, f"u{k}") for k in range(4)]
    run(jobs, 2, 1, tmp_path / "logs", "t")
    pids = [tries(one.path)[0] for one in jobs]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_a_worker_whose_work_is_large_is_kept(tmp_path: Path, quick: None, monkeypatch) -> None:
    monkeypatch.setattr(farm, "rss_mib", lambda pid: 1500.0)
    for usual_mib, processes in ((0, 3), (2000, 1)):
        monkeypatch.setattr(Stub, "usual_mib", usual_mib)
        jobs = [job(tmp_path, f"{usual_mib}-{k}") for k in range(3)]
        run(jobs, 2, 1, tmp_path / "logs", "t")
        assert len({tries(one.path)[0] for one in jobs}) == processes


@pytest.mark.long
def test_what_goes_wrong_is_tried_again_then_set_aside(tmp_path: Path, quick: None, capsys) -> None:
    always, fine = job(tmp_path, "always", ends="killed", times=9), job(tmp_path, "fine")
    once = job(tmp_path, "once", ends="failed", times=1, text="ValueError: no")
    failed = run([always, once, fine], 2, 1, tmp_path / "logs", "t")
    assert failed == {"always": "its process ended with status -9"}
    assert len(tries(always.path)) == farm.TRIES and not always.path.exists()
    assert len(tries(once.path)) == 2 and once.path.exists() and fine.path.exists()
    said = capsys.readouterr().err
    assert "unit once: ValueError: no; 2 tries left" in said
    assert "unit always: its process ended with status -9; set aside" in said


@pytest.mark.long
def test_what_hangs_is_ended(tmp_path: Path, quick: None, monkeypatch) -> None:
    monkeypatch.setattr(farm, "TRIES", 1)
    hung = job(tmp_path, "hung", seconds=2.0, ends="hung", times=9)
    assert run([hung], 2, 1, tmp_path / "logs", "t") == {"hung": "it hung"}
    assert not any(Path(f"/proc/{pid}").exists() for pid in tries(hung.path))


def test_a_full_disk_stops_at_once(tmp_path: Path, quick: None) -> None:
    full = job(tmp_path, "full", ends="stop", times=9, text="x.tar: the disk is full: needs more than 9 bytes")
    with pytest.raises(UserError, match="x.tar: the disk is full"):
        run([full, *(job(tmp_path, f"u{k}") for k in range(3))], 2, 1, tmp_path / "logs", "t")
    assert len(tries(full.path)) == 1 and not (tmp_path / "u0.tries").exists()


def test_a_run_leaves_nothing_in_memory_and_clears_what_killed_ones_left(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(farm, "RAM", tmp_path)
    code = (
        "import os, signal, sys; from pathlib import Path; from opengspr import farm; farm.RAM = Path(sys.argv[1])\n"
        "with farm.scratch_folder() as folder:\n"
        "    (folder / 'region.exr').write_text('x'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=os.environ | {"PYTHONPATH": str(ROOT)})
    (left,) = tmp_path.iterdir()
    (tmp_path / "of-another-program").mkdir()
    with scratch_folder() as mine:
        assert not left.exists() and mine.is_dir()
        with scratch_folder() as other:
            assert mine.is_dir() and other.is_dir() and mine != other  # whose owner lives is left alone
    with pytest.raises(KeyError), scratch_folder() as mine:
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["of-another-program"]
