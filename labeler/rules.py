"""Which crops are kept, and how they are cut."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from labeler.detection import Box, Detection, box_iou
from opengspr.command import UserError

BESIDE_TRUTH, ALONE = 0.5, 0.94  # least scores: where the truth tells who is nobody, and where nothing does
EDGE = 0.01  # of a box's width and height: so near to the edge, a box may be cut off there


@dataclass(frozen=True)
class Rules:
    """Flags of the labeler; what each of them drops is counted."""

    min_score: float | None = None
    """Drop what the detector is less sure of; by default 0.5, and 0.94 of pictures without truth."""
    min_iou: float = 0.5
    """A detection is the person when masks and boxes overlap at least so much."""
    min_visible_share: float = 0.4
    """Drop people of whom less than this is visible."""
    max_truncation: float = 0.3
    """Drop people of whom more than this lies outside the frame."""
    max_merged: float = 0.25
    """Drop detections of whose mask more than this lies on other people."""
    max_overlap: float = 0.6
    """Of two detections whose boxes overlap more, the less sure one is a duplicate."""
    min_height: int = 48
    """Drop boxes lower than this, pixels."""
    min_width: int = 16
    """Drop boxes narrower than this, pixels."""
    min_aspect: float = 1.0
    """Drop boxes whose height over width is less."""
    max_aspect: float = 6.0
    """Drop boxes whose height over width is more."""
    whole: bool = False
    """Without truth: drop boxes at the picture's edge, where something may be cut off."""
    padding: float = 0.1
    """Each side is moved out by a random share of the box, up to this; 0 cuts tight."""
    seed: int = 0
    """Seed of the padding."""

    def settled(self, truth: bool = True) -> "Rules":
        """The rules with a least score, for pictures with truth or without."""
        if self.min_score is not None:
            return self
        return replace(self, min_score=BESIDE_TRUTH if truth else ALONE)

    def check(self) -> None:
        """Raises UserError where a rule means nothing."""
        for name in (
            "min_score",
            "min_iou",
            "min_visible_share",
            "max_truncation",
            "max_merged",
            "max_overlap",
            "padding",
        ):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) <= 1:
                raise UserError(f"--{name.replace('_', '-')} {getattr(self, name)}: wanted a share from 0 to 1")

    def sure(self, found: Sequence[Detection]) -> tuple[list[Detection], int, int]:
        """The detections that are sure enough and no duplicates, the best first; how many are neither, one or other."""
        least = self.settled().min_score or 0
        kept: list[Detection] = []
        ranked = sorted(found, key=lambda one: -one.score)
        sure = [one for one in ranked if one.score >= least]
        for one in sure:
            if all(box_iou(one.box, other.box) <= self.max_overlap for other in kept):
                kept.append(one)
        return kept, len(ranked) - len(sure), len(sure) - len(kept)

    def reject(self, box: Box) -> str | None:
        """The reason to drop a box (picture pixels) for its form, if there is one."""
        width, height = box[2] - box[0], box[3] - box[1]
        checks = {
            "too low": height < self.min_height,
            "too narrow": width < self.min_width,
            "too wide for its height": height < self.min_aspect * width,
            "too high for its width": height > self.max_aspect * width,
        }
        return next((reason for reason, holds in checks.items() if holds), None)

    def reject_edge(self, box: Box, shape: Sequence[int]) -> str | None:
        """The reason to drop a box of which the picture's edge may have cut off a part, if that is asked for.

        Args:
            shape: height and width of the picture.
        """
        x0, y0, x1, y1 = box
        width, height = EDGE * (x1 - x0), EDGE * (y1 - y0)
        cut = min(x0, shape[1] - x1) <= width or min(y0, shape[0] - y1) <= height
        return "cut by the edge" if self.whole and cut else None

    def reject_truth(self, truth: Mapping[str, Any]) -> str | None:
        """The reason to drop a person for what the truth says, if there is one."""
        if truth["visible_share"] < self.min_visible_share:
            return "hidden"
        return "truncated" if truth["truncation"] > self.max_truncation else None

    def reject_found(self, detection: Detection, others: np.ndarray) -> str | None:
        """The reason to drop a person's detection, if there is one.

        Args:
            others: (H, W) bool, the pixels of other people.
        """
        if detection.on(others) > self.max_merged * detection.mask.sum():
            return "two people merged"
        return self.reject(detection.box)

    def pad(self, box: Box, key: str, width: int, height: int) -> Box:
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
