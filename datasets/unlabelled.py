"""What an unsupervised method may see of its target: pictures, cameras and frames, in an order that tells nothing."""

import hashlib

import numpy as np

from datasets.manifest import Crops
from datasets.pictures import Pictures


class Unlabelled(Pictures):
    """N pictures with `camid` and `frame`, (N,) int64 each. Holds no identity and no key."""

    def __init__(self, pictures: Pictures, camid: np.ndarray, frame: np.ndarray) -> None:
        self.root, self._pictures, self.camid, self.frame = pictures.root, pictures, camid, frame

    def __len__(self) -> int:
        return len(self._pictures)

    def read(self, i: int) -> bytes:
        return self._pictures.read(i)

    def where(self, i: int) -> str:
        return self._pictures.where(i)

    def take(self, indices: np.ndarray) -> "Unlabelled":
        return Unlabelled(self._pictures.take(indices), self.camid[indices], self.frame[indices])


def image_order(crops: Crops) -> np.ndarray:
    """The order in which `unlabelled` hands out these crops, (N,) int64: `crops.pid[image_order(crops)]` fits it.

    By a hash of each picture's bytes, so that neither identities nor the manifest's order shape it.
    """
    digests = [hashlib.blake2b(crops.read(i), digest_size=16).digest() for i in range(len(crops))]
    return np.array(sorted(range(len(crops)), key=lambda i: (digests[i], crops.camid[i], crops.frame[i])), np.int64)


def unlabelled(crops: Crops) -> Unlabelled:
    """The crops without their identities, in `image_order`."""
    order = image_order(crops)
    return Unlabelled(crops.pictures.take(order), crops.camid[order], crops.frame[order])
