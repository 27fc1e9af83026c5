"""Hair, beards and what is worn on the head, as records (numpy).

To add a haircut, add a record to HAIR; to add a hat, one to HATS.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from synth.person.basemesh import base_mesh
from synth.person.colours import hex_colour, linear
from synth.person.head import beard_depth
from synth.person.parts import HAIR as LAYER
from synth.person.parts import Part, rigid, strip_faces, tinted
from synth.person.pieces import Piece, cut, drop_slivers, neighbours, normals, places, refine, step, template, whole
from synth.person.textures import TILES, Canvas, canvas, tile_uv

HAIR_UNDER_HAT_M = 0.008
SCALP_M = 1.40  # hair and hats are cut from what is above


@dataclass(frozen=True)
class Hair:
    """Attributes: crown_m, side_m thickness on top and at the sides; shift of the hairline upwards in head units;
    fringe_m how far hair falls over the forehead; part_x place of a parting or None; quiff_m more at the front;
    rough_m unevenness of locks; curl, of the texture, 0 straight to 1; hang_m height on the template of the ends of
    hanging hair; tie: tail, bun or top bun; top: whether there is hair on top.
    """

    crown_m: float
    side_m: float
    shift: float = 0.0
    fringe_m: float = 0.0
    part_x: float | None = None
    quiff_m: float = 0.0
    rough_m: float = 0.002
    curl: float = 0.0
    hang_m: float | None = None
    tie: str = ""
    top: bool = True


HAIR: dict[str, Hair | None] = {
    "bald": None,
    "buzz": Hair(0.005, 0.004, rough_m=0.0),
    "receding": Hair(0.010, 0.008, top=False),
    "crew": Hair(0.018, 0.008),
    "short": Hair(0.024, 0.014, fringe_m=0.010, rough_m=0.003),
    "side part": Hair(0.026, 0.014, part_x=0.032, rough_m=0.003),
    "quiff": Hair(0.022, 0.007, quiff_m=0.026, rough_m=0.003),
    "fringe": Hair(0.024, 0.018, fringe_m=0.036, rough_m=0.004),
    "curly": Hair(0.036, 0.026, rough_m=0.008, curl=1.0, fringe_m=0.012),
    "afro": Hair(0.070, 0.058, rough_m=0.006, curl=1.0),
    "bob": Hair(0.020, 0.018, hang_m=1.47, part_x=0.02),
    "fringed bob": Hair(0.020, 0.018, hang_m=1.46, fringe_m=0.042),
    "shoulder": Hair(0.018, 0.016, hang_m=1.37, part_x=0.0),
    "long": Hair(0.018, 0.015, hang_m=1.20, part_x=0.012),
    "wavy": Hair(0.024, 0.022, hang_m=1.28, part_x=0.03, rough_m=0.006, curl=0.6),
    "ponytail": Hair(0.010, 0.009, tie="tail"),
    "bun": Hair(0.010, 0.009, tie="bun"),
    "top bun": Hair(0.010, 0.009, tie="top bun"),
    "braids": Hair(0.012, 0.010, part_x=0.0, tie="braids", rough_m=0.003, curl=0.4),
}


@dataclass(frozen=True)
class Hat:
    """Attributes: line: lower edge at the front and the slope backwards, in head units; off_m stands off the skull;
    brim_m width of the brim, front only or all round; fold_m height of a turned-up edge; crown_m more height; hides
    the hair: none, top, all; soft rounds of smoothing.
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
    "cap": Hat((0.42, -0.22), 0.013, brim_m=0.072, crown_m=0.010),
    "beanie": Hat((0.24, -0.30), 0.016, fold_m=0.055, crown_m=0.012, soft=8),
    "bucket hat": Hat((0.36, -0.12), 0.016, brim_m=0.055, round_brim=True, crown_m=0.006),
    "hat": Hat((0.40, -0.12), 0.016, brim_m=0.062, round_brim=True, crown_m=0.030),
    "sun hat": Hat((0.40, -0.14), 0.018, brim_m=0.115, round_brim=True, crown_m=0.010),
    "headscarf": Hat((0.0, 0.0), 0.014, hides="all", soft=10),
    "hood": Hat((0.0, 0.0), 0.028, hides="all", soft=14),
}


def _units(at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sideways, back (-1 forehead, 1 occiput) and up (0 eyes, 1 crown) of template positions (..., 3)."""
    return at[..., 0] / 0.078, (at[..., 1] + 0.025) / 0.1, (at[..., 2] - 1.592) / 0.108


def hairline(hair: Hair, at: np.ndarray) -> np.ndarray:
    """Metres inside the hairline at template positions (..., 3), negative where no hair grows."""
    side, back, up = _units(at)
    line = np.interp(back, [-0.75, -0.35, -0.12, 0.05, 0.35, 0.6, 1.0], [0.62, 0.60, 0.15, 0.1, -0.1, -0.55, -0.75])
    low = line - hair.fringe_m / 0.108 * np.clip((-back - 0.25) / 0.2, 0, 1) + hair.shift
    inside = np.minimum((up - low) * 0.108, np.where(up < 0.15, 1.0 - np.abs(side) - 0.1 * (back < 0.0), 1.0) * 0.078)
    if not hair.top:
        bare = np.hypot(side / 0.72, (back + 0.25) / 1.05) - 1 + np.where(up < 0.45, 3.0, 0.0)
        inside = np.minimum(inside, bare * 0.05)
    return np.where(at[..., 2] > 1.42, inside, -1.0)


@lru_cache(maxsize=2)
def _head(rounds: int) -> tuple[Piece, np.ndarray]:
    """The head's surface in terms of base vertices, refined so many times, and its template positions."""
    p = places("body")
    near = np.where(np.abs(p.at[:, 0]) < 0.13, p.at[:, 2] - SCALP_M, -1.0)
    part = cut(whole("body").faces, near)
    piece = Piece((part.rows @ whole("body").rows).tocsr(), part.faces)
    for _ in range(rounds):
        piece = refine(piece)
    return piece, piece.of(template()[0])


@lru_cache(maxsize=64)
def _cap_of(hair: Hair, hat: Hat | None) -> tuple[Piece, np.ndarray]:
    """The patch of the head's surface that hair covers, in terms of the refined head, and metres inside its line."""
    piece, at = _head(1)
    inside = hairline(hair, at)
    if hat is not None:
        inside = np.minimum(inside, 0.012 - _hat_inside(hat, at))
    patch = drop_slivers(cut(piece.faces, inside), at)
    return patch, patch.of(inside)


def _hat_inside(hat: Hat, at: np.ndarray) -> np.ndarray:
    """Metres inside a hat's edge."""
    side, back, up = _units(at)
    if hat.hides == "all":  # an opening for the face
        face = 1 - np.hypot(side / 0.80, (up + 0.08) / np.where(up > -0.08, 0.82, 0.98))
        return np.where(at[..., 1] < -0.045, -face * 0.08, 1.0)
    front, slope = hat.line
    return (up - front - slope * (back + 0.5)) * 0.108


def _hair_uv(at: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Strands run down from the crown: u round the head, v with height."""
    u = (np.arctan2(at[:, 0], -(at[:, 1] + 0.0)) / (2 * np.pi) + 0.5)[faces]
    u = u - np.round(u - u[:, :1])
    return tile_uv("hair", u, np.clip((at[:, 2] - 1.15) / 0.58, 0, 1)[faces])


def _weights(at: np.ndarray) -> np.ndarray:
    """Of the head; what hangs down the back goes with the back too. Args: at: (N, 3) template heights count."""
    mesh = base_mesh()
    low = np.clip((1.50 - at[:, 2]) / 0.16, 0, 1) * 0.75
    weights = np.zeros((len(at), len(mesh.bones)))
    weights[:, mesh.bone("head")], weights[:, mesh.bone("spine_03")] = 1 - low, low
    return weights


def hair_parts(look: dict, body: np.ndarray, hull_at: np.ndarray, noise: np.ndarray) -> list[Part]:
    """Everything on the head. Args: hull_at: (M, 3) outermost cloth, on which long hair lies."""
    hair, hat = HAIR[look["hair"]["kind"]], HATS[look["hat"]["kind"]] if look["hat"] else None
    piece, at = _head(1)
    head = piece.of(body)
    plain, plain_at = _head(0)
    plain_head = plain.of(body)
    parts = []
    colour = hex_colour(look["hair"]["colour"])
    if hair is not None and not (hat is not None and hat.hides == "all"):
        parts += _shell(hair, hat, colour, head, noise)
        if hair.hang_m is not None:
            parts += _curtain(hair, hat, colour, head, at, hull_at, noise)
        if hair.tie:
            parts += _tie(hair, colour, head, at, hat is not None)
    if look["beard"]:
        parts += _beard(look["beard"], colour, head, at)
    if hat is not None:
        parts += _hat(hat, look["hat"], plain_head, plain_at)
    if look["glasses"]:
        parts += _glasses(look["glasses"], body)
    if look["mask"]:
        parts += _mask(look["mask"], plain_head, plain_at)
    return parts


def _shell(hair: Hair, hat: Hat | None, colour: np.ndarray, head: np.ndarray, noise: np.ndarray) -> list[Part]:
    """Hair that lies on the skull."""
    patch, inside = _cap_of(hair, hat)
    if not len(patch.faces):
        return []
    _, at_all = _head(1)
    at, rest = patch.of(at_all), patch.of(head)
    _, back, up = _units(at)
    centre = head[_head(1)[1][:, 2] > 1.56].mean(0)
    away = rest - centre
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    out = 0.6 * normals(rest, patch.faces) + 0.4 * away
    thick = hair.side_m + (hair.crown_m - hair.side_m) * np.clip((up - 0.1) / 0.6, 0, 1)
    thick = thick + hair.quiff_m * np.exp(-(((back + 0.62) / 0.35) ** 2)) * np.clip((up - 0.45) / 0.3, 0, 1)
    if hair.part_x is not None:
        groove = np.exp(-(((at[:, 0] - hair.part_x) / 0.007) ** 2)) * (up > 0.45) * (back < 0.5)
        lift = 1 + 0.25 * np.exp(-(((at[:, 0] - hair.part_x) / 0.035) ** 2)) * (up > 0.3)
        thick = thick * lift * (1 - 0.75 * groove)
    angle = np.arctan2(at[:, 0], at[:, 1])
    if hair.curl > 0.5:
        lumps = (
            np.sin(150 * at[:, 0] + noise[0]) * np.sin(140 * at[:, 1] + noise[1]) * np.sin(150 * at[:, 2] + noise[2])
        )
    else:
        lumps = 0.6 * np.sin(13 * angle + noise[0] + 3 * up) + 0.5 * np.sin(29 * angle + noise[1] - 5 * up)
    thick = thick + hair.rough_m * lumps
    edge = 1 - np.exp(-np.maximum(inside, 0) / (0.006 + 0.25 * thick))
    stand = np.maximum(thick * edge, 0.0012)
    if hat is not None:
        stand = np.minimum(stand, HAIR_UNDER_HAT_M)
    moved = rest + out * stand[:, None]
    mean, border = neighbours(patch.faces, len(rest))
    for _ in range(1 if hair.curl > 0.5 else 2):
        moved = np.where(border[:, None], moved, 0.5 * moved + 0.5 * (mean @ moved))
    return [
        _strands(moved, _weights(at), patch.faces, _hair_uv(at, patch.faces), colour, 0.7 if hair.curl > 0.5 else 0.42)
    ]


def _strands(
    vertices: np.ndarray, weights: np.ndarray, faces: np.ndarray, uv: np.ndarray, colour: np.ndarray, roughness: float
) -> Part:
    tint = np.broadcast_to(linear(np.minimum(colour * 1.12, 1)), vertices.shape)
    return Part(vertices, weights, faces, uv, tint, roughness, LAYER)


def _curtain(
    hair: Hair,
    hat: Hat | None,
    colour: np.ndarray,
    head: np.ndarray,
    at: np.ndarray,
    hull_at: np.ndarray,
    noise: np.ndarray,
) -> list[Part]:
    """Hanging hair: a sheet round the back of the head that falls from the skull onto neck, shoulders and back."""
    assert hair.hang_m is not None
    scale = np.ptp(head[:, 2]) / np.ptp(at[:, 2])

    def height(template_m: np.ndarray | float) -> np.ndarray:
        return head[:, 2].max() - (at[:, 2].max() - template_m) * scale

    start = 1.66 if hat is None else 1.597 + 0.108 * (hat.line[0] + 1.3 * hat.line[1])
    levels = np.linspace(start, hair.hang_m, max(8, int((start - hair.hang_m) / 0.022)))
    stand = hair.side_m * step(-levels, -start, -start + 0.07) - 0.004 * step(levels, start - 0.04, start)
    heights = np.asarray(height(levels))
    theta = np.linspace(-1, 1, 33) * np.deg2rad(122)
    ray = np.stack([np.sin(theta), np.cos(theta)], 1)
    middle = head[at[:, 2] > 1.58].mean(0)
    points = np.concatenate([head, hull_at])
    radius = np.empty((len(levels), len(theta)))
    skull = None
    for k, (level, z) in enumerate(zip(levels, heights, strict=True)):
        near = points[np.abs(points[:, 2] - z) < 0.014, :2] - middle[:2]
        direction = near @ ray.T
        across = np.abs(near[:, :1] * ray[:, 1] - near[:, 1:] * ray[:, 0])
        there = (
            np.where((across < 0.018) & (direction > 0), direction, 0.0).max(0) if len(near) else np.zeros(len(theta))
        )
        if k == 0:
            radius[0] = there + stand[0]
            skull = radius[0]
        else:
            fall = 0.10 if level > 1.5 else 0.25
            free = radius[k - 1] - fall * (levels[k - 1] - level)
            low = np.minimum(there + stand[k] + 0.004, radius[k - 1] + 0.026)
            radius[k] = np.maximum(free, low) if level < start - 0.07 else low
    assert skull is not None
    radius = gaussian_filter(radius, (1.0, 1.0), mode="nearest")
    down = np.clip((1.62 - levels) / 0.3, 0, 1.4)[:, None]
    radius += (
        hair.rough_m
        * down
        * (np.sin(17 * theta + noise[0] + (8 * hair.curl) * down * 6) + 0.7 * np.sin(31 * theta + noise[1]))
    )
    # the sheet begins in front of the ears and narrows to the back below the shoulders
    reach = np.interp(levels, [1.10, 1.36, 1.42, 1.50, 1.60], [0.42, 0.52, 0.80, 1.0, 0.93])[:, None]
    turn = theta[None] * reach
    ends = (
        0.018 * np.sin(23 * theta + noise[2]) + 0.012 * np.sin(51 * theta + noise[0]) - 0.02 * (theta / theta[-1]) ** 2
    )
    grid = np.stack([np.sin(turn) * radius, np.cos(turn) * radius, np.broadcast_to(heights[:, None], radius.shape)], -1)
    grid[..., :2] += middle[:2]
    grid[..., 2] += np.clip((levels[0] - levels) / (levels[0] - levels[-1]), 0, 1)[:, None] ** 4 * ends
    inner = grid - np.stack([np.sin(turn), np.cos(turn), 0 * turn], -1) * 0.012
    both = np.concatenate([grid, inner[:, ::-1]], axis=1)  # a flat tube, so that no edge is sharp
    columns = both.shape[1]
    faces = strip_faces(len(levels), columns, True)
    u = (np.concatenate([theta, theta[::-1]]) / (2 * np.pi) + 1.0) % 1  # the shell counts from the front
    corner = np.stack([np.tile(u, len(levels)), np.repeat(np.clip((levels - 1.15) / 0.58, 0, 1), columns)], 1)[faces]
    corner[..., 0] -= np.round(corner[..., 0] - corner[:, :1, 0])
    template_at = np.column_stack([np.zeros((both.shape[0] * columns, 2)), np.repeat(levels, columns)])
    part = _strands(
        both.reshape(-1, 3), _weights(template_at), faces, tile_uv("hair", *np.moveaxis(corner, -1, 0)), colour, 0.42
    )
    part.colour = part.colour * np.tile(np.repeat([1.0, 0.55], len(theta)), len(levels))[:, None]
    return [part]


def _tube(path: np.ndarray, radius: np.ndarray, sides: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """A tube along a path (K, 3) with radii (K,): vertices and faces."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, [1.0, 0.0, 0.0])
    bad = np.linalg.norm(side, axis=1) < 0.2
    side[bad] = np.cross(along[bad], [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(along, side)
    phi = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.cos(phi)[None, :, None] * side[:, None] + np.sin(phi)[None, :, None] * other[:, None]
    return (path[:, None] + ring * radius[:, None, None]).reshape(-1, 3), strip_faces(len(path), sides, True)


def _tied(vertices: np.ndarray, faces: np.ndarray, colour: np.ndarray, rows: int, template_z: np.ndarray) -> Part:
    sides = len(vertices) // rows
    u, v = np.tile(np.linspace(0, 1, sides, endpoint=False), rows), np.repeat(np.linspace(0.9, 0.1, rows), sides)
    corner = np.stack([u, v], 1)[faces]
    corner[..., 0] -= np.round(corner[..., 0] - corner[:, :1, 0])
    at = np.column_stack([np.zeros((len(vertices), 2)), template_z])
    return _strands(vertices, _weights(at), faces, tile_uv("hair", *np.moveaxis(corner, -1, 0)), colour, 0.45)


def _tie(hair: Hair, colour: np.ndarray, head: np.ndarray, at: np.ndarray, under_hat: bool) -> list[Part]:
    """Tails and buns."""
    back = head[np.argmax(at[:, 1] - 4 * np.abs(at[:, 0]) - 2 * np.abs(at[:, 2] - 1.625))]
    top = head[np.argmax(at[:, 2] - 2 * np.abs(at[:, 1] - 0.01))]
    t = np.linspace(0, 1, 14)
    if hair.tie == "tail":
        path = back + np.stack(
            [
                0 * t,
                0.012 + 0.075 * np.sin(np.pi * np.minimum(t * 1.1, 1)) * (1 - 0.3 * t),
                0.02 * np.sin(np.pi * t) - 0.27 * t**1.4,
            ],
            1,
        )
        vertices, faces = _tube(path, 0.013 + 0.016 * np.sin(np.pi * np.clip(0.12 + t, 0, 1)) ** 0.7)
        return [_tied(vertices, faces, colour, len(t), np.repeat(1.62 - 0.10 * t, 10))]
    if hair.tie == "braids":
        parts = []
        for side in (-1, 1):
            ear = head[np.argmin(np.linalg.norm(at - [side * 0.07, 0.01, 1.54], axis=1))]
            path = ear + np.stack([side * (0.012 + 0.02 * t), 0.005 - 0.07 * t + 0 * t, -0.25 * t], 1)
            vertices, faces = _tube(path, 0.014 * (1 + 0.25 * np.cos(2 * np.pi * 7 * t)) * (1 - 0.3 * t))
            parts.append(_tied(vertices, faces, colour, len(t), np.repeat(1.54 - 0.2 * t, 10)))
        return parts
    if under_hat and hair.tie == "top bun":
        return []
    centre = back + [0, 0.022, 0.0] if hair.tie == "bun" else top + [0, 0.0, 0.022]
    polar = np.linspace(0.05, np.pi - 0.05, 9)
    path = centre + np.stack([0 * polar, 0 * polar, 0.038 * np.cos(polar)], 1)
    vertices, faces = _tube(path, 0.043 * np.sin(polar), 14)
    return [_tied(vertices, faces, colour, 9, np.full(len(vertices), 1.6))]


def _beard(beard: dict, colour: np.ndarray, head: np.ndarray, at: np.ndarray) -> list[Part]:
    piece, _ = _head(1)
    depth = beard_depth(at) - 0.35
    patch = drop_slivers(cut(piece.faces, depth), at)
    if not len(patch.faces):
        return []
    rest, where = patch.of(head), patch.of(at)
    stand = beard["length_m"] * np.clip(patch.of(depth) / 0.5, 0.05, 1)
    down = np.array([0, -0.3, -0.6])
    moved = rest + (normals(rest, patch.faces) + down * np.clip((1.50 - where[:, 2:]) / 0.03, 0, 1)) * stand[:, None]
    return [_strands(moved, _weights(where + [0, 0, 1]), patch.faces, _hair_uv(where, patch.faces), colour * 0.9, 0.7)]


def _hat(hat: Hat, look: dict, head: np.ndarray, at: np.ndarray) -> list[Part]:
    piece, _ = _head(0)
    colour = hex_colour(look["colour"])
    inside = _hat_inside(hat, at)
    if hat.hides == "all":
        inside = np.minimum(inside, at[:, 2] - 1.425)
    patch = drop_slivers(cut(piece.faces, inside), at)
    rest, where = patch.of(head), patch.of(at)
    mean, border = neighbours(patch.faces, len(rest))
    skull = rest
    for _ in range(hat.soft * 2):  # no ears under it
        skull = np.where(border[:, None], skull, mean @ skull)
    out = normals(skull, patch.faces)
    grow = ((rest - skull) * out).sum(1).clip(0)
    for _ in range(4):
        grow = np.maximum(grow, mean @ grow)
    _, back, up = _units(where)
    off = hat.off_m + grow * (1 if hat.hides == "all" else 0.6)
    moved = skull + out * off[:, None] + np.array([0, 0, 1]) * (hat.crown_m * np.clip((up - 0.3) / 0.5, 0, 1))[:, None]
    if look["kind"] == "hood":
        moved += (
            np.array([0, 0.03, 0.02]) * np.clip((back + 0.3) / 1.0, 0, 1)[:, None]
            + np.array([0, -0.025, 0.0]) * np.clip((-back - 0.2) / 0.4, 0, 1)[:, None]
        )
    for _ in range(hat.soft):
        moved = 0.5 * moved + 0.5 * (mean @ moved)
    off = HAIR_UNDER_HAT_M + 0.004 - ((moved - rest) * out).sum(1)
    moved += out * np.maximum(off, 0)[:, None]
    uv = _hat_uv(where, patch.faces)
    weights = _hat_weights(where, hat)
    parts = [
        Part(moved, weights, patch.faces, uv, np.broadcast_to(linear(colour), moved.shape), hat.roughness, LAYER + 1)
    ]
    from synth.person.pieces import border_loops

    for loop in border_loops(patch.faces):
        edge = moved[loop]
        centre = edge.mean(0)
        away = edge - centre
        level = away * [1, 1, 0.0] if hat.hides != "all" else away
        level = level / (np.linalg.norm(level, axis=1, keepdims=True) + 1e-9)
        rings, shade = [edge, edge - 0.010 * level + [0, 0, 0.003]], [1.0, 0.3]
        if hat.fold_m:
            grow_ = np.ones((len(loop), 1))
            rings = [
                edge - 0.004 * level,
                edge + 0.006 * level - [0, 0, 0.004],
                edge + 0.009 * level + [0, 0, 0.5 * hat.fold_m],
                edge + 0.004 * level * grow_ + [0, 0, hat.fold_m],
                edge - 0.006 * level + [0, 0, hat.fold_m - 0.004],
            ]
            shade = [0.5, 0.95, 0.95, 0.95, 0.8]
        elif hat.brim_m:
            front = -(edge[:, 1] - centre[1]) / (np.linalg.norm(edge[:, :2] - centre[:2], axis=1) + 1e-9)
            wide = np.ones(len(loop)) if hat.round_brim else np.clip((front - 0.42) / 0.4, 0, 1) ** 0.6
            ahead = level if hat.round_brim else (0.10 * level + [0, -0.95, 0])
            drop = np.array([0, 0, -0.22 if not hat.round_brim else (-0.35 if look["kind"] != "hat" else 0.05)])
            far = (ahead + drop) * (hat.brim_m * wide)[:, None]
            rings = [
                edge + 0.001 * level,
                edge + 0.5 * far,
                edge + far,
                edge + far - [0, 0, 0.004],
                edge + 0.4 * far - [0, 0, 0.004],
                edge - 0.010 * level,
            ]
            shade = [0.95, 0.95, 0.95, 0.8, 0.6, 0.3]
        vertices = np.concatenate(rings)
        faces = strip_faces(len(rings), len(loop), True)
        tint = linear(hex_colour(look["second"] if look["trim"] else look["colour"]))
        shades = np.repeat(shade, len(loop))[:, None] * tint
        base = np.broadcast_to(tile_uv("white", np.array(0.5), np.array(0.5)), (*faces.shape, 2))
        parts.append(
            Part(vertices, np.tile(weights[loop], (len(rings), 1)), faces, base, shades, hat.roughness, LAYER + 1)
        )
    return parts


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


def _glasses(look: dict, body: np.ndarray) -> list[Part]:
    mesh = base_mesh()
    colour = hex_colour(look["colour"])
    parts, centres = [], []
    phi = np.linspace(0, 2 * np.pi, 17)
    for side, s in (("l", 1), ("r", -1)):
        eye = body[np.unique(mesh.faces[f"helper-{side}-eye"])]
        centre = np.array([eye[:, 0].mean(), eye[:, 1].min() - 0.012, eye[:, 2].mean() - 0.002])
        centres.append(centre)
        half, high = (0.026, 0.020) if not look["dark"] else (0.029, 0.023)
        power = 0.7
        shape = np.stack(
            [
                np.sign(np.cos(phi)) * np.abs(np.cos(phi)) ** power * half,
                0.004 * np.cos(phi) ** 2,
                np.sign(np.sin(phi)) * np.abs(np.sin(phi)) ** power * high,
            ],
            1,
        )
        vertices, faces = _tube(centre + shape, np.full(len(phi), 0.0018), 5)
        parts.append(rigid(vertices, faces, "head", colour, 0.3))
        temple = centre + np.array([s * half, 0.004, 0.008])
        ear = np.array([s * (abs(centre[0]) + half + 0.016), centre[1] + 0.115, centre[2] + 0.010])
        t = np.linspace(0, 1, 5)[:, None]
        vertices, faces = _tube(
            temple + (ear - temple) * t + np.array([s * 0.006, 0, 0]) * np.sin(np.pi * t), np.full(5, 0.0018), 5
        )
        parts.append(rigid(vertices, faces, "head", colour, 0.3))
        if look["dark"]:
            lens = np.concatenate([[centre], centre + shape])
            fan = np.stack([np.zeros(16, int), np.arange(1, 17), np.arange(2, 18)], 1)
            parts.append(rigid(lens, fan, "head", np.array([0.05, 0.05, 0.06]), 0.1))
    bridge = np.stack(
        [
            centres[0] - [0.024, 0, -0.004],
            (centres[0] + centres[1]) / 2 + [0, -0.003, 0.007],
            centres[1] + [0.024, 0, 0.004],
        ]
    )
    vertices, faces = _tube(bridge, np.full(3, 0.0018), 5)
    parts.append(rigid(vertices, faces, "head", colour, 0.3))
    return parts


def _mask(look: dict, head: np.ndarray, at: np.ndarray) -> list[Part]:
    piece, _ = _head(0)
    x, y, z = np.abs(at[:, 0]), at[:, 1], at[:, 2]
    high = 1.572 - 0.25 * np.maximum(x - 0.015, 0)
    inside = np.minimum(np.minimum(high - z, z - 1.474 - 0.30 * np.maximum(x - 0.02, 0)), (-0.048 - y) * 0.8)
    patch = drop_slivers(cut(piece.faces, inside), at)
    rest, where = patch.of(head), patch.of(at)
    mean, _ = neighbours(patch.faces, len(rest))
    moved = rest
    for _ in range(8):
        moved = 0.4 * moved + 0.6 * (mean @ moved)
    out = normals(moved, patch.faces)
    off = np.maximum(0.006 - ((moved - rest) * out).sum(1), 0)
    for _ in range(3):
        off = np.maximum(off, mean @ off)
    moved = moved + out * off[:, None]
    weights = _weights(where + [0, 0, 1])
    part = tinted(moved, weights, patch.faces, hex_colour(look["colour"]), 0.9, LAYER + 1)
    loops = []
    for s in (1, -1):
        edge = moved[np.argmax(where[:, 0] * s + 0.0 * where[:, 2])]
        ear = head[np.argmin(np.linalg.norm(at - [s * 0.078, -0.005, 1.585], axis=1))] + [s * 0.004, 0, 0]
        t = np.linspace(0, 1, 6)[:, None]
        vertices, faces = _tube(
            edge + (ear - edge) * t + np.array([s * 0.006, 0, 0]) * np.sin(np.pi * t), np.full(6, 0.0014), 5
        )
        loops.append(rigid(vertices, faces, "head", hex_colour(look["colour"]) * 0.95, 0.9))
    return [part, *loops]


def paint_hair(hair: Hair | None, variant: int) -> Canvas:
    """The tile of hair: streaks along the strands, relative to the hair's colour."""
    c = canvas("hair", 1.0, 0.0, 1.0)
    rows, columns = c.relief.shape
    random = np.random.Generator(np.random.PCG64(variant % 8))
    curl = hair.curl if hair is not None else 0.0
    if curl > 0.5:
        streaks = gaussian_filter(random.normal(size=(rows, columns)), 2.2, mode="wrap") * 6
    else:
        fine = gaussian_filter(random.normal(size=(rows, columns)), (26, 0.7), mode="wrap") * 7.0
        broad = gaussian_filter(random.normal(size=(rows, columns)), (40, 3.5), mode="wrap") * 14.0
        streaks = 0.6 * fine + 0.7 * broad
    c.relief += np.clip(0.5 * streaks, -1, 1).astype(np.float32)
    c.albedo *= np.clip(0.80 + 0.16 * streaks, 0.35, 1.0).astype(np.float32)[..., None]
    return c


__all__ = ["HAIR", "HATS", "TILES", "hair_parts", "hairline", "paint_hair"]
