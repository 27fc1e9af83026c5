"""What people carry (numpy): straps lie on the clothes, bags hang plumb from the hand or shoulder.

To add a bag, add a function to BAGS.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from synth.person.basemesh import base_mesh
from synth.person.colours import hex_colour, linear
from synth.person.parts import Part, rigid, strip_faces, tinted, tube
from synth.person.pieces import border_loops, cut, drop_slivers, places
from synth.person.surface import GROUP, ROUNDS, Hull, cloth_weights
from synth.person.textures import Canvas, canvas, tile_uv


@dataclass
class Carried:
    """A part that does not follow the body's turns. Attributes: bone from which it hangs plumb; on_ground: its heights
    count from the ground. Its vertices are relative to the bone's head.
    """

    part: Part
    bone: str
    on_ground: bool = False


def _soft_box(
    size: tuple[float, float, float], power: float = 0.35, rows: int = 12, columns: int = 28
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A box with rounded edges about the origin: vertices, faces, corners in a tile (F, 3, 2)."""
    theta, phi = np.linspace(0.02, np.pi - 0.02, rows), np.linspace(0, 2 * np.pi, columns, endpoint=False)

    def puff(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.abs(value) ** power

    a, b = np.meshgrid(theta, phi, indexing="ij")
    points = np.stack([puff(np.sin(a)) * puff(np.sin(b)), -puff(np.sin(a)) * puff(np.cos(b)), puff(np.cos(a))], -1)
    faces = strip_faces(rows, columns, True)
    corner = np.stack(
        [np.tile(np.arange(columns) / columns, rows), np.repeat(1 - np.arange(rows) / (rows - 1), columns)], 1
    )[faces]
    corner[..., 0] -= np.round(corner[..., 0] - corner[:, :1, 0])
    caps = np.concatenate(
        [
            [[0, k, k + 1] for k in range(1, columns - 1)],
            [[(rows - 1) * columns + j for j in (0, k + 1, k)] for k in range(1, columns - 1)],
        ]
    )
    corner = np.concatenate([corner, np.broadcast_to([0.5, 0.5], (len(caps), 3, 2))])
    return points.reshape(-1, 3) * np.array(size) / 2, np.concatenate([faces, caps]), corner


def _box_part(
    size: tuple[float, float, float],
    at: np.ndarray,
    bone: str,
    colour: np.ndarray,
    power: float = 0.35,
    roughness: float = 0.7,
    tile: bool = True,
) -> Part:
    vertices, faces, corner = _soft_box(size, power)
    part = rigid(vertices + at, faces, bone, colour, roughness)
    if tile:
        part.uv = tile_uv("bag", *np.moveaxis(corner, -1, 0))
    return part


def _strap(hull: Hull, field: np.ndarray, colour: np.ndarray, thick_m: float = 0.006) -> list[Part]:
    """A band that lies on whatever is worn. Args: field: (M,) metres inside it."""
    p = places(GROUP, ROUNDS)
    piece = drop_slivers(cut(hull.faces, field), p.at)
    if not len(piece.faces):
        return []
    out, weights = piece.of(hull.normals), piece.of(cloth_weights())
    top = piece.of(hull.at) + thick_m * out
    part = tinted(top, weights, piece.faces, colour, 0.7)
    parts = [part]
    for loop in border_loops(piece.faces):
        edge = top[loop]
        side = np.concatenate([edge, edge - (thick_m + 0.002) * out[loop]])
        parts.append(tinted(side, np.tile(weights[loop], (2, 1)), strip_faces(2, len(loop), True), colour * 0.85, 0.7))
    return parts


def _back_of(hull: Hull, low: float, high: float) -> float:
    near = (hull.at[:, 2] > low) & (hull.at[:, 2] < high) & (np.abs(hull.at[:, 0]) < 0.10)
    return float(hull.at[near, 1].max())


def _backpack(look: dict, hull: Hull) -> tuple[list[Part], list[Carried]]:
    p = places(GROUP, ROUNDS)
    x, y, z = np.abs(p.at[:, 0]), p.at[:, 1], p.at[:, 2]
    line = np.interp(z, [1.15, 1.25, 1.36, 1.44], [0.15, 0.125, 0.095, 0.085])
    field = np.minimum(0.021 - np.abs(x - line), np.where(y < 0.015, z - 1.16, z - 1.30))
    colour, second = hex_colour(look["colour"]), hex_colour(look["second"])
    parts = _strap(hull, np.where(p.on_arm > 0.6, -1.0, field), colour * 0.75)
    top = float(hull.height(1.415))
    tall, wide, deep = (0.44, 0.29, 0.15) if look["large"] else (0.38, 0.26, 0.12)
    back = _back_of(hull, top - tall, top - 0.02)
    middle = np.array([0, back + deep / 2 - 0.01, top - tall / 2])
    parts.append(_box_part((wide, deep, tall), middle, "spine_03", np.array([1.0, 1.0, 1.0]), 0.42))
    pocket = middle + [0, deep / 2 - 0.005, -0.09]
    parts.append(_box_part((wide * 0.78, 0.06, tall * 0.40), pocket, "spine_03", second, 0.4, tile=False))
    t = np.linspace(0, np.pi, 9)
    handle = middle + np.stack(
        [0.035 * np.cos(t), np.full(9, -deep / 2 + 0.03), tall / 2 - 0.012 + 0.035 * np.sin(t)], 1
    )
    parts.append(_cord(handle, 0.006, "spine_03", colour * 0.6))
    return parts, []


def _cord(path: np.ndarray, radius: float, bone: str, colour: np.ndarray) -> Part:
    vertices, faces = tube(path, np.full(len(path), radius), 6)
    return rigid(vertices, faces, bone, colour, 0.6)


def _crossbody(look: dict, hull: Hull) -> tuple[list[Part], list[Carried]]:
    p = places(GROUP, ROUNDS)
    x, z = p.at[:, 0], p.at[:, 2]
    high, low = np.array([-0.10, 1.43]), np.array([0.185, 0.93])
    along = (low - high) / np.linalg.norm(low - high)
    across = (x - high[0]) * along[1] - (z - high[1]) * along[0]
    field = np.minimum(0.014 - np.abs(across), np.minimum(z - 0.90, 1.5 - z))
    colour = hex_colour(look["colour"])
    parts = _strap(hull, np.where(p.on_arm > 0.4, -1.0, field), colour * 0.7)
    side = hull.at[(np.abs(p.at[:, 2] - 0.88) < 0.03) & (p.on_arm < 0.3)]
    tall, wide, deep = (0.30, 0.34, 0.10) if look["large"] else (0.19, 0.24, 0.08)
    at = np.array(
        [
            side[:, 0].max() + deep / 2,
            float(np.interp(hull.height(0.9), *hull.spine)),
            float(hull.height(0.93)) - tall / 2,
        ]
    )
    parts.append(_box_part((deep, wide, tall), at, "pelvis", np.ones(3), 0.3))
    return parts, []


def _handbag(look: dict, hull: Hull) -> tuple[list[Part], list[Carried]]:
    large = look["large"]
    size = (0.11, 0.36, 0.30) if large else (0.10, 0.27, 0.20)
    drop = 0.30 if large else 0.20
    parts = [_box_part(size, np.array([0, -0.02, -drop - size[2] / 2 + 0.03]), "hand_l", np.ones(3), 0.3)]
    t = np.linspace(0, np.pi, 13)
    for x in (-0.025, 0.025):
        path = np.stack(
            [np.full(13, x), -0.02 + 0.32 * size[1] * np.cos(t), -drop + 0.03 + (drop - 0.06) * np.sin(t)], 1
        )
        parts.append(_cord(path, 0.006, "hand_l", hex_colour(look["colour"]) * 0.6))
    return [], [Carried(part, "middle_01_l") for part in parts]


def _suitcase(look: dict, hull: Hull) -> tuple[list[Part], list[Carried]]:
    tall = 0.66 if look["large"] else 0.50
    lean = 0.42
    up, back = np.array([0, -np.sin(lean), np.cos(lean)]), np.array([0, np.cos(lean), np.sin(lean)])
    hand = np.array([0.0, -0.03, float(hull.heads[base_mesh().bone("thigh_l"), 2]) - 0.12])
    foot = np.array([0, hand[1] + np.tan(lean) * (hand[2] - 0.05), 0.05])

    def turned(part: Part, at: np.ndarray) -> Part:
        x, y, z = part.vertices.T
        part.vertices = at + x[:, None] * [1.0, 0, 0] + y[:, None] * back + z[:, None] * up
        return part

    case = turned(
        _box_part((0.40, 0.23, tall), np.zeros(3), "hand_r", np.ones(3), 0.22, 0.4),
        foot + up * (tall / 2 + 0.01) + back * 0.08,
    )
    parts = [case]
    for x in (-0.07, 0.07):
        parts.append(
            _cord(
                np.stack([foot + [x, 0, 0] + up * s for s in (tall, np.linalg.norm(hand - foot))]),
                0.007,
                "hand_r",
                np.array([0.6, 0.6, 0.62]),
            )
        )
    parts.append(
        _cord(np.array([hand + [-0.08, 0, 0], hand + [0.08, 0, 0]]), 0.013, "hand_r", np.array([0.1, 0.1, 0.1]))
    )
    for x in (-0.15, 0.15):
        parts.append(
            _cord(
                np.array([foot + [x - 0.015, 0.02, -0.015], foot + [x + 0.015, 0.02, -0.015]]),
                0.035,
                "hand_r",
                np.array([0.1, 0.1, 0.1]),
            )
        )
    return [], [Carried(part, "middle_01_r", on_ground=True) for part in parts]


def umbrella(look: dict) -> list[Carried]:
    """An open umbrella above the hand."""
    colour = hex_colour(look["colour"])
    high, ribs = 0.80, 8
    t, phi = np.linspace(0.03, 1, 7), np.linspace(0, 2 * np.pi, ribs * 4, endpoint=False)
    a, b = np.meshgrid(t, phi, indexing="ij")
    sag = 1 - 0.06 * a * np.abs(np.sin(b * ribs / 2))
    points = np.stack(
        [0.50 * a * sag * np.sin(b), -0.50 * a * sag * np.cos(b), high - 0.20 * a**2.2 - 0.0 * b], -1
    ).reshape(-1, 3)
    faces = strip_faces(len(t), len(phi), True)
    canopy = rigid(points, faces, "hand_r", colour, 0.6)
    panel = (np.floor(b.ravel() / (2 * np.pi) * ribs).astype(int) % 2 == 1) & bool(look["trim"])
    canopy.colour = np.where(panel[:, None], linear(hex_colour(look["second"])), linear(colour)) * np.ones(
        (len(points), 1)
    )
    pole = _cord(np.array([[0, 0, -0.12], [0, 0, high + 0.04]]), 0.006, "hand_r", np.array([0.15, 0.15, 0.15]))
    return [Carried(canopy, "middle_01_r"), Carried(pole, "middle_01_r")]


BAGS: dict[str, Callable[[dict, Hull], tuple[list[Part], list[Carried]]]] = {
    "backpack": _backpack,
    "crossbody": _crossbody,
    "handbag": _handbag,
    "suitcase": _suitcase,
}


def paint_bag(look: dict) -> Canvas:
    """The tile of a bag: x round it, z upwards, 0 to 1."""
    c = canvas("bag", 1.0, 0.0, 1.0)
    c.albedo[:] = hex_colour(look["colour"])
    if look["kind"] == "suitcase":
        c.relief += np.float32(0.5) * np.sign(np.sin(2 * np.pi * c.x * 24)) * np.ones_like(c.z)
        c.line(np.broadcast_to(np.abs(np.abs(c.x) - 0.25), c.relief.shape), 0.006, 0.6, 0.5)
        return c
    if look["trim"]:
        c.paint(np.broadcast_to(c.z < 0.3, c.relief.shape), hex_colour(look["second"]))
    c.line(np.broadcast_to(c.z - 0.8, c.relief.shape), 0.012, 0.5, 0.35)
    c.line(np.broadcast_to(np.abs(np.abs(c.x) - 0.2), c.relief.shape) + 0 * c.z, 0.005, 0.4, 0.2)
    return c
