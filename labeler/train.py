"""Trains the detector on captures, whose masks are the truth: `python -m labeler.train CAPTURE --out runs/labeler`.

Some places and people are held out, and the figures of the card come from them. The same command goes on where it was
cut off.
"""

import json
import math
import shlex
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from tyro.conf import Positional

from labeler.detection import box_of
from labeler.evaluate import Figures, evaluate
from labeler.maskrcnn import MODELS, NEAR, PERSON, Detector, build, read_model, weights_file
from labeler.samples import Held, Sample, Samples, held_places
from opengspr import loop
from opengspr.checkpoint import save_weights
from opengspr.command import UserError, command
from opengspr.files import one_writer, output_folder, write_whole
from opengspr.randomness import rng, seed_of
from synth.capture import Capture, open_capture

WARM_UP = 0.05  # share of the steps in which the learning rate rises
CLIP = 5.0  # of the gradient's norm
ASKED = ("model", "init", "epochs", "steps", "batch", "lr", "hold_places", "hold_people", "seed")


@dataclass(frozen=True)
class Settings:
    """Trains a person detector on captures."""

    captures: Positional[tuple[Path, ...]]
    """Folders that synth.render wrote."""
    out: Path = Path("runs/labeler")
    """Folder of the run: weights.safetensors and its card, weights.md."""
    model: str = "light"
    """light, for processors, or r50: Mask R-CNN with ResNet-50."""
    init: str | None = None
    """Begin with these weights instead of none: default, or a file of this command."""
    epochs: int = 16
    """Epochs; a checkpoint after each."""
    steps: int = 250
    """Steps of an epoch."""
    batch: int = 8
    """Pictures of a step."""
    lr: float = 1e-3
    """Highest learning rate; it rises, then falls along a cosine."""
    hold_places: float = 0.1
    """Share of the places that it never sees, for the figures; 0 where other captures are kept for them."""
    hold_people: float = 0.1
    """Share of the people likewise."""
    seed: int = 0
    """Another seed, other samples."""
    device: str = "cpu"
    """cpu or cuda."""


def main(settings: Settings) -> None:
    captures = [open_capture(path) for path in settings.captures]
    if not captures:
        raise UserError("no capture named: wanted folders that synth.render wrote")
    if settings.model not in MODELS:
        raise UserError(f"--model: got {settings.model!r}, wanted {' or '.join(MODELS)}")
    for name in ("epochs", "steps", "batch"):
        if getattr(settings, name) < 1:
            raise UserError(f"--{name}: got {getattr(settings, name)}, wanted at least 1")
    for name in ("hold_places", "hold_people"):
        if not 0 <= getattr(settings, name) < 1:
            raise UserError(f"--{name.replace('_', '-')}: got {getattr(settings, name)}, wanted a share, less than 1")
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no graphics card here; --device cpu")
    with one_writer(output_folder(settings.out, parents=True)) as out:
        _same_run(out, settings, captures)
        held = Held(held_places(captures, settings.hold_places), settings.hold_people)
        samples = Samples(captures, lambda picture: not held.out(picture))
        if not samples.shots:
            raise UserError(f"{captures[0].path}: no shot is left to learn from when {held} are held out")
        torch.manual_seed(seed_of(settings.seed, "detector"))
        model = read_model(weights_file(settings.init)) if settings.init else build(settings.model)
        training = Training(settings, model, samples)
        loop.run(training, out)
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in model.state_dict().items()}
        save_weights(out / "weights.safetensors", tensors, {"model": settings.model})
        tested = Samples(captures, held.out)
        model = read_model(out / "weights.safetensors")
        near, whole = Detector(model, settings.device, NEAR), Detector(model, settings.device)
        figures = evaluate(near, whole, tested.shots, tested.frames)[0]
        write_whole(out / "weights.md", card(settings, captures, samples, held, figures).encode())
    print(f"trained: {out / 'weights.safetensors'}, its card: {out / 'weights.md'}")


def _same_run(out: Path, settings: Settings, captures: list[Capture]) -> None:
    """Writes down what the run is, or refuses a folder that holds another."""
    asked = {name: value for name, value in asdict(settings).items() if name in ASKED}
    wanted = {**asked, "captures": [capture.info.get("plan_hash", capture.name) for capture in captures]}
    path = out / "settings.json"
    there = json.loads(path.read_text()) if path.exists() else wanted
    for name, value in wanted.items():
        if there.get(name) != value:
            raise UserError(
                f"{out}: holds a run with {name} {there.get(name)!r}, this is {value!r}; choose another --out"
            )
    write_whole(path, (json.dumps(wanted, indent=1) + "\n").encode())


class Training:
    """The detector's training as a `loop.Stage`; what it draws depends on seed, epoch and step only."""

    name = "detector"

    def __init__(self, settings: Settings, model: MaskRCNN, samples: Samples) -> None:
        self.settings, self.model, self.samples = settings, model.to(settings.device), samples
        self.seed, self.epochs, self.steps = settings.seed, settings.epochs, settings.steps
        self.optimizer = torch.optim.AdamW(model.parameters(), settings.lr, weight_decay=1e-3)
        self.batches: Iterator[list[Sample]] = iter(())

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        return {}

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        return {}

    def feed(self, epoch: int, step: int) -> None:
        self.batches = self._drawn(epoch, step)

    def _drawn(self, epoch: int, step: int) -> Iterator[list[Sample]]:
        """The epoch's batches from a step on, each drawn beside the step before it."""

        def draw(step: int) -> list[Sample]:
            return self.samples.batch(self.settings.batch, rng(self.seed, self.name, epoch, step))

        with ThreadPoolExecutor(1) as beside:
            coming = beside.submit(draw, step)
            for following in range(step + 1, self.steps + 1):
                batch = coming.result()
                coming = beside.submit(draw, following)
                yield batch

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        done, total = epoch * self.steps + step, self.epochs * self.steps
        rate = min(1.0, (done + 1) / (WARM_UP * total)) * 0.5 * (1 + math.cos(math.pi * done / total))
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.lr * rate
        pictures, targets = zip(*(self._tensors(*sample) for sample in next(self.batches)))
        self.model.train()
        losses = self.model([*pictures], [*targets])
        self.optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        return {name.removeprefix("loss_"): loss.detach() for name, loss in losses.items()}

    def _tensors(self, picture: np.ndarray, masks: list[np.ndarray]) -> tuple[Tensor, dict[str, Tensor]]:
        image = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255
        stack = np.stack(masks) if masks else np.zeros((0, *picture.shape[:2]), bool)
        boxes = np.array([box_of(mask) for mask in masks], np.float32).reshape(-1, 4)
        target = {
            "boxes": torch.from_numpy(boxes),
            "labels": torch.full((len(masks),), PERSON),
            "masks": torch.from_numpy(np.ascontiguousarray(stack, np.uint8)),
        }
        device = self.settings.device
        return image.to(device), {name: value.to(device) for name, value in target.items()}

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


def card(settings: Settings, captures: list[Capture], samples: Samples, held: Held, figures: Figures) -> str:
    """What the weights are, in Markdown."""
    flags = shlex.join(sys.argv[1:])
    lines = [
        f"# Person detector: Mask R-CNN, {settings.model}",
        "",
        "Finds people and their masks in pictures. Half precision, one class. Licence: Apache-2.0, as the code.",
        "",
        f"Made by `python -m labeler.train {flags}`:",
        f"{settings.epochs * settings.steps} steps of {settings.batch} pictures, torch {torch.__version__}.",
        "",
        "It has seen rendered people only, no photograph:",
        "",
        *(f"* {c.name}: {_said(c)}" for c in captures),
        "",
        f"of these {len(samples.shots)} regions and {len(samples.frames)} whole frames; held out: "
        f"{', '.join(held.places) or 'no place'}, {held.people:.0%} of the people. On what was held out:",
        "",
        "| figure | |",
        "|---|---|",
        *(f"| {name} | {value:.4g} |" for name, value in figures.items()),
        "",
    ]
    return "\n".join(lines)


def _said(capture: Capture) -> str:
    info = capture.info
    said = [f"{info.get(key)} {key}" for key in ("world", "ids", "shots", "seed", "wardrobe", "quality") if key in info]
    return ", ".join([*said, f"plan {str(info.get('plan_hash', ''))[:12]}"])


if __name__ == "__main__":
    command(Settings, main)
