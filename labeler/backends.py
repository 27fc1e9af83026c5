"""The backends by their names: who finds the people."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from labeler.detection import Backend, truth
from opengspr.command import UserError

NAMES = ("torchvision", "detectron2", "truth")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Choice:
    """Which backend, with which weights, on which device. It can travel to another process."""

    backend: str = "torchvision"
    """torchvision (Mask R-CNN), detectron2 (the same of that package, where it is installed) or truth (the renderer's
    own masks)."""
    weights: str = "default"
    """default (ours, for people we render), coco (photographs; fetched), or a file of labeler.train."""
    device: str = "auto"
    """auto, cpu or cuda."""


def checked(choice: Choice) -> Choice:
    """The choice with its device decided.

    Raises:
        UserError: what there is not here, in one line with the remedy.
    """
    if choice.backend not in NAMES:
        raise UserError(f"--backend {choice.backend}: no such backend; there is {', '.join(NAMES)}")
    if choice.backend == "truth":
        if choice.weights != "default":
            raise UserError(f"--weights {choice.weights}: --backend truth has none; --backend torchvision takes them")
        if choice.device != "auto":
            device_of(choice.device)
        return Choice("truth", "default", "cpu")
    device = device_of(choice.device)
    if choice.backend == "detectron2":
        from labeler import detectron

        return Choice(choice.backend, detectron.config(choice.weights), device)
    from labeler.maskrcnn import weights_file

    weights_file(choice.weights)
    return Choice(choice.backend, choice.weights, device)


def device_of(name: str) -> str:
    """cpu or cuda, by one of DEVICES. Raises UserError for one that there is not here."""
    if name not in DEVICES:
        raise UserError(f"--device {name}: wanted one of {', '.join(DEVICES)}")
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no graphics card here; --device cpu")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


@lru_cache(maxsize=2)
def load(choice: Choice, near: bool = False) -> Backend:
    """The backend of a `checked` choice.

    Args:
        near: for regions round one person, of which a small picture is enough.

    Raises:
        UserError: weights that cannot be had, or do not fit.
    """
    if choice.backend == "truth":
        return truth
    if choice.backend == "detectron2":
        from labeler import detectron

        return detectron.Detectron(choice.weights, choice.device)
    from labeler.maskrcnn import Detector

    return Detector.load(choice.weights, choice.device, near)


def record(choice: Choice) -> dict[str, str]:
    """What a dataset says of the backend that made it: its name, the weights and their SHA-256."""
    if choice.backend == "truth":
        return {"backend": "truth"}
    if choice.backend == "detectron2":
        return {"backend": "detectron2", "weights": choice.weights}
    from labeler.maskrcnn import weights_file

    digest = hashlib.sha256(weights_file(choice.weights).read_bytes()).hexdigest()
    return {"backend": choice.backend, "weights": Path(choice.weights).name, "weights_sha256": digest}
