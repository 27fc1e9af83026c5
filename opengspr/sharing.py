"""Who does the units of a long piece of work: local processes, the shards of a job array, a Ray cluster."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from opengspr import cluster, farm
from opengspr.command import UserError
from opengspr.files import one_writer, shared_writer
from opengspr.work import Job

T = TypeVar("T")


@dataclass(frozen=True)
class Sharing:
    """The flags that commands with long work have in common."""

    workers: int = len(os.sched_getaffinity(0))
    """Processes, each on a core of its own."""
    shard: str | None = None
    """I/N: only this share of the units, for job arrays; all N may write into one folder at once."""
    cluster: str | None = None
    """Do it on a Ray cluster: its address, or auto."""

    def check(self) -> None:
        """Raises UserError where a flag means nothing."""
        if self.workers < 1:
            raise UserError(f"--workers: got {self.workers}, wanted at least 1")
        self._share()

    def _share(self) -> tuple[int, int]:
        """'I/N' as (I, N), 0 <= I < N."""
        match = re.fullmatch(r"(\d+)/(\d+)", self.shard or "0/1")
        if not match or int(match[1]) >= int(match[2]):
            raise UserError(f"--shard: got {self.shard!r}, wanted I/N with I from 0 to N - 1, such as 0/8")
        return int(match[1]), int(match[2])

    def writer(self, out: Path) -> AbstractContextManager[Path]:
        """Holds the output folder, or this shard's share of it."""
        share, shares = self._share()
        return shared_writer(out, f"{share}of{shares}") if self.shard else one_writer(out)

    def mine(self, units: Iterable[T]) -> Iterator[T]:
        """Every N-th of all the units."""
        share, shares = self._share()
        return (unit for number, unit in enumerate(units) if number % shares == share)

    def run(self, jobs: Iterable[Job], shots: int, logs: Path, title: str) -> dict[str, str]:
        """Does jobs, as `farm.run` has it."""
        if self.cluster is not None:
            return cluster.run(jobs, shots, self.cluster, logs, title)
        return farm.run(jobs, shots, self.workers, logs, title)
