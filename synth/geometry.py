"""Silhouettes, boxes and angles of projected people (numpy)."""

import numpy as np


def silhouette(pixels: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Which pixel centres a projected mesh covers, seen through everything in front of it.

    Each triangle covers, in each row of pixel centres that it crosses, an interval from its longest edge in y to one of
    the other two; all intervals are summed up at once from their ends.

    Args:
        pixels: (N, 2) vertex positions. faces: (F, 3). size: width and height of the picture.

    Returns:
        (H, W) bool.
    """
    width, height = size
    x, y = np.ascontiguousarray(pixels.T) - 0.5  # centres at whole numbers
    row = np.clip(np.ceil(y), 0, height).astype(int)
    corners = faces.T
    crossing = np.maximum(np.maximum(row[corners[0]], row[corners[1]]), row[corners[2]]) > np.minimum(
        np.minimum(row[corners[0]], row[corners[1]]), row[corners[2]]
    )
    a, b, c = corners[:, crossing]
    a, b = np.where(y[a] <= y[b], (a, b), (b, a))
    b, c = np.where(y[b] <= y[c], (b, c), (c, b))
    a, b = np.where(y[a] <= y[b], (a, b), (b, a))  # from the top down
    counts = row[c] - row[a]
    first = np.cumsum(counts) - counts
    which = np.repeat(np.arange(len(counts)), counts)
    at = np.arange(len(which)) - first[which] + row[a][which]
    a, b, c = a[which], b[which], c[which]
    upper = at < row[b]
    from_, to = np.where(upper, a, b), np.where(upper, b, c)
    ends = [x[i] + (x[j] - x[i]) * (at - y[i]) / (y[j] - y[i]) for i, j in ((a, c), (from_, to))]
    low = np.clip(np.ceil(np.minimum(*ends)), 0, width).astype(int)
    high = np.clip(np.floor(np.maximum(*ends)) + 1, 0, width).astype(int)
    keep = high > low
    starts, stops = (np.bincount((at * (width + 1) + end)[keep], minlength=height * (width + 1)) for end in (low, high))
    return (np.cumsum((starts - stops).reshape(height, width + 1), axis=1) > 0)[:, :width]


def box_of(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 (exclusive) of a mask's true pixels, None when there is none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if len(rows) else None


def outside_share(pixels: np.ndarray, faces: np.ndarray, frame: tuple[int, int]) -> float:
    """Share of a silhouette's area outside the frame, 0 to 1, from a silhouette 128 pixels high."""
    low, high = pixels.min(0), pixels.max(0)
    if (low >= 0).all() and (high <= frame).all():
        return 0.0
    scale = 128 / max(high[1] - low[1], 1e-6)
    size = np.maximum(np.ceil((high - low) * scale).astype(int), 1)
    whole = silhouette((pixels - low) * scale, faces, (int(size[0]), int(size[1])))
    y, x = np.nonzero(whole)
    at = np.stack([x + 0.5, y + 0.5], 1) / scale + low
    return float(1 - ((at >= 0) & (at < frame)).all(1).mean()) if len(at) else 1.0


def azimuth_deg(position: np.ndarray, heading_rad: float, camera: np.ndarray) -> float:
    """Direction from which a camera sees a person: 0 front, 90 their left, 180 back, in [0, 360)."""
    to_camera = np.arctan2(*(camera - position)[[1, 0]])
    facing = heading_rad - np.pi / 2  # a person at heading 0 looks along -y
    return float(np.rad2deg(to_camera - facing) % 360)
