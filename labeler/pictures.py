"""People in any pictures and videos, of whom nobody knows who they are: `python -m labeler.label DIR --no-truth`."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datasets.layouts import ENDINGS
from datasets.manifest import UNKNOWN
from datasets.pictures import DatasetError, decode, encode
from datasets.writer import Crop
from labeler.backends import Choice, load
from labeler.crops import BATCH, DAMAGED, overlapped, run_lengths
from labeler.detection import Detection
from labeler.rules import Rules
from labeler.work import PartJob
from opengspr.command import UserError

AT_ONCE = 64  # pictures of a unit
MOST_PIXELS = 12_000_000  # of the pictures that are looked at together, unless it is one
FPS = 25  # of frame numbers in a dataset
TWICE_A_SECOND = 0.5


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


def told(source: Source, every: int | None) -> dict[str, Any]:
    """What a dataset says of a source that was looked at; a digest stands for the names and sizes of its files."""
    files = source.files or (source.path,)
    top = source.path if source.path.is_dir() else source.path.parent
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(top).as_posix()}\0{file.stat().st_size}\n".encode(errors="surrogateescape"))
    return {
        "name": source.path.name,
        "pictures": source.size,
        "every": every_nth(source, every),
        "sha256_of_names_and_sizes": digest.hexdigest(),
    }


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
        return Source(path, (), max(1, round(_seconds(video) * FPS)))


def _seconds(video: Any) -> float:
    """How long a video is, by what it says of itself, else by its last packet."""
    stream = video.streams.video[0]
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if video.duration:
        return video.duration / 1e6
    packets = [packet.pts for packet in video.demux(stream) if packet.size]
    known = [pts for pts in packets if pts is not None]
    if known and stream.time_base:
        return float((max(known) - min(known)) * stream.time_base) + 1 / FPS
    return len(packets) / _rate(stream)


def _rate(stream: Any) -> float:
    """Frames a second of a stream."""
    return float(stream.average_rate or FPS)


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
        source, camid: the camera, of whose files the run's only. first, last: its pictures, the last excluded.
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

        def found(batch: Sequence[Seen | str]) -> list[list[Detection]]:
            images = [one.image for one in batch if isinstance(one, Seen)]
            each = iter(backend(images, []) if images else [])
            return [next(each) if isinstance(one, Seen) else [] for one in batch]

        for crops, dropped in overlapped(self._batches(), found, self._cut):
            drops.update(dropped)
            note(DAMAGED if dropped[DAMAGED] else "")
            yield from crops

    def _batches(self) -> Iterator[list[Seen | str]]:
        """The run's pictures, some at once: few where they are large."""
        batch: list[Seen | str] = []
        for one in self._pictures() if self.source.files else self._frames():
            batch.append(one)
            pixels = sum(seen.image[..., 0].size for seen in batch if isinstance(seen, Seen))
            if len(batch) == BATCH or pixels > MOST_PIXELS:
                yield batch
                batch = []
        if batch:
            yield batch

    def _cut(self, seen: Seen | str, found: Sequence[Detection]) -> tuple[list[Crop], Counter[str]]:
        """The crops of a picture, and what was dropped of it, by reason."""
        if isinstance(seen, str):
            return [], Counter([seen])
        sure, unsure, twice = self.rules.sure(found)
        crops, drops = [], +Counter(unsure=unsure, duplicate=twice)
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
                "mask": run_lengths(one, box),
                "attributes": seen.origin,
            }
            crops.append((row, encode(seen.image[y0:y1, x0:x1])))
        return crops, drops

    def _damaged(self, error: Exception) -> str:
        """The reason to drop a picture that cannot be read, where such are skipped."""
        if not self.skip_damaged:
            raise UserError(str(error)) from error
        return DAMAGED

    def _pictures(self) -> Iterator[Seen | str]:
        """The run's pictures, or a reason for each that is damaged."""
        top = self.source.path if self.source.path.is_dir() else self.source.path.parent
        for number in range(self.first, self.last, self.every):
            file = self.source.files[number - self.first]
            try:
                yield Seen(decode(file.read_bytes(), str(file)), number, _origin(file.relative_to(top)))
            except (DatasetError, OSError) as error:
                yield self._damaged(error)

    def _frames(self) -> Iterator[Seen | str]:
        """The run's frames of a video, upright, by their times from its beginning."""
        import av

        path, wanted = self.source.path, self.first
        with _video(path) as video:
            stream = video.streams.video[0]
            began = float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0
            if self.first and stream.duration:
                start = int((self.first / FPS + began) / stream.time_base)
                video.seek(start, stream=stream)  # to a key frame before it
            try:
                for count, picture in enumerate(video.decode(stream)):
                    timed = picture.time is not None
                    number = round((float(picture.time) - began if timed else count / _rate(stream)) * FPS)
                    if number >= self.last < self.source.size:  # a video may be a little longer than it says
                        return
                    if number >= wanted:
                        upright = np.rot90(picture.to_ndarray(format="rgb24"), round(picture.rotation / 90))
                        yield Seen(np.ascontiguousarray(upright), number, _origin(Path(path.name)))
                        wanted = self.first + ((number - self.first) // self.every + 1) * self.every
            except av.FFmpegError as error:
                yield self._damaged(DatasetError(f"{path}: cannot be read on after {wanted / FPS:.0f} s: {error}"))


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
            part = source._replace(files=source.files[first:last])
            yield Job(path, backend, rules, on_bad == "skip", provenance, part, camid, first, last, step)
