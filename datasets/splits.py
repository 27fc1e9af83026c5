"""Who is train, and which crops of the others are query and gallery. By hashes only: order and number never matter."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

SPLITS = ("train", "query", "gallery")
NOBODY = np.zeros(0, np.int64)
SEQUENCE = ("pid", "camid", "place", "viewpoint", "tracklet")  # columns in which the crops of a sequence are alike


@dataclass(frozen=True)
class Roles:
    """Who is not simply tested.

    Attributes:
        train: identities (T,) int64 that are train.
        distractors: those (D,) int64 that are in the gallery but never a query, as people are whom nobody looks for.
    """

    train: np.ndarray
    distractors: np.ndarray = field(default_factory=lambda: NOBODY)


def roles(pids: Iterable[int], train: float, distractors: float, world: str, seed: int) -> Roles:
    """Deals people by hashes of world, seed and pid.

    Args:
        train, distractors: shares of the people.
    """
    ranked = sorted({int(pid) for pid in pids}, key=lambda pid: name_hash("train", world, seed, pid))
    first = round(train * len(ranked))
    after = min(len(ranked), first + round(distractors * len(ranked)))
    return Roles(*(np.array(sorted(part), np.int64) for part in (ranked[:first], ranked[first:after])))


def roles_of(pid: np.ndarray, split: np.ndarray) -> Roles:
    """The roles that people have in a split: whoever is tested but no query is a distractor."""
    train, asked = np.unique(pid[split == "train"]), np.unique(pid[split == "query"])
    return Roles(train, np.setdiff1d(pid, np.concatenate([train, asked])))


def sequences(column: Callable[[str], np.ndarray]) -> np.ndarray:
    """The sequence that each crop is of: (N,) int64 from 0; a crop without a tracklet is one by itself.

    Args:
        column: gives a manifest column, (N,), by its name.
    """
    number = np.zeros(len(column("pid")), np.int64)
    for name in SEQUENCE:
        _, part = np.unique(column(name), return_inverse=True)
        _, number = np.unique(number * (part.max(initial=0) + 1) + part, return_inverse=True)
    alone = np.flatnonzero(column("tracklet") < 0)
    number[alone] = len(number) + alone
    _, number = np.unique(number, return_inverse=True)
    return number.astype(np.int64)


def assign(pid: np.ndarray, camid: np.ndarray, key: np.ndarray, sequence: np.ndarray, dealt: Roles) -> np.ndarray:
    """The split of each crop.

    Of a test identity, the crop with the lowest hash in each camera is a query, with all of its sequence, and the rest
    is gallery. A query without a match from another camera in the gallery joins the gallery itself, so every query can
    be answered. All crops of distractors are gallery.

    Args:
        pid: identities, (N,).
        camid: cameras, (N,).
        key: unique names of the crops, (N,).
        sequence: of each crop, (N,), see `sequences`.
        dealt: who is train, and who a distractor.

    Returns:
        (N,) array of "train", "query", "gallery".
    """
    split = np.where(np.isin(pid, dealt.train), "train", "gallery")
    test = np.flatnonzero((split == "gallery") & ~np.isin(pid, dealt.distractors))
    hashes = {i: name_hash("query", key[i]) for i in test.tolist()}
    members: dict[int, list[int]] = defaultdict(list)  # of a sequence; the first stands for it
    for i in sorted(hashes, key=hashes.__getitem__):
        members[int(sequence[i])].append(i)
    first: dict[tuple[int, int], int] = {}
    cameras: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))  # gallery's sequences by pid and camera
    for i, *_ in members.values():
        person, camera = int(pid[i]), int(camid[i])
        if first.setdefault((person, camera), i) != i:
            cameras[person][camera] += 1
    for (person, camera), i in first.items():
        if set(cameras[person]) - {camera}:
            split[members[int(sequence[i])]] = "query"
        else:
            cameras[person][camera] += 1
    return split


def counts(pid: np.ndarray, camid: np.ndarray, split: np.ndarray) -> dict[str, int]:
    """How many crops, identities and cameras there are, and crops by split."""
    whole = {"crops": len(pid), "ids": len(np.unique(pid)), "cameras": len(np.unique(camid))}
    return whole | {name: int((split == name).sum()) for name in SPLITS}


def name_hash(*parts: object) -> bytes:
    """8 bytes that order things at random but everywhere alike."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
