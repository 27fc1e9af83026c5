"""Dresses a body: garments are laid over one another on one surface, each on top of what is worn already.

A garment hangs from the outermost layer, is pushed out to at least its gap above it, and becomes the new outermost
layer where it is. All layers share vertices and skin weights, so an order that holds unposed holds in every pose; what
an outer layer covers is cut away but for a margin.
"""

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter

from synth.person.basemesh import base_mesh
from synth.person.collars import PROFILES, collar_parts, neck_chain
from synth.person.garments import Garment, armhole, leg_height, region
from synth.person.parts import Part
from synth.person.pieces import Piece, border_loops, cut, drop_slivers, places, round_arm, step
from synth.person.surface import (
    GROUP,
    INSIDE_M,
    MARGIN_M,
    ROUNDS,
    Hull,
    charts,
    cloth_uv,
    cloth_weights,
    covered,
    even_normals,
    hang,
    lip,
    mean,
    seamed,
)
from synth.person.tails import tail, tail_weights


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
        moved += 0.6 * ((mean() @ moved - moved) * hull.normals).sum(1, keepdims=True) * hull.normals
    if garment.sleeve_m is not None and garment.sleeve_m > 0:
        moved[_shoulder_zone()] += _shoulders(hull, moved, garment.shoulder_m)
    if garment.neck_m is not None:
        gap = np.flatnonzero(seat())
        nearby, spans = mean()[gap], seat()[gap, None]
        for _ in range(12):
            moved[gap, :2] += spans * (nearby @ moved[:, :2] - moved[gap, :2])
            moved[gap, 1] = np.maximum(moved[gap, 1], hull.at[gap, 1] + garment.gap_m)
    off = ((moved - hull.at) * hull.normals).sum(1) * (1 - seat()) + garment.gap_m * seat()
    return moved + hull.normals * np.maximum(garment.gap_m - off, 0)[:, None]


@lru_cache(maxsize=1)
def seat() -> np.ndarray:
    """Where cloth spans the gap between the buttocks instead of lining it (M,), 0 to 1."""
    x, y, z = places(GROUP, ROUNDS).at.T
    return step(-np.abs(x), -0.05, -0.025) * step(y, 0.02, 0.05) * step(z, 0.74, 0.80) * step(-z, -1.02, -0.96)


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
    wide[hangs] = hang(np.arctan2(away[hangs, 0], -away[hangs, 1]), radius[hangs], down[hangs], garment.fall)
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


SEAM_M = 0.0015
SHOULDER_SLOPE = 0.72  # of the shoulder line of cloth, of the body's own


@lru_cache(maxsize=1)
def _shoulder_zone() -> np.ndarray:
    """The vertices of the surface (K,) round the shoulders."""
    x, _, z = np.abs(places(GROUP, ROUNDS).at.T)
    return np.flatnonzero((z > 1.22) & (x > 0.03) & (x < 0.32))


def _shoulders(hull: Hull, moved: np.ndarray, most_m: float) -> np.ndarray:
    """Moves (K, 3) of the cloth round the shoulders out to a line from the neck to a soft corner above the arm.

    The outline from the front is drawn on arms that hang, and taken back to where they are unposed.
    """
    zone = _shoulder_zone()
    transforms, hanging = hull.arms_down()
    blended = (cloth_weights()[zone] @ transforms.reshape(len(transforms), 12)).reshape(-1, 3, 4)
    turn = blended[:, :, :3]
    at = np.einsum("kij,kj->ki", turn, moved[zone]) + blended[:, :, 3]
    push = np.zeros_like(at)
    angles = np.linspace(-0.6, 2.6, 33)
    for side, s in ((1.0, "l"), (-1.0, "r")):
        mine = np.flatnonzero(places(GROUP, ROUNDS).at[zone, 0] * side > 0)
        joint = hanging[base_mesh().bone(f"upperarm_{s}")]
        x, z = at[mine, 0] * side, at[mine, 2]
        centre = joint[0] * side - 0.03, joint[2] - 0.05
        reach, angle = np.hypot(x - centre[0], z - centre[1]), np.arctan2(z - centre[1], x - centre[0])
        outline = np.zeros(len(angles))
        np.maximum.at(outline, np.abs(angle[:, None] - angles).argmin(1), reach)
        outline = gaussian_filter1d(maximum_filter(outline, 3), 1.0, mode="nearest")
        neck, tip = (
            np.array([across, z[np.abs(x - across) < 0.012].max()]) - centre
            for across in (0.5 * joint[0] * side, joint[0] * side)
        )
        drop = SHOULDER_SLOPE * (tip[1] - neck[1]) / (tip[0] - neck[0])
        upwards = np.array([-drop, 1.0])
        to_line = np.stack([np.cos(angles), np.sin(angles)], 1) @ upwards / (upwards @ neck)
        to_wall = np.cos(angles) / np.interp(0.1, angles, outline)
        target = (np.maximum(to_line, 1e-3) ** 6 + np.maximum(to_wall, 1e-3) ** 6) ** (-1 / 6)
        fill = np.clip(target - outline, 0, most_m) * step(angles, 0.1, 0.5) * step(-angles, -2.3, -1.8)
        share = step(reach / np.interp(angle, angles, outline), 0.6, 0.97) * np.interp(angle, angles, fill)
        push[mine, 0], push[mine, 2] = share * np.cos(angle) * side, share * np.sin(angle)
    return np.linalg.solve(turn, push[..., None])[..., 0]


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
    wide = np.maximum(hang(angle, radius, down, garment.fall, at[:, 2].max() - hull.height(0.74)), radius)
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
    wide = np.maximum(hang(angle, radius, np.clip(along, 0, None), 0.10 + 0.5 * garment.fall), radius)
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


@lru_cache(maxsize=64)  # a sixth of a MiB each
def _cloth(garment: Garment, later: tuple[Garment, ...]) -> tuple[Piece, list[np.ndarray]]:
    """The piece of the surface that a garment is, without what later garments hide, and its borders."""
    surface, p = seamed()
    part = cut(surface.faces, np.minimum(region(garment, p), MARGIN_M - covered([*later], p)))
    piece = drop_slivers(Piece((part.rows @ surface.rows).tocsr(), part.faces), places(GROUP, ROUNDS).at)
    return piece, border_loops(piece.faces) if len(piece.faces) else []


def sew(
    garment: Garment, hull: Hull, tile: str, layer: int, later: tuple[Garment, ...], noise: np.ndarray
) -> list[Part]:
    """Puts a garment on and returns its parts, textured from a tile."""
    p = places(GROUP, ROUNDS)
    at = fit(garment, hull)
    hull.put_on(at, region(garment, p))
    parts = _patch(garment, hull, at, tile, layer, later)
    if garment.skirt_m is not None:
        hanging = tail(garment, hull, at, tile, layer, later, noise)
        for k, part in enumerate(parts):
            _join(part, hull, 0.0 if k == 0 else INSIDE_M[1])
        parts.append(hanging)
    return parts


def _join(part: Part, hull: Hull, inside_m: float) -> None:
    """Brings the lower end of a garment's cloth to where its tail, the last one, begins, so that no step shows."""
    tail_ = hull.tails[-1]
    top = tail_.heights[1]
    radius, angle = hull.off_axis(part.vertices)
    wanted = tail_.at(tail_.radius, np.minimum(part.vertices[:, 2], top), angle) - inside_m
    share = step(top + 0.09 - part.vertices[:, 2], 0.0, 0.08) * (radius < wanted + 0.08)  # not the arms
    middle = np.append(hull.middle, 0.0)
    away = (part.vertices - middle) * [1, 1, 0]
    part.vertices = part.vertices + away * (share * (wanted / radius - 1))[:, None]
    if part.clearance_m is not None:
        part.clearance_m = np.maximum(part.clearance_m, tail_.clearance_m * (share > 0.9) * (inside_m == 0))


def _patch(
    garment: Garment, hull: Hull, at: np.ndarray, tile: str, layer: int, later: tuple[Garment, ...]
) -> list[Part]:
    """The part of a garment that lies on the surface, with its edges turned in and its collar."""
    p = places(GROUP, ROUNDS)
    piece, loops = _cloth(garment, later)
    if not len(piece.faces):
        return []
    own = piece.places(p)
    vertices, weights = piece.of(at), piece.of(cloth_weights())
    depth, clearance_m = covered([*later], own), np.zeros(len(vertices))
    for under in hull.tails:  # what lies on a skirt moves with it
        share = step(-vertices[:, 2], -under.heights[0] - 0.02, -under.heights[0] + 0.02) * (own.on_arm < 0.3)
        weights += share[:, None] * (tail_weights(vertices, hull) - weights)
        distance, angle = hull.off_axis(vertices)
        beyond = np.clip(distance - under.at(under.radius, vertices[:, 2], angle), 0.004, 0.03)
        clearance_m = np.where(share > 0, under.clearance_m + beyond, clearance_m)
    if garment.skirt_m is not None:  # its edge moves as the tail does that is sewn to it
        share = step(-own.at[:, 2], -garment.hem_m - 0.12, -garment.hem_m - 0.01) * (own.on_arm < 0.3)
        weights += share[:, None] * (tail_weights(vertices, hull) - weights)
    out = piece.of(even_normals(at))  # of the whole cloth, as if it went on
    sewn = (np.abs(armhole(own)) < 1e-3)[:, None]  # the seam of a sleeve lies a little deeper, in its own shadow
    main = Part(
        vertices - SEAM_M * sewn * out,
        weights,
        piece.faces,
        cloth_uv(garment, tile, own, piece.faces),
        1 - 0.25 * sewn * np.ones(3),
        garment.roughness,
        layer,
        covered=depth > 0,
        clearance_m=clearance_m,
    )
    edges = [loop for loop in loops if depth[loop].min() < 0.02]  # the others are well under an outer garment
    if garment.neck_m is None or garment.collar not in PROFILES:
        return [main, *(lip(main, loop, out) for loop in edges)]
    collar = garment.collar
    if collar == "leaf" and any(outer.neck_m is not None for outer in later):
        collar = "stand"  # its leaf lies under the outer garment
    chain, closed = neck_chain(garment, own, loops)
    parts = [main, *(lip(main, loop, out) for loop in edges if loop is not chain)]  # a collar closes its ring
    return parts + collar_parts(collar, garment, hull, main, own, chain, closed, tile)
