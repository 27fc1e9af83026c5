"""What a backend finds in pictures, and which of it is the person that a picture is of."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from scipy.optimize import linear_sum_assignment

Box = tuple[int, int, int, int]


class Detection(NamedTuple):
    """One person found: box [x0, y0, x1, y1] in picture pixels (ends excluded), score 0 to 1, mask (y1 - y0, x1 - x0)
    bool of the box's pixels that are theirs.
    """

    box: Box
    score: float
    mask: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray, score: float) -> "Detection":
        """The detection whose mask in the whole picture (H, W) is this; it has some pixels."""
        x0, y0, x1, y1 = box = box_of(mask)
        return cls(box, score, mask[y0:y1, x0:x1])

    def within(self, box: Box) -> np.ndarray:
        """The mask in another box, (its height, its width) bool."""
        out = np.zeros((box[3] - box[1], box[2] - box[0]), bool)
        x0, y0, x1, y1 = (*np.maximum(self.box[:2], box[:2]), *np.minimum(self.box[2:], box[2:]))
        if x0 < x1 and y0 < y1:
            mine = self.mask[y0 - self.box[1] : y1 - self.box[1], x0 - self.box[0] : x1 - self.box[0]]
            out[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]] = mine
        return out

    def on(self, pixels: np.ndarray) -> int:
        """How many of the picture's true pixels (H, W) bool lie in the mask."""
        x0, y0, x1, y1 = self.box
        return int((self.mask & pixels[y0:y1, x0:x1]).sum())


class Backend(Protocol):
    """Finds people in a batch of pictures."""

    def __call__(self, pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> list[list[Detection]]:
        """What is found in each picture, the best first.

        Args:
            pictures: (H, W, 3) uint8 RGB each, of any sizes.
            truths: the instance indices (H, W) uint8 of each, or none at all; only the truth looks at them.
        """


def truth(pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> list[list[Detection]]:
    """The backend that finds what the renderer's own masks say, each person in a picture with score 1."""
    assert len(pictures) == len(truths), "the truth is known of captures only"
    return [[Detection.of(mask, 1.0) for mask in people(instances)] for instances in truths]


def people(instances: np.ndarray) -> list[np.ndarray]:
    """The mask (H, W) bool of each instance in a picture, by rising index."""
    return [instances == instance for instance in np.unique(instances[instances > 0])]


def box_of(mask: np.ndarray) -> Box:
    """The box of a mask's true pixels; it has some."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def match(found: Sequence[Detection], instances: np.ndarray, instance: int, least_iou: float) -> Detection | None:
    """The detection of one person, where all people and all detections of a picture are paired for the largest sum of
    overlaps of masks and boxes (Hungarian method), so that nobody gets another's.

    Args:
        instances: (H, W) true indices. least_iou: by which the masks and the boxes of a pair must overlap.

    Returns:
        None where nothing is left for the person.
    """
    masks = people(instances)
    mine = next((k for k, mask in enumerate(masks) if instances[mask][0] == instance), None)
    if mine is None or not found:
        return None
    by_mask = np.array([[mask_iou(one, mask) for one in found] for mask in masks])
    by_box = np.array([[box_iou(one.box, box_of(mask)) for one in found] for mask in masks])
    fits = np.minimum(by_mask, by_box) >= least_iou
    who, what = linear_sum_assignment(np.where(fits, -(by_mask + by_box), 0))
    return next((found[n] for k, n in zip(who, what) if k == mine and fits[k, n]), None)


def mask_iou(one: Detection, mask: np.ndarray) -> float:
    """Intersection over union of a detection's mask and a whole one (H, W) bool."""
    shared = one.on(mask)
    return shared / max(1, int(one.mask.sum()) + int(mask.sum()) - shared)


def box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes."""
    width, height = (max(0.0, min(a[k + 2], b[k + 2]) - max(a[k], b[k])) for k in (0, 1))
    shared = width * height
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return shared / max(areas - shared, 1e-9)


def inside(box: Sequence[int], size: tuple[int, ...]) -> Box:
    """A box clipped to a picture, at least a pixel wide and high."""
    height, width = size
    x0, y0 = min(max(box[0], 0), width - 1), min(max(box[1], 0), height - 1)
    return x0, y0, max(min(box[2], width), x0 + 1), max(min(box[3], height), y0 + 1)
