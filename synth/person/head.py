"""Skin, face and eyes (numpy): the body that garments leave to be seen, and a painted tile for the head."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import zoom

from synth.person.assets import Asset
from synth.person.basemesh import base_mesh
from synth.person.colours import hex_colour, linear
from synth.person.garments import Garment
from synth.person.parts import SKIN, Part, tinted
from synth.person.pieces import Piece, Places, cut, drop_slivers, places, template, whole
from synth.person.shoes import Shoe
from synth.person.surface import MARGIN_M, covered
from synth.person.textures import GUTTER, TILES, Canvas, tile_uv

MONK = "#f6ede4 #f3e7db #f7ead0 #eadaba #d7bd96 #a07e56 #825c43 #604134 #3a312a #292420".split()
LOW_M, HIGH_M = 1.40, 1.72  # of the head's tile
AXIS_Y = -0.03
EYE = (0.0295, 1.592)


def tone(look: dict) -> np.ndarray:
    """Linear albedo (3,) of a look's skin.

    A swatch shows skin as it looks when lit: its albedo is lower and warmer in the light, higher in the dark.
    """
    return np.array([0.055, 0.032, 0.021]) + 0.66 * linear(hex_colour(MONK[look["skin_tone"] - 1])) * [1.0, 0.84, 0.73]


def _turn(u: np.ndarray) -> np.ndarray:
    """Angle from the front of the tile's u, finer in the face than behind."""
    t = 2 * u - 1
    return np.sign(t) * np.abs(t) ** 1.4 * np.pi


def head_uv(at: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Corners (F, 3, 2) in the head's tile of template positions (N, 3)."""
    angle = np.arctan2(at[:, 0], -(at[:, 1] - AXIS_Y)) / np.pi
    u = (0.5 + 0.5 * np.sign(angle) * np.abs(angle) ** (1 / 1.4))[faces]
    u = u - np.round(u - u[:, :1])
    return tile_uv("face", u, ((at[:, 2] - LOW_M) / (HIGH_M - LOW_M))[faces])


@lru_cache(maxsize=1)
def face_places() -> np.ndarray:
    """Template positions (H, W, 3) of the head's skin under the pixels of its tile."""
    p = places("body").at
    skin = p[(p[:, 2] > LOW_M - 0.02) & (np.hypot(p[:, 0], p[:, 1] - AXIS_Y) > 0.045) & (np.abs(p[:, 0]) < 0.2)]
    angle = np.arctan2(skin[:, 0], -(skin[:, 1] - AXIS_Y))
    near = np.abs(angle) > np.pi - 0.5
    angle = np.concatenate([angle, angle[near] - 2 * np.pi * np.sign(angle[near])])
    skin = np.concatenate([skin, skin[near]])
    known = np.column_stack([angle, skin[:, 2] * 6])
    _, _, w, h = TILES["face"]
    w, h = w - 2 * GUTTER, h - 8
    u, v = (np.arange(w // 2) + 0.5) / (w // 2), 1 - (np.arange(h // 2) + 0.5) / (h // 2)  # half as fine will do
    wanted = np.stack(np.broadcast_arrays(_turn(u)[None], (LOW_M + v * (HIGH_M - LOW_M))[:, None] * 6), -1)
    found = LinearNDInterpolator(known, skin)(wanted)
    radius = np.nan_to_num(found[..., 1], nan=0.0)
    found[..., 0] = np.where(np.isnan(found[..., 0]), 0.09 * np.sin(wanted[..., 0]), found[..., 0])
    found[..., 1] = np.where(np.isnan(found[..., 1]), AXIS_Y - 0.09 * np.cos(wanted[..., 0]), radius)
    found[..., 2] = wanted[..., 1] / 6
    return zoom(found, (2, 2, 1), order=1, mode="nearest", grid_mode=True).astype(np.float32)


def _bump(value: np.ndarray, centre: np.ndarray | float, wide: np.ndarray | float, power: int = 2) -> np.ndarray:
    return np.exp(-(np.abs((value - centre) / wide) ** power))


def paint_face(look: dict, hairline: np.ndarray | None) -> Canvas:
    """The head's tile, relative to the tone of the skin.

    Args:
        hairline: (H, W) 0 to 1, where hair grows, or None.
    """
    at = face_places()
    x, y, z = np.abs(at[..., 0]), at[..., 1], at[..., 2]
    front = np.clip((-0.065 - y) / 0.03, 0, 1)
    skin, face = tone(look), look["face"]
    c = Canvas(at[..., 0], at[..., 2], np.ones((*x.shape, 3), np.float32), np.zeros(x.shape, np.float32))
    ratio = np.ones((*x.shape, 3), np.float32)  # linear

    def lay(where: np.ndarray, colour: np.ndarray, strength: float) -> None:
        share = np.clip(where * strength, 0, 1)[..., None].astype(np.float32)
        np.add(ratio, share * (np.clip(colour / skin, 0, 1).astype(np.float32) - ratio), out=ratio)

    dark = linear(hex_colour(look["hair"]["colour"]))
    lay(front * _bump(z, 1.555, 0.022) * _bump(x, 0.042, 0.018), skin * [0.98, 0.80, 0.78], 0.35 + 0.3 * face["flush"])
    lay(front * _bump(z, 1.553, 0.012) * _bump(x, 0.0, 0.012), skin * [0.98, 0.85, 0.83], 0.4)
    lay(front * _bump(z, 1.595, 0.020) * _bump(x, EYE[0], 0.022), skin * [0.80, 0.70, 0.68], 0.35 + 0.3 * face["shade"])
    between = 1.5240 - 0.0022 * (x / 0.026) ** 2
    high = np.where(z > between, 0.0125 - 0.0018 * _bump(x, 0, 0.005), 0.0110)
    lips = front * (x < 0.0275) * _bump(z, between, high * np.sqrt(np.clip(1 - (x / 0.0275) ** 2, 0.01, 1)), 4)
    lay(lips, np.array([0.42, 0.10, 0.10]) * 0.3 + skin * [0.66, 0.42, 0.42], 0.40 + 0.55 * face["lips"])
    lay(front * _bump(z, between, 0.0012) * _bump(x, 0, 0.024, 4), skin * [0.28, 0.16, 0.15], 0.7)
    eye = np.hypot((x - EYE[0]) / 0.0165, (z - EYE[1]) / 0.0085) - 1
    lay(front * np.exp(-((eye / 0.22) ** 2)) * (z > EYE[1] - 0.002), dark * 0.3 + 0.005, 0.85)
    lay(front * np.exp(-((eye / 0.2) ** 2)) * (z <= EYE[1] - 0.002), skin * 0.45, 0.4)
    arc = 1.6155 + 0.004 * face["brow_lift"] + 0.16 * x - 2.6 * np.maximum(x - 0.032, 0) ** 1.4
    thick = (0.0042 + 0.0016 * face["brow"]) * np.clip(1.25 - (x - 0.012) / 0.05, 0.35, 1)
    brow = (
        front
        * np.exp(-(((z - arc) / thick) ** 2))
        * np.clip((x - 0.008) / 0.006, 0, 1)
        * np.clip((0.058 - x) / 0.01, 0, 1)
    )
    lay(brow, np.minimum(dark, skin * 0.6) * 0.8, 0.9)
    beard = beard_place(at)
    if face["stubble"] > 0:
        lay(beard, dark * 0.6 + skin * 0.25, 0.55 * face["stubble"])
    if hairline is not None:
        lay(hairline, dark * 0.8, 0.92)
    if look["age_group"] == "old":  # lines
        for low, wide in ((1.65, 0.0018), (1.66, 0.0018), (1.642, 0.0016)):
            lay(front * _bump(z - 0.004 * np.sin(40 * x), low, wide) * _bump(x, 0, 0.04, 4), skin * 0.62, 0.5)
        fold = front * np.exp(-(((x - 0.024 - 0.35 * (1.545 - z)) / 0.0025) ** 2)) * _bump(z, 1.54, 0.018, 4)
        lay(fold, skin * 0.55, 0.55)
    spots = np.sin(431 * at[..., 0] + 3) * np.sin(397 * z + 1) * np.sin(289 * y)
    ratio *= (1 - 0.05 * face["freckles"] * np.clip(spots, 0, 1))[..., None]
    c.albedo[:] = np.where(ratio <= 0.0031308, 12.92 * ratio, 1.055 * np.maximum(ratio, 1e-6) ** (1 / 2.4) - 0.055)
    return c


def beard_place(at: np.ndarray) -> np.ndarray:
    """Where a beard grows, 0 to 1, at template positions (..., 3)."""
    x, y, z = np.abs(at[..., 0]), at[..., 1], at[..., 2]
    jaw = np.clip((1.545 - z) / 0.006, 0, 1) * np.clip((-0.035 - y) / 0.01, 0, 1)
    jaw = jaw * np.clip((z - 1.462 - 0.55 * (y + 0.12)) / 0.01, 0, 1)
    mouth = np.hypot(x / 0.027, (z - 1.524) / 0.012) < 1
    upper = (np.abs(z - 1.5425) < 0.005) & (x < 0.027) & (y < -0.1)
    cheek = np.clip((z - 1.532 - 0.65 * (x - 0.02)) / -0.008, 0, 1)
    return np.where(mouth, 0.0, np.maximum(jaw * cheek, upper))


def _shown(worn: tuple[Garment, ...], shoe: Shoe | None, items: tuple[Asset, ...]) -> Piece:
    p = places("body")
    at, y, z = p.at, p.at[:, 1], p.at[:, 2]
    kept = 0.6 * MARGIN_M - covered([*worn], p)
    mouth = (np.abs(at[:, 0]) < 0.033) & (z > 1.495) & (z < 1.555) & (y > -0.11) & (y < -0.02)
    kept = np.where(mouth | _behind_eyes(at), -1.0, kept)  # what is inside
    if shoe is not None and shoe.open:
        kept = np.where(p.on_leg > 0.5, np.minimum(kept, z - 0.006), kept)  # not under the foot
    elif shoe is not None:
        heel = shoe.collar_m - 0.014  # under its rim
        line = np.where(y < -0.075, 0.10, 0.055) if not shoe.low else np.where(y < -0.10, 0.055, heel)
        top = line if shoe.shaft_m is None else np.full(len(z), shoe.shaft_m - 0.03)
        kept = np.minimum(kept, np.where(p.on_leg > 0.5, z - top, 1.0))
    faces = whole("body").faces
    for item in items:
        faces = faces[~(whole("body").of(item.hidden.astype(float)) > 0.5)[faces].all(1)]
    return drop_slivers(cut(faces, kept), at)


def _behind_eyes(at: np.ndarray) -> np.ndarray:
    """Which template positions (N, 3) are inside an eyeball."""
    inside = np.zeros(len(at), bool)
    for side in "lr":
        eye = whole(f"helper-{side}-eye").of(template()[0])
        middle = (eye.min(0) + eye.max(0)) / 2
        inside |= np.linalg.norm(at - middle, axis=1) < np.ptp(eye[:, 2]) / 2 - 0.0012
    return inside


def skin_part(
    look: dict,
    body: np.ndarray,
    worn: tuple[Garment, ...],
    shoe: Shoe | None,
    items: tuple[Asset, ...] = (),
    hidden: np.ndarray | None = None,
) -> Part:
    """The skin that is not well under a garment, nor hidden by an item of an asset pack or, `hidden` (M,), by hair."""
    p, base = places("body"), whole("body")
    piece = _shown(worn, shoe, items)
    if hidden is not None:
        piece = replace(piece, faces=piece.faces[~(piece.of(hidden.astype(float)) > 0.5)[piece.faces].all(1)])
    at = piece.of(p.at)
    part = tinted(piece.of(base.of(body)), piece.of(_weights()), piece.faces, np.ones(3), 0.5, SKIN)
    colour = np.tile(tone(look), (len(at), 1))
    # knuckles, elbows and knees are a little darker and redder
    elbow = np.exp(-(((piece.of(p.arm_m) - 0.247) / 0.03) ** 2)) * (at[:, 1] > -0.03) * (piece.of(p.on_arm) > 0.5)
    knee = np.exp(-(((at[:, 2] - 0.50) / 0.035) ** 2)) * (at[:, 1] < -0.04) * (piece.of(p.on_leg) > 0.5)
    colour *= 1 - np.clip(elbow + knee, 0, 1)[:, None] * [0.10, 0.18, 0.18]
    part.colour = colour
    head = (at[part.faces, 2] > LOW_M + 0.01).all(1) & (np.abs(at[part.faces, 0]) < 0.12).all(1)
    part.uv = np.where(head[:, None, None], head_uv(at, part.faces), part.uv)
    part.covered = covered([*worn], Places(at, piece.of(p.arm_m), piece.of(p.on_arm), piece.of(p.on_leg))) > 0
    return part


@lru_cache(maxsize=1)
def _weights() -> np.ndarray:
    """Skin weights (M, B) of the body's skin."""
    return whole("body").of(base_mesh().weights)


def eyes(look: dict, body: np.ndarray) -> list[Part]:
    """Both eyeballs of a body (V, 3)."""
    parts = []
    for side in "lr":
        piece = whole(f"helper-{side}-eye")
        vertices = piece.of(body)
        y = vertices[piece.faces, 1].mean(1)
        piece = replace(piece, faces=piece.faces[y < y.min() + 0.012])  # the front of it
        part = tinted(vertices, piece.of(base_mesh().weights), piece.faces, np.array([0.62, 0.60, 0.58]), 0.15, SKIN)
        middle, front = vertices.mean(0), vertices[:, 1].min()
        away = np.linalg.norm((vertices - middle)[:, [0, 2]], axis=1)
        ahead = vertices[:, 1] < front + 0.009
        iris, pupil = (away < 0.0068) & ahead, (away < 0.0030) & ahead
        colour = np.where(iris[:, None], linear(hex_colour(look["eyes"])), part.colour)
        part.colour = np.where(pupil[:, None], 0.008, colour)
        parts.append(part)
    return parts
