"""From the shots of a unit to their crops, or to the reasons why there is none."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pycocotools import mask as rle

from datasets.pictures import DatasetError, decode, encode
from labeler.detection import Backend, Box, Detection, match
from labeler.rules import Rules
from opengspr.command import UserError
from synth.capture import CaptureError, Shot

BATCH = 8  # pictures that a detector sees at once
DAMAGED = "damaged"
People = Mapping[int, Mapping[str, Any]]
T = TypeVar("T")
C = TypeVar("C")
Crop = tuple[dict[str, Any], bytes]  # a row of the manifest, as far as it is known yet, and the encoded crop


class Opened(NamedTuple):
    """A shot whose picture (H, W, 3) and instances (H, W) are decoded."""

    shot: Shot
    image: np.ndarray
    instances: np.ndarray


def overlapped(
    batches: Iterator[Sequence[T]],
    found: Callable[[Sequence[T]], Sequence[Sequence[Detection]]],
    cut: Callable[[T, Sequence[Detection]], C],
) -> Iterator[C]:
    """What becomes of the items of all batches, in their order. While the detector looks at a batch, the next is read
    and the one before is cut up beside it.

    Args:
        batches: read in a thread of its own.
        found: what is found in each item of a batch.
        cut: what becomes of an item, in another thread.
    """

    def all_cut(batch: Sequence[T], detections: Sequence[Sequence[Detection]]) -> list[C]:
        return [cut(one, seen) for one, seen in zip(batch, detections, strict=True)]

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as cutter:
        coming, before = reader.submit(next, batches, None), None
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            after = cutter.submit(all_cut, batch, found(batch))
            if before is not None:
                yield from before.result()
            before = after
        if before is not None:
            yield from before.result()


def label_shots(
    shots: Iterable[Shot], backend: Backend, rules: Rules, people: People, skip_damaged: bool = False
) -> Iterator[Crop | str]:
    """Labels shots, each in its turn.

    Args:
        rules: which crops are kept.
        people: rows of the capture's people, by pid, with the pid that each is `like`, or -1.
        skip_damaged: drop what is damaged instead of raising.

    Yields:
        the crop's manifest row (as far as it is known yet) and its JPEG bytes; or the reason for which it was dropped.

    Raises:
        CaptureError, DatasetError: a shot is damaged; names its key.
    """
    left = iter(shots)

    def batches() -> Iterator[list[Opened | str]]:
        while batch := [*islice(left, BATCH)]:
            yield [_open(shot, rules, people, skip_damaged) for shot in batch]

    def found(batch: Sequence[Opened | str]) -> list[list[Detection]]:
        seen = [one for one in batch if isinstance(one, Opened)]
        each = iter(backend([one.image for one in seen], [one.instances for one in seen]) if seen else [])
        return [next(each) if isinstance(one, Opened) else [] for one in batch]

    def cut(one: Opened | str, seen: Sequence[Detection]) -> Crop | str:
        return one if isinstance(one, str) else _crop(one, rules.sure(seen)[0], rules, people)

    yield from overlapped(batches(), found, cut)


def _open(shot: Shot, rules: Rules, people: People, skip_damaged: bool) -> Opened | str:
    try:
        if shot.truth["pid"] not in people:
            raise CaptureError(f"{shot.key}: pid {shot.truth['pid']} is not in people.parquet")
        instances = shot.mask()
        image = decode(shot.jpg, shot.key)
        if image.shape[:2] != instances.shape:
            raise CaptureError(f"{shot.key}: mask is {instances.shape}, its picture {image.shape[:2]} (height, width)")
    except (CaptureError, DatasetError):
        if skip_damaged:
            return DAMAGED
        raise
    return rules.reject_truth(shot.truth) or Opened(shot, image, instances)


def _crop(opened: Opened, found: list[Detection], rules: Rules, people: People) -> Crop | str:
    (shot, image, instances), truth = opened, opened.shot.truth
    if not found:
        return "nobody found"
    detection = match(found, instances, truth["instance"], rules.min_iou)
    if detection is None:
        return "nobody found where the person is"
    others = (instances > 0) & (instances != truth["instance"])
    if reason := rules.reject_found(detection, others):
        return reason
    x0, y0, x1, y1 = box = rules.pad(detection.box, shot.key, image.shape[1], image.shape[0])
    row = _row(truth, people[truth["pid"]], box) | {"score": detection.score, "mask": run_lengths(detection, box)}
    return row, encode(image[y0:y1, x0:x1])


def run_lengths(one: Detection, box: Box) -> str:
    """A mask's part in a box in COCO's compressed run lengths, whose size is the box's height and width."""
    return rle.encode(np.asfortranarray(one.within(box), np.uint8))["counts"].decode()


def _row(truth: Mapping[str, Any], person: Mapping[str, Any], box: Box) -> dict[str, Any]:
    """The manifest row of a crop; its box in frame pixels is what the crop shows."""
    left, top = truth["region"][:2]
    same = ("key", "pid", "camid", "place", "viewpoint", "tracklet", "frame", "weather", "action", "world", "variation")
    numbers = ("visible_share", "truncation", "azimuth_deg", "hour")
    return (
        {name: truth[name] for name in same}
        | {name: float(truth[name]) for name in numbers}
        | {name: person[name] for name in ("skin_tone", "sex", "age_group", "like")}
        | {
            "width": box[2] - box[0],
            "height": box[3] - box[1],
            "box": [start + value / truth["scale"] for start, value in zip((left, top, left, top), box)],
            "attributes": json.dumps(truth.get("attributes", {}), separators=(",", ":")),
        }
    )


def named(unit: object, crops: Iterator[Crop | str]) -> Iterator[Crop | str]:
    """The same, with the unit's name before what is wrong with a shot."""
    try:
        yield from crops
    except (CaptureError, DatasetError) as error:
        raise UserError(f"{unit}: {error}") from error
