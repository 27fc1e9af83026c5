"""DIEN's head: an embedding of a body's last map, and recurrent top-down attention, which masks the map by it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LoopNorm(nn.Module):
    """A batch norm with statistics for each loop; scale and shift are the same in all of them.

    Masked maps are smaller than the map as it is, so one loop's statistics would be wrong for another.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, size: int, loops: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))
        self.register_buffer("mean", torch.zeros(loops + 1, size))
        self.register_buffer("variance", torch.ones(loops + 1, size))

    def forward(self, x: Tensor, loop: int) -> Tensor:
        """(B, size) -> the same shape; `loop` counts from 0."""
        return F.batch_norm(x, self.mean[loop], self.variance[loop], self.weight, self.bias, self.training)


class TopDownAttention(nn.Module):
    """A mask for a map by the feature that came of it (DIEN III-D); of the layers the paper gives kinds and numbers.

    Args:
        size: of the feature.
        channels, height, width: of the map.
    """

    def __init__(self, size: int, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width
        some, few = max(1, size // 8), max(1, size // 32)
        self.spatial = nn.Sequential(  # to a quarter of the map, to a half, to all of it
            nn.ConvTranspose2d(size, some, (-(-height // 4), -(-width // 4))),
            nn.ReLU(),
            nn.ConvTranspose2d(some, few, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(few, 1, 4, 2, 1),
        )
        self.channel = nn.Sequential(nn.Conv2d(size, some, 1), nn.ReLU(), nn.Conv2d(some, channels, 1))

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """(B, size) -> attention to places (B, 1, height, width) and to channels (B, channels, 1, 1), 0 to 1.

        Their product is the Kronecker product: the mask (B, channels, height, width).
        """
        seed = feature[:, :, None, None]
        places = self.spatial(seed)[:, :, : self.height, : self.width]
        return places.sigmoid(), self.channel(seed).sigmoid()


class EmbeddingHead(nn.Module):
    """Means and maxima of a map -> linear -> batch norm -> PReLU (DIEN III-A), and T further looks at the map.

    Each look sees the map masked by the feature of the look before; the features are summed by learned weights, 1 / (T
    + 1) at first. Without loops the first feature is all.

    Args:
        channels: of the map.
        size: numbers in the feature.
        loops: T.
        height, width: of the map.
    """

    def __init__(self, channels: int, size: int, loops: int, height: int, width: int) -> None:
        super().__init__()
        self.loops = loops
        self.linear = nn.Linear(2 * channels, size, bias=False)
        self.norm, self.rectifier = LoopNorm(size, loops), nn.PReLU()
        if loops:
            self.attention = TopDownAttention(size, channels, height, width)
            self.fusion = nn.Conv1d(loops + 1, 1, 1, bias=False)
            nn.init.constant_(self.fusion.weight, 1 / (loops + 1))

    def embedded(self, maps: Tensor, loop: int) -> Tensor:
        """(B, C, H, W) -> (B, size)."""
        pooled = torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)
        feature: Tensor = self.rectifier(self.norm(self.linear(pooled), loop))
        return feature

    def by_loop(self, maps: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(B, C, H, W) -> for each loop from 0 to T the masked map, same shape, and its feature (B, size)."""
        found = [(maps, self.embedded(maps, 0))]
        for loop in range(1, self.loops + 1):
            places, channels = self.attention(found[-1][1])
            maps = maps * (places * channels)
            found.append((maps, self.embedded(maps, loop)))
        return found

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> the feature (B, size)."""
        features = [feature for _, feature in self.by_loop(maps)]
        if not self.loops:
            return features[0]
        fused: Tensor = self.fusion(torch.stack(features, 1)).squeeze(1)
        return fused

    @property
    def weights(self) -> Tensor:
        """Of the features of loops 0 to T in the sum, (T + 1,)."""
        return self.fusion.weight.flatten()
