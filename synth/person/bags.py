"""Bags (numpy): those with straps lie on the clothes, the others hang plumb from a hand that closes round their handle.

To add a bag, add a function to BAGS.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from synth.motion import INWARD, Gait, joint_rotations, rotation, unit
from synth.person.basemesh import base_mesh
from synth.person.body import bone_transforms
from synth.person.colours import hex_colour
from synth.person.parts import Part, rigid, strip_faces
from synth.person.pieces import places
from synth.person.props import DARK, Carried, Load, closed_hand, cord
from synth.person.reach import Goal, Point
from synth.person.straps import Path, strap
from synth.person.surface import GROUP, ROUNDS, Hull, charts
from synth.person.textures import Canvas, canvas, tile_uv

# From the top of the pack over the left shoulder down the chest, a buckle, and from there under the arm to its foot
SHOULDER_STRAP: Path = (
    (0.095, 0.10, 1.31),
    (0.088, 0.06, 1.41),
    (0.088, 0.0, 1.44),
    (0.092, -0.06, 1.40),
    (0.105, -0.11, 1.30),
    (0.13, -0.10, 1.20),
    (0.145, -0.08, 1.15),
)
BUCKLE: Path = ((0.128, -0.1, 1.205), (0.135, -0.092, 1.185), (0.139, -0.087, 1.172))
LOWER_STRAP: Path = ((0.145, -0.08, 1.16), (0.16, -0.03, 1.125), (0.155, 0.03, 1.09), (0.12, 0.08, 1.05))
# From the bag at the left hip up the chest over the right shoulder and down the back
CROSS_STRAP: Path = (
    (0.17, -0.03, 0.92),
    (0.12, -0.11, 1.02),
    (0.05, -0.13, 1.15),
    (-0.03, -0.12, 1.28),
    (-0.085, -0.06, 1.40),
    (-0.105, 0.0, 1.44),
    (-0.09, 0.06, 1.41),
    (-0.03, 0.11, 1.30),
    (0.05, 0.08, 1.13),
    (0.12, 0.08, 1.02),
    (0.17, 0.02, 0.92),
)


def _soft_box(
    size: tuple[float, float, float], power: float = 0.35, rows: int = 12, columns: int = 28
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A box with rounded edges about the origin: vertices, faces, corners in a tile (F, 3, 2)."""
    theta, phi = np.linspace(0.02, np.pi - 0.02, rows), np.linspace(0, 2 * np.pi, columns, endpoint=False)

    def puff(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.abs(value) ** power

    a, b = np.meshgrid(theta, phi, indexing="ij")
    points = np.stack([puff(np.sin(a)) * puff(np.sin(b)), -puff(np.sin(a)) * puff(np.cos(b)), puff(np.cos(a))], -1)
    faces = strip_faces(rows, columns, True)[:, ::-1]
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


def _on_right(path: Path) -> Path:
    return tuple((-x, y, z) for x, y, z in path)


def _lean(hull: Hull, low: float, high: float) -> tuple[float, float]:
    """Where a back is halfway between two heights, metres, and how it leans: metres backwards for each upwards.

    Nothing of the back is behind that line.
    """
    levels = np.linspace(low + 0.03, high - 0.03, 5)
    trunk = hull.at[(np.abs(hull.at[:, 0]) < 0.10) & (charts().arm < 0.3)]
    back = np.array([trunk[np.abs(trunk[:, 2] - level) < 0.03, 1].max() for level in levels])
    slope, _ = np.polyfit(levels, back, 1)
    middle = (low + high) / 2
    return float((back - slope * (levels - middle)).max()), float(slope)


def _backpack(look: dict, hull: Hull) -> Load:
    colour, second = hex_colour(look["colour"]), hex_colour(look["second"])
    top = float(hull.height(1.415))
    tall, wide, deep = (0.44, 0.29, 0.15) if look["large"] else (0.38, 0.26, 0.12)
    back, slope = _lean(hull, top - tall, top)
    middle = np.array([0, back + deep / 2 - 0.01, top - tall / 2])
    turn = rotation(x=-float(np.arctan(slope)))
    parts = []
    for side, mirrored in ((1, tuple), (-1, _on_right)):
        foot = middle + turn @ [side * (wide / 2 - 0.025), 0.02 - deep / 2, 0.05 - tall / 2]
        parts.append(strap(hull, mirrored(SHOULDER_STRAP), 0.030, (0.020, 0.014), colour * 0.75, 0.6))
        parts.append(strap(hull, mirrored(BUCKLE), 0.021, (0.019, 0.017), DARK))
        parts.append(strap(hull, mirrored(LOWER_STRAP), 0.013, (0.006, 0.006), colour * 0.4, to=foot))
    pocket = np.array([0, deep / 2 - 0.005, -0.09])
    t = np.linspace(0, np.pi, 9)
    handle = np.stack([0.035 * np.cos(t), np.full(9, -deep / 2 + 0.03), tall / 2 - 0.012 + 0.035 * np.sin(t)], 1)
    pack = [
        _box_part((wide, deep, tall), np.zeros(3), "spine_03", np.array([1.0, 1.0, 1.0]), 0.42),
        _box_part((wide * 0.78, 0.06, tall * 0.40), pocket, "spine_03", second, 0.4, tile=False),
        cord(handle, 0.006, "spine_03", colour * 0.6),
    ]
    for part in pack:
        part.vertices = middle + part.vertices @ turn.T
    return Load(parts + pack)


def _crossbody(look: dict, hull: Hull) -> Load:
    p = places(GROUP, ROUNDS)
    band = strap(hull, CROSS_STRAP, 0.016, (0.005, 0.005), hex_colour(look["colour"]) * 0.7)
    side = hull.at[(np.abs(p.at[:, 2] - 0.88) < 0.03) & (p.on_arm < 0.3)]
    tall, wide, deep = (0.27, 0.32, 0.08) if look["large"] else (0.18, 0.23, 0.055)
    at = np.array(
        [
            side[:, 0].max() + deep / 2,
            float(np.interp(hull.height(0.9), *hull.spine)),
            float(hull.height(0.93)) - tall / 2,
        ]
    )
    half = np.array([deep, wide, tall]) / 2
    bag = _box_part((deep, wide, tall), at, "pelvis", np.ones(3), 0.3)
    return Load([band, bag], box=np.stack([at - half, at + half]))


def aside(hull: Hull, box: np.ndarray, gait: Gait) -> float:
    """How much farther out than it would the left arm swings, so as not to cut a bag at the hip, radians."""
    bones = [base_mesh().bone(f"{bone}_l") for bone in ("upperarm", "lowerarm", "hand", "middle_01")]
    elbow, wrist = hull.heads[bones[1:3]]
    sleeve = hull.at[(places(GROUP, ROUNDS).arm_m > 0.30) & (hull.at[:, 0] > 0)]
    thick = float(np.percentile(np.linalg.norm(np.cross(sleeve - elbow, unit(wrist - elbow)), axis=1), 50))
    needed = 0.0
    for phase in np.arange(0, 1, 1 / 6):
        turns = bone_transforms(hull.heads, joint_rotations(gait, float(phase)))
        placed = np.einsum("bij,bj->bi", turns[bones, :, :3], hull.heads[bones]) + turns[bones, :, 3]
        shoulder, *arm = (placed - turns[0, :, 3]) @ turns[0, :, :3]
        along = np.concatenate([np.linspace(a, b, 6) for a, b in pairwise(arm)])
        low, high = box + [[0, -thick, 0], [thick, thick, 0]]
        within = along[((along > low) & (along < high))[:, 1:].all(1)]
        needed = max([needed, *((high[0] - within[:, 0]) / (shoulder[2] - within[:, 2]))])
    return float(np.arctan(needed))


def _at_the_side(hull: Hull, low: float, high: float) -> float:
    """How far the body and what is worn reach sideways between two heights, the legs as they hang, metres."""
    z = hull.at[:, 2]
    hip = hull.heads[base_mesh().bone("thigh_l"), 2]
    x = hull.at[:, 0] - INWARD * np.clip(hip - z, 0, None)
    reach = [0.0, *x[(z > low) & (z < high) & (charts().arm < 0.2)]]
    for tail in hull.tails:
        within = (tail.heights > low - 0.04) & (tail.heights < high + 0.04)
        reach += [*tail.radius[within].max(1)]
    return float(max(reach))


def _hanging(hull: Hull, side: str, out_m: float, back_m: float, grip: tuple[str, Point]) -> Goal:
    """Where a hand that holds something heavy hangs, so far from the middle and behind the shoulder."""
    mesh = base_mesh()
    shoulder, elbow, wrist, knuckle = (
        hull.heads[mesh.bone(f"{bone}_{side}")] for bone in ("upperarm", "lowerarm", "hand", "middle_01")
    )
    long = sum(float(np.linalg.norm(a - b)) for a, b in ((shoulder, elbow), (elbow, wrist), (wrist, knuckle)))
    across = np.hypot(out_m - abs(shoulder[0]), back_m)
    down = np.sqrt(max(long**2 - across**2, 0.0))
    at = (out_m if side == "l" else -out_m, float(shoulder[1]) + back_m, float(shoulder[2] - down))
    return Goal("pelvis", at, *grip)


def _handbag(look: dict, hull: Hull) -> Load:
    deep, wide, tall = (0.11, 0.36, 0.29) if look["large"] else (0.09, 0.27, 0.20)
    drop, radius = (0.22, 0.007) if look["large"] else (0.16, 0.006)
    grip = closed_hand(hull.heads, "l", 2 * radius)
    hand = _hanging(hull, "l", abs(hull.heads[base_mesh().bone("upperarm_l"), 0]), 0.0, grip).at[2]
    beside_hand = _at_the_side(hull, hand - 0.05, hand + 0.10) + 0.035
    beside_bag = _at_the_side(hull, hand - drop - tall, hand - drop) + deep / 2 + 0.015
    parts = [_box_part((deep, wide, tall), np.array([0, 0, -drop - tall / 2]), "hand_l", np.ones(3), 0.3)]
    y = np.array([-0.34 * wide, -0.31 * wide, -0.05, -0.02, 0.02, 0.05, 0.31 * wide, 0.34 * wide])
    z = np.array([-drop - 0.04, -drop + 0.02, -0.008, 0.0, 0.0, -0.008, -drop + 0.02, -drop - 0.04])
    for sign in (-1, 1):
        x = sign * np.array([0.32 * deep, 0.32 * deep, radius, radius, radius, radius, 0.32 * deep, 0.32 * deep])
        parts.append(cord(np.stack([x, y, z], 1), radius, "hand_l", hex_colour(look["colour"]) * 0.6))
    goal = _hanging(hull, "l", max(beside_hand, beside_bag), 0.0, grip)
    return Load([], [Carried(part, *grip) for part in parts], {"handbag_l": goal})


def _suitcase(look: dict, hull: Hull) -> Load:
    tall = 0.66 if look["large"] else 0.50
    lean = 0.42
    grip = closed_hand(hull.heads, "r", 0.013)
    wide = 0.35
    beside_hand = _at_the_side(hull, float(hull.height(0.70)), float(hull.height(0.85))) + 0.05
    beside_case = min(_at_the_side(hull, 0.0, float(hull.height(0.35))) + wide / 2, 0.42)
    goal = _hanging(hull, "r", max(beside_hand, beside_case), 0.15, grip)
    high = goal.at[2]
    up, back = np.array([0, -np.sin(lean), np.cos(lean)]), np.array([0, np.cos(lean), np.sin(lean)])
    foot = np.array([0, np.tan(lean) * (high - 0.05), 0.05])

    def turned(part: Part, at: np.ndarray) -> Part:
        x, y, z = part.vertices.T
        part.vertices = at + x[:, None] * [1.0, 0, 0] + y[:, None] * back + z[:, None] * up
        return part

    parts = [
        turned(
            _box_part((wide, 0.23, tall), np.zeros(3), "hand_r", np.ones(3), 0.22, 0.4),
            foot + up * (tall / 2 + 0.01) + back * 0.08,
        )
    ]
    poles = [[[x, *(foot + up * s)[1:]] for s in (tall, np.hypot(foot[1], high - foot[2]))] for x in (-0.07, 0.07)]
    parts += [cord(np.array(pole), 0.007, "hand_r", np.array([0.6, 0.6, 0.62])) for pole in poles]
    parts.append(cord(np.array([[-0.08, 0, high], [0.08, 0, high]]), 0.013, "hand_r", DARK))
    for x in (-0.13, 0.13):
        wheel = foot + [[x - 0.015, 0.02, -0.015], [x + 0.015, 0.02, -0.015]]
        parts.append(cord(wheel, 0.035, "hand_r", DARK))
    for part in parts:
        part.vertices = part.vertices / [1, 1, high]
    return Load([], [Carried(part, *grip, on_ground=True) for part in parts], {"suitcase_r": goal})


BAGS: dict[str, Callable[[dict, Hull], Load]] = {
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
    off = np.abs(c.x) if look["kind"] == "backpack" else np.abs(np.abs(c.x) - 0.25)  # from the middle of a side
    x, z = np.broadcast_arrays(off, c.z)
    second = hex_colour(look["second"])
    if look["trim"]:
        c.paint(z < 0.3, second)
    c.albedo *= (1 - 0.3 * np.clip(1 - z / 0.5, 0, 1) ** 2)[..., None].astype(np.float32)  # its weight is at the bottom
    c.relief += (0.5 * np.sin(6 * z + 9 * x) * np.sin(11 * z - 5 * c.x) * (z < 0.8)).astype(np.float32)
    pocket = np.maximum(x - 0.085, np.abs(z - 0.32) - 0.18)
    c.paint((pocket < 0) & (z < 0.46), 0.85 * c.albedo.mean((0, 1)), 0.35)
    c.line(pocket, 0.006, 0.5, 0.4)
    c.line(np.where(x < 0.075, z - 0.46, 1.0), 0.012, 0.5, 0.55)  # its zip
    c.line(np.where(x < 0.12, z - 0.82, 1.0), 0.012, 0.5, 0.45)
    c.paint((x < 0.022) & (np.abs(z - 0.64) < 0.03), second)  # a label
    c.line(x - 0.118, 0.005, -0.5, 0.25)  # piping
    return c
