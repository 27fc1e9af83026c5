"""How people move: joint rotations of a gait or an action at a phase (numpy).

Axes are the body's own: x to its left, y backwards, z up; a limb that hangs swings forwards by `flexion`. Joint angles
are periodic splines. Those of walking follow the sagittal ones of normal gait (Perry, Gait Analysis, 1992), altered so
that feet meet the ground; those of running were set by eye.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline


@dataclass(frozen=True)
class Gait:
    """One person's way of walking.

    Attributes:
        stride: amplitude of the leg swing, 1 normal.
        arm_swing: amplitude of the arm swing, 1 normal.
        sway: sideways lean of the trunk, 1 normal.
        stoop: forward lean of the trunk, radians.
        elbow: bend of the elbows, radians.
        turnout: outward turn of the feet, radians.
        tempo: steps per second relative to normal.
        spread: how far the arms hang off the hips, radians.
    """

    stride: float = 1.0
    arm_swing: float = 1.0
    sway: float = 1.0
    stoop: float = 0.03
    elbow: float = 0.25
    turnout: float = 0.08
    tempo: float = 1.0
    spread: float = 0.06


@dataclass(frozen=True)
class Sitting:
    """How somebody is shown in a portrait.

    Attributes:
        azimuth_deg: 0 from the front, 90 from their left.
        action: one of ACTIONS. phase: of its cycle, 0 to 1.
    """

    azimuth_deg: float = 0.0
    action: str = "stand"
    phase: float = 0.1


ACTIONS = ("walk", "run", "stand", "turn", "phone", "text", "wave", "pockets", "sit")
STILL = ("stand", "turn", "sit")  # the feet stay where they are
ONE_HANDED = {"phone": "ear", "text": "read", "wave": "wave"}  # what a hand does then
HELD_IN = {"handbag": "l", "suitcase": "r", "umbrella": "r"}  # the hand

Direction = tuple[float, float, float]
Curl = tuple[float, float, float]  # of a finger's three joints, radians
RELAXED: Curl = (0.38, 0.58, 0.38)
FLAT: Curl = (-0.18, -0.14, 0.10)
CLOSED: Curl = (0.80, 1.45, 1.00)
FIST: Curl = (0.75, 1.15, 0.75)  # a loose one


@dataclass(frozen=True)
class Task:
    """What a hand does besides swinging.

    Attributes:
        swing, elbow, inward, spread: of the arm, as `_arm` takes them; where the hand has a goal (see `reach`), they
            say on which side of it the elbow is.
        curl: of the fingers.
        back, fingers: where the back and the fingers of a left hand point, in the axes of the goal's bone; none
            without a goal.
    """

    swing: float
    elbow: float
    inward: float = 0.0
    spread: float = 0.06
    curl: Curl = RELAXED
    back: Direction | None = None
    fingers: Direction | None = None


TASKS = {
    "ear": Task(0.50, 2.3, spread=-0.15, curl=(0.0, 0.25, 0.40), back=(0.96, -0.25, 0.0), fingers=(0.0, -0.35, 0.94)),
    "read": Task(0.28, 1.75, 0.45, curl=FLAT, back=(0.1, -0.52, -0.85), fingers=(-0.81, -0.50, 0.22)),
    "wave": Task(0.25, 1.95, -1.35, spread=0.95, curl=(0.08, 0.14, 0.09)),
    "pocket": Task(-0.34, 0.80, 0.62, 0.16, (0.15, 0.2, 0.1), back=(0.87, -0.5, 0.0), fingers=(-0.48, 0.1, -0.82)),
    "handbag": Task(0.03, 0.15, curl=CLOSED, back=(1.0, 0.0, 0.0), fingers=(0.0, 0.0, -1.0)),
    "suitcase": Task(-0.90, 0.15, curl=CLOSED, back=(0.0, -1.0, 0.0), fingers=(0.0, 0.3, -0.95)),
    "umbrella": Task(0.15, 1.9, 0.10, curl=CLOSED, back=(0.86, -0.5, 0.0), fingers=(-0.5, -0.86, 0.0)),
}


def rotation(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """3x3 rotation Rz Ry Rx; angles in radians."""
    cx, cy, cz, sx, sy, sz = np.cos(x), np.cos(y), np.cos(z), np.sin(x), np.sin(y), np.sin(z)
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ]
    )


def about(axis: np.ndarray, angle: float) -> np.ndarray:
    """3x3 rotation about a unit vector (3,)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def unit(direction: ArrayLike) -> np.ndarray:
    """A direction (3,) of length 1."""
    return np.asarray(direction, float) / np.linalg.norm(direction)


def flexion(angle: float) -> np.ndarray:
    """Swings a hanging limb forwards by `angle` radians."""
    return rotation(x=-angle)


INWARD = 0.13  # the unposed legs stand apart
# The unposed left arm: directions of upper arm and forearm, the elbow's hinge across both, and the angle between them
UPPER, FOREARM = unit([0.665, -0.004, -0.747]), unit([0.509, -0.684, -0.522])
HINGE = unit(np.cross(UPPER, FOREARM))
REST_ELBOW = float(np.arccos(UPPER @ FOREARM))
TWIST = -0.3  # turns palms to the thighs, at the elbow and again at the wrist
# The unposed left hand: from index to little finger, out of its back, and how far fingers turn to lie side by side
ACROSS, BACK = unit([0.384, 0.825, -0.414]), unit([0.747, -0.014, 0.664])
FINGERS = {"index": 0.26, "middle": 0.07, "ring": -0.04, "pinky": -0.10}
THUMB = unit([0.196, -0.534, 0.823])  # about which the thumb is laid along the index finger

# Degrees at 0, 10, ... 90 % of the cycle that begins with a foot's landing: hip flexion, against the vertical; knee
# flexion; ankle dorsiflexion. In walking the foot is flat from 10 to 40 %; in running it has left the ground by 40 %.
_COURSES = {
    "walk": [
        [21, 16, 7, -4, -13, -17, -10, 9, 23, 24],
        [4, 10, 8, 4, 4, 17, 42, 58, 38, 12],
        [2, -4, 1, 8, 15, 12, -5, -1, 3, 4],
    ],
    "run": [
        [30, 20, 4, -12, -16, -4, 14, 32, 40, 37],
        [14, 26, 22, 12, 20, 56, 88, 94, 68, 28],
        [6, 8, 18, 12, -16, -12, -6, 0, 4, 6],
    ],
}
_CURVES = {
    name: CubicSpline(
        np.linspace(0, 1, 11), np.deg2rad([[*angles, angles[0]] for angles in course]), axis=1, bc_type="periodic"
    )
    for name, course in _COURSES.items()
}


def _leg(phase: float, run: bool = False) -> tuple[float, float, float]:
    """Hip flexion, knee flexion, ankle dorsiflexion (radians) at a phase in [0, 1); 0 is the foot's landing."""
    hip, knee, ankle = _CURVES["run" if run else "walk"](phase)
    return float(hip), float(knee), float(ankle)


def joint_rotations(
    gait: Gait, phase: float, action: str = "walk", holds: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """Rotations for `bone_transforms`, and of hands that reach for something (`TASKS`) against what carries it.

    Args:
        gait: the person's gait.
        phase: 0 to 1, one full cycle of two steps; 0 is the left heel strike. Of who stands, on which leg more.
        action: one of ACTIONS.
        holds: the kinds of what is carried: a handbag in the left hand, a suitcase or an umbrella in the right.
    """
    if action not in ACTIONS:
        raise ValueError(f"action: got {action!r}, wanted one of {', '.join(ACTIONS)}")
    run = action == "run"
    rests, amount = action in ("stand", "turn"), 0.05 if action in STILL else gait.stride
    t = 2 * np.pi * phase
    twist = 0.10 * amount * np.cos(t)
    drop = -0.05 * gait.sway * (1.0 if rests else amount) * np.sin(t)  # of the hip whose leg is free
    lean = 0.02 * gait.sway * np.sin(t)
    stoop = gait.stoop + (0.03 if run else 0.0)
    pose = {
        "pelvis": rotation(y=drop, z=-twist),
        "spine_01": rotation(x=stoop),
        "spine_02": rotation(x=stoop, y=lean - drop, z=twist),
        "spine_03": rotation(x=stoop, z=0.8 * twist),
        "neck_01": rotation(x=-stoop, z=-0.4 * twist),
        "head": rotation(x=-stoop, z=-0.4 * twist),
    }
    for side, sign, shift in (("l", 1.0, 0.0), ("r", -1.0, 0.5)):
        hip, knee, ankle = _leg((phase + shift) % 1.0, run)
        free = max(-sign * np.sin(t), 0.0) if rests else 0.0  # of weight
        aside, out = INWARD - (0.04 + 0.05 * free if rests else 0.0), gait.turnout + 0.25 * free
        pose[f"thigh_{side}"] = flexion(hip * amount + 0.13 * free) @ rotation(y=aside * sign - drop, z=out * sign)
        pose[f"calf_{side}"] = flexion(-knee * amount - 0.02 - 0.24 * free)
        pose[f"foot_{side}"] = rotation(y=-aside * sign) @ flexion(ankle * amount + 0.11 * free)
        back = np.cos(2 * np.pi * (phase + shift))  # 1 as the foot lands: the arm is behind
        if run:
            swing = -0.35 - 0.60 * gait.arm_swing * np.sign(back) * np.abs(back) ** 0.6
            pose |= _arm(side, swing, 1.65 - 0.25 * back, -0.30, FIST, gait.spread + 0.14)
        else:
            swing = -0.12 - 0.38 * gait.arm_swing * amount * back
            pose |= _arm(side, swing, gait.elbow + 0.35 * max(swing, 0.0), spread=gait.spread)
    tasks = hand_tasks(action, holds)
    if action == "sit":
        for side, sign in (("l", 1.0), ("r", -1.0)):
            pose[f"thigh_{side}"] = flexion(1.45) @ rotation(y=0.5 * INWARD * sign, z=gait.turnout * sign)
            pose[f"calf_{side}"] = flexion(-1.42)
            pose[f"foot_{side}"] = rotation(y=-0.5 * INWARD * sign)
            pose |= _arm(side, 0.42, elbow=0.85, inward=0.35)
    elif action == "turn":
        pose["spine_02"] = pose["spine_02"] @ rotation(z=0.18)
        pose["head"] = pose["head"] @ rotation(z=0.55)
        pose["neck_01"] = pose["neck_01"] @ rotation(z=0.25)
    elif "ear" in tasks.values():
        pose["head"] = pose["head"] @ rotation(y=0.08 if tasks.get("r") == "ear" else -0.08)
    elif "read" in tasks.values():
        pose["head"], pose["neck_01"] = pose["head"] @ rotation(x=0.28), pose["neck_01"] @ rotation(x=0.15)
    for side, name in tasks.items():
        task = TASKS[name]
        pose |= _arm(side, task.swing, task.elbow, task.inward, task.curl, task.spread)
        if task.back is not None and task.fingers is not None:
            pose[f"{name}_{side}"] = _hand(side, task.back, task.fingers)
    return pose


def hand_tasks(action: str, holds: tuple[str, ...]) -> dict[str, str]:
    """What the hands do that neither swing nor rest: by side, a name of TASKS. What they hold goes first."""
    held = {HELD_IN[name]: name for name in holds if name in HELD_IN}
    if action == "pockets":
        return dict.fromkeys("r" if "crossbody" in holds else "lr", "pocket") | held  # a bag hangs over the left one
    return ({free_hand(holds): ONE_HANDED[action]} if action in ONE_HANDED else {}) | held


def free_hand(holds: tuple[str, ...]) -> str:
    """The side of the hand that telephones and waves: the right one, if it holds nothing."""
    return "l" if any(HELD_IN.get(name) == "r" for name in holds) else "r"


def _hand(side: str, back: Direction, fingers: Direction) -> np.ndarray:
    """The rotation of an unposed hand whose back and fingers then point so (a left one's, mirrored for the right)."""
    turn = _axes(np.array(fingers), np.array(back)) @ _axes(np.cross(ACROSS, BACK), BACK).T
    return turn if side == "l" else turn * np.outer([-1, 1, 1], [-1, 1, 1])


def _axes(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A rotation (3, 3); its columns: the first direction, the second as far as it is across it, and across both."""
    first, third = unit(first), unit(np.cross(first, second))
    return np.stack([first, np.cross(third, first), third], 1)


def _arm(
    side: str, swing: float, elbow: float, inward: float = 0.0, curl: Curl = RELAXED, spread: float = 0.06
) -> dict[str, np.ndarray]:
    """An arm. Args: swing forwards; elbow bend; inward turn of the upper arm about itself; curl of the fingers at
    their three joints; spread sideways, all radians.
    """
    sign = 1.0 if side == "l" else -1.0

    def turned(axis: np.ndarray, angle: float) -> np.ndarray:
        return about(axis * [sign, 1, 1], angle * sign)

    out = {
        f"clavicle_{side}": rotation(y=0.20 * sign),
        f"upperarm_{side}": flexion(swing) @ rotation(y=(0.46 - spread) * sign) @ rotation(z=-0.15 * sign),
        f"lowerarm_{side}": turned(UPPER, inward) @ turned(HINGE, elbow - REST_ELBOW) @ turned(FOREARM, TWIST),
        f"hand_{side}": turned(FOREARM, TWIST),
    }
    for finger, aside in FINGERS.items():
        for k, angle in enumerate(curl, 1):
            bent = turned(ACROSS, angle)
            out[f"{finger}_0{k}_{side}"] = bent @ turned(BACK, aside) if k == 1 else bent
    out[f"thumb_01_{side}"] = turned(THUMB, 0.45)
    return out
