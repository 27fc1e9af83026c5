"""Networks of the translators: generators, patch discriminator, image pool. Pictures are float in [-1, 1]."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def conv_norm(channels_in: int, channels: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """A convolution that mirrors at edges, its instance norm and ReLU."""
    pad = kernel // 2
    return [
        nn.Conv2d(channels_in, channels, kernel, stride, pad, padding_mode="reflect", bias=False),
        nn.InstanceNorm2d(channels, affine=True),
        nn.ReLU(inplace=True),
    ]


def _enlarged(x: Tensor, factor: int) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=factor, mode="bilinear")


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(*conv_norm(channels, channels, 3), *conv_norm(channels, channels, 3)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inside(x)


class Generator(nn.Module):
    """Two steps down, residual blocks, two steps up: CycleGAN's generator at any width.

    Args:
        width: channels at full size; 64 in the papers.
        blocks: residual blocks; 9 in the papers.
        light: for CPUs: predict, at a quarter of the size, with one step down and up, an affine map of colours and of
            details for each place, instead of a picture. What tells cameras apart (light, colour, sharpness) is coarse,
            and such maps say it with their constants. They begin as the identity, so that a few hundred steps already
            give usable pictures, where the papers' form would still give noise.
    """

    def __init__(self, width: int = 64, blocks: int = 9, light: bool = False) -> None:
        super().__init__()
        self.light = light
        layers, wider = conv_norm(3, width, 7), [width] if light else [width, 2 * width]
        for channels in wider:
            layers += conv_norm(channels, 2 * channels, 3, 2)
        layers += [Residual(2 * wider[-1]) for _ in range(blocks)]
        for channels in reversed(wider):
            layers += [nn.Upsample(scale_factor=2), *conv_norm(2 * channels, channels, 3)]
        last = nn.Conv2d(width, 3 * (3 + 3 + 1) if light else 3, 7, padding=3, padding_mode="reflect")
        if light:
            nn.init.zeros_(last.weight)
            assert last.bias is not None
            nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> the same shape; H and W divisible by 8. The light form may leave [-1, 1] a little."""
        if not self.light:
            return torch.tanh(self.layers(x))
        maps = _enlarged(self.layers(nn.functional.avg_pool2d(x, 4)), 4)
        coarse = _enlarged(nn.functional.avg_pool2d(x, 2), 2)
        known = torch.cat([coarse, x - coarse, torch.ones_like(x[:, :1])], 1)
        return x + (maps.unflatten(1, (3, 7)) * known[:, None]).sum(2)


class Discriminator(nn.Module):
    """PatchGAN: (B, 3, H, W) -> a verdict per patch; `width` 64 and three strides in the papers.

    Args:
        width: channels after the first convolution.
        light: with two strides, at half the size: grain, which a light generator can't make, would tell at once.
    """

    def __init__(self, width: int = 64, light: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        wider = [width] if light else [width, 2 * width]
        for channels in wider:
            layers += [
                nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False),
                nn.InstanceNorm2d(2 * channels, affine=True),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(
            nn.AvgPool2d(2) if light else nn.Identity(), *layers, nn.Conv2d(2 * wider[-1], 1, 4, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Verdicts (B, 1, h, w)."""
        return self.layers(x)


class ImagePool:
    """Shows the discriminator old pictures half of the time (Shrivastava et al., CVPR 2017)."""

    def __init__(self, size: int = 50) -> None:
        self.size = size
        self.pictures: list[Tensor] = []

    def exchange(self, made: Tensor, rng: np.random.Generator) -> Tensor:
        """Some of the new pictures (B, 3, H, W), some old ones in whose place the new ones stay here."""
        given = []
        for picture in made.detach():
            if len(self.pictures) < self.size:
                self.pictures.append(picture)
                given.append(picture)
            elif rng.random() < 0.5:
                place = int(rng.integers(self.size))
                given.append(self.pictures[place])
                self.pictures[place] = picture
            else:
                given.append(picture)
        return torch.stack(given)

    def state_dict(self) -> dict[str, Any]:
        """The pictures held."""
        return {"pictures": [picture.clone() for picture in self.pictures]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the pictures held."""
        self.pictures = list(state["pictures"])
