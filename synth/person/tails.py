"""Skirts and coat tails: cloth that hangs freely below the hips."""

import numpy as np
from scipy.ndimage import gaussian_filter

from synth.person.basemesh import base_mesh
from synth.person.garments import Garment, region
from synth.person.parts import Part, strip_faces
from synth.person.pieces import places, step
from synth.person.surface import ANGLES, GROUP, ROUNDS, Hull, Tail, charts
from synth.person.textures import tile_uv


def tail(
    garment: Garment, hull: Hull, at: np.ndarray, tile: str, layer: int, later: tuple[Garment, ...], noise: np.ndarray
) -> Part:
    """The part of a skirt or coat that hangs below the hips: rings of a convex outline round both legs."""
    assert garment.skirt_m is not None
    p, c = places(GROUP, ROUNDS), charts()
    low, high = garment.skirt_m, garment.hem_m + 0.015
    levels = np.concatenate([[high], np.linspace(garment.hem_m - 0.004, low, max(4, int((high - low) / 0.035)))])
    heights = hull.height(levels)
    theta = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    ray = np.stack([np.sin(theta), -np.cos(theta)], 1)  # 0 to the front, a quarter to the left
    centre = hull.middle
    points, trunk = np.concatenate([hull.at, at]), np.tile(c.arm < 0.3, 2)
    own = np.concatenate([np.ones(len(hull.at), bool), region(garment, p) > -0.005])
    points = points[trunk & own]
    support = np.empty((len(levels), ANGLES))
    for k, height in enumerate(heights):
        near = np.abs(points[:, 2] - height) < (0.012 if k < 2 else 0.03)
        support[k] = ((points[near, :2] - centre) @ ray.T).max(0)
        for other in hull.tails.values():
            if other.heights[-1] - 0.02 < height < other.heights[0]:
                support[k] = np.maximum(support[k], other.at(other.support, np.full(ANGLES, height), theta))
        if k > 1:
            drop = heights[k - 1] - height
            support[k] = np.maximum(support[k] + garment.gap_m, support[k - 1] - garment.fall * drop)
    support[0] = support[1] - 0.004
    flare = garment.flare_m * ((heights[1] - heights) / (heights[1] - heights[-1])).clip(0) ** 1.2
    support = gaussian_filter(support, (0.6, 1.2), mode=("nearest", "wrap")) + flare[:, None]
    cosine = np.cos(theta[:, None] - theta[None])
    radius = np.min(np.where(cosine > 0.05, support[:, None, :] / np.maximum(cosine, 0.05), np.inf), axis=2)
    waves = max(0.0, garment.flare_m) * 0.10
    folds = np.sin(9 * theta + noise[0]) + 0.7 * np.sin(14 * theta + noise[1]) + 0.3 * np.sin(5 * theta + noise[2])
    radius += waves * folds[None] * ((heights[1] - heights) / (heights[1] - heights[-1])).clip(0)[:, None]
    hull.tails[layer] = Tail(heights, support + 0.004, radius)
    grid = np.empty((len(levels), ANGLES, 3))
    grid[..., :2] = centre + radius[..., None] * ray
    grid[..., 2] = heights[:, None]
    shown = np.ones(ANGLES, bool)
    if garment.open_m is not None:
        shown = np.abs(np.sin(theta)) * radius[1] > garment.open_m[0] * 0.8
        shown |= np.cos(theta) < 0
    first = int(np.flatnonzero(~shown)[-1]) + 1 if not shown.all() else 0
    # from the opening round the back to the opening again
    way = [(first + k) % ANGLES for k in range(int(shown.sum()))]
    grid = grid[:, way]
    levels_ = np.repeat(levels, len(way)).reshape(len(levels), -1)
    closed = bool(shown.all())
    kept = len(levels)
    faces = strip_faces(kept, len(way), closed)
    vertices = grid.reshape(-1, 3)
    u = (theta[way] / (2 * np.pi) + 0.5) % 1
    own_low = min(garment.hem_m, garment.skirt_m) - 0.02
    v = (levels_ - own_low) / (1.54 - own_low) if garment.neck_m is not None else levels_ / 1.06
    corner = np.stack([np.tile(u, kept), v.ravel()], 1)[faces]
    corner[..., 0] -= np.round(corner[..., 0] - corner[:, :1, 0])
    lip = vertices.reshape(kept, -1, 3)[-1]
    inner = np.concatenate(
        [
            lip,
            lip
            - np.stack(
                [
                    *(0.006 * (lip[:, :2] - centre) / np.linalg.norm(lip[:, :2] - centre, axis=1, keepdims=True)).T,
                    np.full(len(lip), -0.03),
                ],
                1,
            ),
        ]
    )
    inner_faces = strip_faces(2, len(way), closed) + len(vertices)
    shade = np.concatenate([np.ones(len(vertices)), np.full(len(lip), 0.9), np.full(len(lip), 0.3)])
    all_vertices = np.concatenate([vertices, inner])
    last = corner[-1:].repeat(len(inner_faces), 0) * 0 + [[[0.5, max(0.0, float(v.min()))]]]
    return Part(
        all_vertices,
        tail_weights(all_vertices, hull),
        np.concatenate([faces, inner_faces]),
        tile_uv(tile, *np.moveaxis(np.concatenate([corner, np.broadcast_to(last, (len(inner_faces), 3, 2))]), -1, 0)),
        shade[:, None] * np.ones(3),
        garment.roughness,
        layer,
        hangs=True,
    )


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
