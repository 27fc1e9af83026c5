"""The rendering of one unit as a job for `opengspr.farm` and `opengspr.cluster`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from opengspr import work
from synth.person.tiers import OURS, Tiers
from synth.plan import Quality, Unit

SECONDS_TO_START, SECONDS_PER_SHOT = 300, 30  # a unit that takes longer than both together hangs


@dataclass(frozen=True)
class Job(work.Job):
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
    def shots(self) -> int:
        return self.unit.shots

    @property
    def seconds(self) -> float:
        return SECONDS_TO_START + SECONDS_PER_SHOT * self.unit.shots

    def make(self, scratch: Path, note: Callable[[str], None]) -> int:
        from synth.blender.shoot import unit_pictures
        from synth.capture import write_unit

        pictures = unit_pictures(self.unit, self.looks, self.quality, note, scratch, self.device, self.tiers)
        return write_unit(self.path, pictures)

    def stops_all(self, error: Exception) -> bool:
        from synth.capture import CaptureError

        return super().stops_all(error) and not isinstance(error, CaptureError)
