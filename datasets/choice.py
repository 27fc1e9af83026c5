"""Chooses a few people and a few of their crops, by hashes: the same choice everywhere."""

from collections import Counter

import numpy as np

from datasets.manifest import Crops
from datasets.splits import name_hash


def with_cameras(crops: Crops, by: str) -> Crops:
    """The crops with other cameras: what evaluation excludes as seen by the query's own.

    Args:
        by: camid, as they are; place, all that was seen in one place; viewpoint, each viewpoint of each place.
    """
    if by == "camid":
        return crops
    names = [crops.column("place").astype(str)]
    names += [crops.column("viewpoint").astype(str)] if by == "viewpoint" else []
    camid = np.unique(np.stack(names, axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    return crops.replaced("camid", camid)


def choose_ids(crops: Crops, number: int, per_id: int) -> np.ndarray:
    """Up to `number` identities, sorted; first those with enough crops and cameras, then by a hash."""
    ids, first, count = np.unique(crops.pid, return_index=True, return_counts=True)
    pairs = np.unique(np.stack([crops.pid, crops.camid]), axis=1)
    cameras = np.array([(pairs[0] == pid).sum() for pid in ids])
    world = crops.column("world")

    def rank(i: int) -> tuple[int, int, bytes]:
        return -min(int(count[i]), per_id), -min(int(cameras[i]), 2), name_hash("choice", world[first[i]], int(ids[i]))

    return np.sort(ids[sorted(range(len(ids)), key=rank)[:number]])


def choose_crops(crops: Crops, pid: int, number: int) -> np.ndarray:
    """Indices of up to `number` crops of a person, as many from each camera as there are; by camera, then key."""
    mine = np.flatnonzero(crops.pid == pid)
    keys = crops.column("key")
    of_camera: Counter[int] = Counter()
    turn: dict[int, tuple[int, int]] = {}
    for i in sorted(mine.tolist(), key=lambda i: name_hash("choice", keys[i])):
        camera = int(crops.camid[i])
        turn[i] = (of_camera[camera], camera)
        of_camera[camera] += 1
    chosen = sorted(turn, key=turn.__getitem__)[:number]
    return np.array(sorted(chosen, key=lambda i: (crops.camid[i], keys[i])), np.int64)
