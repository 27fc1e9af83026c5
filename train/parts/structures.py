"""Structure pictures of a dataset: each body as it stands, and turned by 45, 90 ... 315 degrees; drawn once, kept."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from opengspr.files import whole_file
from train.parts.body import Pose
from train.parts.data import Images
from train.parts.drawing import Painter
from train.parts.mesh_net import Meshes

VIEWS = 8  # of a body; the first is that of its picture
PICTURES, ENDS = "structures.bin", "structures.npy"


class Drawn:
    """The encoded pictures in a folder, as a source of `Images`: that of body n in view v is number n x VIEWS + v."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.ends = np.load(folder / ENDS)
        self.bytes = np.memmap(folder / PICTURES, np.uint8, "r")

    def __len__(self) -> int:
        return len(self.ends) - 1

    def read(self, index: int, /) -> bytes:
        """A picture as PNG."""
        return self.bytes[self.ends[index] : self.ends[index + 1]].tobytes()


@torch.no_grad()
def draw(folder: Path, meshes: Meshes, painter: Painter, height: int, width: int, size: int = 16) -> Mapping[str, Any]:
    """Draws all views of all bodies into a folder, so many bodies at a time; for `run.shared_stage`."""
    angles = torch.arange(VIEWS) * (2 * torch.pi / VIEWS)
    ends = [0]
    with whole_file(folder / PICTURES) as file, tqdm(total=len(meshes), desc="structures", disable=None) as bar:
        for first in range(0, len(meshes), size):
            pose = Pose(*(part[first : first + size] for part in meshes.pose))
            count = len(pose.shape)
            every = Pose(*(part.repeat_interleave(VIEWS, 0) for part in pose)).turned(angles.repeat(count))
            for picture in painter.draw(meshes.model(every)[0], every.camera, height, width):
                stream = BytesIO()
                Image.fromarray(picture).save(stream, "PNG", compress_level=3)
                file.write(stream.getvalue())
                ends.append(ends[-1] + stream.tell())
            bar.update(count)
    with whole_file(folder / ENDS) as file:
        np.save(file, np.array(ends))
    return {"pictures": len(ends) - 1, "bytes": ends[-1]}


def opened(folder: Path, height: int, width: int) -> Images:
    """What `draw` made, decoded now where it fits into memory."""
    return Images(Drawn(folder), height, width)
