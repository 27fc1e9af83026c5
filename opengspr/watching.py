"""What may be written of a stage beside its metrics: curves for TensorBoard, and where the time goes."""

import resource
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from opengspr import ranks
from opengspr.command import UserError
from opengspr.files import write_whole

FIRST, LAST = 3, 8  # steps that are traced, counted from where the stage begins or goes on
LINES = 25  # of the table of a trace


@dataclass(frozen=True)
class Watched:
    """What a user asked for."""

    tensorboard: bool = False
    profile: bool = False


UNWATCHED = Watched()


def forget_peaks() -> None:
    """Peaks of memory count from now on, where the system lets a process say so."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # then they count from the process's beginning
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peaks() -> dict[str, float]:
    """The most memory that this process has held since `forget_peaks`, MiB: `peak_mib`, and `gpu_peak_mib` of a GPU."""
    try:
        (line,) = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:")]
        held = int(line.split()[1])
    except (OSError, ValueError):
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"peak_mib": round(held / 1024)}
    if torch.cuda.is_available():
        found["gpu_peak_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return {name: float(value) for name, value in found.items()}


class Watch:
    """Of one stage in its folder; all that it does is nothing where nothing was asked for.

    Raises:
        UserError: the package tensorboard is missing.
    """

    def __init__(self, watched: Watched, stage: str, folder: Path, epoch: int) -> None:
        self.stage, self.folder, self.steps = stage, folder, 0
        self.seconds: dict[str, float] = defaultdict(float)
        self.profiled = watched.profile and ranks.first()
        self.trace: profile | None = None
        self.board: Any = None
        if watched.tensorboard and ranks.first():
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                wanted = "pip install -e '.[tensorboard]'; metrics.jsonl holds the same"
                raise UserError(f"--tensorboard: the package tensorboard is missing: {wanted}") from error
            self.board = SummaryWriter(str(folder / "tensorboard" / stage), purge_step=epoch + 1)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Adds what the body takes."""
        began = time.perf_counter()
        yield
        self.seconds[what] += time.perf_counter() - began

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Points of curves."""
        if self.board:
            for name, value in values.items():
                self.board.add_scalar(name, value, epoch + 1)
            self.board.flush()

    def stepped(self) -> None:
        """After each step: begins the trace, ends it."""
        self.steps += 1
        if not self.profiled:
            return
        if self.steps == FIRST - 1:
            activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * torch.cuda.is_available()
            self.trace = profile(activities=activities)
            self.trace.start()
        elif self.steps == LAST:
            self._end_trace()

    def _end_trace(self) -> None:
        if self.trace:
            self.trace.stop()
            self.trace.export_chrome_trace(str(self.folder / f"profile-{self.stage}.json"))
            by = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
            kinds, steps = self.trace.key_averages(), max(1, min(self.steps, LAST) - FIRST + 1)
            named = [kind for kind in kinds if kind.is_user_annotation and kind.cpu_time_total]
            told = [f"{kind.key}: {kind.cpu_time_total / steps / 1000:.2f} ms a step" for kind in named]
            self.table, self.trace = "\n".join([*told, "", kinds.table(sort_by=by, row_limit=LINES)]), None

    def close(self) -> None:
        """Writes the profile and says where."""
        if self.board:
            self.board.close()
        if not self.profiled or not self.steps:
            return
        self._end_trace()
        spent = [f"{what}: {seconds:.2f} s" for what, seconds in sorted(self.seconds.items(), key=lambda one: -one[1])]
        each = f"{self.steps} steps, {1000 * self.seconds['steps'] / self.steps:.1f} ms each"
        text = "\n".join([f"{self.stage}: {each}", *spent, "", f"Steps {FIRST} to {LAST}:", getattr(self, "table", "")])
        path = self.folder / f"profile-{self.stage}.txt"
        write_whole(path, (text + "\n").encode())
        print(f"profile: {path}", flush=True)
