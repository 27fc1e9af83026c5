"""The truth about people in a picture: boxes, visibility, keypoints, from the instance indices and the posed bodies
(numpy).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenes.places import FRAME, project
from synth.geometry import box_of
from synth.person.person import Person
from synth.walks import Walker

Matrices = tuple[np.ndarray, np.ndarray, np.ndarray]
WIDE = 0.375  # of the height: who is wider costs no more pixels


@dataclass(frozen=True, eq=False)
class Posed:
    """A person in the place. Attributes: vertices (N, 3) and marks (17, 3), metres; velocity (N, 3) of the vertices,
    m/s, None where it does not matter; instance, in the indices.
    """

    walker: Walker
    person: Person
    vertices: np.ndarray
    velocity: np.ndarray | None
    marks: np.ndarray
    instance: int


@dataclass(frozen=True)
class Window:
    """A picture's rectangle in the frame at scale step / 120, at which both sides are whole numbers.

    Attributes:
        x0, y0, x1, y1: pixels of the scaled frame.
    """

    step: int
    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def size(self) -> tuple[int, int]:
        return self.x1 - self.x0, self.y1 - self.y0

    @property
    def scale(self) -> float:
        return self.step / 120

    def inside(self, points: np.ndarray) -> np.ndarray:
        """Frame pixels (N, 2) to pixels of the picture."""
        return points * self.scale - [self.x0, self.y0]

    def to_frame(self, box: Sequence[float]) -> list[float]:
        """A box of the picture in frame pixels."""
        # 120 / step, not 1 / scale: whole numbers first, so that the frame's edge is the edge to the bit
        return [float((v + o) * 120 / self.step) for v, o in zip(box, (self.x0, self.y0, self.x0, self.y0))]

    @property
    def region(self) -> list[float]:
        """x, y, width and height in frame pixels."""
        return [v / self.scale for v in (self.x0, self.y0, *self.size)]


def frame_size(step: int) -> tuple[int, int]:
    """Size of the whole frame at scale step / 120."""
    return FRAME[0] * step // 120, FRAME[1] * step // 120


def whole_frame(step: int) -> Window:
    return Window(step, 0, 0, *frame_size(step))


def window_round(full: Sequence[float], height_px: int, context: float, resolution: float = 1.0) -> Window | None:
    """The window that shows a person.

    Args:
        full: x0, y0, x1, y1 of the person in the frame. height_px: of the person in the picture, less where the frame
            has less, or where they would have more pixels than one `WIDE` times as wide as high. context: share of the
            person's height to be shown on every side. resolution: largest scale of the picture, what the camera has.

    Returns:
        None when nothing of the person is in the frame.
    """
    width, height = full[2] - full[0], full[3] - full[1]
    wanted = height_px * min(1.0, float(np.sqrt(WIDE * height / width)))
    step = int(np.clip(round(120 * wanted / height), 6, max(6, round(120 * resolution))))
    scale, frame = step / 120, frame_size(step)
    margin = context * height
    x0, y0 = (int(np.floor((v - margin) * scale)) for v in full[:2])
    x1, y1 = (int(np.ceil((v + margin) * scale)) for v in full[2:])
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, frame[0]), min(y1, frame[1])
    return Window(step, x0, y0, x1, y1) if x1 - x0 >= 8 and y1 - y0 >= 16 else None


def person_truth(
    posed: Posed, pixels: np.ndarray, indices: np.ndarray, window: Window, matrices: Matrices
) -> dict[str, Any] | None:
    """What a picture shows of a person: box, box_full, visible_share, truncation, what hides them, keypoints_2d
    (docs/formats.md).

    Args:
        pixels: (N, 2) of the frame where the vertices are. indices: (H, W) instance indices of the picture.

    Returns:
        None when no pixel of the person is seen.
    """
    seen = indices == posed.instance
    others = (indices > 0) & ~seen
    box = box_of(seen)
    if box is None:
        return None
    outline = posed.person.outline
    whole = outline.silhouette(window.inside(pixels), window.size)
    outside = outline.outside_share(pixels, FRAME)
    visible = float(min(1.0, seen.sum() / max(whole.sum(), 1)) * (1 - outside))
    by_people = float((whole & others).sum() / max(whole.sum(), 1)) * (1 - outside)
    points, _ = project(posed.marks, matrices)
    at = np.floor(window.inside(points)).astype(int)
    shown = [_shows(indices, point, posed.instance) for point in at]
    return {
        "box": window.to_frame(box),
        "box_full": [float(v) for v in (*pixels.min(0), *pixels.max(0))],
        "visible_share": visible,
        "truncation": outside,
        "hidden_by_people": by_people,
        "hidden_by_things": max(0.0, 1 - outside - visible - by_people),
        "keypoints_2d": [[float(x), float(y), int(s)] for (x, y), s in zip(points, shown)],
    }


def _shows(indices: np.ndarray, at: np.ndarray, instance: int) -> bool:
    """Whether the person is seen at a pixel or one beside it."""
    x, y = at
    height, width = indices.shape
    if not (0 <= x < width and 0 <= y < height):
        return False
    return bool((indices[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] == instance).any())
