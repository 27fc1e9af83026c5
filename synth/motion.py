"""How people move: joint rotations of a gait or an action at a phase (numpy).

Axes are the body's own: x to its left, y backwards, z up; a limb that hangs swings forwards by `flexion`. Angles follow
the course of the sagittal joint angles in normal walking (Perry, Gait Analysis, 1992), as periodic splines.
"""

from dataclasses import dataclass

import numpy as np
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
    """

    stride: float = 1.0
    arm_swing: float = 1.0
    sway: float = 1.0
    stoop: float = 0.03
    elbow: float = 0.25
    turnout: float = 0.08
    tempo: float = 1.0


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


ACTIONS = ("walk", "stand", "phone")


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


def flexion(angle: float) -> np.ndarray:
    """Swings a hanging limb forwards by `angle` radians."""
    return rotation(x=-angle)


# Degrees at 0, 10, ... 90 % of the cycle that begins with the heel strike: hip flexion, knee flexion,
# ankle dorsiflexion.
_NORMAL = np.deg2rad(
    [
        [28, 23, 14, 4, -5, -10, -3, 14, 27, 31],
        [6, 16, 15, 8, 5, 9, 34, 60, 47, 17],
        [0, -4, 3, 7, 9, 7, -14, -8, 1, 1],
    ]
)
_NORMAL_CURVES = CubicSpline(
    np.linspace(0, 1, 11), np.column_stack([_NORMAL, _NORMAL[:, 0]]), axis=1, bc_type="periodic"
)


def _leg(phase: float) -> tuple[float, float, float]:
    """Hip flexion, knee flexion, ankle dorsiflexion (radians) at a phase in [0, 1); 0 is the heel strike."""
    hip, knee, ankle = _NORMAL_CURVES(phase)
    return float(hip), float(knee), float(ankle)


def joint_rotations(gait: Gait, phase: float, action: str = "walk") -> dict[str, np.ndarray]:
    """Rotations for `bone_transforms`.

    Args:
        gait: the person's gait.
        phase: 0 to 1, one full cycle of two steps; 0 is the left heel strike.
        action: one of ACTIONS.
    """
    if action not in ACTIONS:
        raise ValueError(f"action: got {action!r}, wanted one of {', '.join(ACTIONS)}")
    amount = 0.06 if action == "stand" else gait.stride
    t = 2 * np.pi * phase
    twist, lean = 0.10 * amount * np.cos(t), 0.02 * gait.sway * np.sin(t)
    pose = {
        "pelvis": rotation(y=lean, z=-twist),
        "spine_01": rotation(x=gait.stoop),
        "spine_02": rotation(x=gait.stoop, y=-lean, z=twist),
        "spine_03": rotation(x=gait.stoop, z=0.8 * twist),
        "neck_01": rotation(x=-gait.stoop, z=-0.4 * twist),
        "head": rotation(x=-gait.stoop, z=-0.4 * twist),
    }
    for side, sign, shift in (("l", 1.0, 0.0), ("r", -1.0, 0.5)):
        hip, knee, ankle = _leg((phase + shift) % 1.0)
        inward = 0.13 * sign  # the unposed legs stand apart
        pose[f"thigh_{side}"] = flexion(hip * amount) @ rotation(y=inward, z=gait.turnout * sign)
        pose[f"calf_{side}"] = flexion(-knee * amount - 0.02)
        pose[f"foot_{side}"] = rotation(y=-inward) @ flexion(ankle * amount)
        swing = 0.03 - 0.38 * gait.arm_swing * amount * np.cos(2 * np.pi * (phase + shift))
        pose[f"clavicle_{side}"] = rotation(y=0.06 * sign)
        pose[f"upperarm_{side}"] = flexion(swing) @ rotation(y=0.58 * sign)
        pose[f"lowerarm_{side}"] = flexion(gait.elbow + 0.35 * max(swing, 0.0) - 0.8)  # unposed: bent by about 0.8
        for finger in ("index", "middle", "ring", "pinky"):
            for k in (1, 2, 3):
                pose[f"{finger}_0{k}_{side}"] = rotation(y=0.18 * sign)
    if action == "phone":
        pose["upperarm_r"] = flexion(0.35) @ rotation(y=-0.5)
        pose["lowerarm_r"] = flexion(1.35) @ rotation(z=0.4)
    return pose
