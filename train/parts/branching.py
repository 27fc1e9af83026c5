"""Bodies with several ends: where a body can be cut, and copies of what comes after."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from opengspr import UserError
from train.parts.resnet import ResNet


class Branches(nn.Module):
    """Several ends of one trunk; their maps side by side, (B, sum of channels, H, W)."""

    def __init__(self, trunk: nn.Module, ends: Iterable[nn.Module]) -> None:
        super().__init__()
        self.trunk, self.ends = trunk, nn.ModuleList(ends)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> the maps."""
        shared = self.trunk(x)
        return torch.cat([end(shared) for end in self.ends], 1)


def last_stage(
    body: nn.Module, backbone: str, earlier: bool = False
) -> tuple[nn.Module, list[nn.Module], list[nn.Module]]:
    """A body up to its last stage, the stage's blocks, and what widens their map.

    Args:
        body: is taken apart.
        backbone: its name.
        earlier: cut after the first block of the stage before; the blocks are those of both stages that come after.

    Raises:
        UserError: another body than a ResNet or of MobileNetV3's and EfficientNet's kind.
    """
    model: Any = getattr(body, "model", body)
    if isinstance(body, ResNet) or (hasattr(model, "layer4") and hasattr(model, "maxpool")):
        before, blocks = [*model.layer3], [*model.layer4]
        if earlier:
            before, blocks = before[:1], before[1:] + blocks
        if isinstance(body, ResNet):
            body.layer3, body.layer4 = nn.Sequential(*before), nn.Identity()
            return body, blocks, []
        first = model.conv1, model.bn1, model.act1, model.maxpool, model.layer1, model.layer2
        return nn.Sequential(*first, nn.Sequential(*before)), blocks, []
    if hasattr(model, "conv_stem") and hasattr(model, "blocks"):
        *stages, last = model.blocks
        after = [model.conv_head, model.bn2] if hasattr(model, "bn2") else [last]  # MobileNetV3's last only widens
        if not hasattr(model, "bn2"):
            *stages, last = stages
        blocks = [*last]
        if earlier:
            blocks = [*stages[-1][1:], *blocks]
            stages[-1] = stages[-1][:1]
        return nn.Sequential(model.conv_stem, model.bn1, *stages), blocks, after
    raise UserError(
        f"--backbone {backbone}: no branches can be made of it; wanted a ResNet, MobileNetV3 or EfficientNet"
    )
