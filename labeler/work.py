"""The labelling of one unit as a job for `opengspr.farm` and `opengspr.cluster`."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from datasets.writer import Crop, DatasetWriter
from labeler.backends import Choice, load
from labeler.crops import DAMAGED, label_shots, named
from labeler.rules import Rules
from opengspr import work
from opengspr.command import UserError
from opengspr.files import parse_object
from synth.capture import Capture, CaptureError, open_capture, read_unit

MOST_DAMAGED = 0.01  # share of the shots
SECONDS_TO_START, SECONDS_PER_SHOT = 300, 10  # a unit that takes longer than both together hangs


@dataclass(frozen=True)
class Job(work.Job):
    """A unit to be labelled.

    Attributes:
        capture: its folder. path: OUT/parts/UNIT.tar. count: shots of the unit, about. all_shots: of the capture.
        provenance: of the dataset.
    """

    capture: Path
    path: Path
    count: int
    all_shots: int
    backend: Choice
    rules: Rules
    skip_damaged: bool
    provenance: dict[str, Any]

    @property
    def shots(self) -> int:
        return self.count

    @property
    def device(self) -> str:  # type: ignore[override]
        return self.backend.device

    @property
    def seconds(self) -> float:
        return SECONDS_TO_START + SECONDS_PER_SHOT * self.shots

    def make(self, scratch: Path, note: Callable[[str], None]) -> int:
        del scratch
        drops: Counter[str] = Counter()
        unit = self.capture / "units" / self.path.name

        def crops() -> Iterator[Crop]:
            shots = read_unit(unit)
            people, backend = people_of(self.capture), load(self.backend, near=True)
            for crop in named(unit, label_shots(shots, backend, self.rules, people, self.skip_damaged)):
                note(crop if isinstance(crop, str) else "")
                if isinstance(crop, str):
                    drops[crop] += 1
                else:
                    yield crop
                refuse_damage(self.capture, drops[DAMAGED], self.all_shots)

        return DatasetWriter(self.path.parent.parent, self.provenance).add(self.name, crops(), drops)


def refuse_damage(capture: Path, damaged: int, shots: int) -> None:
    """Raises UserError when more of a capture's shots are damaged than may be skipped."""
    if damaged > MOST_DAMAGED * shots:
        raise UserError(f"{capture}: {damaged} damaged shots, more than 1 % of {shots}")


@lru_cache(maxsize=1)
def people_of(path: Path) -> dict[int, dict[str, Any]]:
    """Rows of a capture's people, by pid."""
    capture = open_capture(path)
    people = {row["pid"]: row for row in capture.people.drop_columns("look").to_pylist()}
    for pid, look in zip(people, capture.people["look"].to_pylist(), strict=True):
        people[pid]["like"] = _like(capture, look)
    return people


def _like(capture: Capture, look: str) -> int:
    """The pid of whose clothes somebody shares, -1 for nobody's."""
    like = parse_object(look.encode(), f"{capture.path / 'people.parquet'}: a look", CaptureError).get("like")
    return like if isinstance(like, int) else -1
