"""Skirts and coat tails: cloth that hangs freely below the hips."""

import numpy as np
from scipy.ndimage import gaussian_filter

from synth.person.basemesh import base_mesh
from synth.person.garments import Garment, region
from synth.person.parts import Part, strip_faces
from synth.person.pieces import Places, places, step
from synth.person.surface import ANGLES, GROUP, MARGIN_M, ROUNDS, Hull, Tail, charts, covered
from synth.person.textures import tile_uv

THETA = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
RAY = np.stack([np.sin(THETA), -np.cos(THETA)], 1)  # 0 to the front, a quarter to the left
OFF_LEGS_M = 0.018  # of cloth that hangs, in every pose


def tail(
    garment: Garment, hull: Hull, at: np.ndarray, tile: str, layer: int, later: tuple[Garment, ...], noise: np.ndarray
) -> Part:
    """The part of a skirt or coat that hangs below the hips: rings of a convex outline round both legs.

    Args:
        at: (M, 3) where the garment's cloth on the body is. later: garments worn over it.
        noise: (3,) phases of its waves.
    """
    assert garment.skirt_m is not None
    low, high = garment.skirt_m, garment.hem_m + 0.035  # under the edge of what it hangs from
    levels = np.concatenate([[high], np.linspace(garment.hem_m - 0.004, low, max(4, int((high - low) / 0.035)))])
    heights = hull.height(levels)
    support = _support(garment, hull, at, heights)
    down = ((heights[1] - heights) / (heights[1] - heights[-1])).clip(0)[:, None]
    radius = _outline(support) + max(0.0, garment.flare_m) * 0.10 * down * (
        np.sin(9 * THETA + noise[0]) + 0.7 * np.sin(14 * THETA + noise[1]) + 0.3 * np.sin(5 * THETA + noise[2])
    )
    clearance_m = OFF_LEGS_M + 0.01 * len(hull.tails)
    hull.hang(Tail(heights, support + 0.004, radius, clearance_m))
    way, theta = np.arange(ANGLES), THETA
    if garment.open_m is not None:  # from the edge of the opening round the back to its other edge
        half_m = _front_edge(garment, at)
        way = np.flatnonzero((np.abs(np.sin(THETA)) * radius[1] > half_m) | (np.cos(THETA) < 0))
        theta = THETA[way]
        theta[[0, -1]] = np.arcsin(half_m / radius[1, way[0]]), -np.arcsin(half_m / radius[1, way[-1]])
    closed = garment.open_m is None
    grid = np.empty((len(levels), len(way), 3))
    grid[..., :2] = hull.middle + radius[:, way, None] * np.stack([np.sin(theta), -np.cos(theta)], 1)
    grid[..., 2] = heights[:, None]
    faces = strip_faces(len(levels), len(way), closed)
    corner = _tile_corners(garment, levels, theta, faces)
    hem, hem_faces = _hem(grid[-1], grid[-2], hull.middle, closed)
    hem_corner = np.full((len(hem_faces), 3, 2), [0.5, max(0.0, float(corner[..., 1].min()))])
    at_template = np.column_stack([grid[..., :2].reshape(-1, 2), np.repeat(levels, len(way))])
    none = np.zeros(len(at_template))
    depth = covered([*later], Places(at_template, none - 9, none, none))
    depth = np.concatenate([depth, np.tile(depth[-len(way) :], 2)])
    faces, corner = np.concatenate([faces, hem_faces + len(at_template)]), np.concatenate([corner, hem_corner])
    seen = (depth[faces] < MARGIN_M).any(1)
    faces, corner = faces[seen, ::-1], corner[seen, ::-1]  # from the left to the right they would face inwards
    vertices = np.concatenate([grid.reshape(-1, 3), hem])
    shade, off_legs_m = np.ones((len(vertices), 3)), np.full(len(vertices), clearance_m)
    shade[-2 * len(way) : -len(way)], shade[-len(way) :] = 0.9, 0.3
    off_legs_m[-len(way) :] -= 0.010  # the inside of the hem stays inside
    return Part(
        vertices,
        tail_weights(vertices, hull),
        faces,
        tile_uv(tile, *np.moveaxis(corner, -1, 0)),
        shade,
        garment.roughness,
        layer,
        covered=depth > 0,
        clearance_m=off_legs_m,
    )


def _front_edge(garment: Garment, at: np.ndarray) -> float:
    """How far from the middle a garment's front edges are at its hem, metres."""
    p = places(GROUP, ROUNDS)
    hem = (np.abs(p.at[:, 2] - garment.hem_m) < 0.02) & (p.at[:, 1] < 0) & (p.on_arm < 0.3)
    return float(np.abs(at[hem & (region(garment, p) > -0.01), 0]).min())


def _support(garment: Garment, hull: Hull, at: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """How far the tail reaches in each direction at each height (L, ANGLES): off the body and what is worn already,
    falling in no more steeply than the garment does, and flared.
    """
    points, trunk = np.concatenate([hull.at, at]), np.tile(charts().arm < 0.3, 2)
    own = np.concatenate([np.ones(len(hull.at), bool), region(garment, places(GROUP, ROUNDS)) > -0.005])
    points = points[trunk & own]
    support = np.empty((len(heights), ANGLES))
    for k, height in enumerate(heights):
        near = np.abs(points[:, 2] - height) < (0.012 if k < 2 else 0.03)
        support[k] = ((points[near, :2] - hull.middle) @ RAY.T).max(0)
        for other in hull.tails:
            if other.heights[-1] - 0.02 < height < other.heights[0]:
                support[k] = np.maximum(support[k], other.at(other.support, np.full(ANGLES, height), THETA))
        if k > 1:
            drop = heights[k - 1] - height
            support[k] = np.maximum(support[k] + garment.gap_m, support[k - 1] - garment.fall * drop)
    support[0] = support[1] - 0.004
    flare = garment.flare_m * ((heights[1] - heights) / (heights[1] - heights[-1])).clip(0) ** 1.2
    return gaussian_filter(support, (0.6, 1.2), mode=("nearest", "wrap")) + flare[:, None]


def _outline(support: np.ndarray) -> np.ndarray:
    """Radius (L, ANGLES) of the convex outlines with this support."""
    cosine = np.cos(THETA[:, None] - THETA[None])
    return np.min(np.where(cosine > 0.05, support[:, None, :] / np.maximum(cosine, 0.05), np.inf), axis=2)


def _tile_corners(garment: Garment, levels: np.ndarray, theta: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Corners (F, 3, 2) in the garment's tile."""
    assert garment.skirt_m is not None
    low = min(garment.hem_m, garment.skirt_m) - 0.02
    v = (levels - low) / (1.54 - low) if garment.neck_m is not None else levels / 1.06
    u = (theta / (2 * np.pi) + 0.5) % 1
    corner = np.stack([np.tile(u, len(levels)), np.repeat(v, len(theta))], 1)[faces]
    corner[..., 0] -= np.round(corner[..., 0] - corner[:, :1, 0])
    return corner


def _hem(edge: np.ndarray, above: np.ndarray, middle: np.ndarray, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """The inside of the lower edge (W, 3), most of the way up to the ring above it: vertices (2 W, 3) and faces."""
    inner = edge + 0.85 * (above - edge)
    away = inner[:, :2] - middle
    inner[:, :2] -= 0.006 * away / np.linalg.norm(away, axis=1, keepdims=True)
    return np.concatenate([edge, inner]), strip_faces(2, len(edge), closed)


def tail_weights(vertices: np.ndarray, hull: Hull) -> np.ndarray:
    """Skin weights (N, B) of what hangs round both legs, which it follows only in part."""
    mesh = base_mesh()
    hip, knee, ankle = (hull.heads[mesh.bone(f"{bone}_l"), 2] for bone in ("thigh", "calf", "foot"))
    x, z = vertices[:, 0], vertices[:, 2]
    left = step(x, -0.16, 0.16)
    thigh = 0.18 + 0.57 * step(-z, -hip - 0.02, -knee)
    calf = 0.5 * thigh * step(-z, -knee - 0.05, -ankle)
    weights = np.zeros((len(vertices), len(mesh.bones)))
    weights[:, mesh.bone("pelvis")] = 1 - thigh
    for side, share in (("l", left), ("r", 1 - left)):
        weights[:, mesh.bone(f"thigh_{side}")] = (thigh - calf) * share
        weights[:, mesh.bone(f"calf_{side}")] = calf * share
    return weights
