"""Reads a folder of somebody else's dataset as ours: `read_tree(root, layout)`."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datasets.known import KNOWN, MARKET, MARKET_NAME, Known
from datasets.layouts import Folders, Layout, pictures_below, rule_of
from datasets.manifest import Crops, Dataset
from datasets.pictures import DatasetError, InFiles
from datasets.splits import counts

LIKE_MARKET = Folders(MARKET, MARKET_NAME)  # what a folder is read as that nobody knows
JUNK_PID, JUNK = -1, "junk (pid -1)"
UNLISTED = "00-1"  # what MARS writes for a pid of -1


def find_known(name: str, top: Path) -> tuple[Path, Layout] | None:
    """Where below the data root a dataset of `KNOWN` lies, and in which form."""
    known = KNOWN[name]
    for folder in (name, *known.folders):
        for below in ("", *known.folders):
            if layout := layout_of(known, top / folder / below):
                return top / folder / below, layout
    return None


def recognised(root: Path) -> tuple[str, Layout] | None:
    """The dataset that a folder is, by its own name and form, or by its form alone; its name is "" where it is only
    like Market-1501. None where it is nothing of the kind.
    """
    path = root.resolve().as_posix().casefold()
    for name, known in KNOWN.items():
        if any(path.endswith(f"/{folder.casefold()}") for folder in (name, *known.folders)):
            if layout := layout_of(known, root):
                return name, layout
    for name, known in KNOWN.items():
        layout = layout_of(known, root)
        if layout and not isinstance(layout, Folders):
            return name, layout
    return ("", LIKE_MARKET) if LIKE_MARKET.fits(root) else None


def layout_of(known: Known, root: Path) -> Layout | None:
    """The first of its forms that a folder has."""
    return next((layout for layout in known.layouts if root.is_dir() and layout.fits(root)), None)


def read_tree(name: str, root: Path, layout: Layout) -> Dataset:
    """The dataset in a folder.

    What nobody knows of its pictures is -1 or empty, as `manifest.UNKNOWN` has it. Junk is left out and counted in
    `info["drops"]`. The fingerprint is that of the pictures' paths and sizes.

    Raises:
        DatasetError: a picture that is not named by the rule, a list that is not one, or no picture at all.
    """
    digest, drops = hashlib.sha256(), Counter[str]()
    keys: list[str] = []
    splits: list[str] = []
    numbers = array("q")  # eight for each picture: there may be millions
    for entry in layout.entries(root):
        match = rule_of(layout, root, entry.path)
        if match is None or not entry.path.isprintable():  # a name that is no text cannot be kept
            raise DatasetError(
                f"{str(root / entry.path)!r}: wanted a name as {name or 'Market-1501'} has them: {layout.rule.pattern}"
            )
        digest.update(f"{entry.split}\0{entry.path}\0{entry.size}\n".encode())
        said = match.groupdict()
        person = entry.pid if entry.pid is not None else JUNK_PID if said["pid"] == UNLISTED else int(said["pid"])
        if person == JUNK_PID:
            drops[JUNK] += 1
            continue
        keys.append(entry.path)
        splits.append(entry.split)
        beyond = int(layout.overlapping and entry.split != "train")
        rest = (int(said.get(group) or 0) for group in ("model", "scene", "camera", "frame"))
        numbers.extend((beyond, person, *rest, entry.size, entry.tracklet))
    if not keys:
        raise DatasetError(f"{root}: no picture in it")
    apart, pid, model, scene, camera, frame, size, tracklet = np.frombuffer(numbers, np.int64).reshape(len(keys), -1).T
    if model.any() or apart.any():
        pid = _counted(apart, model, pid)
    camid = _counted(scene, camera) if scene.any() or layout.renumbered else camera - (camera.min() > 0)
    told = {
        "key": keys,
        "split": splits,
        "pid": pid,
        "camid": camid,
        "frame": frame,
        "tracklet": tracklet,
        "size": size,
    }
    known = {"drops": dict(drops), "licence": KNOWN[name].terms if name else "unknown"}
    provenance = {"dataset": name or "like Market-1501", "version": layout.version}
    return _dataset(name or root.resolve().name, root, told, {**known, "provenance": provenance}, digest.hexdigest())


def read_plain(root: Path) -> Dataset | None:
    """A folder of pictures that nobody labelled, as a dataset to learn from: each of its subfolders is a camera, and
    pid is -1. None where there is no picture.

    Raises:
        DatasetError: a name that is no text.
    """
    found = [*pictures_below(root)]
    if not found:
        return None
    keys, sizes = zip(*found, strict=True)
    if odd := [key for key in keys if not key.isprintable()]:
        raise DatasetError(f"{str(root / odd[0])!r}: wanted a name that is text")
    folders = [key.partition("/")[0] if "/" in key else "" for key in keys]
    camid = np.unique(folders, return_inverse=True)[1].astype(np.int64)
    pid, frame, split = np.full(len(keys), JUNK_PID), np.zeros(len(keys), np.int64), ["train"] * len(keys)
    told = {"key": keys, "split": split, "pid": pid, "camid": camid, "frame": frame, "size": sizes}
    known = {"drops": {}, "licence": "unknown", "provenance": {"dataset": "a folder of pictures", "version": ""}}
    digest = hashlib.sha256("".join(f"{key}\0{size}\n" for key, size in found).encode())
    return _dataset(root.resolve().name, root, told, known, digest.hexdigest())


def _dataset(name: str, root: Path, told: Mapping[str, Any], known: Mapping[str, Any], fingerprint: str) -> Dataset:
    """A dataset of pictures that are files: by what is told of each of them, and what is known of all."""
    table = pa.table({column: pa.array(values) for column, values in told.items()})
    info = {"name": name, "counts": counts(told["pid"], told["camid"], np.array(told["split"])), **known}
    return Dataset(name, root, info, fingerprint, Crops(table, InFiles(root, table["key"].combine_chunks())))


def _counted(*columns: np.ndarray) -> np.ndarray:
    """Distinct rows of these columns (N,) counted from 0 in their order, (N,) int64."""
    return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
