"""Exports a dataset to folders that other code reads: `python -m datasets.export demo-tgt --layout market --out DIR`.

Market-1501's layout: bounding_box_train, query and bounding_box_test with names like 0001_c03s07_000123_00.jpg, where
people, cameras and sequences count from 1. Common readers take one digit after `c` and ask for at most 6 cameras and
1,501 people: `--market-safe` chooses and renumbers so, and writes c3s7. `names.csv` says which crop each file is,
`export.json` of which dataset and how.
"""

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tyro.conf import Positional

from datasets.choice import choose_ids, with_cameras
from datasets.known import MARKET
from datasets.manifest import Crops
from datasets.opening import open_own
from datasets.splits import assign, roles_of, sequences
from opengspr.command import UserError, command
from opengspr.files import one_writer, output_folder, sync_folder

MARKET_CAMERAS = 6
MARKET_IDS = 1501


@dataclass(frozen=True)
class Settings:
    """Exports a dataset to folders that other code reads."""

    name: Positional[str]
    """A dataset's name below the data root, or its path."""
    out: Path
    """A folder that is empty or does not exist."""
    layout: Literal["market"] = "market"
    """market: the folders and file names of Market-1501."""
    market_safe: bool = False
    """At most 6 cameras and 1,501 people, one digit for the camera: what readers of Market-1501 insist on."""
    camera: Literal["camid", "place", "viewpoint"] = "camid"
    """What a camera is: as the dataset has it, each place, or each viewpoint of each place."""
    data_root: Path | None = None
    """Where datasets lie; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Settings) -> None:
    dataset = open_own(settings.name, settings.data_root)
    crops = with_cameras(dataset.crops, settings.camera)
    split = crops.column("split").astype(str)
    if settings.camera != "camid":
        split = assign(crops.pid, crops.camid, crops.column("key"), sequences(crops.column), roles_of(crops.pid, split))
    if settings.market_safe:
        crops, split = _market_safe(crops)
    names = market_names(crops, settings.market_safe)
    if any(settings.out.glob("*")):
        raise UserError(f"--out {settings.out}: holds files, wanted an empty folder")
    asked = {"layout": settings.layout, "market_safe": settings.market_safe, "camera": settings.camera}
    about = {"dataset": dataset.name, "fingerprint": dataset.fingerprint, "licence": dataset.info["licence"], **asked}
    with one_writer(output_folder(settings.out)):
        _write(crops, split, names, settings.out, about)
    counts = ", ".join(f"{folder} {(split == name).sum()}" for name, folder in MARKET.items())
    print(f"{settings.out}: {counts}")


def market_names(crops: Crops, safe: bool = False) -> list[str]:
    """A file name for each crop; the number at the end tells apart crops that are alike in all else."""
    pid, camid = crops.pid, crops.camid
    if safe:
        pid, camid = (np.unique(numbers, return_inverse=True)[1] for numbers in (pid, camid))
    digits = 1 if safe else 2
    seen: Counter[str] = Counter()
    names = []
    for person, camera, view, frame in zip(pid, camid, crops.column("viewpoint"), crops.frame):
        stem = f"{person + 1:04d}_c{camera + 1:0{digits}d}s{view + 1:0{digits}d}_{frame:06d}"
        names.append(f"{stem}_{seen[stem]:02d}.jpg")
        seen[stem] += 1
    return names


def _market_safe(crops: Crops) -> tuple[Crops, np.ndarray]:
    """The crops of the fullest 6 cameras and of up to 1,501 people in them, and their splits, chosen anew."""
    roles = roles_of(crops.pid, crops.column("split"))
    cameras, count = np.unique(crops.camid, return_counts=True)
    fullest = cameras[np.argsort(-count, kind="stable")[:MARKET_CAMERAS]]
    crops = crops.take(np.flatnonzero(np.isin(crops.camid, fullest)))
    crops = crops.take(np.flatnonzero(np.isin(crops.pid, choose_ids(crops, MARKET_IDS, per_id=2))))
    return crops, assign(crops.pid, crops.camid, crops.column("key"), sequences(crops.column), roles)


def _write(crops: Crops, split: np.ndarray, names: list[str], out: Path, about: dict[str, Any]) -> None:
    """Writes everything, or leaves the folder as empty as it was; names.csv comes last and says that all is there."""
    try:
        for folder in MARKET.values():
            (out / folder).mkdir()
        lines = ["file,key\n"]
        for i, key in enumerate(crops.column("key")):
            name = f"{MARKET[split[i]]}/{names[i]}"
            (out / name).write_bytes(crops.read(i))
            lines.append(f"{name},{key}\n")
        (out / "export.json").write_text(json.dumps(about, indent=1) + "\n")
        (out / "names.csv").write_text("".join(lines))
        sync_folder(out)
    except BaseException:
        for folder in MARKET.values():
            shutil.rmtree(out / folder, ignore_errors=True)
        (out / "export.json").unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    command(Settings, main)
