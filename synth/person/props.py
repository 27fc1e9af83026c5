"""What people hold (numpy): a phone in the hand that uses it, an umbrella in a closed one; and where pockets are."""

from dataclasses import dataclass, field

import numpy as np

from synth.motion import ACROSS, BACK, unit
from synth.person.basemesh import base_mesh
from synth.person.colours import hex_colour, linear
from synth.person.parts import Part, rigid, strip_faces, tube
from synth.person.reach import Goal, Point, point
from synth.person.surface import Hull, charts

FINGER_M = 0.009  # half as thick as a finger
PHONE_M = (0.073, 0.150, 0.009)
IN_HAND = 0.95  # how far a phone's length is turned from the fingers towards the thumb, radians
POCKET_M, POCKET_ANGLE, IN_POCKET_M = 0.87, 1.05, 0.05  # knuckles: height on the template, from the front, under cloth
DARK = np.array([0.1, 0.1, 0.1])


@dataclass
class Carried:
    """A part that does not follow the body's turns.

    Attributes:
        bone, at: a point of the unposed body from which it hangs plumb; its vertices are relative to it.
        on_ground: its heights are shares of that point's height above the ground.
    """

    part: Part
    bone: str
    at: Point
    on_ground: bool = False


@dataclass
class Load:
    """A thing that is carried.

    Attributes:
        parts: that follow the body. carried: that hang. goals: where hands go for it.
        box: (2, 3) opposite corners of a bag at the left hip, off which the arm swings.
    """

    parts: list[Part] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)
    goals: dict[str, Goal] = field(default_factory=dict)
    box: np.ndarray | None = None


def cord(path: np.ndarray, radius: float, bone: str, colour: np.ndarray, sides: int = 6) -> Part:
    ends = path[[0, -1]] + 1e-4 * (path[[0, -1]] - path[[1, -2]])
    path = np.concatenate([ends[:1], path, ends[1:]])
    vertices, faces = tube(path, np.array([1e-4, *[radius] * (len(path) - 2), 1e-4]), sides)
    return rigid(vertices, faces, bone, colour, 0.6)


def closed_hand(heads: np.ndarray, side: str, radius_m: float) -> tuple[str, Point]:
    """The bone and the point of the unposed body where something round lies in the closed fingers."""
    mirror = np.array([1.0 if side == "l" else -1.0, 1.0, 1.0])
    second, third = (heads[base_mesh().bone(f"middle_0{k}_{side}")] * mirror for k in (2, 3))
    out = unit(np.cross(third - second, ACROSS))
    return f"middle_02_{side}", point(mirror * ((second + third) / 2 - (FINGER_M + radius_m) * out))


def umbrella(look: dict, hull: Hull, crown_m: float) -> Load:
    """An open umbrella in the right hand. Args: crown_m: height of all that is worn on the head."""
    colour = hex_colour(look["colour"])
    grip = closed_hand(hull.heads, "r", 0.012)
    hand = (-0.19, _front_of(hull) - 0.06, float(hull.height(1.20)))
    high, ribs = crown_m + 0.24 - hand[2], 8
    t, phi = np.linspace(0.03, 1, 7), np.linspace(0, 2 * np.pi, ribs * 4, endpoint=False)
    a, b = np.meshgrid(t, phi, indexing="ij")
    sag = 1 - 0.11 * a * np.abs(np.sin(b * ribs / 2))
    points = np.stack([0.48 * a * sag * np.sin(b), -0.48 * a * sag * np.cos(b), high - 0.20 * a**2.2], -1).reshape(
        -1, 3
    )
    canopy = rigid(points, strip_faces(len(t), len(phi), True), "hand_r", colour, 0.6)
    panel = (np.floor(b.ravel() / (2 * np.pi) * ribs).astype(int) % 2 == 1) & bool(look["trim"])
    canopy.colour = np.where(panel[:, None], linear(hex_colour(look["second"])), linear(colour))
    parts = [
        canopy,
        cord(np.array([[0, 0, 0], [0, 0, high + 0.04]]), 0.005, "hand_r", 1.5 * DARK),
        cord(np.array([[0, 0, -0.09], [0, 0, 0.07]]), 0.012, "hand_r", DARK, 8),
    ]
    return Load([], [Carried(part, *grip) for part in parts], {"umbrella_r": Goal("spine_03", hand, *grip)})


def _front_of(hull: Hull) -> float:
    """How far the chest and belly reach forwards (y)."""
    z = hull.at[:, 2]
    return float(hull.at[(z > hull.height(1.0)) & (z < hull.height(1.3)) & (charts().arm < 0.2), 1].min())


def pockets(hull: Hull) -> dict[str, Goal]:
    """Where hands in pockets have their knuckles: well under the cloth, where they cannot show through it."""
    goals = {}
    for side, sign in (("l", 1), ("r", -1)):
        knuckle = f"middle_01_{side}"
        level = float(hull.height(POCKET_M))
        away = hull.at[(np.abs(hull.at[:, 2] - level) < 0.02) & (charts().arm < 0.2), :2] - hull.middle
        turn = np.arctan2(sign * away[:, 0], -away[:, 1]) - POCKET_ANGLE
        out = float(np.linalg.norm(away[np.abs(turn) < 0.15], axis=1).max())
        for tail in hull.tails:
            if tail.heights[-1] < level < tail.heights[0]:
                angle = np.array([sign * POCKET_ANGLE]) % (2 * np.pi)
                out = max(out, float(tail.at(tail.radius, np.array([level]), angle)[0]))
        deep = (out - IN_POCKET_M) * np.array([sign * np.sin(POCKET_ANGLE), -np.cos(POCKET_ANGLE)])
        at = (*(hull.middle + deep).tolist(), level)
        goals[f"pocket_{side}"] = Goal("pelvis", at, knuckle, point(hull.heads[base_mesh().bone(knuckle)]))
    return goals


def phone(look: dict, hull: Hull, side: str, ear: np.ndarray) -> tuple[Part, dict[str, Goal]]:
    """A phone in a hand, and where the hand goes to telephone and to read. Args: ear: (3,) where it is held to."""
    mesh, mirror = base_mesh(), np.array([1.0 if side == "l" else -1.0, 1.0, 1.0])
    fingers = unit(np.cross(ACROSS, BACK))
    across = unit(np.cross(BACK, fingers))
    along = np.cos(IN_HAND) * fingers - np.sin(IN_HAND) * across
    axes = np.stack([np.cross(along, -BACK), along, -BACK])  # to the right, to its top and out of the screen
    wide, tall, thick = PHONE_M
    middle = hull.heads[mesh.bone(f"middle_01_{side}")] * mirror + 0.015 * fingers - 0.023 * BACK
    case, glass, screen = hex_colour(look["colour"]), np.array([0.03, 0.03, 0.035]), np.array([0.62, 0.68, 0.74])
    camera = _rounded(0.022, 0.03, 0.005) + [0.018, 0.055]
    slabs = [
        (_rounded(wide, tall, 0.010), 0.0, -thick / 2, case),
        (_rounded(wide, tall, 0.010), 0.0, thick / 2, glass),
        (_rounded(wide - 0.006, tall - 0.010, 0.008), thick / 2, thick / 2 + 0.0004, screen),
        (camera, -thick / 2, -thick / 2 - 0.0015, glass),
    ]
    made = [_slab(*slab[:3]) for slab in slabs]
    starts = np.cumsum([0] + [len(vertices) for vertices, _ in made])
    flat = np.concatenate([vertices for vertices, _ in made])
    faces = np.concatenate([f + start for (_, f), start in zip(made, starts, strict=False)])
    colour = np.concatenate([np.tile(slab[3], (len(v), 1)) for slab, (v, _) in zip(slabs, made, strict=True)])
    part = rigid(
        (middle + flat @ axes) * mirror, faces if side == "l" else faces[:, ::-1], f"hand_{side}", colour, 0.25
    )

    def goal(bone: str, at: Point, place: tuple[float, float, float]) -> Goal:
        return Goal(bone, at, f"hand_{side}", point((middle + np.array(place) @ axes) * mirror))

    before = (mirror[0] * 0.05, _front_of(hull) - 0.22, float(hull.height(1.22)))
    goals = {
        f"ear_{side}": goal("head", point(ear), (0.0, 0.055, thick / 2)),
        f"read_{side}": goal("spine_03", before, (0.0, 0.0, 0.0)),
    }
    return part, goals


def _rounded(wide: float, tall: float, corner: float) -> np.ndarray:
    """The outline (12, 2) of a rectangle with round corners, anticlockwise."""
    t = np.deg2rad([0, 45, 90])
    quarter = corner * (np.stack([np.cos(t), np.sin(t)], 1) - 1) + [wide / 2, tall / 2]
    return np.concatenate([quarter, quarter[::-1] * [-1, 1], -quarter, quarter[::-1] * [1, -1]])


def _slab(outline: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Walls from one height to the other above an outline (K, 2), and a cap there: vertices (3 K, 3), faces."""
    count = len(outline)
    rings = [np.column_stack([outline, np.full(count, height)]) for height in (low, high, high)]
    cap = 2 * count + np.array([[0, k, k + 1] for k in range(1, count - 1)])
    faces = np.concatenate([strip_faces(2, count, True), cap])
    return np.concatenate(rings), faces if high > low else faces[:, ::-1]
