"""Checks that a dataset is whole and means what it should: `python -m datasets.verify demo-tgt`."""

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm
from tyro.conf import Positional

from datasets.known import KNOWN, Count
from datasets.manifest import Crops, Dataset
from datasets.opening import open_dataset
from datasets.pictures import DatasetError
from datasets.splits import SPLITS, counts
from opengspr.command import command

LINE = re.compile(r"([0-9a-f]{64})  ((?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/){0,3}[A-Za-z0-9_-][A-Za-z0-9_.-]*)")


@dataclass(frozen=True)
class Settings:
    """Checks a dataset: ours by checksums, counts and splits, others' by their published counts and each picture."""

    name: Positional[str]
    """A dataset's name below the data root, or its path."""
    pictures: bool = False
    """Also decode every crop of one of ours."""
    data_root: Path | None = None
    """Where datasets lie; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Settings) -> None:
    dataset = open_dataset(settings.name, settings.data_root)
    if not dataset.ours:
        check_theirs(dataset)
        print(f"{dataset.name}: good: every picture can be read")
        return
    files = check_sums(dataset.root)
    check_counts(dataset)
    check_splits(dataset.crops, dataset.name)
    if settings.pictures:
        check_pictures(dataset.crops)
    print(f"{dataset.name}: good: {files} files, {dataset.info['counts']}")


def check_theirs(dataset: Dataset) -> None:
    """Compares somebody else's dataset with what is published of it, where anything is, and decodes its pictures.

    Raises:
        DatasetError: says which figures differ, or names the first picture that cannot be read.
    """
    known = KNOWN.get(dataset.info["provenance"]["dataset"])
    version = dataset.info["provenance"]["version"]
    print(f"{known.title if known else 'a folder like Market-1501'}{f', {version}' if version else ''}: {dataset.root}")
    if known and known.withdrawn:
        print(f"withdrawn {known.withdrawn}")
    wrong = []
    for split in (*SPLITS, "all"):
        got = _count(dataset.crops, split)
        wanted = known.counts.get(split) if known else None
        if wanted or (got.pictures and split != "all"):
            published = f"published: {wanted.pictures:,} of {wanted.ids:,}" if wanted else "nothing published"
            print(f"{split:8}{got.pictures:>10,} of {got.ids:>6,} people   {published}")
        if wanted and got != wanted:
            wrong.append(
                f"{split} is {got.pictures} of {got.ids} people, published are {wanted.pictures} of {wanted.ids}"
            )
    for reason, count in dataset.info["drops"].items():
        print(f"left out {count:>9,} {reason}")
    print(f"queries without a match from another camera: {len(unanswerable(dataset.crops))}")
    check_pictures(dataset.crops)
    if wrong:
        raise DatasetError(f"{dataset.name}: {'; '.join(wrong)}")


def _count(crops: Crops, split: str) -> Count:
    """Pictures and people of a split, or of all; sequences instead of pictures where there are such."""
    members = np.full(len(crops), True) if split == "all" else crops.column("split") == split
    tracklets = crops.column("tracklet")[members]
    pictures = len(np.unique(tracklets)) if (tracklets >= 0).any() else int(members.sum())
    return Count(pictures, len(np.unique(crops.pid[members])))


def check_sums(root: Path) -> int:
    """Compares every file with SHA256SUMS; returns how many.

    Raises:
        DatasetError: names the first file that is missing, changed or not listed.
    """
    listed = set()
    for line in (root / "SHA256SUMS").read_text(errors="replace").splitlines():
        match = LINE.fullmatch(line)
        if not match:
            raise DatasetError(f"{root / 'SHA256SUMS'}: not a line for a file of a dataset: {line!r:.100}")
        wanted, name = match.groups()
        listed.add(name)
        try:
            with open(root / name, "rb") as file:
                got = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise DatasetError(f"{root / name}: missing; SHA256SUMS lists it") from None
        if got != wanted:
            raise DatasetError(f"{root / name}: changed: sha256 {got}, SHA256SUMS says {wanted}")
    hidden = (".", "SHA256SUMS")
    names = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    there = {"dataset.json", "manifest.parquet", *(name for name in names if not name.startswith(hidden))}
    if there - listed:
        raise DatasetError(f"{root}: not in SHA256SUMS: {', '.join(sorted(there - listed))}")
    return len(listed)


def check_counts(dataset: Dataset) -> None:
    """Compares dataset.json's counts with the manifest.

    Raises:
        DatasetError: they differ.
    """
    crops = dataset.crops
    got = counts(crops.pid, crops.camid, crops.column("split").astype(str))
    if dataset.info.get("counts") != got:
        raise DatasetError(f"{dataset.root}: dataset.json counts {dataset.info.get('counts')}, the manifest has {got}")


def check_splits(crops: Crops, name: str) -> None:
    """Checks that keys are unique, nobody is in train and test, and every query has a match from another camera.

    Raises:
        DatasetError: names the first that breaks a rule.
    """
    key, split = crops.column("key"), crops.column("split")
    if len(np.unique(key.astype(str))) < len(key):
        raise DatasetError(f"{name}: two crops have the same key")
    both = np.intersect1d(crops.pid[split == "train"], crops.pid[split != "train"])
    if len(both):
        raise DatasetError(f"{name}: pid {both[0]} is in train and in test")
    for i in unanswerable(crops):
        raise DatasetError(f"{name}: query {key[i]} has no match from another camera in the gallery")


def unanswerable(crops: Crops) -> list[int]:
    """The queries without a match from another camera in the gallery."""
    split, cameras = crops.column("split"), defaultdict[int, set[int]](set)
    for i in np.flatnonzero(split == "gallery").tolist():
        cameras[int(crops.pid[i])].add(int(crops.camid[i]))
    queries = np.flatnonzero(split == "query").tolist()
    return [i for i in queries if not cameras[int(crops.pid[i])] - {int(crops.camid[i])}]


def check_pictures(crops: Crops) -> None:
    """Decodes every crop.

    Raises:
        DatasetError: names the first that cannot be read or has another size than the manifest says.
    """
    key, sizes = crops.column("key"), np.stack([crops.column("height"), crops.column("width")], axis=1)
    known = crops.rows is not None
    for i in tqdm(range(len(crops)), unit="crop", disable=None):
        got = crops.image(i).shape[:2]
        if known and got != tuple(sizes[i]):
            raise DatasetError(f"{key[i]}: picture of {got}, the manifest says {tuple(sizes[i])}")


if __name__ == "__main__":
    command(Settings, main)
