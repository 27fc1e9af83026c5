"""Hair and beards as parts (numpy); the haircuts are in `haircuts`, their strands in `strands`."""

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from synth.person.basemesh import base_mesh
from synth.person.colours import hex_colour, linear
from synth.person.facewear import glasses_parts, mask_parts
from synth.person.haircuts import HAIR, Hair
from synth.person.head import beard_place, tone
from synth.person.headwear import HATS, hat_parts, head_surface
from synth.person.parts import HAIR as LAYER
from synth.person.parts import Part, rigid, strip_faces, tube
from synth.person.pieces import cut, drop_slivers, normals
from synth.person.strands import Sheet, sheet
from synth.person.textures import Canvas, canvas, tile_uv

LONGEST_M = 0.62  # of the strands that the tile shows
TIES = ("#17161a", "#17161a", "#5b1f2a", "#27324f", "#d8cfc0", "#3b2a1d", "#17161a", "#8d8a88")  # by variant


def hair_parts(look: dict, body: np.ndarray, cloth: np.ndarray, noise: np.ndarray) -> list[Part]:
    """Everything on the head.

    Args:
        cloth: (M, 3) on which long hair lies. noise: (3,) phases that are the person's own.
    """
    hair, hat = HAIR[look["hair"]["kind"]], HATS[look["hat"]["kind"]] if look["hat"] else None
    piece, at = head_surface(1)
    head = piece.of(body)
    plain, plain_at = head_surface(0)
    plain_head = plain.of(body)
    parts = []
    colour = hex_colour(look["hair"]["colour"])
    if hair is not None and not (hat is not None and hat.hides == "all"):
        own = int(1e6 * noise[0]) * 8 + look["hair"]["variant"]
        gloss = 0.55 - 0.45 * float(colour.mean())
        made = sheet(hair, hat, head, cloth, gloss, own)
        parts.append(_sheet_part(made, colour, tone(look), hair.curl))
        if hair.curl < 0.9 and hair.rough_m > 0.001:
            parts += _wisps(made, colour, np.random.Generator(np.random.PCG64(own)), 6 if hair.tie else 14)
        if hair.tie:
            parts += _tie(hair, look["hair"], colour, head, at, hat is not None)
    if look["beard"]:
        parts += _beard(look["beard"], colour, plain_head, plain_at)
    if hat is not None:
        parts += hat_parts(hat, look["hat"], plain_head, plain_at, cloth)
    if look["glasses"]:
        parts += glasses_parts(look["glasses"], body)
    if look["mask"]:
        parts += mask_parts(look["mask"], plain_head, plain_at)
    return parts


def _weights(level: np.ndarray) -> np.ndarray:
    """Of the head; what hangs down the back goes with the back too. Args: level: (N,) heights on the template."""
    mesh = base_mesh()
    low = np.clip((1.50 - level) / 0.16, 0, 1) * 0.75
    weights = np.zeros((len(level), len(mesh.bones)))
    weights[:, mesh.bone("head")], weights[:, mesh.bone("spine_03")] = 1 - low, low
    return weights


def _strands(
    vertices: np.ndarray,
    level: np.ndarray,
    faces: np.ndarray,
    corner: np.ndarray,
    colour: np.ndarray,
    shade: np.ndarray | float = 1.0,
    roughness: float = 0.5,
) -> Part:
    """Hair. Args: level: (N,) heights on the template. corner: (N, 2) in the tile. shade: (N,) of the colour."""
    uv = corner[faces]
    uv[..., 0] -= np.round(uv[..., 0] - uv[:, :1, 0])
    tint = linear(np.minimum(colour * 1.12, 1)) * np.broadcast_to(shade, len(vertices))[:, None]
    uv = tile_uv("hair", uv[..., 0], uv[..., 1])
    return Part(vertices, _weights(level), faces, uv, np.clip(tint, 0, 1), roughness, LAYER)


def _sheet_part(made: Sheet, colour: np.ndarray, skin: np.ndarray, curl: float) -> Part:
    """Args: skin: (3,) linear, which shows through at the hairline."""
    rows, columns = made.level.shape
    vertices = made.vertices.reshape(-1, 3)
    faces = strip_faces(rows, columns, made.closed)[:, ::-1]
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    across = (faces[:, 0] // columns == faces[:, 1] // columns)[:, None]
    wide = np.linalg.norm(np.where(across, b - a, c - b), axis=1)
    kept = made.shown.ravel()[faces].all(1) & (wide < 0.05)  # parts over a shoulder
    kept &= np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-9
    corner = np.stack(np.broadcast_arrays(np.arange(columns) / columns, 1 - made.along / LONGEST_M), -1).reshape(-1, 2)
    roughness = 0.75 if curl > 0.9 else 0.5
    part = _strands(vertices, made.level.ravel(), faces[kept], corner, colour, made.shade.ravel(), roughness)
    part.colour += made.thin.reshape(-1, 1) * (skin - part.colour)
    return part


def _wisps(made: Sheet, colour: np.ndarray, random: np.random.Generator, count: int) -> list[Part]:
    """Loose locks: thin ribbons that leave the sheet and end in a point beyond it."""
    rows, columns = made.level.shape
    end = rows - 1 - np.argmax(made.shown[::-1], axis=0)
    which = random.choice(columns - 4, count, replace=False) + 2
    which = which[made.shown[end[which] - 9, which]]
    if not len(which):
        return []
    parts = []
    for c in which:
        path = made.vertices[end[c] - 9 : end[c] + 1 : 3, c]
        on = path[-1] - path[-2]
        ahead = on / (np.linalg.norm(on) + 1e-9)
        across = made.vertices[end[c] - 9, c + 2] - made.vertices[end[c] - 9, c - 2]
        across /= np.linalg.norm(across) + 1e-9
        out = np.cross(ahead, across)
        path = np.concatenate([path, path[-1:] + ahead * random.uniform(0.008, 0.022)])
        off = random.uniform(0.001, 0.004) * np.array([-0.3, 0.7, 1.0, 1.1, 0.6])
        path = path + off[:, None] * out + random.normal(0, 0.004) * np.linspace(0, 1, 5)[:, None] ** 2 * across
        wide = random.uniform(0.0015, 0.003) * np.array([0.1, 0.8, 1.0, 0.7, 0.05])[:, None] * across
        parts.append(np.stack([path - wide, path + wide], 1).reshape(-1, 3))
    vertices = np.concatenate(parts)
    faces = np.concatenate([strip_faces(5, 2, False) + 10 * k for k in range(len(parts))])
    corner = np.stack([np.repeat(which / columns, 10), np.tile(np.repeat(np.linspace(0.8, 0.3, 5), 2), len(which))], 1)
    level = np.concatenate([np.repeat(made.level[[*range(end[c] - 9, end[c] + 1, 3), end[c]], c], 2) for c in which])
    return [_strands(vertices, level, faces, corner, colour)]


def _rope(
    path: np.ndarray, radius: np.ndarray, sides: int, locks: int, twist: float, level: np.ndarray, colour: np.ndarray
) -> Part:
    """Hair that hangs together: a tube of locks that wind round it. Args: level: (K,) of the path, as `_strands`."""
    vertices, faces = tube(path, radius, sides)
    phi = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None] + twist * np.linspace(0, 1, len(path))[:, None]
    ridge = np.abs(np.sin(0.5 * locks * phi)).ravel()
    middle = np.repeat(path, sides, axis=0)
    vertices = middle + (vertices - middle) * (0.84 + 0.24 * ridge)[:, None]
    corner = np.stack([np.tile(np.linspace(0, 1, sides, endpoint=False), len(path)), np.empty(len(vertices))], 1)
    corner[:, 1] = np.repeat(np.linspace(0.9, 0.2, len(path)), sides)
    return _strands(vertices, np.repeat(level, sides), faces, corner, colour, 0.6 + 0.45 * ridge)


def _band(path: np.ndarray, radius: float, name: str) -> Part:
    """What ties hair. Args: path: (2, 3) along the hair."""
    t = np.array([0.0, 0.3, 0.7, 1.0])[:, None]
    vertices, faces = tube(path[:1] + (path[1:] - path[:1]) * t, radius * np.array([0.8, 1.0, 1.0, 0.8]), 10)
    return rigid(vertices, faces, "head", hex_colour(name), 0.8)


def _tie(hair: Hair, look: dict, colour: np.ndarray, head: np.ndarray, at: np.ndarray, under_hat: bool) -> list[Part]:
    """Tails, buns and braids."""
    back = head[np.argmax(at[:, 1] - 4 * np.abs(at[:, 0]) - 2 * np.abs(at[:, 2] - 1.625))]
    top = head[np.argmax(at[:, 2] - 2 * np.abs(at[:, 1] - 0.01))]
    band = TIES[look["variant"] % len(TIES)]
    t = np.linspace(0, 1, 14)
    if hair.tie == "tail":
        long = 0.20 + 0.02 * look["variant"]
        down = np.stack([0 * t, 0.010 + 0.062 * np.sin(np.pi * np.minimum(t * 1.1, 1)) * (1 - 0.3 * t), 0 * t], 1)
        down[:, 2] = 0.016 * np.sin(np.pi * t) - long * t**1.4
        radius = (0.013 + 0.019 * np.sin(np.pi * np.clip(0.1 + 0.8 * t, 0, 1)) ** 0.7) * (1 - 0.9 * t**4)
        tail = _rope(back + down, radius, 20, 5, 1.2, 1.62 - 0.10 * t, colour)
        return [tail, _band(back + down[[0, 2]] + [0, 0.002, 0], 0.019, band)]
    if hair.tie == "braids":
        parts = []
        for side in (-1, 1):
            ear = head[np.argmin(np.linalg.norm(at - [side * 0.07, 0.01, 1.54], axis=1))]
            path = ear + np.stack([side * (0.012 + 0.02 * t), 0.005 - 0.07 * t, -0.25 * t], 1)
            long = np.linspace(0, 1, 22)
            path = np.stack([np.interp(long, t, path[:, k]) for k in range(3)], 1)
            path[:, 0] += 0.003 * np.sin(2 * np.pi * 4.5 * long)
            radius = 0.014 * (1 + 0.22 * np.abs(np.sin(2 * np.pi * 4.5 * long))) * (1 - 0.35 * long) * (1 - long**12)
            parts.append(_rope(path, radius, 10, 3, 9.0 * side, 1.54 - 0.2 * long, colour))
            parts.append(_band(path[[18, 19]], 0.0115, band))
        return parts
    if under_hat and hair.tie == "top bun":
        return []
    centre = back + [0, 0.020, 0.0] if hair.tie == "bun" else top + [0, 0.0, 0.022]
    axis = np.array([0, 1.0, 0]) if hair.tie == "bun" else np.array([0, 0, 1.0])
    polar = np.linspace(0.05, np.pi - 0.05, 11)
    path = centre - 0.030 * np.cos(polar)[:, None] * axis
    return [_rope(path, 0.042 * np.sin(polar), 20, 4, 3.5, np.full(11, 1.6), colour)]


def _beard(beard: dict, colour: np.ndarray, head: np.ndarray, at: np.ndarray) -> list[Part]:
    piece, _ = head_surface(0)
    depth = beard_place(at) - 0.35
    patch = drop_slivers(cut(piece.faces, depth), at)
    if not len(patch.faces):
        return []
    rest, where = patch.of(head), patch.of(at)
    stand = beard["length_m"] * np.clip(patch.of(depth) / 0.5, 0.05, 1)
    down = np.array([0, -0.3, -0.6])
    moved = rest + (normals(rest, patch.faces) + down * np.clip((1.50 - where[:, 2:]) / 0.03, 0, 1)) * stand[:, None]
    corner = np.stack([np.arctan2(where[:, 0], -where[:, 1]) / (2 * np.pi) + 0.5, (where[:, 2] - 1.15) / 0.58], 1)
    return [_strands(moved, np.full(len(moved), 1.6), patch.faces, corner, colour * 0.9, roughness=0.7)]


def paint_hair(hair: Hair | None, variant: int) -> Canvas:
    """The tile of hair: streaks along the strands, relative to the hair's colour; shared by many, not to be changed."""
    return _streaks(hair is not None and hair.curl > 0.9, variant % 8)


@lru_cache(maxsize=16)
def _streaks(curly: bool, variant: int) -> Canvas:
    c = canvas("hair", 1.0, 0.0, 1.0)
    random = np.random.Generator(np.random.PCG64(variant))

    def drawn(*sigma: float) -> np.ndarray:
        noise = gaussian_filter(random.normal(size=c.relief.shape), sigma, mode="wrap")
        return noise / noise.std()

    streaks = drawn(1.6, 1.6) - 0.5 * drawn(4, 4) if curly else 0.75 * drawn(30, 0.6) + 0.45 * drawn(45, 2.5)
    c.relief += np.clip((0.6 if curly else 0.28) * streaks, -1, 1).astype(np.float32)
    c.albedo *= np.clip(0.84 + 0.10 * streaks, 0.4, 1.0).astype(np.float32)[..., None]
    return c
