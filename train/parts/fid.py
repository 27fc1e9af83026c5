"""Fréchet Inception distance (Heusel et al. 2017), by torch-fidelity, where it and Inception's weights are at hand."""

import hashlib
import importlib.util
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from train.parts.data import Images

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"  # as torch-fidelity names them, by the beginning of their SHA-256


def weights() -> Path:
    """Where the weights lie, if they are there: with all others that torch's hub keeps."""
    return Path(torch.hub.get_dir(), "checkpoints", WEIGHTS)


def missing() -> str:
    """What there is not; empty where the distance can be had."""
    if importlib.util.find_spec("torch_fidelity") is None:
        return "torch-fidelity, pip install -e '.[fid]'"
    path, wanted = weights(), Path(WEIGHTS).stem.rpartition("-")[2]
    if path.is_file():
        with open(path, "rb") as file:  # torch-fidelity would run code in a file that only has the name
            if hashlib.file_digest(file, "sha256").hexdigest().startswith(wanted):
                return ""
    return f"Inception's weights, {path}, of torch-fidelity's release 0.2.0"


def fid(left: Images, right: Images, device: str = "cpu") -> float:
    """The distance between two sets of pictures. Small sets give larger ones: compare equal numbers of pictures.

    Args:
        left, right: at least two pictures each.
        device: cpu or cuda.
    """
    from torch_fidelity import calculate_metrics  # seconds to import, and not always there

    sets = {"input1": _Pictures(left), "input2": _Pictures(right)}
    given = {"feature_extractor_weights_path": str(weights()), "cuda": device == "cuda", "verbose": False}
    return float(calculate_metrics(**sets, **given, fid=True, batch_size=32)["frechet_inception_distance"])


class _Pictures(Dataset[Tensor]):
    """Pictures one by one, (3, H, W) uint8."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.images.__getitems__([index])[0]).permute(2, 0, 1)
