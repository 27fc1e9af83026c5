"""The same units on a Ray cluster (the extra `cluster`): a thin layer that hands them out and takes note.

Every machine of the cluster must see the output folder under the same path. Ray replaces processes that die and
recycles them; units that fail are tried again as they are locally.
"""

import atexit
import logging
import os
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from opengspr.command import UserError
from opengspr.farm import Progress, scratch_folder
from opengspr.files import output_folder
from opengspr.work import RECYCLE_UNITS, Job, do

GRAPHICS_CARDS = ("cuda", "optix")


def run(jobs: Iterable[Job], shots: int, address: str, logs: Path, title: str) -> dict[str, str]:
    """Does jobs on a cluster; arguments, result and errors as `farm.run` has them.

    Args:
        address: of the cluster, or `auto`: the one that this machine belongs to, else its own cores.
    """
    ray = _connected(address)
    output_folder(logs)
    progress = Progress(title, shots)
    try:
        _run(ray, iter(jobs), logs, progress)
    finally:
        progress.bar.close()
        ray.shutdown()
        with scratch_folder():  # clears those of the processes that have ended on this machine
            pass
    return progress.failed


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError:
        raise UserError("--cluster needs Ray: pip install -c constraints.txt -e '.[cluster]'") from None
    try:
        ray.init(address=None if address == "auto" else address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"--cluster: no Ray cluster at {address!r}: {error}") from error
    return ray


def _run(ray: Any, jobs: Any, logs: Path, progress: Progress) -> None:
    again: deque[Job] = deque()
    running: dict[Any, tuple[Job, float]] = {}
    while True:
        places = int(ray.cluster_resources().get("CPU", 1))  # a cluster may grow
        while len(running) < places and (job := next(jobs, None) or (again.popleft() if again else None)):
            cards = 1 if job.device in GRAPHICS_CARDS else 0
            task = ray.remote(num_cpus=1, num_gpus=cards, max_calls=RECYCLE_UNITS, max_retries=0)(_unit)
            running[task.remote(job, logs)] = (job, time.monotonic() + job.seconds)
        if not running:
            return
        done, _ = ray.wait([*running], timeout=1.0)
        for reference, (job, deadline) in list(running.items()):
            if reference in done:
                reason = _result(ray, reference, progress)
            elif time.monotonic() > deadline:
                ray.cancel(reference, force=True)
                reason = "it hung"
            else:
                continue
            del running[reference]
            if reason and progress.went_wrong(job, reason):
                again.append(job)


def _result(ray: Any, reference: Any, progress: Progress) -> str | None:
    """Takes note of a unit that ended; returns the reason when it failed."""
    try:
        kind, content = ray.get(reference)
    except ray.exceptions.RayError as error:  # its process or its machine died
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    if kind == "stop":
        raise UserError(content)
    if kind == "failed":
        return content
    dropped = Counter(content["dropped"])
    progress.shots(content["shots"] + dropped.total(), dropped)
    return None


@cache
def _scratch() -> Path:
    """This process's folder in memory; if it is killed, the next run on its machine clears it."""
    stack = ExitStack()
    folder = stack.enter_context(scratch_folder())
    atexit.register(stack.close)
    os.environ["TMPDIR"] = str(folder)  # for Blender's own folder
    return folder


def _unit(job: Job, logs: Path) -> tuple[str, Any]:
    """Does a unit in one of the cluster's processes."""
    out = os.open(logs / f"worker-{os.uname().nodename}-{os.getpid()}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    silent = os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(1), os.dup(2)
    os.dup2(silent, 1)
    os.dup2(out, 2)
    try:
        return "done", do(job, _scratch())
    except Exception as error:
        traceback.print_exc()
        return ("stop", str(error)) if job.stops_all(error) else ("failed", f"{type(error).__name__}: {error}")
    finally:
        sys.stdout.flush()
        for target, source in zip((1, 2), kept):
            os.dup2(source, target)
        for handle in (out, silent, *kept):
            os.close(handle)
