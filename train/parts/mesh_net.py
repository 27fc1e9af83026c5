"""The mesh regressor: a crop to shape, pose and camera of the body in it; and the meshes of a dataset's pictures."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from opengspr import UserError, checkpoint
from train.parts.backbones import Encoder, EncoderSpec
from train.parts.body import BodyModel, Pose, rotations, six_numbers
from train.parts.data import Images, to_tensor

LIMIT = 3.0  # standard deviations of a shape's numbers
REDUCED, HIDDEN = 64, 512  # channels of the map before it is flattened, units of the hidden layer


class Regressor(nn.Module):
    """Pictures to `Pose`, by one look: a body's map, flattened since places matter, and two layers.

    HMR (Kanazawa et al., CVPR 2018) pools the map and corrects its guess three times; here the guess is one sum, of
    what people look like on average and of what the net adds.

    Args:
        encoder: whose body is taken.
        model: the bodies that are regressed to.
        mean: (6 B + 6 + K + 4,) what the net begins with: the people's average.
    """

    def __init__(self, encoder: Encoder, model: BodyModel, mean: Tensor) -> None:
        super().__init__()
        self.spec, self.body, self.model = encoder.spec, encoder.body, model
        channels, height, width = encoder.map_shape()
        self.head = nn.Sequential(
            nn.Conv2d(channels, REDUCED, 1, bias=False), nn.BatchNorm2d(REDUCED), nn.ReLU(inplace=True),
            nn.Flatten(), nn.Linear(REDUCED * height * width, HIDDEN), nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, len(mean)),
        )  # fmt: skip
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.register_buffer("mean", mean.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> the numbers of `packed`, (B, 6 B + 6 + K + 4), rotations not yet made such."""
        found: Tensor = self.head(self.body(x)).float() + self.get_buffer("mean")
        return found

    def pose(self, numbers: Tensor) -> Pose:
        """How the bodies stand; shapes are kept near those that there are."""
        pose = unpacked(numbers, self.model.bones, len(self.model.components))
        return pose._replace(shape=LIMIT * torch.tanh(pose.shape / LIMIT))

    def save(self, path: Path) -> None:
        """Writes the weights, with all that is needed to build it again."""
        notes = {"encoder": asdict(self.spec), "body": self.model.sizes}
        checkpoint.save_weights(path, self.state_dict(), {"mesh": json.dumps(notes)})


def load(path: Path) -> Regressor:
    """A regressor from a file of `Regressor.save`.

    Raises:
        UserError: not such a file, or weights that do not fit.
    """
    tensors, notes = checkpoint.read_weights(path)
    try:
        told = json.loads(notes["mesh"])
        model, encoder = BodyModel.sized(told["body"]), Encoder(EncoderSpec(**told["encoder"]))
        net = Regressor(encoder, model, torch.zeros_like(tensors["mean"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a mesh regressor of train.mesh ({error})") from error
    checkpoint.fit(net, tensors, path)
    return net.eval()


def packed(pose: Pose) -> Tensor:
    """All numbers of poses, (N, 6 B + 6 + K + 4)."""
    return torch.cat([six_numbers(pose.turns).flatten(1), six_numbers(pose.facing), pose.shape, pose.camera], 1)


def unpacked(numbers: Tensor, bones: int, size: int) -> Pose:
    """The poses of numbers (N, 6 B + 6 + K + 4)."""
    turns, facing, shape, camera = numbers.split([6 * bones, 6, size, 4], 1)
    return Pose(shape, rotations(turns.unflatten(1, (bones, 6))), rotations(facing), camera)


@torch.no_grad()
def regressed(net: Regressor, images: Images, size: int = 128) -> Pose:
    """How the bodies in all pictures stand, on the net's device; the net is left in eval mode."""
    net.eval()
    device = net.get_buffer("mean").device
    parts = np.split(np.arange(len(images)), range(size, len(images), size))
    found = [net(to_tensor(pictures, device)) for pictures in images.stream(parts)]
    return net.pose(torch.cat(found))


class Meshes:
    """A body for each of N pictures.

    Args:
        model: of the bodies.
        numbers: of `packed`.
        notes: `data`, the fingerprint of the dataset whose training crops they are, in the order of `unlabelled`.
    """

    def __init__(self, model: BodyModel, numbers: Tensor, notes: Mapping[str, str]) -> None:
        self.model, self.numbers, self.notes = model, numbers, notes
        self.pose = unpacked(numbers, model.bones, len(model.components))

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def fingerprint(self) -> str:
        """Of all numbers."""
        return checkpoint.fingerprint({**self.model.state_dict(), "numbers": self.numbers})

    def save(self, path: Path) -> None:
        """Writes numbers and body model."""
        tensors = {f"model.{name}": part for name, part in self.model.state_dict().items()}
        tensors["numbers"] = self.numbers
        checkpoint.save_weights(path, tensors, {"meshes": json.dumps({**self.notes, "body": self.model.sizes})})

    @classmethod
    def load(cls, path: Path) -> "Meshes":
        """Meshes from a file of `save`.

        Raises:
            UserError: not such a file.
        """
        tensors, notes = checkpoint.read_weights(path)
        try:
            told = json.loads(notes["meshes"])
            model = BodyModel.sized(told.pop("body"))
            numbers = tensors.pop("numbers")
            of_model = {name.removeprefix("model."): part for name, part in tensors.items()}
            checkpoint.fit(model, of_model, path)
            return cls(model, numbers, told)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"{path}: no meshes of train.mesh --predict ({error})") from error
