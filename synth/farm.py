"""Local render workers: one process per core, recycled before it grows, replaced when it dies or hangs.

A unit is written by rename when it is whole, so nothing here has to be undone: what is missing is rendered again.
"""

import fcntl
import multiprocessing as mp
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from tqdm import tqdm

from opengspr import UserError
from opengspr.files import PART, output_folder
from synth.plan import Quality, Unit

TRIES = 3
RECYCLE_UNITS = 20
RECYCLE_MIB = 1000
SECONDS_TO_START, SECONDS_PER_SHOT = 300, 30  # a unit that takes longer than both together hangs
RAM = Path("/dev/shm")
SCRATCH = "opengspr-"  # begins the name of a run's folder there


@dataclass(frozen=True)
class Job:
    """A unit to be rendered: its people's looks by pid and the file to write."""

    unit: Unit
    looks: dict[int, dict]
    quality: Quality
    path: Path


class Worker:
    """A render process pinned to a core, and what it is doing."""

    def __init__(self, number: int, log: Path, scratch: Path):
        context = mp.get_context("spawn")
        self.link, child = context.Pipe()
        cores = sorted(os.sched_getaffinity(0))
        args = (child, cores[number % len(cores)], log, scratch / f"worker-{number}")
        self.process = context.Process(target=_work, args=args, daemon=True)
        self.process.start()
        child.close()
        self.number, self.shots, self.deadline, self.units = number, 0, float("inf"), 0
        self.job: Job | None = None

    def give(self, job: Job) -> None:
        self.job, self.shots = job, 0
        self.deadline = time.monotonic() + SECONDS_TO_START + SECONDS_PER_SHOT * job.unit.shots
        with suppress(OSError):  # it has died already, which the next look at its link will show
            self.link.send(job)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.link.close()
        if self.job is not None:  # what it was writing
            for part in self.job.path.parent.glob(f"{PART}{self.process.pid}-*"):
                part.unlink()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder in memory through which this run's workers pass their pictures; it goes when the run ends.

    Its owner holds the kernel's lock on it, so the folders of killed runs are known, and cleared here.
    """
    base = RAM if os.access(RAM, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    for old in base.glob(f"{SCRATCH}*"):
        with suppress(OSError), _locked(old):  # fails where the owner lives, or is another user
            shutil.rmtree(old)
    new = Path(tempfile.mkdtemp(prefix=f".{SCRATCH}", dir=base))
    with _locked(new):
        folder = new.rename(base / new.name[1:])  # only now may others find it: its lock is held
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def render(jobs: list[Job], workers: int, logs: Path, title: str) -> dict[str, str]:
    """Renders jobs on local processes.

    Args:
        workers: number of processes. logs: folder of one log file a worker. title: of the progress bar.

    Returns:
        The units set aside after `TRIES` failures, with the last reason.

    Raises:
        UserError: what would stop every unit, such as a full disk.
    """
    output_folder(logs)
    with scratch_folder() as scratch:
        return _render(jobs, workers, logs, title, scratch)


def _render(jobs: list[Job], workers: int, logs: Path, title: str, scratch: Path) -> dict[str, str]:
    waiting, tries = deque(jobs), dict.fromkeys((job.unit.name for job in jobs), 0)
    failed: dict[str, str] = {}
    running: list[Worker] = []
    bar = tqdm(total=sum(job.unit.shots for job in jobs), desc=title, unit="shot", disable=not sys.stderr.isatty())
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                free = next(n for n in range(workers) if n not in [w.number for w in running])
                running.append(Worker(free, logs / f"worker-{free}.log", scratch))
                running[-1].give(waiting.popleft())
            ready = wait([worker.link for worker in running], timeout=1.0)
            for worker in list(running):
                reason = _listen(worker, bar) if worker.link in ready else None
                if reason is None and time.monotonic() > worker.deadline:
                    reason = "it hung"
                if reason is not None and worker.job is not None:  # died, hung or failed
                    running.remove(worker)
                    worker.stop()
                    _again(worker.job, reason, tries, waiting, failed, bar, worker.shots)
                elif worker.job is None:
                    _next(worker, waiting, running)
    finally:
        bar.close()
        for worker in running:
            worker.stop()
    return failed


def _next(worker: Worker, waiting: deque, running: list[Worker]) -> None:
    """Gives a free worker its next job; retires it when there is none or it has grown."""
    if waiting and worker.units < RECYCLE_UNITS and _rss_mib(worker.process.pid or 0) < RECYCLE_MIB:
        worker.give(waiting.popleft())
    else:
        running.remove(worker)
        worker.stop()


def _listen(worker: Worker, bar: tqdm) -> str | None:
    """Reads one message; returns the reason when the worker's job failed. Raises UserError where all jobs would."""
    try:
        kind, text = worker.link.recv()
    except (EOFError, OSError):
        worker.process.join(1)
        return f"its process ended with status {worker.process.exitcode}"
    if kind == "shot":
        worker.shots += 1
        bar.update()
    elif kind == "done" and worker.job is not None:
        bar.update(worker.job.unit.shots - worker.shots)
        worker.job, worker.units, worker.deadline = None, worker.units + 1, float("inf")
    elif kind == "stop":
        raise UserError(text)
    return text if kind == "failed" else None


def _again(
    job: Job, reason: str, tries: dict[str, int], waiting: deque, failed: dict[str, str], bar: tqdm, shots: int
) -> None:
    name = job.unit.name
    tries[name] += 1
    bar.update(-shots)
    left = TRIES - tries[name]
    tqdm.write(f"unit {name}: {reason}; " + (f"{left} tries left" if left else "set aside"), file=sys.stderr)
    if left:
        waiting.append(job)
    else:
        failed[name] = reason


def _rss_mib(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20
    except (OSError, IndexError):
        return 0.0


def _work(link: Connection, core: int, log: Path, scratch: Path) -> None:
    """A worker process: renders jobs until the link closes. Errors go to the log; Blender's progress is dropped."""
    os.sched_setaffinity(0, {core})
    scratch.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = str(scratch)  # for Blender's own folder, which stays behind when a worker is killed
    parent = os.getppid()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(out, 2)
    from synth.blender.shoot import unit_shots
    from synth.capture import CaptureError, write_unit

    def shot_done() -> None:
        if os.getppid() != parent:  # the command was killed: nobody waits for this unit
            os._exit(1)
        link.send(("shot", ""))

    while True:
        try:
            job: Job = link.recv()
        except EOFError:
            return
        try:
            write_unit(job.path, unit_shots(job.unit, job.looks, job.quality, shot_done, scratch))
            link.send(("done", ""))
        except Exception as error:
            traceback.print_exc()
            ours = not isinstance(error, UserError) or isinstance(error, CaptureError)
            link.send(("failed", f"{type(error).__name__}: {error}") if ours else ("stop", str(error)))
