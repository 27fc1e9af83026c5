"""Checks that a dataset is whole and means what it should: `python -m datasets.verify demo-tgt`."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm
from tyro.conf import Positional

from datasets.manifest import Crops, Dataset, open_dataset
from datasets.pictures import DatasetError
from datasets.writer import counts
from opengspr.command import command

LINE = re.compile(r"([0-9a-f]{64})  ((?:shards/\d{5}\.tar)|manifest\.parquet|dataset\.json)")


@dataclass(frozen=True)
class Settings:
    """Checks a dataset's checksums, counts and splits."""

    name: Positional[str]
    """A dataset's name below the data root, or its path."""
    pictures: bool = False
    """Also decode every crop."""
    data_root: Path | None = None
    """Where datasets lie; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Settings) -> None:
    dataset = open_dataset(settings.name, settings.data_root)
    files = check_sums(dataset.root)
    check_counts(dataset)
    check_splits(dataset.crops, dataset.name)
    if settings.pictures:
        check_pictures(dataset.crops)
    print(f"{dataset.name}: good: {files} files, {dataset.info['counts']}")


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
    there = {"dataset.json", "manifest.parquet", *(f"shards/{path.name}" for path in (root / "shards").iterdir())}
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
    cameras: dict[int, set[int]] = {}
    for i in np.flatnonzero(split == "gallery"):
        cameras.setdefault(int(crops.pid[i]), set()).add(int(crops.camid[i]))
    for i in np.flatnonzero(split == "query"):
        if not cameras.get(int(crops.pid[i]), set()) - {int(crops.camid[i])}:
            raise DatasetError(f"{name}: query {key[i]} has no match from another camera in the gallery")


def check_pictures(crops: Crops) -> None:
    """Decodes every crop.

    Raises:
        DatasetError: names the first that cannot be read or has another size than the manifest says.
    """
    key, sizes = crops.column("key"), np.stack([crops.column("height"), crops.column("width")], axis=1)
    for i in tqdm(range(len(crops)), unit="crop", disable=None):
        if crops.image(i).shape[:2] != tuple(sizes[i]):
            raise DatasetError(f"{key[i]}: picture of {crops.image(i).shape[:2]}, the manifest says {tuple(sizes[i])}")


if __name__ == "__main__":
    command(Settings, main)
