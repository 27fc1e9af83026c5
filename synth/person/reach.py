"""Hands that reach: arms bent so that a hand gets to a place on the body, whatever the build (numpy)."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from synth.motion import about, unit
from synth.person.basemesh import base_mesh
from synth.person.body import bone_transforms

Point = tuple[float, float, float]
STRAIGHT = 0.995  # of an arm's length, at most


@dataclass(frozen=True)
class Goal:
    """Where a hand goes. Attributes: bone that carries the goal; at: the goal; grip: a point that gets there, and
    grip_bone, of the hand or a finger, that carries it. Points are on the unposed body, metres.
    """

    bone: str
    at: Point
    grip_bone: str
    grip: Point


def point(at: np.ndarray) -> Point:
    x, y, z = (float(v) for v in at)
    return x, y, z


def carried_to(transforms: np.ndarray, bone: str, at: Point) -> np.ndarray:
    """Where a bone takes a point of the unposed body (3,)."""
    turn = transforms[base_mesh().bone(bone)]
    return turn[:, :3] @ at + turn[:, 3]


def reach(heads: np.ndarray, rotations: dict[str, np.ndarray], goals: dict[str, Goal]) -> dict[str, np.ndarray]:
    """Rotations with the arms bent so that hands get to their goals, elbows staying on the side where they are.

    Args:
        heads: (B, 3) of the unposed body.
        rotations: for `bone_transforms`; those named like a goal say how its hand is turned against the goal's bone.
        goals: by name, which ends in `_l` or `_r`, the hand's side.
    """
    wanted = [name for name in rotations if name in goals]
    out = dict(rotations)
    if wanted:
        transforms = bone_transforms(heads, rotations)
        for name in wanted:
            out |= _arm(heads, transforms, rotations[name], goals[name], name[-1])
    return out


def _arm(heads: np.ndarray, transforms: np.ndarray, turn: np.ndarray, goal: Goal, side: str) -> dict[str, np.ndarray]:
    """Rotations of one arm. Args: turn: of the hand against the goal's bone."""
    names = [f"{bone}_{side}" for bone in ("clavicle", "upperarm", "lowerarm", "hand")]
    clavicle, *chain = (base_mesh().bone(name) for name in names)
    rest = heads[chain]
    shoulder, elbow, wrist = (transforms[bone, :, :3] @ heads[bone] + transforms[bone, :, 3] for bone in chain)
    hand = transforms[base_mesh().bone(goal.bone), :, :3] @ turn
    grip = transforms[chain[2], :, :3].T @ (carried_to(transforms, goal.grip_bone, goal.grip) - wrist)
    upper_m, lower_m = (float(np.linalg.norm(b - a)) for a, b in pairwise(rest))
    away = carried_to(transforms, goal.bone, goal.at) - hand @ grip - shoulder
    far = float(np.clip(np.linalg.norm(away), 1.1 * abs(upper_m - lower_m) + 0.05, STRAIGHT * (upper_m + lower_m)))
    along, out = unit(away), elbow - shoulder
    out = unit(out - (out @ along) * along)
    share = (upper_m**2 - lower_m**2 + far**2) / (2 * far)
    elbow = share * along + np.sqrt(max(upper_m**2 - share**2, 0.0)) * out
    unposed = _frames(rest[1] - rest[0], rest[2] - rest[1])
    upper, lower = (now @ was.T for now, was in zip(_frames(elbow, far * along - elbow), unposed, strict=True))
    twist = _twist(lower.T @ hand, unposed[1][:, 0])  # dealt out, since sleeves would be wrung at one joint
    upper, lower = (
        turn @ about(axes[:, 0], share * twist)
        for turn, axes, share in zip((upper, lower), unposed, (0.3, 0.6), strict=True)
    )
    above = transforms[clavicle, :, :3]
    return dict(zip(names[1:], (above.T @ upper, upper.T @ lower, lower.T @ hand), strict=True))


def _frames(upper: np.ndarray, lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axes (3, 3), in columns, of the upper arm and the forearm: along it, the elbow's hinge, and across both."""
    hinge = unit(np.cross(upper, lower))
    first, second = (np.stack([unit(v), hinge, np.cross(unit(v), hinge)], 1) for v in (upper, lower))
    return first, second


def _twist(turn: np.ndarray, axis: np.ndarray) -> float:
    """How far a rotation (3, 3) turns about an axis, radians."""
    across = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    return 2 * float(np.arctan2(across @ axis, 1 + np.trace(turn)))
