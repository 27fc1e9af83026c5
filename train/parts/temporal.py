"""When people who were seen by one camera are seen by another: JVTC's temporal consistency (Li and Zhang, ECCV 2020).

The distribution of time differences between cameras is that of spatial-temporal re-identification (Wang et al., AAAI
2019), with pseudo-labels in place of identities. What is ours: differences have signs, so that both directions of a
pair of cameras are one distribution, and smoothing does not fold at zero.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numba import njit
from scipy.ndimage import gaussian_filter1d

from opengspr.files import whole_file
from train.parts.clustering import Lists, largest, similarities

GAMMA, WEIGHT = 5.0, 2.0  # st-ReID's: both logistic functions' steepness, and the temporal one's weight
WIDTH = 100  # frames that share a bin


@dataclass(frozen=True)
class Transitions:
    """How probable time differences are between cameras.

    Attributes:
        camera: (C,) camids in ascending order.
        probable: (C, C, 2 B + 1) float32: for cameras a and b, by (frame at b - frame at a) // `WIDTH` + B; each pair's
            sum is 1, or 0 where nobody was seen by both.
    """

    camera: np.ndarray
    probable: np.ndarray

    @classmethod
    def of(cls, label: np.ndarray, camid: np.ndarray, frame: np.ndarray, smoothing: int) -> "Transitions":
        """From pseudo-labels.

        A cluster counts once for each pair of its cameras, by their mean frames; inside a camera each of its pictures
        counts, by its distance from the mean, to either side.

        Args:
            label: (N,), negative = in no cluster. camid, frame: (N,).
            smoothing: deviation in frames of the normal distribution that a difference is spread by.
        """
        camera, place = np.unique(camid, return_inverse=True)
        inside = label >= 0
        row, place, frame = label[inside], place[inside], frame[inside].astype(np.float64)
        count = np.zeros((int(label.max(initial=-1)) + 1, len(camera)))
        total = np.zeros_like(count)
        np.add.at(count, (row, place), 1)
        np.add.at(total, (row, place), frame)
        mean = total / np.where(count, count, np.nan)
        bins = int(np.ptp(frame) / WIDTH) + 1 if len(frame) else 1
        seen = np.zeros((len(camera), len(camera), 2 * bins + 1), np.float32)
        for a in range(len(camera)):
            between = np.round((mean - mean[:, [a]]) / WIDTH)
            between[:, a] = np.nan
            who, b = np.nonzero(~np.isnan(between))
            np.add.at(seen[a], (b, between[who, b].astype(np.int64) + bins), 1)
        several = count[row, place] > 1
        apart = np.round((frame - mean[row, place]) / WIDTH).astype(np.int64)[several]
        for side in (apart, -apart):
            np.add.at(seen, (place[several], place[several], side + bins), 1)
        seen = gaussian_filter1d(seen, smoothing / WIDTH, mode="constant", truncate=3.0)
        sums = seen.sum(2, keepdims=True)
        return cls(camera, np.divide(seen, sums, out=seen, where=sums > 0))

    def join(self, similarity: np.ndarray, mine: "Times", others: "Times") -> None:
        """Turns cosines into the joint similarity 1 / (1 + e^(-5 v)) x 1 / (1 + 2 e^(-5 h)), in place.

        Args:
            similarity: (B, N) float32, v. mine: of the rows. others: of the columns. h = 0 for cameras that were not
                there, and for differences beyond all that were.
        """
        a, b = (np.searchsorted(self.camera, one.camid) for one in (mine, others))
        for place, one in ((a, mine), (b, others)):
            place[(self.camera[np.minimum(place, len(self.camera) - 1)] != one.camid)] = -1
        temporal = 1 / (1 + WEIGHT * np.exp(-GAMMA * self.probable))
        _joined(similarity, a, mine.frame, b, others.frame, temporal.astype(np.float32))

    def change(self, query: "Times", gallery: "Times") -> Callable[[np.ndarray, slice], None]:
        """For `retrieval.evaluate`: the same for these queries and this gallery."""
        return lambda similarity, part: self.join(similarity, query.part(part), gallery)

    def nearest(self, features: np.ndarray, times: "Times", k: int) -> Lists:
        """As `clustering.nearest`, in the order of the joint similarity; the values remain cosines.

        Args:
            features: (N, D), unit norm. times: (N,).
        """
        found = []
        for start, cosines in similarities(features):
            joint = cosines.cpu().numpy().copy()
            self.join(joint, times.part(slice(start, start + len(joint))), times)
            lists, _ = largest(torch.from_numpy(joint).to(cosines.device), k, start)
            found.append((lists, cosines.gather(1, torch.from_numpy(lists).long().to(cosines.device)).cpu().numpy()))
        lists, values = (np.concatenate(part) for part in zip(*found))
        return lists, values

    def save(self, path: Path) -> None:
        """Writes it."""
        with whole_file(path) as file:
            np.savez_compressed(file, camera=self.camera, probable=self.probable)

    @classmethod
    def load(cls, path: Path) -> "Transitions":
        """Reads it."""
        with np.load(path) as kept:
            return cls(kept["camera"], kept["probable"])


@dataclass(frozen=True)
class Times:
    """Where and when N pictures were taken: `camid` and `frame`, (N,) int64 each."""

    camid: np.ndarray
    frame: np.ndarray

    @property
    def known(self) -> bool:
        """Whether frames tell anything."""
        return len(np.unique(self.frame)) > 1

    def part(self, which: slice) -> "Times":
        """Of some pictures."""
        return Times(self.camid[which], self.frame[which])


@njit(cache=True, nogil=True)
def _joined(
    similarity: np.ndarray, a: np.ndarray, at: np.ndarray, b: np.ndarray, when: np.ndarray, temporal: np.ndarray
) -> None:
    """As `Transitions.join`; `temporal` is the second factor by cameras' places, -1 = unknown."""
    bins = temporal.shape[2] // 2
    never = np.float32(1 / (1 + WEIGHT))
    for i in range(len(similarity)):
        for j in range(similarity.shape[1]):
            factor = never
            difference = np.round((when[j] - at[i]) / WIDTH)
            if a[i] >= 0 and b[j] >= 0 and abs(difference) <= bins:
                factor = temporal[a[i], b[j], int(difference) + bins]
            similarity[i, j] = factor / (1 + np.exp(np.float32(-GAMMA) * similarity[i, j]))
