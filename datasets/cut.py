"""Cuts a smaller dataset from one of ours: `python -m datasets.cut demo-tgt --ids 25 --per-id 12 --out tiny`.

Who is train stays so; queries are chosen anew among what is left. The same command makes the same bytes.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from tyro.conf import Positional

from datasets.choice import choose_crops, choose_ids, with_cameras
from datasets.manifest import Crops
from datasets.masks import resized
from datasets.opening import open_own
from datasets.pictures import encode
from datasets.splits import roles_of
from datasets.writer import LATE, Crop, DatasetWriter
from opengspr.command import UserError, command
from opengspr.files import one_writer, output_folder

ASKED = ("ids", "per_id", "size", "quality", "camera")


@dataclass(frozen=True)
class Settings:
    """Cuts a smaller dataset from one of ours, with smaller pictures."""

    name: Positional[str]
    """A dataset's name below the data root, or its path."""
    out: Path
    """The new dataset's folder."""
    ids: int = 25
    """How many people: train and test in the proportion of the whole."""
    per_id: int = 12
    """At most so many crops of each, spread over the cameras."""
    size: str = "128x64"
    """Height x width of the crops, pixels."""
    quality: int = 80
    """JPEG quality, 1 to 95."""
    camera: Literal["camid", "place", "viewpoint"] = "camid"
    """What a camera is: as the dataset has it, each place, or each viewpoint of each place."""
    data_root: Path | None = None
    """Where datasets lie; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Settings) -> None:
    height, width = parse_size(settings.size)
    if not 1 <= settings.quality <= 95:
        raise UserError(f"--quality {settings.quality}: wanted 1 to 95")
    dataset = open_own(settings.name, settings.data_root)
    chosen = _choose(with_cameras(dataset.crops, settings.camera), settings.ids, settings.per_id, dataset.name)
    asked = {name: value for name, value in asdict(settings).items() if name in ASKED}
    source = {"name": dataset.name, "fingerprint": dataset.fingerprint, **dataset.info["provenance"]}
    with one_writer(output_folder(settings.out)):
        writer = DatasetWriter(settings.out, {"cut": asked, "source": source})
        if writer.finished:
            print(f"{settings.out}: already whole, nothing to do")
            return
        writer.add("all", _crops(chosen, height, width, settings.quality), Counter())
        roles = roles_of(dataset.crops.pid, dataset.crops.column("split"))
        counts = writer.finish(roles, dataset.info["licence"])["counts"]
    print(f"{settings.out}: {counts}")


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from "128x64".

    Raises:
        UserError: not two whole numbers from 1 to 4096.
    """
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and 1 <= int(part) <= 4096 for part in parts):
        raise UserError(f"--size {text}: wanted HEIGHTxWIDTH in pixels, such as 128x64")
    return int(parts[0]), int(parts[1])


def _choose(crops: Crops, ids: int, per_id: int, name: str) -> Crops:
    """The crops to keep."""
    training = crops.column("split") == "train"
    have = len(np.unique(crops.pid))
    if not 1 <= ids <= have:
        raise UserError(f"--ids {ids}: {name} has {have} people")
    if per_id < 1:
        raise UserError(f"--per-id {per_id}: wanted at least 1")
    number = round(ids * len(np.unique(crops.pid[training])) / have)
    train = choose_ids(crops.take(np.flatnonzero(training)), number, per_id)
    test = choose_ids(crops.take(np.flatnonzero(~training)), ids - number, per_id)
    kept = [choose_crops(crops, pid, per_id) for pid in (*train, *test)]
    return crops.take(np.concatenate(kept))


def _crops(crops: Crops, height: int, width: int, quality: int) -> Iterator[Crop]:
    for i, row in enumerate(crops.whole().drop_columns(list(LATE)).to_pylist()):
        picture = Image.fromarray(crops.image(i)).resize((width, height), Image.Resampling.BICUBIC)
        mask = resized(row["mask"], (row["height"], row["width"]), (height, width))
        yield row | {"width": width, "height": height, "mask": mask}, encode(np.asarray(picture), quality)


if __name__ == "__main__":
    command(Settings, main)
