"""ResNet and IBN-ResNet-a bodies, last stride 1; parameters are named as in torchvision and IBN-Net, so weights fit."""

import torch
from torch import Tensor, nn


class IBN(nn.Module):
    """Instance norm on the first half of the channels, batch norm on the rest (Pan et al., ECCV 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.IN = nn.InstanceNorm2d(channels // 2, affine=True)
        self.BN = nn.BatchNorm2d(channels - channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        first, second = x.tensor_split([x.shape[1] // 2], 1)
        return torch.cat([self.IN(first.contiguous()), self.BN(second.contiguous())], 1)


class Block(nn.Module):
    """A residual block: two 3x3 convolutions (`wide` 1) or 1x1, 3x3, 1x1 with four times the channels (`wide` 4)."""

    def __init__(self, channels_in: int, channels: int, wide: int, stride: int, ibn: bool) -> None:
        super().__init__()
        out = channels * wide
        first_norm = IBN(channels) if ibn else nn.BatchNorm2d(channels)
        if wide == 1:
            self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
            self.bn1 = first_norm
            self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)
        else:
            self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
            self.bn1 = first_norm
            self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)
            self.conv3 = nn.Conv2d(channels, out, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(out)
        self.wide, self.relu = wide, nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels_in, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.wide > 1:
            y = self.bn3(self.conv3(self.relu(y)))
        return self.relu(y + shortcut)


class ResNet(nn.Module):
    """The body up to the last map: (B, 3, H, W) -> (B, `channels`, H / 16, W / 16).

    Args:
        depths: blocks in each of the four layers.
        wide: see `Block`.
        ibn: IBN-a: half instance norm in layers 1 to 3.
        first: channels of the first convolution; each layer but the first has twice as many as the one before.
    """

    def __init__(self, depths: tuple[int, int, int, int], wide: int, ibn: bool, first: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, first, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = first
        for layer, depth in enumerate(depths, 1):
            width, stride = first << (layer - 1), 2 if layer in (2, 3) else 1  # layer 4 keeps its stride at 1
            blocks = []
            for index in range(depth):
                blocks.append(Block(channels, width, wide, stride if index == 0 else 1, ibn and layer < 4))
                channels = width * wide
            self.add_module(f"layer{layer}", nn.Sequential(*blocks))
        self.channels = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> the last map."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for layer in range(1, 5):
            x = self.get_submodule(f"layer{layer}")(x)
        return x
