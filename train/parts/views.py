"""GCL's generative module: nets that show somebody in another structure, and the losses by which they learn it.

A picture is made of two codes (thesis section 5.3.1): who it is, from the identity encoder's last map, by four parts
from head to feet; and how they stand and from where they are seen, from a picture of their body (parts/drawing.py).
Pictures are float in [-1, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengspr import ranks
from train.parts import losses
from train.parts.backbones import Encoder
from train.parts.data import standardised
from train.parts.generators import Discriminator, Residual, conv_norm
from train.parts.norms import statistics_kept

PARTS = 4  # of the identity code
BLOCKS = 4  # residual blocks of structure encoder and decoder
HIDDEN = 256  # units between the identity code and what the norms take


class StructureEncoder(nn.Sequential):
    """Four convolutions and four residual blocks: (B, 3, H, W) -> (B, width, H / 2, W / 2)."""

    def __init__(self, width: int = 32) -> None:
        layers = [*conv_norm(3, width // 2, 7), *conv_norm(width // 2, width, 3, 2)]
        layers += [*conv_norm(width, width, 3), *conv_norm(width, width, 3)]
        super().__init__(*layers, *(Residual(width) for _ in range(BLOCKS)))


class _Adaptive(nn.Module):
    """A residual block whose two instance norms take their scales and biases from outside (AdaIN)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect") for _ in range(2)
        )

    def forward(self, x: Tensor, by: Tensor) -> Tensor:
        """Args: x: (B, width, h, w). by: (B, 2, 2, width, 1, 1), for each norm scales - 1 and biases."""
        inside = x
        for k, convolution in enumerate(self.convolutions):
            scale, bias = by[:, k].unbind(1)
            inside = F.instance_norm(convolution(inside)) * (1 + scale) + bias
            inside = F.relu(inside) if k == 0 else inside
        return x + inside


class ViewDecoder(nn.Module):
    """G: structure (B, width, h, w) and identity (B, C, 4, 1) codes -> a picture (B, 3, 2 h, 2 w).

    The norms after the adaptive ones are over all channels: by channel they would take out the colours.

    Args:
        width: channels of the structure code. identity: C.
    """

    def __init__(self, width: int, identity: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Adaptive(width) for _ in range(BLOCKS))
        self.by_identity = nn.Sequential(
            nn.Flatten(), nn.Linear(identity * PARTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, BLOCKS * 4 * width)
        )
        layers: list[nn.Module] = []
        for given, wanted, enlarge in ((width, width, False), (width, width, True), (width, width // 2, False)):
            layers += [nn.Upsample(scale_factor=2)] if enlarge else []
            layers += [nn.Conv2d(given, wanted, 5 if enlarge else 3, padding="same", padding_mode="reflect")]
            layers += [nn.GroupNorm(1, wanted), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width // 2, 3, 7, padding=3, padding_mode="reflect"), nn.Tanh())

    def forward(self, identity: Tensor, structure: Tensor) -> Tensor:
        """See the class."""
        given = self.by_identity(identity).view(len(identity), BLOCKS, 2, 2, -1, 1, 1)
        for k, block in enumerate(self.blocks):
            structure = block(structure, given[:, k])
        made: Tensor = self.layers(structure)
        return made


class PatchJudges(nn.Module):
    """D: patch discriminators at the whole, half and a quarter of the size, down to a height of 64 (multi-scale)."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self.scales = [scale for scale in (1, 2, 4) if height // scale >= 64] or [1]
        self.judges = nn.ModuleList(Discriminator(width) for _ in self.scales)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Verdicts by scale."""
        return [judge(F.avg_pool2d(x, scale)) for judge, scale in zip(self.judges, self.scales)]


def verdict(judged: Sequence[Tensor], real: bool) -> Tensor:
    """LSGAN's loss, the mean over scales."""
    return torch.stack([losses.least_squares(one, real) for one in judged]).mean()


@dataclass(frozen=True)
class ViewSpec:
    """Of the generative module. Attributes: width of the structure code, of judges; weights of reconstruction."""

    width: int = 32
    judge_width: int = 64
    picture: float = 5.0
    feature: float = 5.0


class Seen(NamedTuple):
    """What the identity encoder makes of pictures: f (B, D) of unit norm, f_id (B, C, 4, 1)."""

    feature: Tensor
    identity: Tensor


class Made(NamedTuple):
    """Pictures of a batch (B, 3, H, W): x'_ori, x'_new, x''_ori; and what the encoder makes of x'_new."""

    kept: Tensor
    new: Tensor
    cycled: Tensor
    seen: Seen


class ViewNets(nn.Module):
    """E_str, G and D.

    Args:
        spec: settings. encoder: E_id, which stays outside. height: of pictures.
    """

    def __init__(self, spec: ViewSpec, encoder: Encoder, height: int) -> None:
        super().__init__()
        self.spec = spec
        self.structure = StructureEncoder(spec.width)
        self.decoder = ViewDecoder(spec.width, encoder.map_shape()[0])
        self.judges = PatchJudges(spec.judge_width, height)

    def made(self, encoder: Encoder, seen: Seen, old: Tensor, new: Tensor) -> Made:
        """All pictures of a batch, from its identity codes and structure pictures (B, 3, H, W), old and new."""
        ours, theirs = self.structure(torch.cat([old, new])).chunk(2)
        kept, turned = self.decoder(seen.identity.repeat(2, 1, 1, 1), torch.cat([ours, theirs])).chunk(2)
        again = look_again(encoder, turned)
        return Made(kept, turned, self.decoder(again.identity, ours), again)

    def generative(self, encoder: Encoder, real: Tensor, seen: Seen, made: Made) -> dict[str, Tensor]:
        """Terms of eq. 5.4; the judges are to be without gradients. Targets of eq. 5.2 are detached."""
        wanted, cycled = seen.identity.detach(), look_again(encoder, made.cycled).identity
        picture = (real - made.kept).abs().mean() + (real - made.cycled).abs().mean()
        feature = (wanted - made.seen.identity).abs().mean() + (wanted - cycled).abs().mean()
        shown = (made.kept, made.new, made.cycled)
        return {
            "picture": self.spec.picture * picture,
            "feature": self.spec.feature * feature,
            "adversarial": torch.stack([verdict(self.judges(one), True) for one in shown]).sum(),
        }

    def judged(self, real: Tensor, made: Made) -> Tensor:
        """What the judges learn by, eq. 5.3."""
        shown = [one.detach() for one in (made.kept, made.new, made.cycled)]
        return (
            len(shown) * verdict(self.judges(real), True)
            + torch.stack([verdict(self.judges(one), False) for one in shown]).sum()
        )


def look(encoder: Encoder, pictures: Tensor) -> Seen:
    """What the encoder makes of pictures as nets see them, (B, 3, H, W): one pass for both codes.

    In training mode features are those of all ranks' pictures, since the last norm is to see the whole batch.
    """
    maps = encoder.map(pictures, -1)
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    pooled = encoder.pool(maps)
    feature = F.normalize(encoder.neck(ranks.gathered(pooled) if encoder.training else pooled), dim=1)
    return Seen(feature, F.adaptive_avg_pool2d(maps, (PARTS, 1)))


def look_again(encoder: Encoder, made: Tensor) -> Seen:
    """The same of pictures that were made, (B, 3, H, W) in [-1, 1]: norms keep no statistics of them."""
    with statistics_kept(encoder):
        return look(encoder, standardised(made))
