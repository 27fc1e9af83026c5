"""RAE's nets: a decoder that makes a picture of a map, discriminators, and a body that looks at the picture again."""

import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengspr import UserError
from train.parts.data import signed, standardised
from train.parts.generators import Generator
from train.parts.norms import work_by


class Decoder(nn.Module):
    """Three fractionally strided convolutions: a map becomes a picture of eight times its size, in [-1, 1].

    Args:
        channels: of the map.
        width: channels after the first convolution; half as many after the second (our decision).
    """

    def __init__(self, channels: int, width: int = 256) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for own, wanted in ((channels, width), (width, width // 2)):
            layers += [nn.ConvTranspose2d(own, wanted, 4, 2, 1, bias=False), nn.BatchNorm2d(wanted), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width // 2, 3, 4, 2, 1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, 8 h, 8 w)."""
        made: Tensor = self.layers(x)
        return made


class Discriminator(nn.Module):
    """Three strided convolutions and a linear layer: one verdict for a map or a picture.

    Args:
        channels: of what it sees.
        width: channels after the first convolution; they double twice (our decision).
    """

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for own, wanted in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv2d(own, wanted, 3, 2, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> logits (B,), high for what is of the source."""
        verdict: Tensor = self.layers(x)
        return verdict.squeeze(1)


class Bilinear(nn.Module):
    """Factorised bilinear pooling of two maps, place by place: Q^T (U^T F_1 o V^T F_2), RAE eq. 19.

    Args:
        channels: c, of the maps.
        joint: d and o (our decision: alike).
    """

    def __init__(self, channels: int, joint: int) -> None:
        super().__init__()
        self.u, self.v = (nn.Conv2d(channels, joint, 1, bias=False) for _ in range(2))
        self.q = nn.Conv2d(joint, joint, 1, bias=False)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, c, h, w) twice -> (B, o, h, w)."""
        fused: Tensor = self.q(self.u(first) * self.v(second))
        return fused


class Recurrent(nn.Module):
    """A body that looks twice: at a picture, and at what is made of it in the source's style; both maps are fused.

    Batch norms of the body are kept apart by `Encoder.split_domains`: the last ones for pictures, the first for what is
    made of them.

    Args:
        body: pictures to maps.
        channels: of its maps.
        joint: of the fused map.
        generator: what makes the second picture: width and blocks of a translator's, as in 64x9 or 8x2-light, or none:
            a decoder does, from the map.
    """

    def __init__(self, body: nn.Module, channels: int, joint: int, generator: str = "") -> None:
        super().__init__()
        self.body, self.fusion, self.by_map = body, Bilinear(channels, joint), not generator
        if generator:
            found = re.fullmatch(r"(\d+)x(\d+)(-light)?", generator)
            if not found:
                raise UserError(f"a generator is WIDTHxBLOCKS or WIDTHxBLOCKS-light, not {generator}")
            self.maker: nn.Module = Generator(int(found[1]), int(found[2]), bool(found[3]))
            self.maker.requires_grad_(False)
        else:
            self.maker = Decoder(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, joint, h, w), Algorithm 2."""
        first = self.body(x)
        return self.fused(first, self.made(x, first), x.shape[2:])

    def made(self, x: Tensor, first: Tensor) -> Tensor:
        """The second picture, in [-1, 1], of the first (B, 3, H, W) or its map (B, C, h, w)."""
        made: Tensor = self.maker(first if self.by_map else signed(x))
        return made

    def fused(self, first: Tensor, made: Tensor, size: torch.Size) -> Tensor:
        """The fused map, of a picture's map and the second picture, which is brought to the first's size.

        Gradients reach the fusion alone (Algorithm 1, step 4).
        """
        work_by(self.body, 0)
        with torch.no_grad():
            second = self.body(standardised(F.interpolate(made, size=size, mode="bilinear")))
        work_by(self.body, -1)
        fused: Tensor = self.fusion(first.detach(), second)
        return fused
