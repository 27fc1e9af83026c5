"""What a capture knows of the bodies in it: a linear space of their shapes, and how each of them stands (numpy).

A body is a point of the space, moved by the rotations of 22 bones; fingers stay relaxed and move with their hand. It is
seen without perspective, by a camera that looks straight at it from where the shot's camera is: drawn so, it covers
what it covers in the shot.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from scenes.places import project
from synth.capture import Capture, Shot
from synth.motion import Gait, joint_rotations, rotation
from synth.person.basemesh import BONES, FINGERS, base_mesh
from synth.person.body import bone_transforms, joints, skin
from synth.person.identity import appearance
from synth.person.person import Person, build, keypoints, settled, stance
from synth.person.tiers import OURS, Tiers

CELL_M = 0.02  # vertices of the base mesh within a cell of this size become one


@dataclass(frozen=True)
class BodySpace:
    """Bodies as mean + coefficients @ components, unposed, metres. V vertices, B = 22 bones, 17 COCO keypoints.

    Attributes:
        mean: (V + B + 17, 3): vertices of the skin, heads of the bones, keypoints.
        components: (K, V + B + 17, 3), each of one standard deviation, the largest first.
        faces: (F, 3). weights: (V, B), rows sum to 1.
        parents: (B,) index of each bone's parent, -1 for the pelvis. mirror: (B,) of the bone on the other side.
        carriers: (17,) the bone that moves each keypoint.
    """

    mean: np.ndarray
    components: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    parents: np.ndarray
    mirror: np.ndarray
    carriers: np.ndarray

    def coefficients(self, points: np.ndarray) -> np.ndarray:
        """Of the body of the space that is nearest to one (V + B + 17, 3); (K,)."""
        flat = self.components.reshape(len(self.components), -1)
        found: np.ndarray = np.linalg.lstsq(flat.T, (points - self.mean).ravel(), rcond=None)[0]
        return found


@dataclass(frozen=True)
class Standing:
    """How somebody stands in a picture.

    Attributes:
        shape: (K,) coefficients in the space. turns: (B, 3, 3) of the bones, against their parents.
        facing: (3, 3) from the body's axes to the camera's: x right, y down, z away.
        scale, at: pixels of the picture = scale x (x, y) + at, (2,), of points from the pelvis' head, metres.
        error: of this against the camera with perspective, root mean square over joints, as a share of the height.
    """

    shape: np.ndarray
    turns: np.ndarray
    facing: np.ndarray
    scale: float
    at: np.ndarray
    error: float


def body_space(bodies: Sequence[np.ndarray], size: int) -> BodySpace:
    """The space of some bodies' principal components.

    Args:
        bodies: (19158, 3) each, unposed, as `Tiers.body` has them.
        size: K; fewer where there are fewer bodies.
    """
    mesh, (kept, faces) = base_mesh(), _thinned()
    points = np.stack([points_of(body) for body in bodies])
    mean = points.mean(0)
    _, deviations, directions = np.linalg.svd((points - mean).reshape(len(points), -1), full_matrices=False)
    size = min(size, len(points) - 1)
    lengths = deviations[:size] / np.sqrt(len(points))
    components = (lengths[:, None] * directions[:size]).reshape(size, *mean.shape)
    weights = mesh.weights[kept, : len(BONES)].copy()
    for finger in FINGERS:
        weights[:, mesh.bone(f"hand_{finger[-1]}")] += mesh.weights[kept, mesh.bone(finger)]
    _, carriers = keypoints(mesh.vertices)
    other = [BONES.index(re.sub("_[lr]$", lambda side: {"_l": "_r", "_r": "_l"}[side[0]], bone)) for bone in BONES]
    parents = mesh.parents[: len(BONES)]
    return BodySpace(mean, components, faces, weights, parents, np.array(other), carriers.argmax(1))


def points_of(body: np.ndarray) -> np.ndarray:
    """Vertices, bone heads and keypoints (V + B + 17, 3) of an unposed body (19158, 3), its fingers relaxed."""
    heads = joints(body)
    relaxed = {name: turn for name, turn in joint_rotations(Gait(), 0.0, "stand").items() if name in FINGERS}
    held = skin(body, base_mesh().weights, bone_transforms(heads, relaxed))
    return np.concatenate([held[_thinned()[0]], heads[: len(BONES)], keypoints(body)[0]])


@lru_cache(maxsize=1)
def _thinned() -> tuple[np.ndarray, np.ndarray]:
    """The base mesh's skin with one vertex for each cell: which (V,), and triangles (F, 3) among them."""
    mesh = base_mesh()
    quads = mesh.faces["body"]
    at = mesh.vertices[: quads.max() + 1]
    _, cell = np.unique(np.floor(at / CELL_M).astype(int), axis=0, return_inverse=True)
    cell = cell.ravel()
    middle = np.stack([np.bincount(cell, at[:, k]) for k in range(3)], 1) / np.bincount(cell)[:, None]
    order = np.lexsort([np.linalg.norm(at - middle[cell], axis=1), cell])
    kept = order[np.r_[True, np.diff(cell[order]) > 0]]
    faces = cell[np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])]
    whole = (faces != np.roll(faces, 1, axis=1)).all(1)
    _, first = np.unique(np.sort(faces[whole], axis=1), axis=0, return_index=True)
    return kept, faces[whole][np.sort(first)]


class People:
    """A capture's people, each built when first wanted.

    Args:
        capture: any.
        tiers: what they were built with.
    """

    def __init__(self, capture: Capture, tiers: Tiers = OURS) -> None:
        self.capture, self.tiers = capture, tiers
        pids, looks = (capture.people.column(name).to_pylist() for name in ("pid", "look"))
        self.looks: dict[int, dict[str, Any]] = {pid: json.loads(look) for pid, look in zip(pids, looks, strict=True)}
        self.built: dict[tuple[int, int], Person] = {}

    def bodies(self) -> Iterator[np.ndarray]:
        """Everybody's unposed body, (19158, 3), in pid order. Raises UserError where the tiers lack what it needs."""
        return (self.tiers.body(look) for look in self.looks.values())

    def standing(self, shot: Shot, space: BodySpace, shapes: dict[int, np.ndarray]) -> Standing:
        """How the person of a shot stands in its picture.

        Args:
            shapes: coefficients by pid; those that are missing are added.
        """
        truth = shot.truth
        pid, variation, body = truth["pid"], truth["variation"], truth["body"]
        look = appearance(self.looks[pid], variation)
        if (pid, variation) not in self.built:
            self.built[pid, variation] = _bones_of(build(look, self.tiers))
        if pid not in shapes:
            shapes[pid] = space.coefficients(points_of(self.tiers.body(look)))
        person = self.built[pid, variation]
        rotations = settled(person, stance(look, truth["action"], body["phase"]))
        transforms = bone_transforms(person.heads, rotations)
        turns = np.stack([rotations.get(name, np.eye(3)) for name in BONES])
        marks = skin(person.marks, person.mark_weights, transforms) - person.heads[0]  # the pelvis' head does not move
        heading = rotation(z=body["heading_rad"])
        return Standing(shapes[pid], turns, *_seen(marks, heading, truth))


def _bones_of(person: Person) -> Person:
    """The person without surface, which is most of the memory."""
    names = ("vertices", "weights", "faces", "layer", "covered", "clearance_m")
    return replace(person, finish=None, **{name: getattr(person, name)[:0].copy() for name in names})


def _seen(marks: np.ndarray, heading: np.ndarray, truth: dict[str, Any]) -> tuple[np.ndarray, float, np.ndarray, float]:
    """`facing`, `scale`, `at` and `error` of keypoints (17, 3) in the body's axes, from the pelvis' head."""
    camera = truth["camera"]
    matrices = np.array(camera["K"]), np.array(camera["R"]), np.array(camera["t"])
    placed = np.array(truth["keypoints_3d"])
    along = matrices[1] @ placed.mean(0) + matrices[2]
    facing = _straight(along / np.linalg.norm(along)) @ matrices[1] @ heading
    wanted = (project(placed, matrices)[0] - truth["region"][:2]) * truth["scale"]
    flat = (marks @ facing.T)[:, :2]
    centred, mean = flat - flat.mean(0), wanted.mean(0)
    scale = float((centred * (wanted - mean)).sum() / (centred**2).sum())
    at = mean - scale * flat.mean(0)
    off = np.sqrt(((scale * flat + at - wanted) ** 2).sum(1).mean())
    return facing, scale, at, float(off / np.ptp(wanted[:, 1]))


def _straight(direction: np.ndarray) -> np.ndarray:
    """The smallest rotation (3, 3) that takes a unit vector (3,) to the z axis."""
    x, y, z = direction
    cross = np.array([[0, 0, -x], [0, 0, -y], [x, y, 0.0]])
    return np.eye(3) + cross + cross @ cross / (1 + z)
