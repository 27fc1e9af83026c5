"""The blur of what moves while a camera exposes (numpy)."""

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from scenes.places import project
from synth.geometry import box_of
from synth.truth import Matrices, Posed, Window

MOST_STEPS = 33
SMOOTH_PX = 3.0
LEAST_PX = 1.5  # what is less hardly shows
LIMBS = 2.0  # times as fast as the walker a foot may be


def smeared(
    colour: np.ndarray, indices: np.ndarray, cast: list[Posed], seconds: float, window: Window, matrices: Matrices
) -> np.ndarray:
    """A picture in which people move for so long, those in front over those behind.

    Args:
        colour: (H, W, 3) linear light. indices: (H, W) of the instances in the exposure's middle.
    """
    given, (k, r, t) = colour, matrices
    there = np.bincount(indices.ravel(), minlength=256) > 0
    moving = []
    for posed in cast:
        if posed.velocity is not None and there[posed.instance]:
            depth = float(r[2] @ [*posed.walker.at, 1.0] + t[2])
            if LIMBS * posed.walker.speed_m_s * seconds * k[0, 0] / max(depth, 0.3) * window.scale > LEAST_PX:
                moving.append((depth, posed))
    for _, posed in sorted(moving, key=lambda one: -one[0]):
        before, after, depths = way(posed, seconds, matrices, every=2)
        before, after = window.inside(before), window.inside(after)
        longest = float(np.abs(after - before).max())
        if longest > LEAST_PX:
            colour = colour.copy() if colour is given else colour
            part = _round(indices == posed.instance, int(longest / 2) + 2)
            corner = [part[1].start, part[0].start]
            mask = indices[part] == posed.instance
            colour[part] = blurred(colour[part], mask, motion(before - corner, after - corner, depths, mask))
    return colour


def _round(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Rows and columns about a mask's true pixels."""
    box = box_of(mask)
    assert box is not None
    x0, y0, x1, y1 = box
    return slice(max(y0 - margin, 0), y1 + margin), slice(max(x0 - margin, 0), x1 + margin)


def way(posed: Posed, seconds: float, matrices: Matrices, every: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where a person's vertices are in the frame when the exposure begins and when it ends (N, 2), and how far (N,).

    Args:
        every: so many-th vertex only.
    """
    assert posed.velocity is not None
    vertices, half = posed.vertices[::every], posed.velocity[::every] * (seconds / 2)
    before, depth = project(vertices - half, matrices)
    after, _ = project(vertices + half, matrices)
    return before, after, depth


def motion(before: np.ndarray, after: np.ndarray, depth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How far each pixel of a person moves, from the vertices that are seen there or next to it.

    Args:
        before, after: (N, 2) vertices in pixels of the picture, at the exposure's beginning and its end. depth: (N,)
            metres. mask: (H, W) bool, where the person is seen.

    Returns:
        (H, W, 2) pixels, x and y; 0 outside the mask.
    """
    height, width = mask.shape
    x, y = np.floor((before + after) / 2).astype(int).T
    there = np.flatnonzero((x >= 0) & (x < width) & (y >= 0) & (y < height))
    there = there[mask[y[there], x[there]]]
    out = np.zeros((height, width, 2), np.float32)
    if not len(there):
        return out
    there = there[np.argsort(-depth[there], kind="stable")]  # what is nearest is written last
    known = np.zeros(mask.shape, bool)
    out[y[there], x[there]] = (after - before)[there]
    known[y[there], x[there]] = True
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    # vertices that shine through gaps between nearer ones, and the seams of limbs, are smoothed away
    weight = gaussian_filter(mask.astype(np.float32), SMOOTH_PX)
    flow = gaussian_filter(out[tuple(nearest)] * mask[..., None], (SMOOTH_PX, SMOOTH_PX, 0))
    return np.where(mask[..., None], flow / np.maximum(weight, 1e-6)[..., None], 0)


def blurred(colour: np.ndarray, mask: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """A picture in which a person has moved during the exposure: their light is spread along their way, and lets
    through what is behind them where they were not all the time, which is taken from beside them.

    Args:
        colour: (H, W, 3) linear light. mask: (H, W) bool. flow: (H, W, 2) of `motion`.
    """
    y, x = np.nonzero(mask)
    way = flow[y, x]
    longest = float(np.abs(way).max(initial=0))
    if longest < 0.5:
        return colour
    height, width = mask.shape
    steps = min(MOST_STEPS, 2 * int(np.ceil(longest)) + 1)
    moments = ((np.arange(steps) + 0.5) / steps - 0.5)[:, None]
    room = int(np.ceil(longest / 2)) + 1  # round the picture, for what moves out of it
    wide, high = width + 2 * room, height + 2 * room
    at_x, at_y = (np.rint(v + room + moments * way[:, k]).astype(np.int32) for k, v in enumerate((x, y)))
    pixel = (at_y * wide + at_x).ravel()
    channels = [np.tile(channel, steps) for channel in colour[y, x].T.astype(float)]
    sums = [np.bincount(pixel, channel, high * wide) for channel in (*channels, None)]
    light = np.stack(sums, 1).reshape(high, wide, 4)[room:-room, room:-room]
    weight = light[..., 3:]
    inside, beside = distance_transform_edt(mask, return_indices=True)
    deep = inside > np.linalg.norm(flow, axis=2) / 2 + 1  # there all the time
    share = np.where(deep[..., None], 1, np.minimum(weight / steps, 1))
    behind = colour if mask.all() else colour[tuple(beside)]
    mixed = light[..., :3] / np.maximum(weight, 1e-9)
    return (share * mixed + (1 - share) * behind).astype(colour.dtype)
