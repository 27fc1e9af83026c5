"""The mesh regressor: a crop to shape, pose and camera of the body in it; and the meshes of a dataset's pictures."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from opengspr import UserError, checkpoint
from train.parts.backbones import Encoder, EncoderSpec
from train.parts.body import KEYPOINTS, BodyModel, Pose, rotations, six_numbers
from train.parts.data import Images, to_tensor

LIMIT = 3.0  # standard deviations of a shape's numbers
SEEN, HIDDEN = 64, 512  # channels of what is seen at a place and in the whole, units of the layers after it
FINE = 4  # pixels of a picture, along each side, for a cell of the map in which keypoints are looked for
BLUR = 0.75  # cells by which the places that the attention is to find are spread


class Looks(NamedTuple):
    """What a net says of N pictures.

    Attributes:
        numbers: of `packed`, rotations not yet made such.
        logits: (N, 17, cells) of each keypoint's being in a cell.
        depth: (N, 17) of the keypoints, metres behind the pelvis' head.
    """

    numbers: Tensor
    logits: Tensor
    depth: Tensor


class Regressor(nn.Module):
    """Pictures to `Pose`, by one look at each keypoint and at the whole.

    HMR (Kanazawa et al., CVPR 2018) pools the map and corrects its guess three times. Here the map is first made finer
    (Xiao et al., ECCV 2018), and, as in PARE (Kocabas et al., ICCV 2021), the net attends to where each keypoint is,
    which is known in our renders, as its depth is. What it sees there, where that is, how deep, and the whole's mean go
    through residual layers; the guess is their sum with the people's average.

    Args:
        encoder: whose body is taken.
        model: the bodies that are regressed to.
        mean: (6 B + 6 + K + 4,) what the net begins with: the people's average.
    """

    def __init__(self, encoder: Encoder, model: BodyModel, mean: Tensor) -> None:
        super().__init__()
        self.spec, self.body, self.model = encoder.spec, encoder.body, model
        channels, height, width = encoder.map_shape()
        self.whole = nn.Conv2d(channels, SEEN, 1)
        finer: list[nn.Module] = [] if FINE * height < self.spec.height else [nn.Conv2d(channels, SEEN, 1)]
        while FINE * height < self.spec.height:
            finer += [nn.ConvTranspose2d(channels, SEEN, 4, 2, 1, bias=False), nn.BatchNorm2d(SEEN), nn.ReLU(True)]
            channels, height, width = SEEN, 2 * height, 2 * width
        self.finer = nn.Sequential(*finer)
        self.attention, self.deep = nn.Conv2d(SEEN, KEYPOINTS, 1), nn.Conv2d(SEEN, KEYPOINTS, 1)
        self.head = nn.Sequential(
            nn.Linear(KEYPOINTS * (SEEN + 3) + SEEN, HIDDEN), Residual(), Residual(), nn.LayerNorm(HIDDEN)
        )
        self.guess = nn.Linear(HIDDEN, len(mean))
        nn.init.zeros_(self.guess.weight)
        nn.init.zeros_(self.guess.bias)
        y, x = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij")
        self.register_buffer("cells", 2 * torch.stack([x.flatten(), y.flatten()], 1) - 1)
        self.register_buffer("cell", torch.tensor([2 / width, 2 / height]))
        self.register_buffer("mean", mean.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> the numbers of `packed`, (B, 6 B + 6 + K + 4), rotations not yet made such."""
        return self.looked(x).numbers

    def looked(self, x: Tensor) -> Looks:
        """(B, 3, H, W) -> the same, and what it comes from."""
        coarse = self.body(x)
        seen = self.finer(coarse)
        logits = self.attention(seen).flatten(2).float()
        shares = logits.softmax(2)
        depth = (shares * self.deep(seen).flatten(2)).sum(2)
        places = shares @ self.get_buffer("cells")
        there, whole = shares @ seen.flatten(2).float().mT, self.whole(coarse).float().mean((2, 3))
        found = self.guess(self.head(torch.cat([there.flatten(1), places.flatten(1), depth, whole], 1)))
        return Looks(found.float() + self.get_buffer("mean"), logits, depth)

    def attended(self, logits: Tensor, places: Tensor) -> Tensor:
        """Cross-entropy of the attention, (B, 17, cells), against a spot round the keypoints' places (B, 17, 2) in the
        picture; of those that are outside of it, none."""
        off = (self.get_buffer("cells") - places[:, :, None]) / self.get_buffer("cell")
        wanted = (-off.square().sum(3) / (2 * BLUR**2)).softmax(2)
        inside = (places.abs() < 1).all(2)
        return (-(wanted * logits.log_softmax(2)).sum(2) * inside).mean()

    def pose(self, numbers: Tensor) -> Pose:
        """How the bodies stand; shapes are kept near those that there are."""
        pose = unpacked(numbers, self.model.bones, len(self.model.components))
        return pose._replace(shape=LIMIT * torch.tanh(pose.shape / LIMIT))

    def save(self, path: Path) -> None:
        """Writes the weights, with all that is needed to build it again."""
        notes = {"encoder": asdict(self.spec), "body": self.model.sizes}
        checkpoint.save_weights(path, self.state_dict(), {"mesh": json.dumps(notes)})


class Residual(nn.Module):
    """Two layers whose outcome is added to what they were given."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.first, self.second = nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        """(B, HIDDEN) -> the same shape."""
        return x + self.second(self.first(self.norm(x)).relu())


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
