"""Garments, shoes and hair as records over the base mesh: where each is cut, how far it stands off, how it hangs.

To add a garment, add a record to TOPS, BOTTOMS, SHOES or HAIR. Levels are on the 1.7 m template (metres above the
ground, or place
along a limb as in `pieces.Template`), lengths in metres.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from synth.person.basemesh import base_mesh
from synth.person.pieces import Piece, cut, drop_slivers, even_normals, neighbours, normals, smooth, template, whole


@dataclass(frozen=True)
class Top:
    """Attributes: sleeve (place along the arm), hem_m, collar_m (height of the neck line), thickness_m (off the
    body), ease_m (more of
    it towards the hem and cuffs), bulk (rounds of smoothing), roughness."""

    sleeve: float
    hem_m: float
    collar_m: float = 1.435
    thickness_m: float = 0.014
    ease_m: float = 0.012
    bulk: int = 6
    roughness: float = 0.85
    collar_band: float = 0.0


@dataclass(frozen=True)
class Bottom:
    """Attributes: hem (place along the leg, of a skirt too), cuff_m (half-width of the trouser leg at the hem),
    skirt, thickness_m.
    """

    hem: float
    cuff_m: float = 0.075
    skirt: bool = False
    flare_m: float = 0.0
    thickness_m: float = 0.007
    roughness: float = 0.85


@dataclass(frozen=True)
class Shoe:
    """Attributes: shaft (place along the leg of its upper edge), sole_m, thickness_m, roughness."""

    shaft: float
    sole_m: float
    thickness_m: float = 0.008
    roughness: float = 0.6


@dataclass(frozen=True)
class Hair:
    """Attributes: crown_m (thickness over the skull), length_m (height of the lower end of hanging hair, None for
    none), shift (lower
    hairline, in head units), rough_m (unevenness), cloth (a cap or beanie, not hair), brim_m."""

    crown_m: float
    length_m: float | None = None
    shift: float = 0.0
    rough_m: float = 0.004
    cloth: bool = False
    brim_m: float = 0.0
    bun_m: float = 0.0


TOPS = {
    "tshirt": Top(sleeve=0.62, hem_m=0.87),
    "polo": Top(sleeve=0.68, hem_m=0.88, collar_m=1.455, ease_m=0.010, bulk=4),
    "tank": Top(sleeve=0.28, hem_m=0.88, collar_m=1.432, thickness_m=0.011, ease_m=0.006, bulk=3),
    "longsleeve": Top(sleeve=1.97, hem_m=0.88, ease_m=0.008),
    "shirt": Top(sleeve=1.95, hem_m=0.85, collar_m=1.46, ease_m=0.014, roughness=0.75),
    "hoodie": Top(sleeve=1.98, hem_m=0.86, collar_m=1.475, thickness_m=0.022, ease_m=0.014, bulk=10, collar_band=0.016),
    "jacket": Top(
        sleeve=2.0,
        hem_m=0.855,
        collar_m=1.48,
        thickness_m=0.028,
        ease_m=0.014,
        bulk=8,
        roughness=0.6,
        collar_band=0.012,
    ),
    "parka": Top(
        sleeve=2.02,
        hem_m=0.84,
        collar_m=1.49,
        thickness_m=0.042,
        ease_m=0.018,
        bulk=14,
        roughness=0.55,
        collar_band=0.02,
    ),
}
BOTTOMS = {
    "trousers": Bottom(hem=1.98, cuff_m=0.076),
    "jeans": Bottom(hem=1.97, cuff_m=0.068),
    "slim": Bottom(hem=1.93, cuff_m=0.058, thickness_m=0.006),
    "leggings": Bottom(hem=1.85, cuff_m=0.0, thickness_m=0.004),
    "shorts": Bottom(hem=0.86, cuff_m=0.098),
    "short shorts": Bottom(hem=0.55, cuff_m=0.10),
    "skirt": Bottom(hem=0.95, skirt=True, flare_m=0.035),
    "midi skirt": Bottom(hem=1.35, skirt=True, flare_m=0.03),
    "mini skirt": Bottom(hem=0.55, skirt=True, flare_m=0.03),
}
SHOES = {
    "trainers": Shoe(shaft=1.97, sole_m=0.028, thickness_m=0.011),
    "leather": Shoe(shaft=2.02, sole_m=0.02, roughness=0.3),
    "flats": Shoe(shaft=2.13, sole_m=0.012, thickness_m=0.006, roughness=0.5),
    "boots": Shoe(shaft=1.7, sole_m=0.03, thickness_m=0.013, roughness=0.5),
}
HAIR = {
    "bald": None,
    "buzz": Hair(crown_m=0.009, rough_m=0.0),
    "short": Hair(crown_m=0.016),
    "side": Hair(crown_m=0.024, shift=-0.06, rough_m=0.006),
    "curly": Hair(crown_m=0.034, rough_m=0.014, shift=-0.05),
    "afro": Hair(crown_m=0.062, rough_m=0.012),
    "bob": Hair(crown_m=0.022, length_m=1.46),
    "shoulder": Hair(crown_m=0.02, length_m=1.36),
    "long": Hair(crown_m=0.018, length_m=1.2),
    "bun": Hair(crown_m=0.014, bun_m=0.042),
    "beanie": Hair(crown_m=0.026, shift=0.0, rough_m=0.001, cloth=True),
    "cap": Hair(crown_m=0.014, rough_m=0.0, cloth=True, brim_m=0.075),
}
WAIST_M = 0.985


def _neck_plane(level_m: float) -> np.ndarray:
    """Positive below a neck line that dips at the front; `level_m` is its height at the neck's axis."""
    _x, y, z = template().positions.T
    return level_m + 0.55 * (y + 0.005) - z


@lru_cache(maxsize=64)
def top_piece(top: Top) -> Piece:
    t = template()
    z = t.positions[:, 2]
    piece = cut(whole("helper-tights"), top.sleeve - t.arm)
    piece = cut(piece, _neck_plane(top.collar_m))
    return drop_slivers(cut(piece, np.where(t.on_arm > 0.3, 1.0, z - top.hem_m)), t.positions)


@lru_cache(maxsize=64)
def bottom_piece(bottom: Bottom, below_m: float) -> Piece:
    """`below_m`: what a top hides above this height is left out."""
    t = template()
    upper = np.where(t.on_arm > 0.3, -1.0, min(WAIST_M, below_m) - t.positions[:, 2])
    source = whole("helper-skirt" if bottom.skirt else "helper-tights")
    return drop_slivers(cut(cut(source, upper), bottom.hem - t.leg), t.positions)


@lru_cache(maxsize=16)
def shoe_piece(shoe: Shoe, sole: bool) -> Piece:
    """The upper of both shoes, or their soles."""
    t = template()
    shoes = cut(whole("helper-tights"), np.where(t.on_leg > 0.5, t.leg - shoe.shaft, -1.0))
    height = t.positions[:, 2] - 0.016
    return drop_slivers(cut(shoes, -height if sole else height), t.positions)


def _head_units() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Template positions relative to the skull: sideways, back (-1 forehead, 1 occiput), up (0 eyes, 1 crown)."""
    x, y, z = template().positions.T
    return x / 0.078, (y + 0.025) / 0.1, (z - 1.592) / 0.108


@lru_cache(maxsize=16)
def scalp_piece(hair: Hair) -> Piece:
    """Skin of the skull inside the hairline; hats sit on a level line instead."""
    side, back, up = _head_units()
    line = np.interp(back, [-0.75, -0.35, -0.12, 0.05, 0.35, 0.6, 1.0], [0.62, 0.60, 0.15, 0.1, -0.1, -0.55, -0.75])
    if hair.cloth:
        line = (0.42 if hair.brim_m else 0.26) - 0.25 * (back + 0.3)
    ears = np.where(up < 0.15, 1.02 - np.abs(side) - 0.1 * (back < 0.0), 1.0)
    field = np.minimum(up - line - hair.shift, ears)
    field = np.where(template().positions[:, 2] > 1.42, field, -1.0)
    skull = cut(whole("body"), field)
    return drop_slivers(skull, template().positions)


@lru_cache(maxsize=16)
def curtain_piece(length_m: float) -> Piece:
    """Hanging hair: the base mesh's hair helper behind the face, down to `length_m`."""
    _x, y, z = template().positions.T
    front = y + 0.055 + 0.25 * np.maximum(1.50 - z, 0)
    return drop_slivers(cut(cut(whole("helper-hair"), z - length_m), front), template().positions)


@lru_cache(maxsize=256)
def skin_piece(top: Top, bottom: Bottom, shoe: Shoe) -> Piece:
    """The body that stays to be seen: nothing well under a garment."""
    t = template()
    z = t.positions[:, 2]
    waist = min(top.hem_m, 2.0)
    shown_above = np.maximum(t.arm - (top.sleeve - 0.12), -_neck_plane(top.collar_m - 0.035))
    shown_below = np.where(t.on_arm > 0.3, -1.0, np.minimum(t.leg - (bottom.hem - 0.09), (shoe.shaft + 0.06) - t.leg))
    hidden_feet = np.where(t.leg > shoe.shaft + 0.06, -1.0, 1.0)
    field = np.where(z > waist, np.maximum(shown_above, -1.0), shown_below)
    field = np.where(t.on_arm > 0.3, t.arm - (top.sleeve - 0.12), np.minimum(field, hidden_feet))
    return drop_slivers(cut(whole("body"), field), t.positions)


def shape_top(top: Top, piece: Piece, body: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Unposed vertices (N, 3) of a top on a shaped body (19158, 3); `noise` (3,) phases of its folds."""
    t = template()
    rest = smooth(piece.of(body), piece.faces, top.bulk)
    out = even_normals(rest, piece.faces)
    z, arm = piece.of(t.positions)[:, 2], piece.of(t.arm)
    on_arm = piece.of(t.on_arm) > 0.5
    loose = np.where(on_arm, np.clip(arm / max(top.sleeve, 0.3), 0, 1), np.clip((1.25 - z) / 0.4, 0, 1))
    fold = 0.25 * np.sin(38 * z + 9 * rest[:, 0] + noise[0]) + 0.25 * np.sin(90 * rest[:, 0] - 21 * z + noise[1])
    stand = top.thickness_m + top.ease_m * loose * (1 + 0.5 * fold)
    neck = np.clip(1 - np.abs(_collar_distance(top, piece)) / 0.03, 0, 1)
    return rest + out * (stand + top.collar_band * neck)[:, None]


def _collar_distance(top: Top, piece: Piece) -> np.ndarray:
    distance = piece.of(_neck_plane(top.collar_m))
    return np.where(piece.of(template().on_arm) > 0.2, 1.0, distance)


def shape_bottom(bottom: Bottom, piece: Piece, body: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Unposed vertices (N, 3) of trousers or a skirt on a shaped body (19158, 3)."""
    t = template()
    rest = smooth(piece.of(body), piece.faces, 3)
    leg = piece.of(t.leg)
    out = even_normals(rest, piece.faces)
    vertices = rest + out * bottom.thickness_m
    if bottom.skirt:
        sway = 0.012 * np.sin(7 * np.arctan2(rest[:, 0], -rest[:, 1]) + noise[0]) * np.clip(leg, 0, 1)
        away = vertices * [1, 1, 0]
        away /= np.linalg.norm(away, axis=1, keepdims=True) + 1e-9
        return vertices + away * (bottom.flare_m * np.clip(leg / bottom.hem, 0, 1.2) + sway)[:, None]
    if bottom.cuff_m > 0:
        vertices = _hang_legs(bottom, vertices, leg, body, noise)
    return vertices


def _hang_legs(
    bottom: Bottom, vertices: np.ndarray, leg: np.ndarray, body: np.ndarray, noise: np.ndarray
) -> np.ndarray:
    """Widens trouser legs to a straight profile from the thigh to the cuff, with folds over the shoe."""
    mesh = base_mesh()
    heads = body[mesh.joints].mean(axis=1)
    out = vertices.copy()
    for side, sign in (("l", 1), ("r", -1)):
        mine = (leg > 0.12) & (vertices[:, 0] * sign > 0)
        chain = np.array([heads[mesh.bone(f"{bone}_{side}")] for bone in ("thigh", "calf", "foot")])
        p = vertices[mine]
        axis = np.column_stack([np.interp(p[:, 2], chain[::-1, 2], chain[::-1, k]) for k in (0, 1)])
        away = p[:, :2] - axis
        radius = np.linalg.norm(away, axis=1)
        place = leg[mine]
        knee = min(1.0, 0.9 * bottom.hem)
        width = min(0.078, bottom.cuff_m + 0.008)
        widths = [0.075, 0.086, width if knee == 1.0 else 0.088, bottom.cuff_m]
        profile = np.interp(place, [0.12, min(0.5, 0.8 * knee), knee, bottom.hem], widths)
        fold = (
            0.006 * np.sin(34 * place + 2 * np.arctan2(away[:, 0], away[:, 1]) + noise[2]) * np.clip(place - 0.8, 0, 1)
        )
        wanted = np.maximum(radius + 0.003, profile * np.clip((place - 0.12) / 0.5, 0, 1)) + fold
        p[:, :2] = axis + away * (wanted / np.maximum(radius, 1e-6))[:, None]
        p[:, 0] = sign * np.maximum(p[:, 0] * sign, 0.002)
        out[mine] = p
    return out


def shape_shoe(shoe: Shoe, upper: Piece, sole: Piece, body: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unposed vertices of both shoes' uppers (N, 3) and soles (M, 3), flat at z = -sole_m."""
    tights = whole("helper-tights")
    foot = smooth(tights.of(body), tights.faces, 2)
    moved = body.copy()
    moved[tights.rows.indices] = foot + normals(foot, tights.faces) * shoe.thickness_m
    top, bottom = upper.of(moved), sole.of(moved)
    height = piece_height(sole)
    bottom[:, 2] = np.where(height > 0.0155, bottom[:, 2], -shoe.sole_m + 0.25 * bottom[:, 2].clip(0))
    rim = (height > 0.0155)[:, None]
    outward = bottom - [0, 0, 1] * bottom
    centre = np.where(bottom[:, :1] > 0, outward[bottom[:, 0] > 0].mean(0), outward[bottom[:, 0] <= 0].mean(0))
    away = outward - centre
    bottom += np.where(rim, 0.0, 0.05) * away * [1.3, 1, 0]
    return top, bottom


def piece_height(piece: Piece) -> np.ndarray:
    """Template heights (N,) of a piece."""
    return piece.of(template().positions)[:, 2]


def shape_hair(hair: Hair, piece: Piece, body: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Unposed vertices (N, 3) of hair or a hat over the skull."""
    rest = piece.of(body)
    _, back, up = (piece.of(v) for v in _head_units())
    side = piece.of(_head_units()[0])
    _, border = neighbours(piece.faces, len(rest))
    centre = rest.mean(0) - [0, 0.0, 0.02]
    away = rest - centre
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    away = normals(rest, piece.faces) * 0.5 + away * 0.5
    rough = np.sin(11 * side + noise[0]) * np.sin(9 * back + noise[1]) + 0.6 * np.sin(23 * up + 17 * side + noise[2])
    stand = hair.crown_m * (0.55 + 0.45 * np.clip(up, 0, 1)) + hair.rough_m * rough
    stand = np.where(border, 0.35 * stand if not hair.cloth else stand, stand)
    out = smooth(rest + away * np.maximum(stand, 0.002)[:, None], piece.faces, 2)
    if hair.brim_m:
        front = (
            np.clip(-back - 0.45, 0, 0.4) / 0.4 * np.clip(1.25 - np.abs(side), 0, 1) * np.clip((0.75 - up) / 0.3, 0, 1)
        )
        out[:, 1] -= hair.brim_m * front
        out[:, 2] -= 0.2 * hair.brim_m * front
    return out
