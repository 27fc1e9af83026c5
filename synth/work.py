"""One unit's work, wherever it is done: a local process (`farm`) or a cluster's (`cluster`)."""

import json
import os
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from opengspr import UserError
from opengspr.files import output_folder, write_whole
from synth.person.tiers import OURS, Tiers
from synth.plan import Quality, Unit

TRIES = 3
RECYCLE_UNITS = 20  # a process makes way for a new one after so many, since Blender's memory grows
RECYCLE_MIB = 1000
SECONDS_TO_START, SECONDS_PER_SHOT = 300, 30  # a unit that takes longer than both together hangs


@dataclass(frozen=True)
class Job:
    """A unit to be rendered: its people's looks by pid, the file to write, the device to render on, what people
    are made of besides our own.
    """

    unit: Unit
    looks: dict[int, dict]
    quality: Quality
    path: Path
    device: str = "cpu"
    tiers: Tiers = OURS

    @property
    def seconds(self) -> float:
        """Time after which it hangs."""
        return SECONDS_TO_START + SECONDS_PER_SHOT * self.unit.shots

    @property
    def report(self) -> Path:
        """Where its figures are written (`synth.status` reads them)."""
        return self.path.parent.parent / "logs" / f"{self.unit.name}.json"


def do(job: Job, scratch: Path, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Renders a unit and writes it, then its figures.

    Args:
        scratch: folder for passing pictures, best in memory.
        progress: called after each shot with the reason why it was dropped, or nothing.

    Returns:
        the figures: unit, shots, dropped by reason, cpu_s, wall_s, rss_mib, host, device.
    """
    from synth.blender.shoot import unit_pictures
    from synth.capture import write_unit

    dropped: Counter[str] = Counter()

    def note(reason: str) -> None:
        if reason:
            dropped[reason] += 1
        progress(reason)

    cpu, wall = time.process_time(), time.monotonic()
    pictures = unit_pictures(job.unit, job.looks, job.quality, note, scratch, job.device, job.tiers)
    with threadpool_limits(1):  # one process a core: numpy's other threads would only wait, and burn what they wait
        shots = write_unit(job.path, pictures)
    figures = {
        "unit": job.unit.name,
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


def ours_to_stop(error: Exception) -> bool:
    """Whether an error would meet every unit, such as a full disk, so that going on is no use."""
    from synth.capture import CaptureError

    return isinstance(error, UserError) and not isinstance(error, CaptureError)


def rss_mib(pid: int) -> float:
    """Resident memory of a process, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20
    except (OSError, IndexError):
        return 0.0
