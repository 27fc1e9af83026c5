"""Hair and beards, as records (numpy). To add a haircut, add a record to HAIR."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from synth.person.basemesh import base_mesh
from synth.person.colours import hex_colour, linear
from synth.person.head import beard_place
from synth.person.headwear import (
    HAIR_UNDER_HAT_M,
    HATS,
    Hat,
    glasses_parts,
    hat_inside,
    hat_parts,
    head_surface,
    mask_parts,
    units,
)
from synth.person.parts import HAIR as LAYER
from synth.person.parts import Part, strip_faces, tube
from synth.person.pieces import Piece, cut, drop_slivers, neighbours, normals, step
from synth.person.textures import Canvas, canvas, tile_uv


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


def hairline(hair: Hair, at: np.ndarray) -> np.ndarray:
    """Metres inside the hairline at template positions (..., 3), negative where no hair grows."""
    side, back, up = units(at)
    # forehead, temple, in front of the ear, over it, behind it, nape
    line = np.interp(
        back,
        [-0.75, -0.48, -0.34, -0.24, -0.06, 0.00, 0.12, 0.30, 0.40, 0.60, 1.00],
        [0.54, 0.60, 0.34, -0.12, -0.22, 0.10, 0.16, 0.05, -0.30, -0.62, -0.80],
    )
    temples = 0.12 * np.exp(-(((np.abs(side) - 0.62) / 0.22) ** 2)) * np.clip((-back - 0.30) / 0.15, 0, 1)
    ragged = 0.022 * np.sin(61 * side + 2) * np.sin(47 * back) + 0.016 * np.sin(113 * side) * np.sin(97 * back + 1)
    low = line + temples + ragged - hair.fringe_m / 0.108 * np.clip((-back - 0.25) / 0.2, 0, 1) + hair.shift
    inside = np.minimum((up - low) * 0.108, np.where(up < 0.25, 0.96 - np.abs(side), 1.0) * 0.078)  # not on the ears
    if not hair.top:
        bare = np.hypot(side / 0.72, (back + 0.25) / 1.05) - 1 + np.where(up < 0.45, 3.0, 0.0)
        inside = np.minimum(inside, bare * 0.05)
    return np.where(at[..., 2] > 1.42, inside, -1.0)


@lru_cache(maxsize=64)
def _cap_of(hair: Hair, hat: Hat | None) -> tuple[Piece, np.ndarray]:
    """The patch of the head's surface that hair covers, in terms of the refined head, and metres inside its line."""
    piece, at = head_surface(1)
    inside = hairline(hair, at)
    if hat is not None:
        inside = np.minimum(inside, 0.012 - hat_inside(hat, at))
    patch = drop_slivers(cut(piece.faces, inside), at)
    return patch, patch.of(inside)


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


def hair_parts(look: dict, body: np.ndarray, cloth: np.ndarray, noise: np.ndarray) -> list[Part]:
    """Everything on the head. Args: cloth: (M, 3) on which long hair lies."""
    hair, hat = HAIR[look["hair"]["kind"]], HATS[look["hat"]["kind"]] if look["hat"] else None
    piece, at = head_surface(1)
    head = piece.of(body)
    plain, plain_at = head_surface(0)
    plain_head = plain.of(body)
    parts = []
    colour = hex_colour(look["hair"]["colour"])
    if hair is not None and not (hat is not None and hat.hides == "all"):
        shell = _shell(hair, hat, colour, head, noise)
        parts += shell
        if hair.hang_m is not None:
            skull = shell[0].vertices if shell else np.empty((0, 3))
            parts += _curtain(hair, hat, colour, head, at, cloth, skull, noise)
        if hair.tie:
            parts += _tie(hair, colour, head, at, hat is not None)
    if look["beard"]:
        parts += _beard(look["beard"], colour, head, at)
    if hat is not None:
        parts += hat_parts(hat, look["hat"], plain_head, plain_at)
    if look["glasses"]:
        parts += glasses_parts(look["glasses"], body)
    if look["mask"]:
        parts += mask_parts(look["mask"], plain_head, plain_at)
    return parts


def _shell(hair: Hair, hat: Hat | None, colour: np.ndarray, head: np.ndarray, noise: np.ndarray) -> list[Part]:
    """Hair that lies on the skull."""
    patch, inside = _cap_of(hair, hat)
    if not len(patch.faces):
        return []
    _, at_all = head_surface(1)
    at, rest = patch.of(at_all), patch.of(head)
    _, back, up = units(at)
    centre = head[head_surface(1)[1][:, 2] > 1.56].mean(0)
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
    cloth: np.ndarray,
    skull: np.ndarray,
    noise: np.ndarray,
) -> list[Part]:
    """Hanging hair: a sheet round the back of the head that falls from the skull onto neck, shoulders and back.

    Args:
        skull: (K, 3) the hair that lies on the skull.
    """
    assert hair.hang_m is not None
    scale = np.ptp(head[:, 2]) / np.ptp(at[:, 2])

    def height(template_m: np.ndarray | float) -> np.ndarray:
        return head[:, 2].max() - (at[:, 2].max() - template_m) * scale

    start = 1.675 if hat is None else 1.597 + 0.108 * (hat.line[0] + 1.3 * hat.line[1])
    levels = np.linspace(start, hair.hang_m, max(8, int((start - hair.hang_m) / 0.022)))
    # from under the hair on the skull to a little above it, then as thick, off collars and shoulders
    stand = 0.006 - 0.016 * step(levels, start - 0.025, start) + hair.side_m * step(-levels, -1.57, -1.50)
    heights = np.asarray(height(levels))
    theta = np.linspace(-1, 1, 33) * np.deg2rad(122)
    ray = np.stack([np.sin(theta), np.cos(theta)], 1)
    middle = head[at[:, 2] > 1.58].mean(0)
    points = np.concatenate([head, skull, cloth])
    radius = np.empty((len(levels), len(theta)))
    for k, (level, z) in enumerate(zip(levels, heights, strict=True)):
        near = points[np.abs(points[:, 2] - z) < (0.008 if level > 1.58 else 0.014), :2] - middle[:2]
        direction = near @ ray.T
        across = np.abs(near[:, :1] * ray[:, 1] - near[:, 1:] * ray[:, 0])
        there = (
            np.where((across < 0.018) & (direction > 0), direction, 0.0).max(0) if len(near) else np.zeros(len(theta))
        )
        if k == 0:
            radius[0] = there + stand[0]
        else:
            fall = 0.10 if level > 1.5 else 0.25
            free = radius[k - 1] - fall * (levels[k - 1] - level)
            low = np.minimum(there + stand[k] + 0.004, radius[k - 1] + (0.03 if level > 1.5 else 0.06))
            radius[k] = np.maximum(free, low) if level < start - 0.07 else low
    radius = gaussian_filter(radius, (1.0, 1.0), mode="nearest")
    down = np.clip((1.62 - levels) / 0.3, 0, 1.4)[:, None]
    radius += (
        hair.rough_m
        * down
        * (np.sin(17 * theta + noise[0] + (8 * hair.curl) * down * 6) + 0.7 * np.sin(31 * theta + noise[1]))
    )
    # the sheet begins in front of the ears and narrows to the back below the shoulders
    reach = np.interp(levels, [1.10, 1.36, 1.42, 1.50, 1.60], [0.42, 0.52, 0.74, 0.88, 0.86])[:, None]
    turn = theta[None] * reach
    ends = (
        0.008 * np.sin(5 * theta + noise[2]) + 0.004 * np.sin(13 * theta + noise[0]) + 0.03 * (theta / theta[-1]) ** 2
    )
    grid = np.stack([np.sin(turn) * radius, np.cos(turn) * radius, np.broadcast_to(heights[:, None], radius.shape)], -1)
    grid[..., :2] += middle[:2]
    grid[..., 2] += np.clip((levels[0] - levels) / (levels[0] - levels[-1]), 0, 1)[:, None] ** 4 * ends
    thick = 0.003 + 0.012 * (1 - np.abs(theta / theta[-1]) ** 3) * step(levels, levels[-1], levels[-1] + 0.05)[:, None]
    inner = grid - np.stack([np.sin(turn), np.cos(turn), 0 * turn], -1) * thick[..., None]
    both = np.concatenate([grid, inner[:, ::-1]], axis=1)  # a flat tube, so that no edge is sharp
    columns = both.shape[1]
    faces = strip_faces(len(levels), columns, True)
    u = (1.0 - np.concatenate([theta, theta[::-1]]) / (2 * np.pi)) % 1  # as on the skull
    corner = np.stack([np.tile(u, len(levels)), np.repeat(np.clip((levels - 1.15) / 0.58, 0, 1), columns)], 1)[faces]
    corner[..., 0] -= np.round(corner[..., 0] - corner[:, :1, 0])
    template_at = np.column_stack([np.zeros((both.shape[0] * columns, 2)), np.repeat(levels, columns)])
    part = _strands(
        both.reshape(-1, 3), _weights(template_at), faces, tile_uv("hair", *np.moveaxis(corner, -1, 0)), colour, 0.42
    )
    part.colour = part.colour * np.tile(np.repeat([1.0, 0.55], len(theta)), len(levels))[:, None]
    return [part]


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
        vertices, faces = tube(path, 0.013 + 0.016 * np.sin(np.pi * np.clip(0.12 + t, 0, 1)) ** 0.7)
        return [_tied(vertices, faces, colour, len(t), np.repeat(1.62 - 0.10 * t, 10))]
    if hair.tie == "braids":
        parts = []
        for side in (-1, 1):
            ear = head[np.argmin(np.linalg.norm(at - [side * 0.07, 0.01, 1.54], axis=1))]
            path = ear + np.stack([side * (0.012 + 0.02 * t), 0.005 - 0.07 * t + 0 * t, -0.25 * t], 1)
            vertices, faces = tube(path, 0.014 * (1 + 0.25 * np.cos(2 * np.pi * 7 * t)) * (1 - 0.3 * t))
            parts.append(_tied(vertices, faces, colour, len(t), np.repeat(1.54 - 0.2 * t, 10)))
        return parts
    if under_hat and hair.tie == "top bun":
        return []
    centre = back + [0, 0.022, 0.0] if hair.tie == "bun" else top + [0, 0.0, 0.022]
    polar = np.linspace(0.05, np.pi - 0.05, 9)
    path = centre + np.stack([0 * polar, 0 * polar, 0.038 * np.cos(polar)], 1)
    vertices, faces = tube(path, 0.043 * np.sin(polar), 14)
    return [_tied(vertices, faces, colour, 9, np.full(len(vertices), 1.6))]


def _beard(beard: dict, colour: np.ndarray, head: np.ndarray, at: np.ndarray) -> list[Part]:
    piece, _ = head_surface(1)
    depth = beard_place(at) - 0.35
    patch = drop_slivers(cut(piece.faces, depth), at)
    if not len(patch.faces):
        return []
    rest, where = patch.of(head), patch.of(at)
    stand = beard["length_m"] * np.clip(patch.of(depth) / 0.5, 0.05, 1)
    down = np.array([0, -0.3, -0.6])
    moved = rest + (normals(rest, patch.faces) + down * np.clip((1.50 - where[:, 2:]) / 0.03, 0, 1)) * stand[:, None]
    return [_strands(moved, _weights(where + [0, 0, 1]), patch.faces, _hair_uv(where, patch.faces), colour * 0.9, 0.7)]


def paint_hair(hair: Hair | None, variant: int) -> Canvas:
    """The tile of hair: streaks along the strands, relative to the hair's colour; shared by many, not to be changed."""
    return _streaks(hair is not None and hair.curl > 0.5, variant % 8)


@lru_cache(maxsize=16)
def _streaks(curly: bool, variant: int) -> Canvas:
    c = canvas("hair", 1.0, 0.0, 1.0)
    rows, columns = c.relief.shape
    random = np.random.Generator(np.random.PCG64(variant))
    if curly:
        streaks = gaussian_filter(random.normal(size=(rows, columns)), 2.2, mode="wrap") * 6
    else:
        fine = gaussian_filter(random.normal(size=(rows, columns)), (26, 0.7), mode="wrap") * 7.0
        broad = gaussian_filter(random.normal(size=(rows, columns)), (40, 3.5), mode="wrap") * 14.0
        streaks = 0.6 * fine + 0.7 * broad
    c.relief += np.clip(0.5 * streaks, -1, 1).astype(np.float32)
    c.albedo *= np.clip(0.80 + 0.16 * streaks, 0.35, 1.0).astype(np.float32)[..., None]
    return c
