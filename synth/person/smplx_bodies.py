"""SMPL-X bodies (Pavlakos et al., 2019) from the user's own licensed files, as shapes of our base mesh.

The base mesh is laid once on a model's mean body, which is brought into the base mesh's pose: joints on joints, then
skin on skin. In one pose SMPL-X is linear in its shape parameters, and so is the base mesh that follows it: a body is
one matrix product. Clothes, hair and motion need to know nothing of it.
"""

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from opengspr import UserError
from synth.person.basemesh import base_mesh, to_metres
from synth.person.body import Shape, joints, shape_vertices
from synth.person.pieces import neighbours, normals, whole

BETAS = 10  # shape parameters that are drawn, of unit variance
FARTHEST = 2.5  # standard deviations that height may be from the mean by shape alone; the rest is scaled
LIMBS = {
    "hip": "thigh", "knee": "calf", "ankle": "foot", "foot": "ball", "shoulder": "upperarm", "elbow": "lowerarm",
    "wrist": "hand",
}  # fmt: skip
SPREADS = (60, 60, 60, 40, 40, 30, 30, 20, 20, 15, 15, 10, 10, 10, 10)  # how far a move of the skin is spread
NEAR_M, BEND_M = 0.08, 0.03  # how far skin looks for skin; how far off a right angle between normals counts


@dataclass(frozen=True, eq=False)
class Laid:
    """The base mesh on one model. Attributes: mean (19158, 3) metres; moves (19158, 3, BETAS) for a unit each."""

    mean: np.ndarray
    moves: np.ndarray

    def vertices(self, betas: np.ndarray, height_m: float) -> np.ndarray:
        """Vertices (19158, 3) of a body with its helpers, metres, soles at z = 0.

        Args:
            betas: (BETAS,) as drawn; moved along the direction that makes people taller, to reach the height.
        """
        z = self.mean[: _skin_count(), 2]
        crown, sole = z.argmax(), z.argmin()
        slope = self.moves[crown, 2] - self.moves[sole, 2]
        taller = slope / np.linalg.norm(slope)
        wanted = (height_m - (z[crown] - z[sole])) / np.linalg.norm(slope)
        out = self.mean + self.moves @ (betas + (np.clip(wanted, -FARTHEST, FARTHEST) - taller @ betas) * taller)
        z = out[: _skin_count(), 2]
        return (out - [0, 0, z.min()]) * (height_m / np.ptp(z))


def _skin_count() -> int:
    return int(base_mesh().faces["body"].max()) + 1


@lru_cache(maxsize=2)
def read_bodies(folder: Path) -> dict[str, Laid]:
    """The models of a folder by sex (some seconds each).

    Raises:
        UserError: no model, one that cannot be read, or the package smplx is missing.
    """
    try:
        from smplx import SMPLXLayer
    except ImportError:
        raise UserError(
            "--body smplx needs the package smplx, whose licence is for non-commercial research: "
            "if it suits you, `pip install -c constraints.txt -e '.[smplx]'`"
        ) from None
    found = {}
    for sex in ("female", "male"):
        path = _file(folder, sex)
        try:
            with redirect_stdout(io.StringIO()):  # it remarks on the number of parameters
                layer = SMPLXLayer(str(path), num_betas=BETAS, use_pca=False, flat_hand_mean=True, ext="npz")
            found[sex] = _laid(layer, sex)
        except Exception as error:  # it may fail in any way on a file that is not what it should be
            raise UserError(f"{path}: not an SMPL-X model: {type(error).__name__}: {error}") from None
    return found


def _file(folder: Path, sex: str) -> Path:
    names = [f"SMPLX_{name}.npz" for name in (sex.upper(), "NEUTRAL")]
    for path in (where / name for name in names for where in (folder, folder / "smplx")):
        if path.is_file():
            return path
    raise UserError(f"--body-dir {folder}: neither {names[0]} nor {names[1]} in it")


def _laid(layer: Any, sex: str) -> Laid:
    import torch

    def shaped(betas: np.ndarray, turns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Skin (10475, 3) and joints (55, 3) with local rotations (55, 3, 3)."""
        turns_ = torch.tensor(turns, dtype=torch.float32)[None]
        with torch.no_grad():
            out = layer(
                betas=torch.tensor(betas, dtype=torch.float32)[None],
                body_pose=turns_[:, 1:22],
                left_hand_pose=turns_[:, 25:40],
                right_hand_pose=turns_[:, 40:55],
            )
        return _in_our_axes(out.vertices), _in_our_axes(out.joints[:, :55])

    flat = np.broadcast_to(np.eye(3), (55, 3, 3))
    skin, heads = shaped(np.zeros(BETAS), flat)
    ours = shape_vertices(Shape(float(sex == "male"), 25, 0.5, 0.5, float(np.ptp(skin[:, 2]))))
    names = _our_bones()
    turns = _turns(heads, joints(ours), names, layer.parents.numpy())
    skin, heads = shaped(np.zeros(BETAS), turns)
    known = [j for j, name in enumerate(names) if name]
    bones = [base_mesh().bone(names[j]) for j in known]
    mean = lay(ours, skin, np.asarray(layer.faces, int), bones, heads[known])
    follow = _follow(mean, skin)
    moves = []
    for beta in np.eye(BETAS):
        moved_skin, moved_heads = shaped(beta, turns)
        move = follow @ (moved_skin - skin)
        for bone, by in zip(bones, (moved_heads - heads)[known], strict=True):
            move[base_mesh().joints[bone]] = by
        moves.append(move)
    return Laid(mean, np.stack(moves, axis=2))


def _in_our_axes(points: Any) -> np.ndarray:
    """A tensor (1, N, 3) as an array (N, 3)."""
    return to_metres(10 * points[0].double().numpy())


def _our_bones() -> list[str]:
    """The bone of the base mesh whose head is each SMPL-X joint, or ""."""
    from smplx.joint_names import JOINT_NAMES

    def bone(name: str) -> str:
        side, _, part = name.partition("_")
        if side not in ("left", "right"):
            return {"neck": "neck_01", "head": "head"}.get(name, "")
        ours = LIMBS.get(part) or (f"{part[:-1]}_0{part[-1]}" if part[-1] in "123" else "")
        return ours and f"{ours}_{side[0]}"

    return [bone(name) for name in JOINT_NAMES[:55]]


def _turns(theirs: np.ndarray, ours: np.ndarray, names: list[str], parents: np.ndarray) -> np.ndarray:
    """Local rotations (55, 3, 3), in SMPL-X's axes, that bring its limbs into the directions of the base mesh's.

    Args:
        theirs: (55, 3) joints at rest. ours: (B, 3) of the base mesh. Feet stay level.
    """
    wanted = np.array([ours[base_mesh().bone(name)] if name else np.zeros(3) for name in names])
    whole_, local = np.tile(np.eye(3), (2, 55, 1, 1))
    for j, name in enumerate(names):
        if j == 0:
            continue
        turn = whole_[parents[j]]
        ends = [k for k in range(55) if names[k] and parents[k] == j]
        if name.startswith("foot"):
            turn = _turn(*((at[ends] - at[j]) * [1, 1, 0] for at in (theirs, wanted)))
        elif name and ends and name not in ("neck_01", "head"):
            turn = _turn((theirs[ends] - theirs[j]) @ turn.T, wanted[ends] - wanted[j]) @ turn
        local[j] = whole_[parents[j]].T @ turn
        whole_[j] = turn
    axes = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # to ours
    return axes.T @ local @ axes


def _turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) that best takes directions a (K, 3) to b (K, 3); without a twist where there is but one."""
    if len(a) > 1:
        return Rotation.align_vectors(b, a)[0].as_matrix()
    axis, along = np.cross(a[0], b[0]), a[0] @ b[0]
    length = np.linalg.norm(axis)
    return Rotation.from_rotvec(axis / (length + 1e-12) * np.arctan2(length, along)).as_matrix()


def lay(ours: np.ndarray, skin: np.ndarray, faces: np.ndarray, bones: list[int], heads: np.ndarray) -> np.ndarray:
    """The base mesh (19158, 3) on another skin in about the same pose: non-rigid closest points, coarse to fine.

    Args:
        ours: (19158, 3) before. skin: (M, 3), faces: (F, 3) of the other. bones: K of ours and heads (K, 3), where
            their heads are in the other.
    """
    count, own = _skin_count(), base_mesh().joints[bones]
    warp = RBFInterpolator(joints(ours)[bones], heads - joints(ours)[bones], kernel="linear", degree=0)
    out = ours + warp(ours)
    start, at = out[:count].copy(), out[:count]
    out_ = normals(skin, faces)
    samples, facing = (np.concatenate([x, x[faces].mean(1)]) for x in (skin, out_))
    tree = cKDTree(np.hstack([samples, BEND_M * facing]))
    triangles = whole("body").faces
    mean, _ = neighbours(triangles, count)
    for spread in SPREADS:
        mine = normals(at, triangles)
        _, near = tree.query(np.hstack([at, BEND_M * mine]))
        away = samples[near] - at
        fits = (np.linalg.norm(away, axis=1) < NEAR_M) & ((mine * facing[near]).sum(1) > 0.5)
        move = facing[near] * (away * facing[near]).sum(1, keepdims=True)
        field = np.column_stack([move, np.ones(count)]) * fits[:, None]
        for _ in range(spread):
            field = mean @ field
        at += field[:, :3] / (field[:, 3:] + 0.02)
    rest = np.arange(count, len(out))
    out[rest] += _follow(out[rest], start) @ (at - start)
    for vertices, head in zip(own, heads, strict=True):
        out[vertices] += head - out[vertices].mean(0)
    return out


def _follow(points: np.ndarray, skin: np.ndarray) -> sparse.csr_matrix:
    """Rows (N, M) of weights with which points (N, 3) follow a skin (M, 3): its nearest vertices, nearer ones more."""
    far, near = cKDTree(skin).query(points, 6)
    weight = 1 / (far**2 + 1e-6)
    rows = np.repeat(np.arange(len(points)), 6)
    weight /= weight.sum(1, keepdims=True)
    return sparse.csr_matrix((weight.ravel(), (rows, near.ravel())), shape=(len(points), len(skin)))
