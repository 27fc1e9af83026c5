"""Writes features of pictures to Parquet, by a trained model: to search, cluster or plot them elsewhere.

    python -m train.extract runs/smcr/demo-src2demo-tgt/s0-1a2b3c4d --data demo-tgt --out features.parquet
    python -m train.extract model.safetensors --data crops/ --out features.parquet        # any folder of pictures

A row per picture: `picture` (the crop's key, or the file's path in the folder), `split`, `pid` and `camid` where the
dataset knows them, and `feature`, of unit norm, so that inner products are cosines.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import tyro

from datasets.opening import open_dataset
from datasets.pictures import DatasetError
from datasets.splits import SPLITS
from opengspr import UserError, command
from opengspr.files import whole_file
from train.parts import run, trained
from train.parts.data import Images, Source
from train.parts.evaluation import extract, fuse

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True)
class Extract:
    """Writes the features of a dataset or of a folder of pictures to a Parquet file."""

    model: Annotated[Path, tyro.conf.Positional]
    """Folder of a finished run, or a .safetensors file of an encoder."""
    data: str
    """Dataset, by name or path, or any folder with pictures in it."""
    out: Path = Path("features.parquet")
    """The file to write."""
    row: str | None = None
    """Which row of the run's table; by default the method's answer."""
    data_root: Path | None = None
    """Where datasets lie; else $OPENGSPR_DATA, else ./data."""
    device: str = "auto"
    """cpu, cuda, or auto."""


class Folder:
    """The pictures below a folder, by their paths in order."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names = sorted(
            str(Path(folder, name).relative_to(root))
            for folder, _, files in os.walk(root)
            for name in files
            if name.lower().endswith(ENDINGS)
        )

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> bytes:
        """Encoded bytes of picture `index`."""
        return (self.root / self.names[index]).read_bytes()


def pictures_of(chosen: Extract) -> list[tuple[Source, dict[str, Any]]]:
    """Pictures, and the columns that are known of them, split by split.

    Raises:
        UserError: neither a dataset nor a folder with pictures.
    """
    try:
        dataset = open_dataset(chosen.data, chosen.data_root)
    except DatasetError:
        folder = Folder(Path(chosen.data))
        if not len(folder):
            raise
        return [(folder, {"picture": folder.names})]
    parts: list[tuple[Source, dict[str, Any]]] = []
    for split in SPLITS:
        crops = dataset.split(split)
        if len(crops):
            known = {"split": [split] * len(crops), "pid": crops.pid, "camid": crops.camid}
            parts.append((crops, {"picture": crops.column("key"), **known}))
    return parts


def work(chosen: Extract) -> None:
    """Loads, extracts, writes."""
    rows, folder = trained.find_rows(chosen.model)
    row = chosen.row or trained.main_row(chosen.model, rows)
    if row not in rows:
        raise UserError(f"--row {row}: wanted one of: {'; '.join(rows)}")
    if not chosen.out.parent.is_dir():
        raise UserError(f"--out {chosen.out}: no such folder as {chosen.out.parent}")
    parts = pictures_of(chosen)
    encoders, (height, width) = trained.encoders_of(rows[row], folder, run.choose_device(chosen.device))
    tables = []
    for source, columns in parts:
        images = Images(source, height, width)
        features = fuse([extract(encoders[name], images) for name in rows[row]], [*rows[row].values()]).cpu().float()
        values = pa.FixedSizeListArray.from_arrays(pa.array(features.numpy().ravel()), features.shape[1])
        tables.append(pa.table({**columns, "feature": values}))
    table = pa.concat_tables(tables)
    with whole_file(chosen.out) as file:
        pq.write_table(table, file)
    print(f"extracted: {chosen.out}: {len(table):,} pictures, features of {features.shape[1]} numbers, by {row}")


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    command(Extract, work, args)


if __name__ == "__main__":
    main()
