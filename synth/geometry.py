"""Silhouettes, boxes and angles of projected people (numpy)."""

import numpy as np


class Outline:
    """What the silhouettes of a mesh are drawn from: its edges, each with the triangles on its two sides.

    An edge between two triangles that are seen from the same side lies within the silhouette and is left out, which
    leaves few of them.

    Attributes:
        faces: (F, 3). ends: (2, E) vertices, as the first triangle has them in turn. sides: (2, E) triangles; F, which
            is none, where an edge belongs to one alone or to more than two.
    """

    def __init__(self, faces: np.ndarray):
        ends = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
        kind = np.uint16 if max(len(faces), faces.max()) < 2**16 else np.int64  # which numpy sorts faster
        ends = ends.astype(kind)
        low, high = ends.min(1), ends.max(1)
        order = np.argsort(high, kind="stable")
        order = order[np.argsort(low[order], kind="stable")]
        up = (ends[:, 0] == low)[order]
        same = np.concatenate([[False], (low[order][1:] == low[order][:-1]) & (high[order][1:] == high[order][:-1])])
        same = np.append(same, False)
        pair = np.flatnonzero(same[1:-1] & ~same[:-2] & ~same[2:] & (up[1:] != up[:-1]))
        alone = np.ones(len(order), bool)
        alone[pair] = alone[pair + 1] = False
        first = np.concatenate([order[pair], order[alone]])
        second = np.concatenate([order[pair + 1] // 3, np.full(alone.sum(), len(faces))])
        self.faces, self.ends, self.sides = faces, ends[first].T.copy(), np.stack([first // 3, second]).astype(kind)

    def silhouette(self, pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Which pixel centres the projected mesh covers, seen through everything in front of it.

        Each edge that a row of pixel centres crosses begins or ends as many triangles as it has; all are summed up at
        once along the rows.

        Args:
            pixels: (N, 2) vertex positions. size: width and height of the picture.

        Returns:
            (H, W) bool.
        """
        width, height = size
        x, y = np.ascontiguousarray(pixels.T) - 0.5  # centres at whole numbers
        a, b, c = self.faces.T
        area = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])
        facing = np.append(np.sign(area).astype(np.int8), np.int8(0))
        step = facing[self.sides[0]] - facing[self.sides[1]]
        contour = np.flatnonzero(step)
        (u, v), step = self.ends[:, contour], step[contour]
        row = np.clip(np.ceil(y), 0, height).astype(np.int32)
        down = row[v] - row[u]
        rows = np.abs(down)
        which = np.repeat(np.arange(len(u)), rows)
        at = np.arange(len(which)) - (np.cumsum(rows) - rows - np.minimum(row[u], row[v]))[which]
        slope = np.divide(x[v] - x[u], y[v] - y[u], out=np.zeros(len(u)), where=rows > 0)
        crossing = x[u][which] + slope[which] * (at - y[u][which])
        column = np.clip(np.ceil(crossing), 0, width).astype(np.int64)
        begun = np.bincount(at * (width + 1) + column, -(step * np.sign(down))[which], minlength=height * (width + 1))
        return np.cumsum(begun.reshape(height, width + 1), axis=1)[:, :width] > 0.5

    def outside_share(self, pixels: np.ndarray, frame: tuple[int, int]) -> float:
        """Share of the silhouette's area outside the frame, 0 to 1, from a silhouette 128 pixels high."""
        low, high = pixels.min(0), pixels.max(0)
        if (low >= 0).all() and (high <= frame).all():
            return 0.0
        scale = 128 / max(high[1] - low[1], 1e-6)
        size = np.maximum(np.ceil((high - low) * scale).astype(int), 1)
        whole = self.silhouette((pixels - low) * scale, (int(size[0]), int(size[1])))
        y, x = np.nonzero(whole)
        at = np.stack([x + 0.5, y + 0.5], 1) / scale + low
        return float(1 - ((at >= 0) & (at < frame)).all(1).mean()) if len(at) else 1.0


def box_of(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 (exclusive) of a mask's true pixels, None when there is none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if len(rows) else None


def azimuth_deg(position: np.ndarray, heading_rad: float, camera: np.ndarray) -> float:
    """Direction from which a camera sees a person: 0 front, 90 their left, 180 back, in [0, 360)."""
    to_camera = np.arctan2(*(camera - position)[[1, 0]])
    facing = heading_rad - np.pi / 2  # a person at heading 0 looks along -y
    return float(np.rad2deg(to_camera - facing) % 360)
