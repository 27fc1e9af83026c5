"""What a training step costs: `python -m benchmarks.training --json`, Cluster Contrast's, pictures and all.

`--beside FOLDER` measures a checkout of alibaba/cluster-contrast-reid as well, with its own loader, memory and trainer
around the same net, in turns with ours.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.pictures import Folder, people
from opengspr import UserError, command
from train.cluster_contrast import ClusterContrast, Contrast
from train.parts import backbones, sampling
from train.parts.backbones import EncoderSpec
from train.parts.data import Images, Unlabelled
from train.parts.learning import Machine
from train.parts.run import choose_device

PEOPLE, EACH = 60, 20
LONGEST = 2000  # steps of an epoch


@dataclass(frozen=True)
class Settings:
    """Measure what a training step costs; the last line is JSON."""

    backbone: str = "mobilenetv3_small_050"
    height: int = 128
    width: int = 64
    batch: int = 64
    per_identity: int = 16
    steps: int = 20
    """Measured steps, after three others, in each turn."""
    turns: int = 3
    device: str = "auto"
    amp: Literal["auto", "bf16", "off"] = "auto"
    beside: Path | None = None
    """A checkout of alibaba/cluster-contrast-reid to measure beside ours."""
    workers: int = 4
    """Its loading processes; its own default is 4."""
    json: bool = False
    """Print only the last line."""


def main(settings: Settings) -> None:
    device = choose_device(settings.device)
    with tempfile.TemporaryDirectory() as folder:
        files = people(Path(folder), PEOPLE, EACH)
        loops = {"ours": _ours(files, settings, device)}
        if settings.beside:
            loops["theirs"] = _theirs(files, settings, device)
        for loop in loops.values():
            loop(3)
        turns = [{name: _speed(loop, settings, device) for name, loop in loops.items()} for _ in range(settings.turns)]
    figures = {f"{name}_images_per_s": round(max(turn[name] for turn in turns), 1) for name in loops}
    if not settings.json:
        for name, value in figures.items():
            print(f"{name:24} {value}")
    print(json.dumps(figures))


def _speed(loop: Any, settings: Settings, device: str) -> float:
    began = time.perf_counter()
    loop(settings.steps)
    if device == "cuda":
        torch.cuda.synchronize()
    return settings.steps * settings.batch / (time.perf_counter() - began)


def _ours(files: list[Path], settings: Settings, device: str) -> Any:
    """Some steps of our stage, its clusters being the people."""
    chosen = ClusterContrast(batch=settings.batch, per_identity=settings.per_identity, steps=LONGEST)
    encoder = backbones.build(EncoderSpec(settings.backbone, settings.height, settings.width), "none", 0)
    camid = np.arange(len(files)) % 4
    target = Unlabelled(Images(Folder(files), settings.height, settings.width), camid, np.arange(len(camid)))
    stage = Contrast(chosen, encoder, target, None, Machine.of(device, settings.amp))
    stage.label = np.arange(len(files)) // EACH
    random = torch.nn.functional.normalize(torch.randn(len(files), encoder.channels, device=device))
    stage.begin_clusters(random, torch.from_numpy(stage.label).to(device), 3.5e-4)
    stage.feed(0, 0)

    def steps(count: int) -> None:
        for step in range(count):
            stage.step(0, step)

    return steps


def _theirs(files: list[Path], settings: Settings, device: str) -> Any:
    """The same number of steps of the public trainer."""
    sys.path.insert(0, str(settings.beside))
    try:
        from clustercontrast.models.cm import ClusterMemory
        from clustercontrast.trainers import ClusterContrastTrainer
        from clustercontrast.utils.data import IterLoader
        from clustercontrast.utils.data import transforms as T
        from clustercontrast.utils.data.preprocessor import Preprocessor
    except ImportError as error:
        raise UserError(f"--beside {settings.beside}: wanted a checkout of cluster-contrast-reid ({error})") from error
    encoder = backbones.build(EncoderSpec(settings.backbone, settings.height, settings.width), "none", 0)
    known = [(str(path), n // EACH, n % 4) for n, path in enumerate(files)]
    change = T.Compose([
        T.Resize((settings.height, settings.width), interpolation=3),
        T.RandomHorizontalFlip(p=0.5),
        T.Pad(10),
        T.RandomCrop((settings.height, settings.width)),
        T.ToTensor(),
        T.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        T.RandomErasing(probability=0.5, mean=[0.485, 0.456, 0.406]),
    ])  # fmt: skip
    label = np.arange(len(files)) // EACH  # its sampler does not work with today's torch
    drawn = sampling.batches(label, settings.batch, settings.per_identity, LONGEST, np.random.default_rng(0))
    loader = torch.utils.data.DataLoader(
        Preprocessor(known, transform=change), settings.batch, sampler=np.concatenate(drawn).tolist(),
        num_workers=settings.workers, pin_memory=device == "cuda", drop_last=True,
    )  # fmt: skip
    batches = IterLoader(loader, length=LONGEST)
    batches.new_epoch()
    memory = ClusterMemory(encoder.channels, PEOPLE, temp=0.05, momentum=0.1).to(device)
    memory.features = nn.functional.normalize(torch.randn(PEOPLE, encoder.channels), dim=1).to(device)
    net = nn.DataParallel(_Features(encoder).to(device)) if device == "cuda" else _Features(encoder)
    optimizer = torch.optim.Adam(net.parameters(), 3.5e-4, weight_decay=5e-4)
    trainer = ClusterContrastTrainer(net, memory)

    def steps(count: int) -> None:
        with _without_cuda(device), redirect_stdout(StringIO()):
            trainer.train(0, batches, optimizer, train_iters=count)

    return steps


class _Features(nn.Module):
    """The net as the public trainer calls one."""

    def __init__(self, encoder: backbones.Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pictures: Tensor) -> Tensor:
        return self.encoder.features(pictures)


@contextmanager
def _without_cuda(device: str) -> Iterator[None]:
    """Its `.cuda()` leaves tensors where they are on a machine without a GPU."""
    before = Tensor.cuda
    if device == "cpu":
        Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]  # for that code alone, and put back
    try:
        yield
    finally:
        Tensor.cuda = before  # type: ignore[method-assign]  # likewise


if __name__ == "__main__":
    command(Settings, main)
