"""The labelling of one unit as a job for `opengspr.farm` and `opengspr.cluster`."""

from abc import abstractmethod
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
USUAL_MIB = 4000  # torch and a model on a graphics card, or large pictures, take more than Blender does
SECONDS_TO_START, SECONDS_PER_SHOT = 300, 30  # a unit that takes longer than both together hangs


class TooDamaged(UserError):
    """More of the pictures are damaged than may be skipped."""


@dataclass(frozen=True)
class PartJob(work.Job):
    """A part of a dataset to be made.

    Attributes:
        path: OUT/parts/NAME.tar. provenance: of the dataset.
    """

    path: Path
    backend: Choice
    rules: Rules
    skip_damaged: bool
    provenance: dict[str, Any]
    usual_mib = USUAL_MIB

    @property
    def device(self) -> str:  # type: ignore[override]  # the floor's jobs hold it, ours have it from their backend
        return self.backend.device

    @property
    def seconds(self) -> float:
        return SECONDS_TO_START + SECONDS_PER_SHOT * self.shots

    def make(self, scratch: Path, note: Callable[[str], None]) -> int:
        del scratch
        drops: Counter[str] = Counter()
        writer = DatasetWriter(self.path.parent.parent, self.provenance)
        try:
            return writer.add(self.name, self.crops(note, drops), drops)
        except TooDamaged:
            writer.take_back(DAMAGED)  # what was skipped in other parts may be repaired for the next try too
            raise

    @abstractmethod
    def crops(self, note: Callable[[str], None], drops: Counter[str]) -> Iterator[Crop]:
        """The part's crops; counts in `drops` what was dropped. `note` is as `make` has it."""


@dataclass(frozen=True)
class Job(PartJob):
    """A unit to be labelled.

    Attributes:
        capture: its folder. count: shots of the unit, about. all_shots: of the capture.
    """

    capture: Path
    count: int
    all_shots: int

    @property
    def shots(self) -> int:
        return self.count

    def crops(self, note: Callable[[str], None], drops: Counter[str]) -> Iterator[Crop]:
        unit = self.capture / "units" / self.path.name
        people, backend = people_of(self.capture), load(self.backend, near=True)
        for crop in named(unit, label_shots(read_unit(unit), backend, self.rules, people, self.skip_damaged)):
            note(crop if isinstance(crop, str) else "")
            if isinstance(crop, str):
                drops[crop] += 1
            else:
                yield crop
            refuse_damage(self.capture, drops[DAMAGED], self.all_shots)


def refuse_damage(capture: Path, damaged: int, shots: int) -> None:
    """Raises TooDamaged when more of a capture's shots are than may be skipped."""
    if damaged > MOST_DAMAGED * shots:
        raise TooDamaged(f"{capture}: {damaged} damaged shots, more than 1 % of {shots}")


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


def units_of(capture: Capture, partial: bool) -> list[Path]:
    """The capture's units, where they are all there or a part will do.

    Raises:
        CaptureError: they are not, or `capture.json` lacks what labelling needs.
    """
    units, info = capture.units(), capture.info
    split = info["split"] if isinstance(info.get("split"), dict) else {}
    numbers = [info.get(key) for key in ("units", "shots", "seed")]
    if not all(isinstance(number, int) for number in numbers) or "world" not in info:
        raise CaptureError(f"{capture.path / 'capture.json'}: wanted world, and units, shots and seed as numbers")
    for role, share in (("train", split.get("train")), ("distractors", split.get("distractors", 0))):
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise CaptureError(
                f"{capture.path / 'capture.json'}: split.{role} is {share!r}, wanted a share from 0 to 1"
            )
    if not units or (len(units) < info["units"] and not partial):
        raise CaptureError(
            f"{capture.path}: {len(units)} of {info['units']} units are rendered; "
            "run synth.render again to finish it, or take what there is by --partial"
        )
    return units
