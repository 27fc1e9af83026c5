"""From one shot to one crop, or to the reason why there is none."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from datasets.pictures import decode, encode
from labeler.detection import Backend, match
from synth.capture import CaptureError, Shot


@dataclass(frozen=True)
class Rules:
    """Which crops are kept, and how they are cut."""

    min_visible_share: float = 0.4
    """Drop people of whom less than this is visible."""
    max_truncation: float = 0.3
    """Drop people of whom more than this lies outside the frame."""
    min_height: int = 48
    """Drop boxes lower than this, pixels."""
    min_width: int = 16
    """Drop boxes narrower than this, pixels."""
    min_aspect: float = 1.0
    """Drop boxes whose height over width is less."""
    max_aspect: float = 6.0
    """Drop boxes whose height over width is more."""
    min_iou: float = 0.5
    """A detection is the person when their masks overlap at least so much."""
    padding: float = 0.1
    """Each side is moved out by a random share of the box, up to this; 0 cuts tight."""
    seed: int = 0
    """Seed of the padding."""

    def reject(self, box: tuple[int, int, int, int], truth: Mapping[str, Any]) -> str | None:
        """The reason to drop a person with this box (picture pixels) and truth, if there is one."""
        width, height = box[2] - box[0], box[3] - box[1]
        checks = {
            "hidden": truth["visible_share"] < self.min_visible_share,
            "truncated": truth["truncation"] > self.max_truncation,
            "too low": height < self.min_height,
            "too narrow": width < self.min_width,
            "too wide for its height": height < self.min_aspect * width,
            "too high for its width": height > self.max_aspect * width,
        }
        return next((reason for reason, holds in checks.items() if holds), None)

    def pad(self, box: tuple[int, int, int, int], key: str, width: int, height: int) -> tuple[int, int, int, int]:
        """The box moved out at random (by a hash of seed and key) and clipped to a picture of this size."""
        digest = hashlib.blake2b(f"{self.seed}\0{key}".encode(), digest_size=32).digest()
        left, top, right, bottom = self.padding * np.frombuffer(digest, "<u8") / 2.0**64
        x0, y0, x1, y1 = box
        return (
            max(0, round(x0 - left * (x1 - x0))),
            max(0, round(y0 - top * (y1 - y0))),
            min(width, round(x1 + right * (x1 - x0))),
            min(height, round(y1 + bottom * (y1 - y0))),
        )


def label_shot(
    shot: Shot, backend: Backend, rules: Rules, people: Mapping[int, Mapping[str, Any]]
) -> tuple[dict[str, Any], bytes] | str:
    """Labels one shot.

    Args:
        shot: from a capture.
        backend: finds the people in the picture.
        rules: which crops are kept.
        people: rows of the capture's people, by pid, with the pid that each is `like`, or -1.

    Returns:
        the crop's manifest row (as far as it is known yet) and its JPEG bytes; or the reason for which it was dropped.

    Raises:
        CaptureError, DatasetError: the shot is damaged; names its key.
    """
    truth = shot.truth
    if truth["pid"] not in people:
        raise CaptureError(f"{shot.key}: pid {truth['pid']} is not in people.parquet")
    instances = shot.mask()
    image = decode(shot.jpg, shot.key)
    if image.shape[:2] != instances.shape:
        raise CaptureError(f"{shot.key}: mask is {instances.shape}, its picture {image.shape[:2]} (height, width)")
    found = backend(image, instances)
    if not found:
        return "nobody found"
    detection = match(found, instances == truth["instance"], rules.min_iou)
    if detection is None:
        return "nobody found where the person is"
    if reason := rules.reject(detection.box, truth):
        return reason
    box = rules.pad(detection.box, shot.key, image.shape[1], image.shape[0])
    return _row(truth, people[truth["pid"]], box, detection.score), encode(image[box[1] : box[3], box[0] : box[2]])


def _row(
    truth: Mapping[str, Any], person: Mapping[str, Any], box: tuple[int, int, int, int], score: float
) -> dict[str, Any]:
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
            "score": score,
        }
    )
