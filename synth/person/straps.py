"""Straps: bands with round edges that lie on whatever is worn (numpy)."""

from functools import lru_cache

import numpy as np
from scipy import sparse
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from synth.person.basemesh import base_mesh
from synth.person.parts import Part, strip_faces, tinted
from synth.person.pieces import places
from synth.person.reach import Point
from synth.person.surface import GROUP, ROUNDS, Hull, cloth_weights, even_normals

Path = tuple[Point, ...]


@lru_cache(maxsize=16)
def _band(path: Path, half_m: float, narrow: float) -> tuple[np.ndarray, sparse.csr_matrix]:
    """A band along a path near the template's trunk: (K, 5, 3) places on it across the band, and for each of them the
    surface's vertices next to it, as rows (5 K, M) that sum to 1. Args: narrow: share of the width at its end.
    """
    p = places(GROUP, ROUNDS)
    out = even_normals(p.at)
    trunk = np.flatnonzero(p.on_arm < 0.5)
    tree = cKDTree(p.at[trunk])

    def near(points: np.ndarray) -> sparse.csr_matrix:
        far, which = tree.query(points, 6)
        share = 1 / (far + 0.003) ** 2
        rows = np.repeat(np.arange(len(points)), 6)
        share /= share.sum(1, keepdims=True)
        return sparse.csr_matrix((share.ravel(), (rows, trunk[which.ravel()])), shape=(len(points), len(p.at)))

    def on_surface(points: np.ndarray) -> np.ndarray:
        for _ in range(4):
            rows = near(points)
            normal = rows @ out
            points = points - ((points - rows @ p.at) * normal).sum(1, keepdims=True) * normal
        return points

    knots = np.array(path)
    t = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    share = np.linspace(0, 1, int(t[-1] / 0.02) + 2)
    middle = on_surface(CubicSpline(t, knots)(share * t[-1]))
    half = half_m * np.interp(share, [0.8, 1.0], [1.0, narrow])[:, None, None]
    across = np.cross(np.gradient(middle, axis=0), near(middle) @ out)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    grid = middle[:, None] + half * np.array([-1, -0.6, 0, 0.6, 1])[:, None] * across[:, None]
    flat = on_surface(grid.reshape(-1, 3))
    return flat.reshape(-1, 5, 3), near(flat)


def strap(
    hull: Hull,
    path: Path,
    half_m: float,
    thick_m: tuple[float, float],
    colour: np.ndarray,
    narrow: float = 1.0,
    to: np.ndarray | None = None,
) -> Part:
    """A band with round edges that lies on whatever is worn.

    Args:
        path: along it, on the template. thick_m: of its two ends. narrow: share of its width at its end.
        to: (3,) where the second half leaves the clothes for, on the back.
    """
    mean, rows = _band(path, half_m, narrow)
    count = len(mean)
    on = mean + (rows @ (hull.at - places(GROUP, ROUNDS).at)).reshape(count, 5, 3)
    out = (rows @ hull.normals).reshape(count, 5, 3)
    weights = (rows @ cloth_weights()).reshape(count, 5, -1)
    if to is not None:
        off = np.clip(np.linspace(-1, 1, count), 0, 1)[:, None, None]
        on += off * (to - on[-1, 2])
        weights = weights * (1 - off) + off * (np.arange(weights.shape[2]) == base_mesh().bone("spine_03"))
    thick = np.linspace(*thick_m, count)[:, None, None]
    top = on + thick * np.array([0.75, 1.0, 1.0, 1.0, 0.75])[:, None] * out
    under = on[:, [0, 4]] - 0.003 * out[:, [0, 4]]
    vertices = np.concatenate([under[:, :1], top, under[:, 1:]], 1)
    shade = np.array([0.5, 0.55, 1.0, 1.0, 1.0, 0.55, 0.5])
    return tinted(
        vertices.reshape(-1, 3),
        weights[:, [0, 0, 1, 2, 3, 4, 4]].reshape(count * 7, -1),
        strip_faces(count, 7, False),
        np.tile(shade[:, None] * colour, (count, 1)),
        0.7,
    )
