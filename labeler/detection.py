"""What a backend finds in one picture, and which of it is the person that the picture is of."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Detection(NamedTuple):
    """One person found: box [x0, y0, x1, y1] in picture pixels (ends excluded), score 0 to 1, mask (H, W) bool."""

    box: tuple[int, int, int, int]
    score: float
    mask: np.ndarray


# (image (H, W, 3) uint8 RGB, instances (H, W) uint8) -> what was found. Only the truth may look at the instances.
Backend = Callable[[np.ndarray, np.ndarray], list[Detection]]


def truth(image: np.ndarray, instances: np.ndarray) -> list[Detection]:
    """The backend that finds what the renderer's own mask says, each person in the picture with score 1."""
    del image
    found = []
    for instance in np.unique(instances[instances > 0]):
        mask = instances == instance
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        found.append(Detection(box, 1.0, mask))
    return found


def match(found: list[Detection], person: np.ndarray, least_iou: float) -> Detection | None:
    """The detection whose mask overlaps the person's true mask (H, W) bool most, if by at least this IoU."""
    best, most = None, least_iou
    for detection in found:
        iou = (detection.mask & person).sum() / max(1, (detection.mask | person).sum())
        if iou >= most:
            best, most = detection, iou
    return best
