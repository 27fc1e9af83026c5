"""Retrieval of whole sequences: frames are sampled of each, and their features pooled (SCR, thesis 3.4.3)."""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from datasets.manifest import Crops, Dataset
from datasets.splits import sequences
from opengspr import UserError
from opengspr.randomness import rng
from train.parts.backbones import Encoder
from train.parts.data import Images
from train.parts.evaluation import Pair, Truth, extract
from train.parts.retrieval import Labels

Way = Literal["TP(R)", "TPP(R)", "TP(E)", "TPP(E)"]
FRAMES, GROUPS = 15, 3
AT_ONCE = 1000  # sequences whose frames' features are held


class Tracklets(Truth):
    """A target whose queries and gallery are sequences, each with one feature.

    Args:
        dataset: the target, in which crops share tracklets.
        height, width: input size of the encoders.
        way: TP, the mean of 15 frames, or TPP, the means of their beginning, middle and end side by side; R draws the
            frames at random, E takes them evenly.
        seed: of R's draws.

    Raises:
        UserError: there are no sequences.
    """

    def __init__(self, dataset: Dataset, height: int, width: int, way: Way, seed: int = 0) -> None:
        super().__init__(dataset, height, width)
        self.size, self.groups = (height, width), GROUPS if way.startswith("TPP") else 1
        self._sampled = [(crops, sample(crops, "R" in way, seed)) for crops in self.crops.values()]
        if not any(len(crops) > len(frames) for crops, frames in self._sampled):
            raise UserError(f"--video {way}: {dataset.name} has no sequences; wanted several crops of a tracklet")
        query, gallery = (crops.take(frames[:, 0]) for crops, frames in self._sampled)
        self.crops = {"query": query, "gallery": gallery}
        self._labels = Labels(query.pid, query.camid), Labels(gallery.pid, gallery.camid)

    def features(self, encoder: Encoder) -> Pair:
        """Features of the sequences."""
        found = []
        for crops, frames in self._sampled:
            parts = np.split(frames, range(AT_ONCE, len(frames), AT_ONCE))
            each = (extract(encoder, Images(crops.take(part.ravel()), *self.size)) for part in parts)
            found.append(torch.cat([pooled(one, self.groups) for one in each]))
        query, gallery = found
        return query, gallery


def sample(crops: Crops, at_random: bool, seed: int) -> np.ndarray:
    """15 frames of each sequence in the order of time, (S, 15) indices of crops; short ones have some more than once.

    Args:
        crops: in any order.
        at_random: drawn, by a hash of seed and key; else evenly.
        seed: of the draws.
    """
    sequence = sequences(crops.column)
    order = np.lexsort((crops.frame, sequence))
    first = np.flatnonzero(np.diff(sequence[order], prepend=-1))
    length = np.diff(first, append=len(order))
    places = ((np.arange(FRAMES) + 0.5) / FRAMES * length[:, None]).astype(np.int64)
    if at_random:
        for own, count, key in zip(places, length.tolist(), crops.column("key")[order[first]], strict=True):
            own[:] = np.sort(rng(seed, "frames", key).choice(count, FRAMES, replace=count < FRAMES))
    chosen: np.ndarray = order[first[:, None] + places]
    return chosen


def pooled(features: Tensor, groups: int) -> Tensor:
    """Temporal partition pooling: means of as many parts of each sequence as `groups`, side by side.

    Args:
        features: (S x 15, D) of the frames.
        groups: 1 = conventional temporal pooling.

    Returns:
        (S, groups x D), unit norm.
    """
    frames = features.unflatten(0, (-1, FRAMES)).tensor_split(groups, 1)
    return F.normalize(torch.cat([part.mean(1) for part in frames], 1), dim=1)
