"""How fast bodies are drawn: `python -m benchmarks.structures --meshes runs/mesh/.../market.meshes.safetensors --json`.

Structure pictures a second by each painter that works here, many bodies at once and one by one; where two painters
work, the share of silhouettes that are the same but for one pixel of outline.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import binary_dilation
from torch import Tensor

from opengspr import UserError, command
from train.parts import drawing, gl
from train.parts.body import Pose
from train.parts.mesh_net import Meshes


@dataclass(frozen=True)
class Settings:
    """Measure how fast bodies are drawn; the last line is JSON."""

    meshes: Path | None = None
    """What train.mesh --predict wrote."""
    bodies: int = 256
    """Bodies that are drawn at once."""
    height: int = 256
    width: int = 128
    json: bool = False
    """Print only the last line."""


@torch.no_grad()
def main(settings: Settings) -> None:
    if settings.meshes is None:
        raise UserError("--meshes: wanted a file of train.mesh --predict")
    meshes = Meshes.load(settings.meshes)
    pose = Pose(*(part[: settings.bodies] for part in meshes.pose))
    count, size = len(pose.shape), (settings.height, settings.width)
    figures: dict[str, float] = {"bodies": count, "posed_per_s": count / _seconds(lambda: meshes.model(pose))}
    surface, drawn = meshes.model(pose)[0], []
    for by in (*gl.PLATFORMS, "torch"):
        if by != "torch" and not gl.working(by):
            continue
        painter = drawing.painter(meshes.model, by)  # type: ignore[arg-type]  # one of drawing.By
        drawn.append(painter.draw(surface, pose.camera, *size))  # the first starts what it needs
        rates = _rates(painter, (surface, pose.camera), size)
        figures |= {f"{by}_{name}": rate for name, rate in rates.items()}
    if len(drawn) > 1:
        pairs = zip(drawn[0].any(3), drawn[-1].any(3), strict=True)
        figures["same_silhouettes"] = float(np.mean([_same(*pair) for pair in pairs]))
    if not settings.json:
        for name, value in figures.items():
            print(f"{name:28} {value:.4g}")
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


def _rates(painter: drawing.Painter, bodies: tuple[Tensor, Tensor], size: tuple[int, int]) -> dict[str, float]:
    """Bodies a second, all at once and one by one."""
    surface, camera = bodies
    few = min(len(surface), 32)
    together = _seconds(lambda: painter.draw(surface, camera, *size))
    apart = _seconds(lambda: [painter.draw(surface[i : i + 1], camera[i : i + 1], *size) for i in range(few)])
    return {"pictures_per_s": len(surface) / together, "one_by_one_per_s": few / apart}


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two silhouettes (H, W) differ by at most a pixel of their outline."""
    around = np.ones((3, 3), bool)
    return all(bool((a <= binary_dilation(b, around)).all()) for a, b in ((one, other), (other, one)))


if __name__ == "__main__":
    command(Settings, main)
