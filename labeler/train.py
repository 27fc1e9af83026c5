"""Trains the detector on captures, whose masks are the truth: `python -m labeler.train CAPTURE --out runs/labeler`.

The figures of its card come from captures that it has not learnt from: `--test`. The same command goes on where it was
cut off.
"""

import hashlib
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
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from tyro.conf import Positional

from labeler.backends import device_of
from labeler.detection import box_of
from labeler.evaluate import Figures, evaluate
from labeler.maskrcnn import MODELS, NEAR, PERSON, Detector, build, read_model, weights_file
from labeler.samples import Sample, Samples
from labeler.work import units_of
from opengspr import loop
from opengspr.checkpoint import save_weights
from opengspr.command import UserError, command
from opengspr.files import one_writer, output_folder, write_whole
from opengspr.randomness import rng, seed_of
from synth.capture import Capture, open_capture

WARM_UP = 0.05  # share of the steps in which the learning rate rises
CLIP = 5.0  # of the gradient's norm
DECAY = 0.02  # of weights that multiply
NORM_PACE = 0.03  # at which norms follow the pictures, which are of two kinds in turn
FROZEN = 0.6  # share of the steps after which norms stay
AVERAGED = 0.998  # the weights that are kept follow those that learn
ASKED = ("model", "epochs", "steps", "batch", "lr", "seed")


@dataclass(frozen=True)
class Settings:
    """Trains a person detector on captures."""

    captures: Positional[tuple[Path, ...]]
    """Folders that synth.render wrote."""
    test: tuple[Path, ...] = ()
    """Other captures, for the figures of the card."""
    out: Path = Path("runs/labeler")
    """Folder of the run: weights.safetensors and its card, weights.md."""
    model: str = "light"
    """light, for processors, or r50: Mask R-CNN with ResNet-50."""
    init: str | None = None
    """Begin with these weights instead of none: default, or a file of this command."""
    epochs: int = 20
    """Epochs; a checkpoint after each."""
    steps: int = 250
    """Steps of an epoch."""
    batch: int = 8
    """Pictures of a step."""
    lr: float = 1e-3
    """Highest learning rate; it rises, then falls along a cosine."""
    seed: int = 0
    """Another seed, other samples."""
    device: str = "auto"
    """auto, cpu or cuda."""
    partial: bool = False
    """Also learn from captures that are not rendered to their end."""


def main(settings: Settings) -> None:
    captures, tests = ([open_capture(path) for path in paths] for paths in (settings.captures, settings.test))
    if not captures:
        raise UserError("no capture named: wanted folders that synth.render wrote")
    for capture in (*captures, *tests):
        units_of(capture, settings.partial)
    if settings.model not in MODELS:
        raise UserError(f"--model: got {settings.model!r}, wanted {' or '.join(MODELS)}")
    for name in ("epochs", "steps", "batch"):
        if getattr(settings, name) < 1:
            raise UserError(f"--{name}: got {getattr(settings, name)}, wanted at least 1")
    device = device_of(settings.device)
    with one_writer(output_folder(settings.out, parents=True)) as out:
        begun = _same_run(out, settings, captures)
        samples = Samples(captures)
        if not samples.shots:
            raise UserError(f"{captures[0].path}: no shot to learn from")
        torch.manual_seed(seed_of(settings.seed, "detector"))
        init, kind = settings.init, settings.model
        model = read_model(weights_file(init), kind) if init else build(kind)
        training = Training(settings, model, samples, device)
        loop.run(training, out)
        save_weights(out / "weights.safetensors", training.halves(), {"model": settings.model})
        model = read_model(out / "weights.safetensors")
        figures: Figures = {}
        if tests:
            shots, frames = (
                [one for test in tests for one in test.shots()],
                [one for test in tests for one in test.frames()],
            )
            figures = evaluate(Detector(model, device, NEAR), Detector(model, device), shots, frames)[0]
        write_whole(out / "weights.md", card(settings, begun, captures, tests, samples, figures).encode())
    print(f"trained: {out / 'weights.safetensors'}, its card: {out / 'weights.md'}")


def _same_run(out: Path, settings: Settings, captures: list[Capture]) -> str | None:
    """Writes down what the run is, or refuses a folder that holds another; the checksum of `--init`'s weights."""
    begun = hashlib.sha256(weights_file(settings.init).read_bytes()).hexdigest() if settings.init else None
    asked = {name: value for name, value in asdict(settings).items() if name in ASKED}
    wanted = {
        **asked,
        "init": begun,
        "captures": [capture.info.get("plan_hash", capture.name) for capture in captures],
        "units": [len(capture.units()) for capture in captures],
    }
    path = out / "settings.json"
    there = json.loads(path.read_text()) if path.exists() else wanted
    for name, value in wanted.items():
        if there.get(name) != value:
            raise UserError(
                f"{out}: holds a run with {name} {there.get(name)!r}, this is {value!r}; choose another --out"
            )
    write_whole(path, (json.dumps(wanted, indent=1) + "\n").encode())
    return begun


class Training:
    """The detector's training as a `loop.Stage`; what it draws depends on seed, epoch and step only."""

    name = "detector"

    def __init__(self, settings: Settings, model: MaskRCNN, samples: Samples, device: str) -> None:
        self.settings, self.samples, self.device = settings, samples, device
        self.model = model.to(device, memory_format=torch.channels_last)
        self.brain = has_brain_floats(device)
        for part in (model.rpn.head, model.roi_heads.box_predictor, model.roi_heads.mask_predictor):
            part.register_forward_hook(lambda part, given, out: _in_full(out))
        self.seed, self.epochs, self.steps = settings.seed, settings.epochs, settings.steps
        weights = [one for one in model.parameters() if one.ndim > 1]
        others = [one for one in model.parameters() if one.ndim <= 1]
        groups = [{"params": weights, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, settings.lr, fused=True)
        self.norms = [one for one in model.modules() if isinstance(one, nn.BatchNorm2d)]
        for norm in self.norms:
            norm.momentum = NORM_PACE
        self.averaged = {name: t.detach().clone() for name, t in model.state_dict().items()}
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
            near = (epoch * self.steps + step) % 2 == 0
            return self.samples.batch(self.settings.batch, near, rng(self.seed, self.name, epoch, step))

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
        if done >= FROZEN * total:
            for norm in self.norms:
                norm.eval()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.brain):
            losses = self.model([*pictures], [*targets])
        self.optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self._average(min(AVERAGED, (1 + done) / (10 + done)))
        return {name.removeprefix("loss_"): loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def _average(self, keep: float) -> None:
        for name, now in self.model.state_dict().items():
            kept = self.averaged[name]
            kept.lerp_(now, 1 - keep) if kept.is_floating_point() else kept.copy_(now)

    def halves(self) -> dict[str, Tensor]:
        """The averaged weights in half precision. Raises UserError where one is too large for that."""
        halves = {name: t.half().contiguous() if t.is_floating_point() else t for name, t in self.averaged.items()}
        large = [name for name, t in halves.items() if not torch.isfinite(t).all()]
        if large:
            raise UserError(f"the weights {', '.join(large[:3])} do not fit into half precision; a lower --lr may help")
        return halves

    def _tensors(self, picture: np.ndarray, masks: list[np.ndarray]) -> tuple[Tensor, dict[str, Tensor]]:
        image = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255
        stack = np.stack(masks) if masks else np.zeros((0, *picture.shape[:2]), bool)
        boxes = np.array([box_of(mask) for mask in masks], np.float32).reshape(-1, 4)
        target = {
            "boxes": torch.from_numpy(boxes),
            "labels": torch.full((len(masks),), PERSON),
            "masks": torch.from_numpy(np.ascontiguousarray(stack, np.uint8)),
        }
        return image.to(self.device), {name: value.to(self.device) for name, value in target.items()}

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "averaged": self.averaged,
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.averaged = {name: state["averaged"][name].to(self.device) for name in self.averaged}
        self.optimizer.load_state_dict(state["optimizer"])


def has_brain_floats(device: str) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def _in_full(out: Any) -> Any:
    """Predictions in float32, whatever they were computed in: boxes are not to be rounded to whole pixels."""
    return out.float() if isinstance(out, Tensor) else type(out)(_in_full(one) for one in out)


def card(
    settings: Settings,
    begun: str | None,
    captures: list[Capture],
    tests: list[Capture],
    samples: Samples,
    figures: Figures,
) -> str:
    """What the weights are, in Markdown. Args: begun: checksum of those that they began with."""
    lines = [
        f"# Person detector: Mask R-CNN, {settings.model}",
        "",
        "Finds people and their masks in pictures. Half precision, one class. Licence: Apache-2.0, as the code.",
        "",
        f"Made by `python -m labeler.train {shlex.join(sys.argv[1:])}`:",
        f"{settings.epochs * settings.steps} steps of {settings.batch} pictures, torch {torch.__version__}.",
        *([f"They began with the weights {settings.init}, SHA-256 {begun[:16]}."] if begun else []),
        "",
        "It has seen rendered people only, no photograph:",
        f"{len(samples.shots)} regions and {len(samples.frames)} whole frames of",
        "",
        *(f"* {c.name}: {_said(c)}" for c in captures),
        "",
    ]
    if tests:
        lines += ["Measured on", "", *(f"* {c.name}: {_said(c)}" for c in tests), "", "| figure | |", "|---|---|"]
        lines += [f"| {name} | {value:.4g} |" for name, value in figures.items()] + [""]
    else:
        lines += ["Not measured: no `--test` was named.", ""]
    return "\n".join(lines)


def _said(capture: Capture) -> str:
    info = capture.info
    said = [f"{info.get(key)} {key}" for key in ("world", "ids", "shots", "seed", "wardrobe", "quality") if key in info]
    return ", ".join([*said, f"plan {str(info.get('plan_hash', ''))[:12]}"])


if __name__ == "__main__":
    command(Settings, main)
