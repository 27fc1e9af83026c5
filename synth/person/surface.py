"""The surface that all clothes share: the base mesh's tights, refined, with charts, texture coordinates and edges.

`Hull` holds where the outermost layer is at each of its vertices.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter, gaussian_filter1d, maximum_filter

from synth.motion import Gait, joint_rotations
from synth.person.basemesh import base_mesh
from synth.person.body import bone_transforms, joints
from synth.person.garments import Garment, armhole, opening, region
from synth.person.parts import Part, strip_faces
from synth.person.pieces import Piece, Places, cut, neighbours, places, round_arm, step, template, whole
from synth.person.textures import SLEEVE_HIGH_M, SLEEVE_LOW_M, tile_uv

GROUP, ROUNDS = "helper-tights", 1
MARGIN_M = 0.045  # of a covered layer that stays under the edge of the outer one
ANGLES = 64  # directions round a limb or skirt
INSIDE_M = (0.0, 0.004, 0.008)  # of the rings of a lip


@dataclass(frozen=True)
class Charts:
    """How much each vertex of the surface belongs to the trunk, a leg or an arm (M,), summing to 1."""

    trunk: np.ndarray
    leg: np.ndarray
    arm: np.ndarray


@lru_cache(maxsize=1)
def charts() -> Charts:
    p = places(GROUP, ROUNDS)
    arm = step(p.on_arm, 0.25, 0.75)
    leg = step(-p.at[:, 2], -0.90, -0.80) * (1 - arm)
    return Charts(1 - arm - leg, leg, arm)


@lru_cache(maxsize=1)
def cloth_weights() -> np.ndarray:
    """Skin weights (M, B) of cloth: the body's, smoothed, which softens the creases of shoulders and hips."""
    surface = whole(GROUP, ROUNDS)
    weights = surface.of(base_mesh().weights)
    mean, _ = neighbours(surface.faces, len(weights))
    for _ in range(6):
        weights = 0.5 * weights + 0.5 * (mean @ weights)
    return weights


@lru_cache(maxsize=1)
def seamed() -> tuple[Piece, Places]:
    """The surface with edges along the seams of the sleeves, in terms of its vertices, and their places."""
    p = places(GROUP, ROUNDS)
    piece = cut(whole(GROUP, ROUNDS).faces, armhole(p), both=True)
    return piece, piece.places(p)


@lru_cache(maxsize=1)
def mean() -> sparse.csr_matrix:
    surface = whole(GROUP, ROUNDS)
    return neighbours(surface.faces, surface.rows.shape[0])[0]


@dataclass(frozen=True)
class Tail:
    """Freely hanging cloth. Attributes: heights (L,) metres, falling; support and radius (L, ANGLES) round the middle,
    angle 0 to the front, a quarter to the left. clearance_m: how far off the legs it is kept in every pose.
    """

    heights: np.ndarray
    support: np.ndarray
    radius: np.ndarray
    clearance_m: float

    def at(self, values: np.ndarray, height: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """Interpolates support or radius at heights and angles (K,)."""
        turn = angle / (2 * np.pi) * ANGLES
        i, j = np.floor(turn).astype(int), np.interp(-height, -self.heights, np.arange(len(self.heights)))
        k = np.minimum(j.astype(int), len(self.heights) - 2)
        across, down = turn - i, j - k
        a, b = i % ANGLES, (i + 1) % ANGLES
        upper = values[k, a] * (1 - across) + values[k, b] * across
        lower = values[k + 1, a] * (1 - across) + values[k + 1, b] * across
        return upper * (1 - down) + lower * down


class Hull:
    """The outermost layer on a body.

    Attributes:
        at: (M, 3) where it is. normals: (M, 3). heads: (B, 3) the joints.
        middle: (2,) x and y between the legs. tails: freely hanging cloth so far.
    """

    def __init__(self, body: np.ndarray):
        surface = whole(GROUP, ROUNDS)
        self.faces = surface.faces
        self.at = surface.of(body)
        self.heads = joints(body)
        self.normals = even_normals(self.at)
        self.at = self.at + 0.001 * self.normals
        level = self.at[charts().trunk > 0.5]
        heights = np.linspace(level[:, 2].min(), level[:, 2].max(), 24)
        middle = [
            np.ptp(level[np.abs(level[:, 2] - h) < 0.04, 1]) / 2 + level[np.abs(level[:, 2] - h) < 0.04, 1].min()
            for h in heights
        ]
        self.spine = heights, gaussian_filter1d(np.array(middle), 2)
        self.middle = np.array([0.0, np.interp(self.height(0.92), *self.spine)])
        self.tails: list[Tail] = []

    def height(self, template_m: np.ndarray | float) -> np.ndarray:
        """Heights on this body of heights on the template."""
        mesh, (_, heads) = base_mesh(), template()
        bones = [
            mesh.bone(b) for b in ("ball_l", "foot_l", "calf_l", "thigh_l", "spine_02", "spine_03", "neck_01", "head")
        ]
        return np.interp(template_m, heads[bones, 2], self.heads[bones, 2])

    def arms_down(self) -> tuple[np.ndarray, np.ndarray]:
        """Transforms (B, 3, 4) of bones where the arms hang, and the joints (B, 3) there."""
        transforms = bone_transforms(self.heads, joint_rotations(Gait(sway=0.0), 0.25, "stand"))
        return transforms, np.einsum("bij,bj->bi", transforms[:, :, :3], self.heads) + transforms[:, :, 3]

    def put_on(self, at: np.ndarray, inside: np.ndarray) -> None:
        """Makes a layer the outermost one where `inside` (M,) metres is positive."""
        share = step(inside, -0.02, 0.005)[:, None]
        self.at = self.at * (1 - share) + at * share
        self.normals = even_normals(self.at)

    def off_axis(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance (K,) and angle (K,) of points (K, 3) round the middle between the legs."""
        away = points[:, :2] - self.middle
        return np.linalg.norm(away, axis=1) + 1e-9, np.arctan2(away[:, 0], -away[:, 1])

    def hang(self, tail: Tail) -> None:
        """Makes a tail the outermost layer, as far down as the surface goes round both legs."""
        self.tails.append(tail)
        z = self.at[:, 2]
        distance, angle = self.off_axis(self.at)
        out = np.maximum(tail.at(tail.radius, z, angle) / distance, 1)[:, None]
        lifted = self.at.copy()
        lifted[:, :2] = self.middle + out * (self.at[:, :2] - self.middle)
        over = np.minimum(tail.heights[0] - z, z - self.height(0.79))
        self.put_on(lifted, np.where(charts().arm < 0.3, over, -1.0))


def hang(angle: np.ndarray, radius: np.ndarray, down: np.ndarray, fall: float, seat_m: float = 0.0) -> np.ndarray:
    """Radius (N,) of cloth round a limb that hangs from the widest places above.

    Args:
        down: (N,) metres along the limb. seat_m: as far down it falls in steeply, from the seat to the leg.
    """
    pitch = 0.02
    rows = int(down.max() / pitch) + 2
    grid = np.full((rows, ANGLES), -np.inf)
    turn = (angle / (2 * np.pi) % 1) * ANGLES
    i, j = (down / pitch).astype(int), turn.astype(int) % ANGLES
    np.maximum.at(grid, (i, j), radius)
    grid = np.maximum(grid, maximum_filter(grid, (3, 3), mode=("nearest", "wrap")) - 0.002)
    for k in range(rows):
        if not np.isfinite(grid[k]).all():
            known = np.flatnonzero(np.isfinite(grid[k]))
            grid[k] = np.interp(np.arange(ANGLES), known, grid[k, known], period=ANGLES) if len(known) else grid[k - 1]
        if k:
            grid[k] = np.maximum(grid[k], grid[k - 1] - (max(fall, 0.45) if k * pitch < seat_m else fall) * pitch)
    grid = gaussian_filter(grid, (1.5, 1.5), mode=("nearest", "wrap"))
    y, x = np.clip(down / pitch - 0.5, 0, rows - 1.001), turn - 0.5
    i, j = y.astype(int), np.floor(x).astype(int)
    fy, fx = y - i, x - j
    a, b = j % ANGLES, (j + 1) % ANGLES
    return (grid[i, a] * (1 - fx) + grid[i, b] * fx) * (1 - fy) + (grid[i + 1, a] * (1 - fx) + grid[i + 1, b] * fx) * fy


def even_normals(at: np.ndarray) -> np.ndarray:
    """Unit normals (M, 3) of the surface, averaged over the neighbours."""
    a, b, c = (at[corner] for corner in whole(GROUP, ROUNDS).faces.T)
    out = _fans() @ np.cross(b - a, c - a)
    for _ in range(3):
        out = _unit(out)
        out = out + mean() @ out
    return _unit(out)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.sqrt(np.einsum("ij,ij->i", vectors, vectors)) + 1e-12)[:, None]


@lru_cache(maxsize=1)
def _fans() -> sparse.csr_matrix:
    """Which triangles there are round each vertex of the surface (M, F)."""
    faces = whole(GROUP, ROUNDS).faces
    triangle = np.repeat(np.arange(len(faces)), 3)
    return sparse.csr_matrix((np.ones(faces.size), (faces.ravel(), triangle)))


def covered(later: list[Garment], p: Places) -> np.ndarray:
    """Metres inside what outer garments cover (N,), negative where they leave it to be seen."""
    depth = np.full(len(p.at), -1.0)
    for garment in later:
        inside = region(garment, p)
        if garment.skirt_m is not None:
            z = p.at[:, 2]
            tail = np.where((p.on_arm > 0.35) | (z > garment.hem_m + 0.01), -1.0, z - garment.skirt_m)
            if garment.open_m is not None:
                tail = np.minimum(tail, opening(garment, p.at))
            if garment.waist_m is not None:
                tail = np.minimum(tail, garment.waist_m - z)
            inside = np.maximum(inside, np.where(z < garment.hem_m + 0.02, tail, -1.0))
        depth = np.maximum(depth, inside)
    return depth


def lip(main: Part, loop: np.ndarray, out: np.ndarray) -> Part:
    """The inside of a hem or cuff: cloth that turns inwards, so that edges look thick and openings are not empty."""
    edge = main.vertices[loop]
    along = np.roll(edge, -1, 0) - np.roll(edge, 1, 0)
    inward = np.cross(out[loop], along)
    inward = gaussian_filter1d(inward / (np.linalg.norm(inward, axis=1, keepdims=True) + 1e-9), 2, axis=0, mode="wrap")
    inner = edge - INSIDE_M[1] * out[loop]
    far = edge + 0.03 * inward - INSIDE_M[2] * out[loop]
    count, clearance_m = len(loop), main.clearance_m
    faces = strip_faces(3, count, True)
    corner = np.zeros((int(main.faces.max()) + 1, 2))
    corner[main.faces] = main.uv
    uv = np.tile(corner[loop], (3, 1))[faces]
    uv = uv[:, :1] + (uv - uv[:, :1]) * (np.ptp(uv, axis=1, keepdims=True) < 0.1)
    shade = np.repeat([1.0, 0.7, 0.25], count)[:, None] * np.ones(3)
    return Part(
        np.concatenate([edge, inner, far]),
        np.tile(main.weights[loop], (3, 1)),
        faces,
        uv,
        shade,
        main.roughness,
        main.layer,
        clearance_m=None
        if clearance_m is None
        else np.concatenate([(clearance_m[loop] - d).clip(0) for d in INSIDE_M]),
    )


def _around(x: np.ndarray, y: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Angle round an axis as u in 0..1 per corner (F, 3), 0.5 where y is negative; faces at the seam run over."""
    u = (np.arctan2(x, -y) / (2 * np.pi) + 0.5)[faces]
    return u - np.round(u - u[:, :1])


def cloth_uv(garment: Garment, tile: str, p: Places, faces: np.ndarray) -> np.ndarray:
    """Corners (F, 3, 2) in the atlas: the trunk unrolled from the back seam, sleeves from the seam under the arm, legs
    from the inner seam.
    """
    x, y, z = p.at.T
    mesh, (_, heads) = base_mesh(), template()
    if garment.neck_m is None and garment.skirt_m is None:
        side = np.where(p.at[faces, 0].mean(1) > 0, 1.0, -1.0)
        chain = heads[[mesh.bone(f"{bone}_l") for bone in ("thigh", "calf", "foot")]]
        cx, cy = (np.interp(z, chain[::-1, 2], chain[::-1, k]) for k in (0, 1))
        dx, dy = x[faces] * side[:, None] - cx[faces], (y - cy)[faces]
        u = np.arctan2(dy, dx) / (2 * np.pi) + 0.5  # 0.5 at the outer side, the inner seam at 0 and 1
        u = u - np.round(u - u[:, :1])
        v = z[faces] / 1.06
        return np.where(side[:, None, None] > 0, tile_uv(tile + " left", u, v), tile_uv(tile + " right", u, v))
    low = min(garment.hem_m, garment.skirt_m or 9.0) - 0.02
    v = (z - low) / (1.54 - low) if garment.neck_m is not None else z / 1.06
    trunk = tile_uv(tile, _around(x, y + 0.01, faces), v[faces])
    if garment.sleeve_m is None:
        return trunk
    left = p.at * np.where(x < 0, -1.0, 1.0)[:, None] ** np.array([1, 0, 0])
    away, _, e1, e2 = round_arm(left, heads[[mesh.bone(f"{bone}_l") for bone in ("upperarm", "lowerarm", "hand")]])
    u = (np.arctan2((away * e1).sum(1), (away * e2).sum(1)) / (2 * np.pi) + 0.5)[faces]
    sleeve = tile_uv(
        tile + " sleeve", u - np.round(u - u[:, :1]), (SLEEVE_LOW_M - p.arm_m[faces]) / (SLEEVE_LOW_M - SLEEVE_HIGH_M)
    )
    on_sleeve = armhole(p)[faces].mean(1) > 0
    return np.where(on_sleeve[:, None, None], sleeve, trunk)
