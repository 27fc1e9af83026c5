"""People in any pictures and videos, of whom nobody knows who they are: `python -m labeler.label DIR --no-truth`."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datasets.pictures import DatasetError, decode, encode
from datasets.writer import Crop
from labeler.backends import Choice, load
from labeler.crops import BATCH, DAMAGED, run_lengths
from labeler.detection import Detection
from labeler.rules import Rules
from labeler.work import PartJob
from opengspr.command import UserError

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
AT_ONCE = 64  # pictures of a unit
FPS = 25  # of frame numbers in a dataset
TWICE_A_SECOND = 0.5
UNKNOWN_PID = -1
UNKNOWN = {
    "pid": UNKNOWN_PID,
    **dict.fromkeys(("viewpoint", "tracklet", "skin_tone", "like"), -1),
    **dict.fromkeys(("visible_share", "truncation", "azimuth_deg", "hour"), -1.0),
    **dict.fromkeys(("weather", "action", "sex", "age_group", "world"), ""),
    "variation": 0,
}


class Source(NamedTuple):
    """A camera: a folder of pictures, or a video. Attributes: files, the pictures' paths; empty for a video."""

    path: Path
    files: tuple[Path, ...]
    size: int  # number of pictures, or of a video's frames


class Seen(NamedTuple):
    """A picture (H, W, 3) with its number: its place in the folder, or the frame at 25 a second; and whence it is."""

    image: np.ndarray
    frame: int
    origin: str


def open_source(path: Path) -> Source:
    """A folder's pictures in order of name, with all below it; or one picture; or a video.

    Raises:
        UserError: nothing to look at there.
    """
    if path.is_dir():
        files = tuple(sorted(one for one in path.rglob("*") if one.suffix.lower() in ENDINGS and one.is_file()))
        if not files:
            raise UserError(f"{path}: no picture in it; wanted files that end in {', '.join(ENDINGS)}")
        return Source(path, files, len(files))
    if not path.exists():
        raise UserError(f"{path}: not there; --no-truth wants folders of pictures, or videos")
    if path.suffix.lower() in ENDINGS:
        return Source(path, (path,), 1)
    with _video(path) as video:
        stream = video.streams.video[0]
        seconds = float(stream.duration * stream.time_base) if stream.duration else (video.duration or 0) / 1e6
        return Source(path, (), max(1, round(seconds * FPS)))


def _video(path: Path) -> Any:
    try:
        import av
    except ImportError:
        raise UserError(f"{path}: videos need PyAV: pip install -c constraints.txt -e '.[video]'") from None
    try:
        video = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"{path}: cannot be read as a picture or a video: {error}") from error
    if not video.streams.video:
        video.close()
        raise UserError(f"{path}: has no pictures in it, only {[stream.type for stream in video.streams]}")
    return video


def every_nth(source: Source, every: int | None) -> int:
    """Which pictures are looked at: every one of a folder, two a second of a video, unless asked otherwise."""
    return every or (1 if source.files else round(FPS * TWICE_A_SECOND))


@dataclass(frozen=True)
class Job(PartJob):
    """A run of pictures in which people are to be found.

    Attributes:
        source, camid: the camera. first, last: the run's pictures, the last excluded.
    """

    source: Source
    camid: int
    first: int
    last: int
    every: int

    @property
    def shots(self) -> int:
        return -(-(self.last - self.first) // self.every)

    def crops(self, note: Callable[[str], None], drops: Counter[str]) -> Iterator[Crop]:
        backend = load(self.backend)
        pictures = self._pictures() if self.source.files else self._frames()
        while batch := [*islice(pictures, BATCH)]:
            whole = [one for one in batch if isinstance(one, Seen)]
            for reason in (one for one in batch if isinstance(one, str)):
                drops[reason] += 1
                note(reason)
            for one, found in zip(whole, backend([one.image for one in whole], []) if whole else []):
                yield from self._found(one, found, drops)
                note("")

    def _found(self, seen: Seen, found: list[Detection], drops: Counter[str]) -> Iterator[Crop]:
        sure, unsure, twice = self.rules.sure(found)
        drops.update({reason: count for reason, count in (("unsure", unsure), ("duplicate", twice)) if count})
        for number, one in enumerate(sorted(sure, key=lambda one: one.box)):
            reason = self.rules.reject(one.box) or self.rules.reject_edge(one.box, seen.image.shape)
            if reason:
                drops[reason] += 1
                continue
            key = f"c{self.camid:03d}_{seen.frame:08d}_{number:02d}"
            x0, y0, x1, y1 = box = self.rules.pad(one.box, key, seen.image.shape[1], seen.image.shape[0])
            row = {
                **UNKNOWN,
                "key": key,
                "camid": self.camid,
                "place": self.source.path.name,
                "frame": seen.frame,
                "width": x1 - x0,
                "height": y1 - y0,
                "box": [float(v) for v in box],
                "score": one.score,
                "mask": run_lengths(one.mask, box),
                "attributes": seen.origin,
            }
            yield row, encode(seen.image[y0:y1, x0:x1])

    def _pictures(self) -> Iterator[Seen | str]:
        """The run's pictures, or a reason for each that is damaged."""
        top = self.source.path if self.source.path.is_dir() else self.source.path.parent
        for number in range(self.first, self.last, self.every):
            file = self.source.files[number]
            try:
                yield Seen(decode(file.read_bytes(), str(file)), number, _origin(file.relative_to(top)))
            except DatasetError as error:
                if not self.skip_damaged:
                    raise UserError(str(error)) from error
                yield DAMAGED

    def _frames(self) -> Iterator[Seen | str]:
        """The run's frames of a video, by their times."""
        with _video(self.source.path) as video:
            stream = video.streams.video[0]
            if self.first and stream.time_base:
                video.seek(int(self.first / FPS / stream.time_base), stream=stream)  # to a key frame before it
            wanted = self.first
            for picture in video.decode(stream):
                number = round(float(picture.time or 0) * FPS)
                if number >= self.last < self.source.size:  # a video may be a little longer than it says
                    return
                if number >= wanted:
                    yield Seen(picture.to_ndarray(format="rgb24"), number, _origin(Path(self.source.path.name)))
                    wanted = self.first + ((number - self.first) // self.every + 1) * self.every


def _origin(path: Path) -> str:
    return json.dumps({"source": path.as_posix()}, ensure_ascii=True)


def jobs_of(
    sources: list[Source],
    every: int | None,
    out: Path,
    backend: Choice,
    rules: Rules,
    on_bad: str,
    provenance: dict[str, Any],
) -> Iterator[Job]:
    """The runs of all sources."""
    for camid, source in enumerate(sources):
        step = every_nth(source, every)
        for first in range(0, source.size, AT_ONCE * step):
            last = min(first + AT_ONCE * step, source.size)
            path = out / "parts" / f"c{camid:03d}-{first:08d}.tar"
            yield Job(path, backend, rules, on_bad == "skip", provenance, source, camid, first, last, step)
