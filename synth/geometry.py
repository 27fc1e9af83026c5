"""Silhouettes, boxes and angles of projected people (numpy)."""

import numpy as np


def silhouette(pixels: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Which pixel centres a projected mesh covers, seen through everything in front of it.

    Triangles are sorted into classes by the size of their bounding box and each class is tested as one array, so
    small triangles (all of
    a person's, at re-ID sizes) cost next to nothing.

    Args:
        pixels: (N, 2) vertex positions. faces: (F, 3). size: width and height of the picture.

    Returns:
        (H, W) bool.
    """
    width, height = size
    mask = np.zeros((height, width), bool)
    corners = pixels[faces]  # (F, 3, 2)
    a, b, c = (corners[:, k] for k in range(3))  # spelled out: reductions over short axes are slow
    low = np.ceil(np.minimum(np.minimum(a, b), c) - 0.5).astype(int)
    high = np.floor(np.maximum(np.maximum(a, b), c) - 0.5).astype(int)
    low, high = np.maximum(low, 0), np.minimum(high, [width - 1, height - 1])
    span = high - low
    side = np.maximum(span[:, 0], span[:, 1]) + 1
    real = (span[:, 0] >= 0) & (span[:, 1] >= 0)
    step = 1
    while True:
        group = real & (side <= step) & (side > step // 2)
        if group.any():
            _fill(mask, corners[group], low[group], high[group], step)
        if step >= max(width, height):
            return mask
        step *= 2


def _fill(mask: np.ndarray, corners: np.ndarray, low: np.ndarray, high: np.ndarray, step: int) -> None:
    chunk = max(1, 4_000_000 // step**2)
    for start in range(0, len(corners), chunk):
        c, lo, hi = corners[start : start + chunk], low[start : start + chunk], high[start : start + chunk]
        y, x = np.mgrid[0:step, 0:step]
        px, py = lo[:, 0, None, None] + x, lo[:, 1, None, None] + y
        within = (px <= hi[:, 0, None, None]) & (py <= hi[:, 1, None, None])
        signs = []
        for k in range(3):
            a, b = c[:, k], c[:, (k + 1) % 3]
            edge = (b[:, 0] - a[:, 0])[:, None, None] * (py + 0.5 - a[:, 1, None, None]) - (b[:, 1] - a[:, 1])[
                :, None, None
            ] * (px + 0.5 - a[:, 0, None, None])
            signs.append(edge)
        covered = within & (
            ((signs[0] >= 0) & (signs[1] >= 0) & (signs[2] >= 0))
            | ((signs[0] <= 0) & (signs[1] <= 0) & (signs[2] <= 0))
        )
        mask[py[covered], px[covered]] = True


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
