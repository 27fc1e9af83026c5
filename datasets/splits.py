"""Who is train, and which crops of the others are query and gallery. By hashes only: order and number never matter."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable

import numpy as np


def train_pids(pids: Iterable[int], share: float, world: str) -> np.ndarray:
    """The share of the people that is train, (T,) int64 sorted; chosen by a hash of world and pid."""
    ranked = sorted({int(pid) for pid in pids}, key=lambda pid: name_hash("train", world, pid))
    return np.array(sorted(ranked[: round(share * len(ranked))]), np.int64)


def assign(pid: np.ndarray, camid: np.ndarray, key: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The split of each crop.

    Of a test identity, the crop with the lowest hash in each camera is a query and the rest is gallery. A query
    without a match from another camera in the gallery joins the gallery itself, so every query can be answered.

    Args:
        pid: identities, (N,).
        camid: cameras, (N,).
        key: unique names of the crops, (N,).
        train: identities that are train.

    Returns:
        (N,) array of "train", "query", "gallery".
    """
    split = np.where(np.isin(pid, train), "train", "gallery")
    test = np.flatnonzero(split == "gallery")
    hashes = {i: name_hash("query", key[i]) for i in test.tolist()}
    first: dict[tuple[int, int], int] = {}
    cameras: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))  # gallery crops of each pid and camera
    for i in sorted(hashes, key=hashes.__getitem__):
        person, camera = int(pid[i]), int(camid[i])
        if first.setdefault((person, camera), i) != i:
            cameras[person][camera] += 1
    for (person, camera), i in first.items():
        if set(cameras[person]) - {camera}:
            split[i] = "query"
        else:
            cameras[person][camera] += 1
    return split


def name_hash(*parts: object) -> bytes:
    """8 bytes that order things at random but everywhere alike."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
