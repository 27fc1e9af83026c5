"""What is worn on the head (numpy): hats, hoods, scarves. To add a hat, add a record to HATS."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d, maximum_filter

from synth.person.basemesh import base_mesh
from synth.person.colours import hex_colour, linear
from synth.person.parts import HAIR, Part, strip_faces
from synth.person.pieces import (
    Piece,
    border_loops,
    cut,
    drop_slivers,
    neighbours,
    normals,
    places,
    refine,
    step,
    template,
    whole,
)
from synth.person.surface import hang
from synth.person.textures import tile_uv

HAIR_UNDER_HAT_M = 0.005
SCALP_M = 1.40  # hair and hats are cut from what is above
PITCH_M, ROWS, COLUMNS = 0.004, 75, 64  # of what a headscarf's ends lie on: height of a row, rows, directions


@dataclass(frozen=True)
class Hat:
    """Attributes: line: lower edge at the front and the slope backwards, in head units; off_m stands off the skull;
    brim_m width of the brim, front only or all round; fold_m height of a turned-up edge, or of the band above a brim;
    crown_m more height; hides the hair: none, top, all; soft rounds of smoothing.
    """

    line: tuple[float, float]
    off_m: float
    brim_m: float = 0.0
    round_brim: bool = False
    fold_m: float = 0.0
    crown_m: float = 0.0
    hides: str = "top"
    soft: int = 4
    roughness: float = 0.85


HATS = {
    "cap": Hat((0.42, -0.22), 0.010, brim_m=0.072, crown_m=0.010),
    "beanie": Hat((0.30, -0.24), 0.008, fold_m=0.034, crown_m=0.045, soft=4),
    "bucket hat": Hat((0.44, -0.16), 0.016, brim_m=0.042, round_brim=True, crown_m=0.022),
    "hat": Hat((0.34, -0.12), 0.014, brim_m=0.058, round_brim=True, fold_m=0.024, crown_m=0.034),
    "sun hat": Hat((0.34, -0.14), 0.016, brim_m=0.115, round_brim=True, fold_m=0.024, crown_m=0.012),
    "headscarf": Hat((0.0, 0.0), 0.012, hides="all", soft=11),
    "hood": Hat((0.0, 0.0), 0.018, hides="all", soft=14),
}


def units(at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sideways, back (-1 forehead, 1 occiput) and up (0 eyes, 1 crown) of template positions (..., 3)."""
    return at[..., 0] / 0.078, (at[..., 1] + 0.025) / 0.1, (at[..., 2] - 1.592) / 0.108


@lru_cache(maxsize=2)
def head_surface(rounds: int) -> tuple[Piece, np.ndarray]:
    """The head's surface in terms of base vertices, refined so many times, and its template positions."""
    p = places("body")
    near = np.where(np.abs(p.at[:, 0]) < 0.13, p.at[:, 2] - SCALP_M, -1.0)
    part = cut(whole("body").faces, near)
    piece = Piece((part.rows @ whole("body").rows).tocsr(), part.faces)
    for _ in range(rounds):
        piece = refine(piece)
    return piece, piece.of(template()[0])


def hat_inside(hat: Hat, at: np.ndarray) -> np.ndarray:
    """Metres inside a hat's edge."""
    side, back, up = units(at)
    if hat.hides == "all":  # an opening for the face
        face = 1 - np.hypot(side / 0.76, (up + 0.08) / np.where(up > -0.08, 0.60, 0.98))  # below the hairline
        return np.where(at[..., 1] < -0.045, -face * 0.08, 1.0)
    front, slope = hat.line
    return (up - front - slope * (back + 0.5)) * 0.108


def hat_parts(hat: Hat, look: dict, head: np.ndarray, at: np.ndarray, cloth: np.ndarray) -> list[Part]:
    """A hat. Args: head: (N, 3) the skin of the head; at: where it is on the template; cloth: (M, 3) below it."""
    piece, _ = head_surface(0)
    inside = hat_inside(hat, at)
    if look["kind"] == "headscarf":
        inside = np.minimum(inside, at[:, 2] - (1.462 + 0.3 * (at[:, 1] + 0.005)))  # from there on it is a shawl
    elif hat.hides == "all":
        inside = np.minimum(inside, at[:, 2] - np.maximum(1.425, 1.437 + 0.55 * (at[:, 1] + 0.005)))  # above neck lines
    patch = drop_slivers(cut(piece.faces, inside), at)
    where = patch.of(at)
    moved = _over_skull(hat, look, patch.of(head), where, patch.faces)
    colour, weights = linear(hex_colour(look["colour"])), _hat_weights(where, hat)
    tint = linear(hex_colour(look["second"] if look["trim"] else look["colour"]))
    parts = [
        Part(
            moved,
            weights,
            patch.faces,
            _hat_uv(where, patch.faces),
            np.broadcast_to(colour, moved.shape),
            hat.roughness,
            HAIR + 1,
        )
    ]
    if hat.fold_m:
        parts += _turned_up(hat, tint, patch, moved, where, weights)
    if hat.fold_m and not hat.brim_m:
        return parts
    for loop in border_loops(patch.faces):
        if look["kind"] == "headscarf" and where[loop, 2].mean() < 1.49:
            parts.append(_shawl(moved[loop], cloth, colour, hat.roughness))
            continue
        rings, shade = _edge(hat, look["kind"], moved[loop])
        shades = np.repeat(shade, len(loop))[:, None] * tint
        parts.append(_strip(rings, np.tile(weights[loop], (len(rings), 1)), shades, hat.roughness))
    return parts


def _over_skull(hat: Hat, look: dict, rest: np.ndarray, where: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Where a hat's vertices (N, 3) lie: smooth, off the skull, over ears and hair. Args: rest: of the skin."""
    mean, border = neighbours(faces, len(rest))
    skull = rest
    for _ in range(hat.soft * 2):  # no ears under it
        skull = np.where(border[:, None], skull, mean @ skull)
    out = normals(skull, faces)
    grow = ((rest - skull) * out).sum(1).clip(0)
    for _ in range(8):
        grow = np.maximum(grow, mean @ grow)
    for _ in range(24 if hat.hides == "all" else 6):
        grow = mean @ grow
    _, back, up = units(where)
    off = hat.off_m + grow * (1 if hat.hides == "all" else 0.6)
    moved = skull + out * off[:, None] + np.array([0, 0, 1]) * (hat.crown_m * np.clip((up - 0.3) / 0.5, 0, 1))[:, None]
    if look["kind"] == "hood":
        moved += (
            np.array([0, 0.03, 0.02]) * np.clip((back + 0.3) / 1.0, 0, 1)[:, None]
            + np.array([0, -0.025, 0.0]) * np.clip((-back - 0.2) / 0.4, 0, 1)[:, None]
        )
    for _ in range(hat.soft):
        moved = 0.5 * moved + 0.5 * (mean @ moved)
    off = HAIR_UNDER_HAT_M + 0.003 - ((moved - rest) * out).sum(1)
    off = np.maximum(off, 0)
    for _ in range(4 if hat.hides == "all" else 0):
        off = np.maximum(off, mean @ off)
    moved += out * off[:, None]
    return _draped(moved, where) if look["kind"] == "headscarf" else moved


def _edge(hat: Hat, kind: str, edge: np.ndarray) -> tuple[list[np.ndarray], list[float]]:
    """Rings (K, 3) from a hat's edge on, a brim or only the inside, and how bright each is."""
    centre = edge.mean(0)
    away = edge - centre
    level = away * [1, 1, 0.0] if hat.hides != "all" else away
    level = level / (np.linalg.norm(level, axis=1, keepdims=True) + 1e-9)
    if not hat.brim_m:
        return [edge, edge - 0.010 * level + [0, 0, 0.003]], [1.0, 0.3]
    front = -(edge[:, 1] - centre[1]) / (np.linalg.norm(edge[:, :2] - centre[:2], axis=1) + 1e-9)
    wide = np.ones(len(edge)) if hat.round_brim else np.clip((front - 0.42) / 0.4, 0, 1) ** 0.6
    ahead = level if hat.round_brim else (0.10 * level + [0, -0.95, 0])
    drop = np.full(len(edge), {"cap": -0.22, "bucket hat": -1.0}.get(kind, -0.35))
    if kind == "hat":  # turned up at the sides and behind
        drop = 0.38 - 0.5 * np.clip(front, 0, 1) ** 2
    far = (ahead + drop[:, None] * [0, 0, 1]) * (hat.brim_m * wide)[:, None]
    rings = [
        edge + 0.001 * level,
        edge + 0.5 * far,
        edge + far,
        edge + far - [0, 0, 0.004],
        edge + 0.4 * far - [0, 0, 0.004],
        edge - 0.010 * level,
    ]
    return rings, [0.95, 0.95, 0.95, 0.8, 0.6, 0.3]


def _strip(rings: list[np.ndarray], weights: np.ndarray, colour: np.ndarray, roughness: float) -> Part:
    """Closed rings (K, 3) joined to a surface of one colour or of one for each vertex."""
    faces = strip_faces(len(rings), len(rings[0]), True)
    plain = np.broadcast_to(tile_uv("white", np.array(0.5), np.array(0.5)), (*faces.shape, 2))
    vertices = np.concatenate(rings)
    return Part(vertices, weights, faces, plain, np.broadcast_to(colour, vertices.shape), roughness, HAIR + 1)


def _turned_up(
    hat: Hat, tint: np.ndarray, patch: Piece, moved: np.ndarray, where: np.ndarray, weights: np.ndarray
) -> list[Part]:
    """The lower part of a hat once more, outside it, with both its edges closed; above a brim a thin, dark band."""
    thick_m, tint = (0.002, 0.3 * tint) if hat.brim_m else (0.008, tint)
    cuff = drop_slivers(cut(patch.faces, hat.fold_m - hat_inside(hat, where)), where)
    under, out, at = (cuff.of(values) for values in (moved, normals(moved, patch.faces), where))
    round_ = np.sin(np.pi * np.clip(hat_inside(hat, at) / hat.fold_m, 0, 1))
    over = under + 0.5 * thick_m * (1 + round_)[:, None] * out
    own = cuff.of(weights)
    colour = np.broadcast_to(tint, over.shape)
    parts = [Part(over, own, cuff.faces, _hat_uv(at, cuff.faces), colour, hat.roughness, HAIR + 1)]
    for loop in border_loops(cuff.faces):
        rings = [over[loop], under[loop] - 0.003 * out[loop]]
        shades = np.repeat([0.9, 0.4], len(loop))[:, None] * tint
        parts.append(_strip(rings, np.tile(own[loop], (2, 1)), shades, hat.roughness))
    return parts


def _shawl(edge: np.ndarray, cloth: np.ndarray, colour: np.ndarray, roughness: float) -> Part:
    """The ends of a headscarf: they fall from below the chin over what is worn, farthest at the front.

    In each direction from the neck the cloth goes straight down until something is in its way, and then along it.
    Args: edge: (K, 3) of the scarf round the throat. cloth: (M, 3) what it lies on.
    """
    middle = edge[:, :2].mean(0)
    away = edge[:, :2] - middle
    turn, radius = np.arctan2(away[:, 0], -away[:, 1]), np.linalg.norm(away, axis=1)
    ray = away / radius[:, None]
    z = edge[:, 2].max() - PITCH_M * (np.arange(ROWS) + 0.5)
    wide = _support(cloth - [*middle, z[0]], turn)
    wide = np.where(z[:, None] > edge[:, 2], radius, np.maximum(wide, radius))
    far = np.concatenate([np.zeros((1, len(edge))), np.cumsum(np.hypot(PITCH_M, np.diff(wide, axis=0)), axis=0)])
    first = np.array([np.interp(edge[k, 2], z[::-1], far[::-1, k]) for k in range(len(edge))])
    long = 0.105 + 0.10 * (0.5 + 0.5 * np.cos(turn)) ** 3
    levels = np.linspace(0.0, 1.0, 12)
    rings = [edge]
    for level in levels[1:]:
        at = first + level * long
        r = np.array([np.interp(at[k], far[:, k], wide[:, k]) for k in range(len(edge))])
        height = np.array([np.interp(at[k], far[:, k], z) for k in range(len(edge))])
        r, height = (gaussian_filter1d(v, 1 + 2 * level, mode="wrap") for v in (r, height))
        fold = 0.004 * np.sin(7 * turn + 5 * level) + 0.003 * np.sin(11 * turn - 9 * level)
        rings.append(np.column_stack([middle + ray * (r + level * np.abs(fold))[:, None], height]))
    rings += [rings[-1] + [0, 0, -0.003], rings[-1] - np.column_stack([0.006 * ray, 0 * radius])]
    low = np.concatenate([levels, [1.0, 1.0]]).repeat(len(edge))
    mesh = base_mesh()
    weights = np.zeros((len(low), len(mesh.bones)))
    weights[:, mesh.bone("spine_03")] = 0.35 + 0.65 * np.clip(low / 0.4, 0, 1)
    weights[:, mesh.bone("neck_01")] = 1 - weights[:, mesh.bone("spine_03")]
    shade = np.concatenate([np.ones(len(levels)), [0.9, 0.4]]).repeat(len(edge))
    return _strip(rings, weights, shade[:, None] * colour, roughness)


def _support(cloth: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """How far out (ROWS, K) the widest of what is worn lies, at each of ROWS heights or above it, in K directions.

    Args:
        cloth: (M, 3) metres from the axis and the first height. turn: (K,) radians from the front.
    """
    row, reach = np.floor(0.5 - cloth[:, 2] / PITCH_M).astype(int), np.linalg.norm(cloth[:, :2], axis=1)
    near = (row >= 0) & (row < ROWS) & (reach < 0.30)
    column = (np.arctan2(cloth[near, 0], -cloth[near, 1]) / (2 * np.pi) % 1 * COLUMNS).astype(int)
    grid = np.zeros((ROWS, COLUMNS))
    np.maximum.at(grid, (row[near], column), reach[near])
    grid = np.maximum.accumulate(maximum_filter(grid, (5, 3), mode=("nearest", "wrap")), axis=0)
    grid = np.maximum(grid, gaussian_filter(grid, (2.0, 2.0), mode=("nearest", "wrap"))) + 0.008
    where = (turn / (2 * np.pi) % 1 * COLUMNS - 0.5) % COLUMNS
    before = where.astype(int)
    share = where - before
    return grid[:, before % COLUMNS] * (1 - share) + grid[:, (before + 1) % COLUMNS] * share


def _draped(moved: np.ndarray, where: np.ndarray) -> np.ndarray:
    """A scarf (N, 3) that falls from cheeks and nape instead of lining the neck. Args: where: on the template."""
    middle = np.array([0.0, moved[:, 1].mean()])
    away = moved[:, :2] - middle
    radius = np.linalg.norm(away, axis=1) + 1e-9
    down = moved[:, 2].max() - moved[:, 2]
    wide = hang(np.arctan2(away[:, 0], -away[:, 1]), radius, down, 0.45)
    low = step(-units(where)[2], 0.0, 0.35)  # below the eyes
    out = moved.copy()
    out[:, :2] += away / radius[:, None] * (np.maximum(wide - radius, 0) * low)[:, None]
    return out


def _hat_weights(where: np.ndarray, hat: Hat) -> np.ndarray:
    mesh = base_mesh()
    low = np.clip((1.50 - where[:, 2]) / 0.07, 0, 1) if hat.hides == "all" else np.zeros(len(where))
    weights = np.zeros((len(where), len(mesh.bones)))
    weights[:, mesh.bone("head")], weights[:, mesh.bone("neck_01")] = 1 - low, 0.5 * low
    weights[:, mesh.bone("spine_03")] = 0.5 * low
    return weights


def _hat_uv(at: np.ndarray, faces: np.ndarray) -> np.ndarray:
    u = (np.arctan2(at[:, 0], -(at[:, 1] + 0.02)) / (2 * np.pi) + 0.5)[faces]
    u = u - np.round(u - u[:, :1])
    return tile_uv("hat", u, np.clip((at[:, 2] - 1.42) / 0.32, 0, 1)[faces])
