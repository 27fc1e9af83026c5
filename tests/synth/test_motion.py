"""The gait: angles that people have, a cycle that closes, and two sides that do the same half a cycle apart."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.motion import ACTIONS, Gait, hand_tasks, joint_rotations, rotation

PHASES = np.linspace(0, 1, 41)
MIRROR = np.diag([-1.0, 1.0, 1.0])
angles = st.floats(-3.2, 3.2)


def turn_deg(matrix: np.ndarray) -> float:
    return float(np.rad2deg(np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1))))


def forwards_deg(matrix: np.ndarray) -> float:
    """How far a hanging limb that is turned so points forwards (the person looks along -y)."""
    _, y, z = matrix @ [0, 0, -1]
    return float(np.rad2deg(np.arctan2(-y, -z)))


@given(angles, angles, angles)
def test_a_rotation_is_rigid(x: float, y: float, z: float) -> None:
    matrix = rotation(x, y, z)
    assert np.allclose(matrix @ matrix.T, np.eye(3)) and np.isclose(np.linalg.det(matrix), 1)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_joint_turns_rigidly(action: str) -> None:
    for phase in PHASES[::8]:
        for name, matrix in joint_rotations(Gait(), phase, action).items():
            assert np.allclose(matrix @ matrix.T, np.eye(3)) and np.linalg.det(matrix) > 0, name


@pytest.mark.parametrize("stride", [0.7, 0.95, 1.2])
def test_legs_bend_as_legs_do(stride: float) -> None:
    cycle = [joint_rotations(Gait(stride=stride), phase) for phase in PHASES]
    for side in "lr":
        knees = [forwards_deg(pose[f"calf_{side}"]) for pose in cycle]
        assert -80 < min(knees) < -35 and max(knees) < 0  # shins go back, 60 degrees in normal walking, never forwards
        hips = [forwards_deg(pose[f"thigh_{side}"]) for pose in cycle]
        assert -25 < min(hips) < -5 and 15 < max(hips) < 42
        assert max(turn_deg(pose[f"foot_{side}"]) for pose in cycle) < 30
        assert max(turn_deg(pose[f"upperarm_{side}"]) for pose in cycle) < 60


def test_the_cycle_closes_and_has_no_jumps() -> None:
    cycle = [joint_rotations(Gait(), phase) for phase in PHASES]
    for name in cycle[0]:
        assert np.allclose(cycle[0][name], cycle[-1][name], atol=1e-9), name
        steps = [turn_deg(a[name].T @ b[name]) for a, b in pairwise(cycle)]
        assert max(steps) < 12, f"{name} jumps by {max(steps):.0f} degrees"


@pytest.mark.parametrize("action", ["walk", "stand"])
def test_the_right_side_follows_the_left_by_half_a_cycle(action: str) -> None:
    for phase in PHASES[:20]:
        now, later = (joint_rotations(Gait(), p, action) for p in (phase, phase + 0.5))
        for name, matrix in now.items():
            stem, _, side = name.rpartition("_")
            other = f"{stem}_{'r' if side == 'l' else 'l'}" if side in ("l", "r") else name
            assert np.allclose(MIRROR @ matrix @ MIRROR, later[other], atol=1e-9), name


def test_at_phase_0_the_left_heel_strikes_and_the_right_arm_is_forward() -> None:
    pose = joint_rotations(Gait(), 0.0)
    assert forwards_deg(pose["thigh_l"]) > 15 > 0 > forwards_deg(pose["thigh_r"])
    assert forwards_deg(pose["upperarm_r"]) > 10 > 0 > forwards_deg(pose["upperarm_l"])


def test_who_stands_rests_on_one_leg_and_hardly_moves_else() -> None:
    straight = joint_rotations(Gait(), 0.0, "stand")
    for phase, free in ((0.25, "r"), (0.75, "l")):
        pose = joint_rotations(Gait(), phase, "stand")
        turned = {name: turn_deg(straight[name].T @ pose[name]) for name in pose}
        legs = {f"{bone}_{free}" for bone in ("thigh", "calf", "foot")}
        assert 8 < turned[f"calf_{free}"] < 20
        assert max(turned[name] for name in {*pose} - legs) < 8


def test_what_is_held_goes_first_and_the_free_hand_telephones() -> None:
    assert hand_tasks("walk", ()) == {} and hand_tasks("phone", ("backpack",)) == {"r": "ear"}
    assert hand_tasks("text", ("suitcase",)) == {"r": "suitcase", "l": "read"}
    assert hand_tasks("pockets", ("handbag",)) == {"l": "handbag", "r": "pocket"}
    assert hand_tasks("pockets", ("crossbody",)) == {"r": "pocket"}
    assert hand_tasks("phone", ("handbag", "umbrella")) == {"l": "handbag", "r": "umbrella"}
    assert "ear_l" in joint_rotations(Gait(), 0.0, "phone", ("umbrella",))
    assert not {"ear_l", "ear_r"} & {*joint_rotations(Gait(), 0.0, "walk", ("umbrella",))}


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(ValueError, match="'fly', wanted one of walk"):
        joint_rotations(Gait(), 0.0, "fly")
