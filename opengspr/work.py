"""One unit's work, wherever it is done: a local process (`farm`) or a cluster's (`cluster`)."""

import json
import os
import resource
import socket
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from opengspr.command import UserError
from opengspr.files import output_folder, write_whole

TRIES = 3
RECYCLE_UNITS = 20  # a process makes way for a new one after so many, since what it loads may grow
RECYCLE_MIB = 1000


class Job(ABC):
    """A unit to be done, which can travel to another process.

    Attributes:
        path: OUT/FOLDER/NAME.tar, the file that it writes.
        device: what it computes on.
        usual_mib: resident memory up to which a process that does such units is kept, where RECYCLE_MIB is less.
    """

    path: Path
    device: str
    usual_mib = 0

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    @abstractmethod
    def shots(self) -> int:
        """How many shots it has."""

    @property
    @abstractmethod
    def seconds(self) -> float:
        """Time after which it hangs."""

    @property
    def report(self) -> Path:
        """Where its figures are written."""
        return self.path.parent.parent / "logs" / f"{self.name}.json"

    @abstractmethod
    def make(self, scratch: Path, note: Callable[[str], None]) -> int:
        """Does the work and writes the file.

        Args:
            scratch: folder for passing files, best in memory.
            note: to be called after each shot with the reason why it was dropped, or nothing.

        Returns:
            how many shots came out.
        """

    def stops_all(self, error: Exception) -> bool:
        """Whether an error would meet every unit, such as a full disk, so that going on is no use."""
        return isinstance(error, UserError)


def do(job: Job, scratch: Path, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Does a unit and writes its figures.

    Args:
        scratch, progress: as `Job.make` has them.

    Returns:
        the figures: unit, shots, dropped by reason, cpu_s, wall_s, rss_mib, peak_mib, host, device.
    """
    dropped: Counter[str] = Counter()

    def note(reason: str) -> None:
        if reason:
            dropped[reason] += 1
        progress(reason)

    cpu, wall = time.process_time(), time.monotonic()
    with threadpool_limits(1):  # one process a core: numpy's other threads would only wait, and burn what they wait
        shots = job.make(scratch, note)
    figures = {
        "unit": job.name,
        "shots": shots,
        "dropped": dict(dropped),
        "cpu_s": round(time.process_time() - cpu, 2),
        "wall_s": round(time.monotonic() - wall, 2),
        "rss_mib": round(rss_mib(os.getpid())),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "host": socket.gethostname(),
        "device": job.device,
    }
    output_folder(job.report.parent)
    write_whole(job.report, (json.dumps(figures) + "\n").encode())
    return figures


def rss_mib(pid: int) -> float:
    """Resident memory of a process, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20
    except (OSError, IndexError):
        return 0.0


def silence() -> None:
    """Drops what this process writes to its standard output from here on, such as Blender's progress."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
