"""Whether translating waits for pictures: `python -m benchmarks.translation --json`; --light: with small nets.

Pictures are JPEG files and are decoded when they are wanted, as those of sets that are too large to be kept.
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from benchmarks.pictures import Folder, people
from opengspr import command
from train.parts import data, translating, translation
from train.parts.data import Images, Labelled
from train.parts.learning import Machine
from train.parts.run import choose_device


@dataclass(frozen=True)
class Settings:
    """Measure what translating costs; the last line is JSON."""

    light: bool = False
    """The small budget's generators at its size, 128 x 64."""
    pictures: int = 480
    steps: int = 5
    """Of training, after two others."""
    device: str = "auto"
    amp: Literal["auto", "bf16", "off"] = "auto"
    json: bool = False
    """Print only the last line."""


def main(settings: Settings) -> None:
    chosen = translating.Translating(**(translating.SMALL if settings.light else {}))
    machine = Machine.of(choose_device(settings.device), settings.amp)
    spec = translation.TranslationSpec(
        batch=chosen.gan_batch, width=chosen.gan_width, blocks=chosen.gan_blocks, light=chosen.gan_light,
        embedding=chosen.backbone,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        files = people(Path(folder), -(-settings.pictures // 20), 20)[: settings.pictures]
        images = Images(Folder(files), chosen.height, chosen.width, ram_limit_bytes=0)
        label, every = np.arange(len(files)) // 20, np.split(np.arange(len(files)), range(32, len(files), 32))
        known = Labelled(images, label, np.zeros(len(files), np.int64))
        stage = translation.Translation("translate", spec, known, images, 0, machine)
        generator = stage.nets["there"].eval()
        batch = data.from_bytes(images.__getitems__(every[0]), machine.device)

        def train(steps: int) -> None:
            stage.feed(0, 0)
            for step in range(steps):
                stage.step(0, step)

        def generate() -> None:
            with torch.no_grad(), machine.casting():
                for part in every:
                    generator(batch[: len(part)])

        def decode() -> None:
            for _ in images.stream(every):
                pass

        train(2)
        out = Path(folder) / "out.npy"
        spent = {
            "decoding": _speed(len(files), decode, machine),
            "generator": _speed(len(files), generate, machine),
            "translating": _speed(
                len(files), lambda: translation.write_pictures(out, generator, images, machine), machine
            ),
            "training": _speed(settings.steps * spec.batch, lambda: train(settings.steps), machine),
        }
    figures = {f"{name}_images_per_s": round(value, 1) for name, value in spent.items()}
    if not settings.json:
        for name, value in figures.items():
            print(f"{name:24} {value}")
    print(json.dumps(figures))


def _speed(pictures: int, work: Callable[[], object], machine: Machine) -> float:
    """Pictures a second."""
    began = time.perf_counter()
    work()
    if machine.device == "cuda":
        torch.cuda.synchronize()
    return pictures / (time.perf_counter() - began)


if __name__ == "__main__":
    command(Settings, main)
