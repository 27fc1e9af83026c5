"""The capture format (docs/formats.md): what the renderer writes and the labeler reads.

    write_capture_info(folder, info); write_people(folder, rows); write_unit(folder / "units" / "NAME.tar", pictures)
    capture = open_capture(folder); for shot in capture.shots(): ...; for frame in capture.frames(): ...

A unit is whole or absent. A reader trusts nothing: a tar made elsewhere can neither write nor exhaust the memory.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from opengspr.command import UserError
from opengspr.files import output_folder, parse_object, whole_file, write_whole
from opengspr.shards import read_shard, write_shard

SCHEMA = 1
FRAME = (1920, 1080)  # width and height of a frame, pixels
KEY = re.compile(r"\d{5,9}_c\d{2,5}s\d{2,5}_\d{6,9}_\d{2,5}")
FRAME_KEY = re.compile(r"(full|empty)_c\d{2,5}s\d{2,5}_\d{6,9}")
CAPS = {"jpg": 1 << 24, "png": 1 << 24, "json": 1 << 20}  # bytes
LARGEST = 2**53  # no number is larger
LONGEST = 4096  # pixels of a picture's side
PEOPLE = pa.schema(
    [
        ("pid", pa.int64()),
        ("world", pa.string()),
        ("sex", pa.string()),
        ("age_group", pa.string()),
        ("skin_tone", pa.int64()),
        ("height_m", pa.float64()),
        ("look", pa.string()),
    ]
)
# What a shot's truth must hold. Lists give the shape of an array of numbers; None leaves the length open.
Fields = dict[str, type | tuple[type, ...] | list[int | None]]
CIRCUMSTANCES: Fields = {
    "key": str,
    "world": str,
    "place": str,
    "viewpoint": int,
    "camid": int,
    "frame": int,
    "scale": (int, float),
    "weather": str,
    "hour": (int, float),
    "sun": dict,
    "camera": dict,
}
SEEN: Fields = {
    "pid": int,
    "instance": int,
    "box": [4],
    "box_full": [4],
    "visible_share": (int, float),
    "truncation": (int, float),
    "keypoints_2d": [17, 3],
}
FIELDS: Fields = {
    **CIRCUMSTANCES,
    **SEEN,
    "tracklet": int,
    "region": [4],
    "keypoints_3d": [17, 3],
    "azimuth_deg": (int, float),
    "body": dict,
    "action": str,
    "variation": int,
    "others": list,
}


class CaptureError(UserError):
    """Something that is not a capture, or not a whole one; names the folder, file or shot."""


@dataclass(frozen=True)
class Picture:
    """A picture with its truth (docs/formats.md) and its instance mask, both pictures encoded."""

    truth: dict[str, Any]
    jpg: bytes
    png: bytes

    @property
    def key(self) -> str:
        return self.truth["key"]

    def mask(self) -> np.ndarray:
        """The instance indices, (H, W) uint8.

        Raises:
            CaptureError: not an 8-bit PNG of the picture's size.
        """
        sides = self.truth["region"][2:] if "region" in self.truth else FRAME
        wanted = tuple(max(1, round(side * self.truth["scale"])) for side in sides)
        try:
            with Image.open(BytesIO(self.png), formats=["PNG"]) as picture:
                if picture.mode not in ("L", "P") or any(abs(a - b) > 1 for a, b in zip(picture.size, wanted)):
                    raise CaptureError(f"{self.key}: mask is {picture.mode} {picture.size}, wanted 8-bit {wanted}")
                return np.array(picture)
        except CaptureError:
            raise
        except Exception as error:  # on damaged bytes the decoder raises nearly anything
            raise CaptureError(f"{self.key}: the mask cannot be read: {error}") from error


class Frame(Picture):
    """A camera's whole frame, with everyone in it or nobody."""


class Shot(Picture):
    """One person seen by one camera."""


@dataclass(frozen=True)
class Capture:
    """An opened capture: `info` is capture.json."""

    path: Path
    info: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @cached_property
    def people(self) -> pa.Table:
        """A row per person, in pid order."""
        path = self.path / "people.parquet"
        try:
            return pq.read_table(path, schema=PEOPLE).sort_by("pid")
        except FileNotFoundError:
            raise CaptureError(f"{path}: missing; a capture holds one row per person there") from None
        except (pa.ArrowException, OSError) as error:
            raise CaptureError(f"{path}: not the table of people that schema {SCHEMA} wants: {error}") from error

    def units(self) -> list[Path]:
        """The finished units, in order of name."""
        return sorted((self.path / "units").glob("[!.]*.tar"))

    def shots(self) -> Iterator[Shot]:
        """Streams the shots of all finished units."""
        for unit in self.units():
            yield from read_unit(unit)

    def frames(self) -> Iterator[Frame]:
        """Streams the full and the empty frames of all finished units."""
        for path in sorted((self.path / "frames").glob("[!.]*.tar")):
            if (self.path / "units" / path.name).exists():
                yield from read_frames(path)


def open_capture(path: str | Path) -> Capture:
    """Opens a capture; reads no unit yet.

    Raises:
        CaptureError: not a capture, or of a newer schema.
    """
    path = Path(path)
    try:
        info = parse_object((path / "capture.json").read_bytes(), path / "capture.json", CaptureError)
    except (FileNotFoundError, NotADirectoryError):
        raise CaptureError(f"{path}: not a capture: no capture.json in it; synth.render writes captures") from None
    if not isinstance(info.get("schema"), int) or not 1 <= info["schema"] <= SCHEMA:
        raise CaptureError(f"{path / 'capture.json'}: schema {info.get('schema')!r}, this version reads 1 to {SCHEMA}")
    return Capture(path, info)


def write_capture_info(path: str | Path, info: dict[str, Any]) -> None:
    """Writes capture.json into the capture's folder; the schema number is added here."""
    folder = output_folder(path, parents=True)
    write_whole(folder / "capture.json", (json.dumps({"schema": SCHEMA, **info}, indent=1) + "\n").encode())


def write_people(path: str | Path, rows: list[dict[str, Any]]) -> None:
    """Writes people.parquet into the capture's folder; `look` may be a dict and becomes JSON."""
    folder = output_folder(path, parents=True)
    plain = [row if isinstance(row["look"], str) else {**row, "look": json.dumps(row["look"])} for row in rows]
    with whole_file(folder / "people.parquet") as file:
        pq.write_table(pa.Table.from_pylist(plain, schema=PEOPLE), file)


def write_unit(path: str | Path, pictures: Iterable[Picture]) -> int:
    """Writes one unit: its shots as units/NAME.tar, which appears when all is whole, its frames as frames/NAME.tar.

    Returns:
        the number of shots.

    Raises:
        CaptureError: a picture whose truth is not what a reader would accept.
    """
    path = Path(path)
    output_folder(path.parent, parents=True)
    frames: list[Frame] = []
    shots = 0

    def members() -> Iterator[tuple[str, bytes]]:
        nonlocal shots
        for picture in pictures:
            if isinstance(picture, Frame):
                check_frame(picture.truth)
                frames.append(picture)
            else:
                check_truth(picture.truth)
                shots += 1
                yield from _members(picture)
        if frames:
            folder = output_folder(path.parent.parent / "frames")
            write_shard(folder / path.name, (member for frame in frames for member in _members(frame)))

    write_shard(path, members())
    return shots


def _members(picture: Picture) -> Iterator[tuple[str, bytes]]:
    yield f"{picture.key}.jpg", picture.jpg
    yield f"{picture.key}.png", picture.png
    yield f"{picture.key}.json", json.dumps(picture.truth, allow_nan=False, separators=(",", ":")).encode()


def read_unit(path: str | Path) -> Iterator[Shot]:
    """Streams the shots of one unit.

    Raises:
        CaptureError: names the unit and the first thing in it that is not as it should be.
    """
    for truth, jpg, png in _read(path):
        check_truth(truth)
        yield Shot(truth, jpg, png)


def read_frames(path: str | Path) -> Iterator[Frame]:
    """Streams the frames of one unit (frames/NAME.tar); raises as `read_unit` does."""
    for truth, jpg, png in _read(path):
        check_frame(truth)
        yield Frame(truth, jpg, png)


def _read(path: str | Path) -> Iterator[tuple[dict[str, Any], bytes, bytes]]:
    members = read_shard(path, CAPS)
    for jpg, png, truth in zip_longest(members, members, members):
        names = [member.name if member else "nothing" for member in (jpg, png, truth)]
        key = names[0].partition(".")[0]
        if names != [f"{key}.jpg", f"{key}.png", f"{key}.json"]:
            raise CaptureError(f"{path}: wanted KEY.jpg, KEY.png, KEY.json, got {', '.join(names)}")
        content = parse_object(truth.data, f"{path}: {names[2]}", CaptureError)
        if content.get("key") != key:
            raise CaptureError(f"{path}: {names[2]} says that its key is {content.get('key')!r}")
        yield content, jpg.data, png.data


def check_truth(truth: dict[str, Any]) -> None:
    """Checks one shot's truth: fields, types, shapes, finite numbers, boxes that are boxes.

    Raises:
        CaptureError: names the shot, the field, what was got and what was wanted.
    """
    key = truth.get("key")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise CaptureError(f"shot {key!r}: wanted a key like 00001_c00s00_000000_00")
    _check_fields(key, truth, FIELDS)
    _check_seen(key, truth)
    _, _, width, height = truth["region"]
    if min(width, height) <= 0 or truth["scale"] <= 0 or max(width, height) * truth["scale"] > LONGEST:
        raise CaptureError(f"{key}: region {truth['region']} at scale {truth['scale']} makes no picture")


def check_frame(truth: dict[str, Any]) -> None:
    """Checks one frame's truth as `check_truth` does a shot's."""
    key = truth.get("key")
    if not isinstance(key, str) or not FRAME_KEY.fullmatch(key):
        raise CaptureError(f"frame {key!r}: wanted a key like full_c00s00_000000")
    _check_fields(key, truth, {**CIRCUMSTANCES, "people": list})
    if not 0 < truth["scale"] * max(FRAME) <= LONGEST:
        raise CaptureError(f"{key}: scale {truth['scale']} makes no picture")
    for person in truth["people"]:
        if not isinstance(person, dict):
            raise CaptureError(f"{key}: people has {person!r:.80}, wanted objects")
        _check_fields(key, person, SEEN)
        _check_seen(key, person)


def _check_fields(key: str, truth: dict[str, Any], fields: Fields) -> None:
    for field, wanted in fields.items():
        value = truth.get(field)
        if isinstance(wanted, list):
            if not _numbers(value, wanted):
                raise CaptureError(f"{key}: {field} is {value!r:.80}, wanted {wanted} finite numbers")
        elif not isinstance(value, wanted) or isinstance(value, bool):
            raise CaptureError(f"{key}: {field} is {value!r:.80}, wanted {wanted}")
        elif isinstance(value, int | float) and not abs(value) < LARGEST:
            raise CaptureError(f"{key}: {field} is {value!r:.80}, wanted a finite number")


def _check_seen(key: str, truth: dict[str, Any]) -> None:
    x0, y0, x1, y1 = truth["box"]
    if not (0 <= x0 < x1 <= FRAME[0] and 0 <= y0 < y1 <= FRAME[1]):
        raise CaptureError(f"{key}: box {truth['box']} is empty, inverted or outside the {FRAME[0]}x{FRAME[1]} frame")
    if not 1 <= truth["instance"] <= 255:
        raise CaptureError(f"{key}: instance {truth['instance']}, wanted 1 to 255")
    for field in ("visible_share", "truncation"):
        if not 0 <= truth[field] <= 1:
            raise CaptureError(f"{key}: {field} {truth[field]}, wanted 0 to 1")


def _numbers(value: Any, shape: list[int | None]) -> bool:
    """Whether the value is nested lists of finite numbers in this shape."""
    try:
        array = np.asarray(value)
    except ValueError:
        return False
    return array.dtype.kind in "if" and array.shape == tuple(shape) and bool(np.isfinite(array).all())
