"""Little drawn worlds for the trainers' tests: people are two colours, domains differ in light."""

import shutil
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from datasets.manifest import COLUMNS
from datasets.opening import open_dataset
from datasets.pictures import encode
from datasets.splits import roles
from datasets.writer import LATE, DatasetWriter, checksums
from train.parts.body import KEYPOINTS, BodyModel, Pose
from train.parts.mesh_net import Meshes, packed

TINY_WORLD = Path(__file__).parent.parent / "data" / "tiny_world"
BLANK = {"string": "x", "int64": 0, "double": 0.0}


def draw_world(data: Path, name: str, people: int, light: float, train: float = 1.0, tracklet: int = 1) -> None:
    """Writes a dataset of people x 6 crops, or sequences, 16 x 32 pixels, over 3 cameras.

    Args:
        data: data root.
        name: of the dataset.
        people: how many.
        light: brightness of the domain.
        train: share of people that is train.
        tracklet: crops of a sequence.
    """
    random = np.random.default_rng(list(name.encode()))
    (data / name).mkdir(parents=True)
    writer = DatasetWriter(data / name, {"drawn": name})
    crops = []
    for person in range(people):
        shirt, trousers = np.random.default_rng((person, 5)).integers(30, 225, (2, 3))
        for number in (k for k in range(6) for _ in range(tracklet)):
            picture = np.full((32, 16, 3), 120.0)
            picture[6:18, 4:12], picture[18:30, 4:12] = shirt, trousers
            picture = picture * light + 10 * (number % 3) + random.normal(0, 8, picture.shape)
            frame = len(crops) - 6 * tracklet * person
            row = {field.name: BLANK.get(str(field.type)) for field in COLUMNS if field.name not in LATE}
            row |= {"key": f"{person:05d}_c{number % 3:02d}s00_{frame:06d}_00", "pid": person, "camid": number % 3}
            row |= {"frame": frame, "width": 16, "height": 32, "box": [0.0, 0.0, 16.0, 32.0]}
            row["tracklet"] = number if tracklet > 1 else -1
            crops.append((row, encode(picture.clip(0, 255).astype(np.uint8))))
    writer.add("all", crops, Counter())
    writer.finish(roles(range(people), train, 0.0, "drawn", 0), "CC0-1.0")


def draw_worlds(data: Path, tracklet: int = 1) -> Path:
    """The datasets syn, src and tgt below a data root, returned. With sequences half of src's people are tested."""
    draw_world(data, "syn", 6, 1.1, tracklet=tracklet)
    draw_world(data, "src", 7, 0.9, train=0.5 if tracklet > 1 else 1.0, tracklet=tracklet)
    draw_world(data, "tgt", 12, 0.6, train=0.5, tracklet=tracklet)
    return data


def rendered_worlds(data: Path) -> Path:
    """Copies of the rendered datasets src and tgt below a data root, which is returned; src serves as syn, too."""
    for name, of in (("syn", "src"), ("src", "src"), ("tgt", "tgt")):
        shutil.copytree(TINY_WORLD / of, data / name)
    return data


def drawn_meshes(data: Path, runs: Path, of: str = "tgt") -> Path:
    """A file of bodies in the training crops of a dataset, boxes of twelve triangles that look anywhere."""
    dataset = open_dataset(of, data)
    count, draws = len(dataset.split("train")), np.random.default_rng(0)
    corners = torch.tensor([[x, y, z] for x in (-0.2, 0.2) for y in (-0.1, 0.1) for z in (-0.8, 0.8)])
    quads = [[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5]]
    faces = [[a, b, c] for q in quads for a, b, c in ((q[0], q[1], q[2]), (q[0], q[2], q[3]))]
    model = BodyModel(
        {
            "mean": torch.cat([corners, torch.zeros(1 + KEYPOINTS, 3)]), "components": torch.zeros(1, 9 + KEYPOINTS, 3),
            "faces": torch.tensor(faces), "weights": torch.ones(8, 1), "parents": torch.tensor([-1]),
            "mirror": torch.tensor([0]), "carriers": torch.zeros(KEYPOINTS, dtype=torch.long),
        }
    )  # fmt: skip
    up = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]).expand(count, 3, 3)
    pose = Pose(torch.zeros(count, 1), torch.eye(3).expand(count, 1, 3, 3), up, torch.zeros(count, 4))
    pose = pose.turned(torch.from_numpy(draws.uniform(0, 2 * np.pi, count)).float())
    path = runs / "mesh" / "drawn" / "s0" / f"{of}.meshes.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    Meshes(model, packed(pose), {"data": dataset.fingerprint}).save(path)
    return path


def permute_train_pids(root: Path) -> None:
    """Deals a dataset's training identities anew among its training crops."""
    table = pq.read_table(root / "manifest.parquet")
    pid, train = table["pid"].to_numpy().copy(), table["split"].to_numpy(zero_copy_only=False) == "train"
    pid[train] = np.random.default_rng(1).permutation(pid[train])
    table = table.set_column(table.column_names.index("pid"), COLUMNS.field("pid"), pa.array(pid))
    pq.write_table(table, root / "manifest.parquet")
    (root / "SHA256SUMS").write_text(checksums(root))


TINY = [
    "--height", "32", "--width", "16", "--backbone", "timm:test_resnet", "--init", "none", "--budget", "small",
    "--pretrain-epochs", "2", "--pretrain-steps", "3", "--pretrain-batch", "16",
    "--gan-epochs", "2", "--gan-steps", "3", "--gan-batch", "4", "--gan-width", "4",
    "--epochs", "3", "--steps", "3", "--batch", "12", "--k1", "8", "--k2", "3", "--min-samples", "2",
]  # fmt: skip
VIEWS = [  # train.gcl's, beside these
    "--views-epochs", "2", "--views-steps", "2", "--structure-width", "4", "--judge-width", "4", "--draw-by", "torch",
]  # fmt: skip


def flags(data: Path, runs: Path) -> list[str]:
    """A command line of train.smcr that takes seconds."""
    return ["--syn", "syn", "--src", "src", "--tgt", "tgt", "--data-root", str(data), "--runs", str(runs), *TINY]


def settings_of(recipe: ModuleType) -> Any:
    """A recipe's dataclass of settings: the first class in its file."""
    return next(one for one in vars(recipe).values() if isinstance(one, type) and one.__module__ == recipe.__name__)
