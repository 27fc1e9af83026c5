"""Local workers: one process per core, recycled before it grows, replaced when it dies or hangs.

A unit is written by rename when it is whole, so nothing here has to be undone: what is missing is done again.
"""

import fcntl
import multiprocessing as mp
import os
import shutil
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from tqdm import tqdm

from opengspr.command import UserError
from opengspr.files import PART, output_folder
from opengspr.work import RECYCLE_MIB, RECYCLE_UNITS, TRIES, Job, do, rss_mib, silence

RAM = Path("/dev/shm")
SCRATCH = "opengspr-"  # begins the name of a run's folder there


class Worker:
    """A process pinned to a core, and what it is doing."""

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
        self.usual_mib = 0

    def give(self, job: Job) -> None:
        self.job, self.shots, self.usual_mib = job, 0, job.usual_mib
        self.deadline = time.monotonic() + job.seconds
        with suppress(OSError):  # it has died already, which the next look at its link will show
            self.link.send(job)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.link.close()
        if self.job is not None:  # what it was writing
            for part in self.job.path.parent.parent.glob(f"*/{PART}{self.process.pid}-*"):
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


class Progress:
    """What a run shows while it works, and the units that went wrong."""

    def __init__(self, title: str, shots: int):
        self.bar = tqdm(total=shots, desc=title, unit="shot", disable=not sys.stderr.isatty(), smoothing=0.05)
        self.dropped: Counter[str] = Counter()
        self.tries: Counter[str] = Counter()
        self.failed: dict[str, str] = {}

    def shots(self, count: int, dropped: Counter[str]) -> None:
        """So many shots more are done, of which these were dropped, by reason."""
        self.dropped += dropped
        if dropped:
            self.bar.set_postfix(self.dropped, refresh=False)
        self.bar.update(count)

    def went_wrong(self, job: Job, reason: str, shots: int = 0) -> bool:
        """Whether a unit is to be tried again. `shots` of it had been counted."""
        name = job.name
        self.tries[name] += 1
        self.bar.update(-shots)
        left = TRIES - self.tries[name]
        tqdm.write(f"unit {name}: {reason}; " + (f"{left} tries left" if left else "set aside"), file=sys.stderr)
        if not left:
            self.failed[name] = reason
        return left > 0


def run(jobs: Iterable[Job], shots: int, workers: int, logs: Path, title: str) -> dict[str, str]:
    """Does jobs on local processes.

    Args:
        jobs: taken one by one as workers become free. shots: of all of them. workers: number of processes.
        logs: folder of one log file a worker. title: of the progress bar.

    Returns:
        The units set aside after `TRIES` failures, with the last reason.

    Raises:
        UserError: what would stop every unit, such as a full disk.
    """
    output_folder(logs)
    progress = Progress(title, shots)
    running: list[Worker] = []
    with scratch_folder() as scratch:
        try:
            _run(iter(jobs), workers, logs, scratch, progress, running)
        finally:
            progress.bar.close()
            for worker in running:
                worker.stop()
    return progress.failed


def _run(
    jobs: Iterator[Job], workers: int, logs: Path, scratch: Path, progress: Progress, running: list[Worker]
) -> None:
    again: deque[Job] = deque()

    def next_job() -> Job | None:
        return next(jobs, None) or (again.popleft() if again else None)

    more = True  # until there was no job for a free place
    while more or running:
        while more and len(running) < workers:
            job = next_job()
            more = job is not None
            if job is not None:
                free = next(n for n in range(workers) if n not in [w.number for w in running])
                running.append(Worker(free, logs / f"worker-{free}.log", scratch))
                running[-1].give(job)
        ready = wait([worker.link for worker in running], timeout=1.0)
        for worker in list(running):
            reason = _listen(worker, progress) if worker.link in ready else None
            if reason is None and time.monotonic() > worker.deadline:
                reason = "it hung"
            if reason is not None and worker.job is not None:  # died, hung or failed
                running.remove(worker)
                worker.stop()
                if progress.went_wrong(worker.job, reason, worker.shots):
                    again.append(worker.job)
                    more = True
            elif worker.job is None:
                most_mib = max(RECYCLE_MIB, worker.usual_mib)
                young = worker.units < RECYCLE_UNITS and rss_mib(worker.process.pid or 0) < most_mib
                job = next_job() if young else None
                if job is not None:
                    worker.give(job)
                else:  # nothing to do, or it has grown: the loop above starts another if there is more
                    running.remove(worker)
                    worker.stop()


def _listen(worker: Worker, progress: Progress) -> str | None:
    """Reads one message; returns the reason when the worker's job failed. Raises UserError where all jobs would."""
    try:
        kind, text = worker.link.recv()
    except (EOFError, OSError):
        worker.process.join(1)
        return f"its process ended with status {worker.process.exitcode}"
    if kind == "shot":
        worker.shots += 1
        progress.shots(1, Counter([text] if text else []))
    elif kind == "done":
        worker.job, worker.units, worker.deadline = None, worker.units + 1, float("inf")
    elif kind == "stop":
        raise UserError(text)
    return text if kind == "failed" else None


def pin(wanted: int) -> socket.socket:
    """Keeps this process to the wanted core, or to another where a worker of any command on this machine has that one;
    when all are taken, to the wanted one.

    Returns:
        what tells the others that the core is taken, until it is closed or the process ends.
    """
    mark = socket.socket(socket.AF_UNIX)
    for core in sorted(os.sched_getaffinity(0), key=lambda core: core != wanted):
        with suppress(OSError):  # the name is another's
            mark.bind(f"\0opengspr-core-{core}")  # no file: the kernel forgets it with the process
            break
    else:
        core = wanted
    os.sched_setaffinity(0, {core})
    return mark


def _work(link: Connection, core: int, log: Path, scratch: Path) -> None:
    """A worker process: does jobs until the link closes. Errors go to the log; Blender's progress is dropped."""
    held = pin(core)
    scratch.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = str(scratch)  # for Blender's own folder, which stays behind when a worker is killed
    parent = os.getppid()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    silence()
    os.dup2(out, 2)

    def shot_done(reason: str) -> None:
        if os.getppid() != parent:  # the command was killed: nobody waits for this unit
            os._exit(1)
        link.send(("shot", reason))

    while True:
        try:
            job: Job = link.recv()
        except EOFError:
            held.close()
            return
        try:
            do(job, scratch, shot_done)
            link.send(("done", ""))
        except Exception as error:
            traceback.print_exc()
            link.send(("stop", str(error)) if job.stops_all(error) else ("failed", f"{type(error).__name__}: {error}"))
