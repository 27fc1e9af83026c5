"""Dresses a body: garments are laid over one another on one surface, each on top of what is worn already.

The surface is the base mesh's tights, refined. `Hull` holds where the outermost layer is at each of its vertices; a
garment hangs from it, is pushed out to at least its gap above it, and becomes the new outermost layer where it is. All
layers share vertices and skin weights, so an order that holds unposed holds in every pose; what an outer layer covers
is cut away but for a margin.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter, gaussian_filter1d, maximum_filter

from synth.person.basemesh import base_mesh
from synth.person.body import joints
from synth.person.garments import Garment, leg_height, neck_line, opening, region
from synth.person.parts import Part, strip_faces
from synth.person.pieces import (
    Piece,
    Places,
    border_loops,
    cut,
    drop_slivers,
    neighbours,
    normals,
    places,
    round_arm,
    step,
    template,
    whole,
)
from synth.person.textures import tile_uv

GROUP, ROUNDS = "helper-tights", 1
MARGIN_M = 0.045  # of a covered layer that stays under the edge of the outer one
ANGLES = 64
LIP_M = 0.004


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
def _mean() -> sparse.csr_matrix:
    surface = whole(GROUP, ROUNDS)
    return neighbours(surface.faces, surface.rows.shape[0])[0]


class Hull:
    """The outermost layer on a body.

    Attributes:
        at: (M, 3) where it is. normals: (M, 3). heads: (B, 3) the joints.
        tails: heights (L,) and support (L, ANGLES) of freely hanging cloth, outermost so far.
    """

    def __init__(self, body: np.ndarray):
        surface = whole(GROUP, ROUNDS)
        self.faces = surface.faces
        self.at = surface.of(body)
        self.heads = joints(body)
        self.normals = even_normals(self.at, self.faces)
        self.at = self.at + 0.001 * self.normals
        level = self.at[charts().trunk > 0.5]
        heights = np.linspace(level[:, 2].min(), level[:, 2].max(), 24)
        middle = [
            np.ptp(level[np.abs(level[:, 2] - h) < 0.04, 1]) / 2 + level[np.abs(level[:, 2] - h) < 0.04, 1].min()
            for h in heights
        ]
        self.spine = heights, gaussian_filter1d(np.array(middle), 2)
        self.tails: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def height(self, template_m: np.ndarray | float) -> np.ndarray:
        """Heights on this body of heights on the template."""
        mesh, (_, heads) = base_mesh(), template()
        bones = [
            mesh.bone(b) for b in ("ball_l", "foot_l", "calf_l", "thigh_l", "spine_02", "spine_03", "neck_01", "head")
        ]
        return np.interp(template_m, heads[bones, 2], self.heads[bones, 2])

    def put_on(self, at: np.ndarray, inside: np.ndarray) -> None:
        """Makes a layer the outermost one where `inside` (M,) metres is positive."""
        share = step(inside, -0.02, 0.005)[:, None]
        self.at = self.at * (1 - share) + at * share
        self.normals = even_normals(self.at, self.faces)


def even_normals(at: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (M, 3) of the surface, averaged over the neighbours."""
    out = normals(at, faces)
    for _ in range(3):
        out = out + _mean() @ out
        out /= np.linalg.norm(out, axis=1, keepdims=True) + 1e-12
    return out


def fit(garment: Garment, hull: Hull) -> np.ndarray:
    """Where a garment's cloth is over each vertex of the surface (M, 3)."""
    p, c = places(GROUP, ROUNDS), charts()
    point = hull.at + hull.normals * garment.gap_m
    moved = point.copy()
    trunk = c.trunk if garment.hem_m < 0.78 else 1 - c.arm
    moved += _trunk(garment, hull, point) * trunk[:, None]
    for side in (1.0, -1.0):
        mine = np.flatnonzero((p.at[:, 0] * side > 0) & (c.leg > 0))
        if garment.hem_m < 0.8:
            moved[mine] += _leg(garment, hull, point, mine, side) * c.leg[mine, None]
        mine = np.flatnonzero((p.at[:, 0] * side > 0) & (c.arm > 0))
        if garment.sleeve_m is not None and garment.sleeve_m > 0:
            moved[mine] += _arm(garment, hull, point, mine, side) * c.arm[mine, None]
    for _ in range(garment.soft):  # across the cloth only, or its edges would lose their line
        moved += 0.6 * ((_mean() @ moved - moved) * hull.normals).sum(1, keepdims=True) * hull.normals
    off = ((moved - hull.at) * hull.normals).sum(1)
    return moved + hull.normals * np.maximum(garment.gap_m - off, 0)[:, None]


def _hang(angle: np.ndarray, radius: np.ndarray, down: np.ndarray, fall: float, seat_m: float = 0.0) -> np.ndarray:
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


def _trunk(garment: Garment, hull: Hull, point: np.ndarray) -> np.ndarray:
    """Moves of the trunk's cloth (M, 3)."""
    p = places(GROUP, ROUNDS)
    mine = np.flatnonzero(charts().arm < 0.6)
    at = point[mine]
    away = at[:, :2] - np.stack([np.zeros(len(at)), np.interp(at[:, 2], *hull.spine)], 1)
    radius = np.linalg.norm(away, axis=1) + 1e-9
    top = hull.height(1.36)
    hangs = at[:, 2] < top
    down = np.clip(top - at[:, 2], 0, None)
    wide = radius.copy()
    wide[hangs] = _hang(np.arctan2(away[hangs, 0], -away[hangs, 1]), radius[hangs], down[hangs], garment.fall)
    z = p.at[mine, 2]
    low = max(garment.hem_m, 0.82)
    loose = step(-z, -1.30, -low - 0.02) * garment.ease_m
    if garment.cinch and garment.hem_m > 0.8:
        loose = loose * (1 - step(-z, -garment.hem_m - 0.10, -garment.hem_m - 0.02))
        wide = np.where(
            z < garment.hem_m + 0.07, radius + (wide - radius) * step(z, garment.hem_m, garment.hem_m + 0.09), wide
        )
    if garment.waist_m is not None:  # held at the waist
        hold = step(-z, -garment.waist_m + 0.02, -garment.waist_m + 0.14)
        loose, wide = loose * hold, radius + (wide - radius) * hold
    more = (np.maximum(wide, radius) - radius) * step(-z, -1.34, -1.24) + loose
    out = np.zeros_like(point)
    out[mine, :2] = away / radius[:, None] * more[:, None]
    return out


def _leg(garment: Garment, hull: Hull, point: np.ndarray, mine: np.ndarray, side: float) -> np.ndarray:
    """Moves of one trouser leg (K, 3)."""
    mesh, p = base_mesh(), places(GROUP, ROUNDS)
    chain = hull.heads[[mesh.bone(f"{bone}_{'l' if side > 0 else 'r'}") for bone in ("thigh", "calf", "foot")]]
    at = point[mine]
    centre = np.stack([np.interp(at[:, 2], chain[::-1, 2], chain[::-1, k]) for k in (0, 1)], 1)
    away = at[:, :2] - centre
    radius = np.linalg.norm(away, axis=1) + 1e-9
    angle = np.arctan2(away[:, 0] * side, -away[:, 1])
    down = np.clip(at[:, 2].max() - at[:, 2], 0, None)
    wide = np.maximum(_hang(angle, radius, down, garment.fall, at[:, 2].max() - hull.height(0.74)), radius)
    z = leg_height(p.at[mine])
    share = step(-z, -0.80, -max(garment.hem_m, 0.45))
    wide = np.maximum(wide, garment.leg_m * share)
    wide = np.where(z < 0.12, np.minimum(wide, max(garment.leg_m + 0.006, 0.056)), wide)  # over the foot
    if garment.cinch:
        near = step(z, garment.hem_m + 0.005, garment.hem_m + 0.12)
        wide = radius + (wide - radius) * near
    wide = wide + garment.ease_m * share
    out = np.zeros_like(at)
    out[:, :2] = away / radius[:, None] * (wide - radius)[:, None]
    across = at[:, 0] + out[:, 0]
    out[:, 0] += np.maximum(0.004 - across * side, 0) * side * step(-z, -0.80, -0.76)
    return out


def _arm(garment: Garment, hull: Hull, point: np.ndarray, mine: np.ndarray, side: float) -> np.ndarray:
    """Moves of one sleeve (K, 3)."""
    mesh, p = base_mesh(), places(GROUP, ROUNDS)
    a, b, c = hull.heads[[mesh.bone(f"{bone}_{'l' if side > 0 else 'r'}") for bone in ("upperarm", "lowerarm", "hand")]]
    away, along, e1, e2 = round_arm(point[mine], np.array([a, b, c]))
    radius = np.linalg.norm(away, axis=1) + 1e-9
    angle = np.arctan2((away * e1).sum(1), (away * e2).sum(1))
    wide = np.maximum(_hang(angle, radius, np.clip(along, 0, None), 0.10 + 0.5 * garment.fall), radius)
    place = p.arm_m[mine]
    assert garment.sleeve_m is not None
    start = step(place, 0.03, 0.10)
    wide = radius + (wide - radius) * start
    wide = wide + garment.ease_m * step(place, 0.03, max(0.5 * garment.sleeve_m, 0.12))
    near = step(-place, -garment.sleeve_m, -garment.sleeve_m + 0.09)
    if garment.cinch:
        wide = radius + (wide - radius) * near
    elif garment.sleeve_m > 0.4:  # cuffs are narrower than the sleeve
        wide = radius + (wide - radius) * (0.55 + 0.45 * near)
    return away / radius[:, None] * (wide - radius)[:, None]


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


@lru_cache(maxsize=512)
def _cloth(garment: Garment, later: tuple[Garment, ...]) -> Piece:
    """The piece of the surface that a garment is, without what later garments hide."""
    p = places(GROUP, ROUNDS)
    kept = np.minimum(region(garment, p), MARGIN_M - covered([*later], p))
    return drop_slivers(cut(whole(GROUP, ROUNDS).faces, kept), p.at)


def sew(
    garment: Garment, hull: Hull, tile: str, layer: int, later: tuple[Garment, ...], noise: np.ndarray
) -> list[Part]:
    """Puts a garment on and returns its parts, textured from a tile."""
    p = places(GROUP, ROUNDS)
    at = fit(garment, hull)
    piece = _cloth(garment, later)
    hull.put_on(at, region(garment, p))
    parts = []
    if len(piece.faces):
        parts = _patch(garment, hull, at, piece, tile, layer, later)
    if garment.skirt_m is not None:
        parts.append(_tail(garment, hull, at, tile, layer, later, noise))
    return parts


def _patch(
    garment: Garment, hull: Hull, at: np.ndarray, piece: Piece, tile: str, layer: int, later: tuple[Garment, ...]
) -> list[Part]:
    """The part of a garment that lies on the surface, with its edges turned in and its collar."""
    p = places(GROUP, ROUNDS)
    own = Places(piece.of(p.at), piece.of(p.arm_m), piece.of(p.on_arm), piece.of(p.on_leg))
    main = Part(
        piece.of(at),
        piece.of(cloth_weights()),
        piece.faces,
        cloth_uv(garment, tile, own, piece.faces),
        np.ones((len(own.at), 3)),
        garment.roughness,
        layer,
        covered=covered([*later], own) > 0,
    )
    out = piece.of(even_normals(at, hull.faces))
    parts = [main, *(_lip(main, loop, out) for loop in border_loops(piece.faces))]
    if garment.collar in COLLARS and garment.neck_m is not None:
        parts += COLLARS[garment.collar](garment, hull, main, own, tile)
    return parts


def _lip(main: Part, loop: np.ndarray, out: np.ndarray) -> Part:
    """The inside of a hem or cuff: cloth that turns inwards, so that edges look thick and openings are not empty."""
    edge = main.vertices[loop]
    along = np.roll(edge, -1, 0) - np.roll(edge, 1, 0)
    inward = np.cross(out[loop], along)
    inward = gaussian_filter1d(inward / (np.linalg.norm(inward, axis=1, keepdims=True) + 1e-9), 2, axis=0, mode="wrap")
    inner = edge - LIP_M * out[loop]
    far = inner + 0.03 * inward - 0.004 * out[loop]
    count = len(loop)
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
    middle = np.abs(p.at[faces, 0].mean(1))
    if garment.neck_m is None and garment.skirt_m is None:
        side = np.where(p.at[faces, 0].mean(1) > 0, 1.0, -1.0)
        chain = heads[[mesh.bone(f"{bone}_l") for bone in ("thigh", "calf", "foot")]]
        cx, cy = (np.interp(z, chain[::-1, 2], chain[::-1, k]) for k in (0, 1))
        dx, dy = x[faces] * side[:, None] - cx[faces], (y - cy)[faces]
        u = np.arctan2(dy, dx) / (2 * np.pi) + 0.5  # 0.5 at the outer side, the inner seam at 0 and 1
        u = u - np.round(u - u[:, :1])
        return tile_uv(tile, u, z[faces] / 1.06)
    low = min(garment.hem_m, garment.skirt_m or 9.0) - 0.02
    v = (z - low) / (1.54 - low) if garment.neck_m is not None else z / 1.06
    trunk = tile_uv(tile, _around(x, y + 0.01, faces), v[faces])
    if garment.sleeve_m is None:
        return trunk
    left = p.at * np.where(x < 0, -1.0, 1.0)[:, None] ** np.array([1, 0, 0])
    away, _, e1, e2 = round_arm(left, heads[[mesh.bone(f"{bone}_l") for bone in ("upperarm", "lowerarm", "hand")]])
    u = (np.arctan2((away * e1).sum(1), (away * e2).sum(1)) / (2 * np.pi) + 0.5)[faces]
    sleeve = tile_uv(tile + " sleeve", u - np.round(u - u[:, :1]), 1 - (np.clip(p.arm_m, 0, None) / 0.5)[faces])
    on_arm = (p.on_arm > 0.5)[faces].all(1) & (middle > 0.12)
    return np.where(on_arm[:, None, None], sleeve, trunk)


def _neck_chain(garment: Garment, own: Places, faces: np.ndarray) -> tuple[np.ndarray, bool]:
    """The vertices of a top's neck line in order, and whether they close to a ring."""
    best, closed = np.array([], int), False
    for loop in border_loops(faces):
        at = own.at[loop]
        there = (np.abs(neck_line(garment, at)) < 0.003) & (own.on_arm[loop] < 0.35) & (at[:, 2] > 1.2)
        if there.all():
            run, ring = loop, True
        elif there.sum() < 4:
            continue
        else:
            start = int(np.flatnonzero(~there)[0])
            turned, there = np.roll(loop, -start), np.roll(there, -start)
            run, ring = turned[there], False
        if len(run) > len(best):
            best, closed = run, ring
    return best, closed


def _collar(
    hull: Hull, main: Part, chain: np.ndarray, closed: bool, rings: list[tuple[np.ndarray, np.ndarray]], shade: float
) -> Part:
    """Cloth that goes on from the neck line. Args: rings: (out, up) metres from the neck line, each (K,)."""
    base = main.vertices[chain]
    mesh = base_mesh()
    axis = hull.heads[mesh.bone("head")] - hull.heads[mesh.bone("neck_01")]
    axis = axis / np.linalg.norm(axis) * 0.6 + np.array([0, 0, 0.4])
    axis /= np.linalg.norm(axis)
    out = base - base.mean(0)
    out -= (out @ axis)[:, None] * axis
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    grid = [base + o[:, None] * out + u[:, None] * axis for o, u in rings]
    faces = strip_faces(len(rings), len(chain), closed)
    corner = np.zeros((int(main.faces.max()) + 1, 2))
    corner[main.faces] = main.uv
    uv = np.tile(corner[chain], (len(rings), 1))[faces]
    uv = uv[:, :1] + (uv - uv[:, :1]) * (np.ptp(uv, axis=1, keepdims=True) < 0.1)
    colour = np.full((len(rings) * len(chain), 3), shade)
    return Part(
        np.concatenate(grid),
        np.tile(main.weights[chain], (len(rings), 1)),
        faces,
        uv,
        colour,
        main.roughness,
        main.layer,
    )


def _front(own: Places, chain: np.ndarray) -> np.ndarray:
    """1 at the throat, 0 at the sides, -1 at the nape (K,)."""
    at = own.at[chain]
    x, y = at[:, 0], at[:, 1] + 0.02
    return -y / (np.hypot(x, y) + 1e-9)


def _stand(garment: Garment, hull: Hull, main: Part, own: Places, tile: str) -> list[Part]:
    chain, closed = _neck_chain(garment, own, main.faces)
    if not len(chain):
        return []
    one = np.ones(len(chain))
    high = 0.042 - 0.012 * _front(own, chain)
    rings = [
        (0 * one, 0 * one),
        (0.003 * one, 0.5 * high),
        (0.001 * one, high),
        (-0.006 * one, high + 0.001),
        (-0.009 * one, 0.4 * high),
    ]
    return [_collar(hull, main, chain, closed, rings, 1.0)]


def _rib(garment: Garment, hull: Hull, main: Part, own: Places, tile: str) -> list[Part]:
    chain, closed = _neck_chain(garment, own, main.faces)
    if not len(chain):
        return []
    one = np.ones(len(chain))
    rings = [
        (0.001 * one, -0.004 * one),
        (0.003 * one, 0.004 * one),
        (0.0 * one, 0.012 * one),
        (-0.005 * one, 0.012 * one),
        (-0.006 * one, 0.0 * one),
    ]
    return [_collar(hull, main, chain, closed, rings, 0.92)]


def _leaf(garment: Garment, hull: Hull, main: Part, own: Places, tile: str) -> list[Part]:
    chain, closed = _neck_chain(garment, own, main.faces)
    if not len(chain):
        return []
    front = _front(own, chain)
    one = np.ones(len(chain))
    near = np.abs(own.at[chain, 0])
    gap = step(near, 0.004, 0.02) if closed else one
    stand = 0.022 + 0.012 * (1 - front) / 2
    fall = (0.034 + 0.022 * np.exp(-(((near - 0.045) / 0.03) ** 2)) * (front > 0)) * gap
    rings = [
        (0 * one, 0 * one),
        (-0.002 * one, stand * 0.6),
        (0.002 * one, stand),
        (0.010 * one, stand * 0.95),
        (0.016 + 0.25 * fall, stand - 0.5 * fall),
        (0.018 + 0.55 * fall, stand - fall),
        (0.012 + 0.5 * fall, stand - fall + 0.002),
        (0.008 * one, stand * 0.8),
    ]
    return [_collar(hull, main, chain, closed, rings, 0.97)]


def _hood(garment: Garment, hull: Hull, main: Part, own: Places, tile: str) -> list[Part]:
    """A hood that lies on the back."""
    chain, closed = _neck_chain(garment, own, main.faces)
    if not len(chain):
        return []
    back = step(-_front(own, chain), -0.55, 0.75)
    one = np.ones(len(chain))
    rings = [
        (-0.004 * one, -0.004 * one),
        (0.006 + 0.012 * back, 0.018 + 0.022 * back),
        (0.016 + 0.040 * back, 0.022 + 0.040 * back),
        (0.026 + 0.080 * back, 0.010 + 0.020 * back),
        (0.028 + 0.095 * back, -0.010 - 0.030 * back),
        (0.018 + 0.070 * back, -0.020 - 0.085 * back),
        (0.004 + 0.035 * back, -0.022 - 0.110 * back),
    ]
    return [_collar(hull, main, chain, closed, rings, 0.97)]


def _lapel(garment: Garment, hull: Hull, main: Part, own: Places, tile: str) -> list[Part]:
    """A collar at the back of the neck that runs into lapels along the opening."""
    parts = _leaf(garment, hull, main, own, tile)
    p = places(GROUP, ROUNDS)
    z = p.at[:, 2]
    inside = region(garment, p)
    edge = opening(garment, p.at) if garment.open_m is not None else np.where(p.at[:, 1] < 0, np.abs(p.at[:, 0]), 1.0)
    width = 0.062 * step(z, 1.17, 1.36) * (1 - 0.25 * step(z, 1.38, 1.42))
    field = np.minimum(np.minimum(width - edge, inside), np.where(p.at[:, 1] < 0.0, 1.43 - z, -1))
    piece = drop_slivers(cut(hull.faces, field), p.at)
    if len(piece.faces):
        lifted = hull.at + hull.normals * 0.006
        places_ = Places(piece.of(p.at), piece.of(p.arm_m), piece.of(p.on_arm), piece.of(p.on_leg))
        part = Part(
            piece.of(lifted),
            piece.of(cloth_weights()),
            piece.faces,
            cloth_uv(garment, tile, places_, piece.faces),
            np.full((len(places_.at), 3), 0.93),
            main.roughness,
            main.layer,
        )
        parts += [part, *(_lip(part, loop, piece.of(hull.normals)) for loop in border_loops(piece.faces))]
    return parts


COLLARS = {"stand": _stand, "rib": _rib, "leaf": _leaf, "hood": _hood, "lapel": _lapel}


def _tail(
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
    centre = np.array([0.0, np.interp(hull.height(0.92), *hull.spine)])
    points, trunk = np.concatenate([hull.at, at]), np.tile(c.arm < 0.3, 2)
    own = np.concatenate([np.ones(len(hull.at), bool), region(garment, p) > -0.005])
    points = points[trunk & own]
    support = np.empty((len(levels), ANGLES))
    for k, height in enumerate(heights):
        near = np.abs(points[:, 2] - height) < (0.012 if k < 2 else 0.03)
        support[k] = ((points[near, :2] - centre) @ ray.T).max(0)
        for other_heights, other in hull.tails.values():
            if other_heights[-1] - 0.02 < height < other_heights[0]:
                order = np.argsort(other_heights)
                support[k] = np.maximum(
                    support[k], [np.interp(height, other_heights[order], other[order, a]) for a in range(ANGLES)]
                )
        if k > 1:
            drop = heights[k - 1] - height
            support[k] = np.maximum(support[k] + garment.gap_m, support[k - 1] - garment.fall * drop)
    support[0] = support[1] - 0.004
    flare = garment.flare_m * ((heights[1] - heights) / (heights[1] - heights[-1])).clip(0) ** 1.2
    support = gaussian_filter(support, (0.6, 1.2), mode=("nearest", "wrap")) + flare[:, None]
    hull.tails[layer] = (heights, support + 0.004)
    cosine = np.cos(theta[:, None] - theta[None])
    radius = np.min(np.where(cosine > 0.05, support[:, None, :] / np.maximum(cosine, 0.05), np.inf), axis=2)
    waves = max(0.0, garment.flare_m) * 0.10
    folds = np.sin(9 * theta + noise[0]) + 0.7 * np.sin(14 * theta + noise[1]) + 0.3 * np.sin(5 * theta + noise[2])
    radius += waves * folds[None] * ((heights[1] - heights) / (heights[1] - heights[-1])).clip(0)[:, None]
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
            lip * [1, 1, 1]
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
        _tail_weights(all_vertices, hull, centre),
        np.concatenate([faces, inner_faces]),
        tile_uv(tile, *np.moveaxis(np.concatenate([corner, np.broadcast_to(last, (len(inner_faces), 3, 2))]), -1, 0)),
        shade[:, None] * np.ones(3),
        garment.roughness,
        layer,
        hangs=True,
    )


def _tail_weights(vertices: np.ndarray, hull: Hull, centre: np.ndarray) -> np.ndarray:
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
