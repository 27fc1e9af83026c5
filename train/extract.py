"""Writes features of pictures to Parquet, by a trained model: to search, cluster or plot them elsewhere.

    python -m train.extract runs/smcr/demo-src2demo-tgt/s0-1a2b3c4d --data demo-tgt --out features.parquet
    python -m train.extract model.safetensors --data crops/ --out features.parquet        # any folder of pictures

A row per picture: `picture` (the crop's key, or the file's path in the folder), `split`, `pid` and `camid` where the
dataset knows them, and `feature`, of unit norm, so that inner products are cosines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import tyro

from opengspr import UserError, command
from opengspr.files import whole_file
from train.parts import run, trained
from train.parts.pictures import pictures_of


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


def work(chosen: Extract) -> None:
    """Loads, extracts, writes."""
    model = trained.Model(chosen.model, chosen.row, run.choose_device(chosen.device))
    if not chosen.out.parent.is_dir():
        raise UserError(f"--out {chosen.out}: no such folder as {chosen.out.parent}")
    tables = []
    for source, columns in pictures_of(chosen.data, chosen.data_root):
        features = model.features(source).numpy()
        values = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])
        tables.append(pa.table({**columns, "feature": values}))
    table = pa.concat_tables(tables)
    with whole_file(chosen.out) as file:
        pq.write_table(table, file)
    print(f"extracted: {chosen.out}: {len(table):,} pictures, features of {features.shape[1]} numbers, by {model.row}")


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    command(Extract, work, args)


if __name__ == "__main__":
    main()
