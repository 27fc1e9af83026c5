"""The forms in which a dataset is published: WebDataset's tars, Parquet files as Hugging Face shows them, plain files.

Each holds the same bytes of every crop. Splits are apart, and a split's crops are in an order that is random (by a hash
of their keys), so that who reads a part of it has a sample of all.
"""

import json
import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datasets.manifest import COLUMNS, Crops, picture_path
from datasets.pictures import DatasetError
from datasets.splits import SPLITS, name_hash
from datasets.writer import LATE
from opengspr.files import whole_file, write_whole
from opengspr.shards import write_shard

FILE_BYTES = 256 << 20  # of pictures in a file, about
GROUP = 100  # rows that are read at once from Parquet: a viewer wants few
ENDINGS = {"webdataset": "tar", "parquet": "parquet"}
OF_THE_FILES = ("shard", "offset", "size")  # columns that say where a picture lies
TYPES = {pa.string(): "string", pa.int64(): "int64", pa.float64(): "float64"}


@dataclass(frozen=True)
class File:
    """A data file to be. Attributes: crops, its numbers (N,) among the dataset's."""

    name: str
    split: str
    crops: np.ndarray


def planned(crops: Crops, form: str) -> list[File]:
    """The data files of `webdataset` or `parquet`: of each split as many as make about FILE_BYTES each."""
    files = []
    key, size, of = crops.column("key"), crops.column("size"), crops.column("split")
    for split in SPLITS:
        members = np.flatnonzero(of == split)
        ranked = np.array(sorted(members.tolist(), key=lambda i: name_hash("order", key[i])), np.int64)
        parts = -(-int(size[members].sum()) // FILE_BYTES)
        ends = np.linspace(0, len(ranked), parts + 1).round().astype(int)
        for number, (start, end) in enumerate(pairwise(ends.tolist())):
            name = f"data/{split}-{number:05d}-of-{parts:05d}.{ENDINGS[form]}"
            files.append(File(name, split, ranked[start:end]))
    return files


def write(crops: Crops, form: str, out: Path, done: Callable[[int], object]) -> tuple[pa.Table, list[str]]:
    """Writes the data in a form; what is there already stays.

    Args:
        out: the folder.
        done: is told how many crops more are written.

    Returns:
        the manifest, in the order of the files, and the files' names.
    """
    if form == "folder":
        return _write_files(crops, out, done), []
    (out / "data").mkdir(exist_ok=True)
    files, tables = planned(crops, form), []
    for number, file in enumerate(files):
        path, part = out / file.name, crops.take(file.crops)
        if not path.exists():
            (_write_tar if form == "webdataset" else _write_parquet)(part, path)
        offsets = located(path, map(part.read, range(len(part))))
        place = {"shard": np.full(len(part), number), "offset": offsets}
        table = part.whole()
        for name, values in place.items():
            table = table.set_column(COLUMNS.get_field_index(name), name, pa.array(values, pa.int64()))
        tables.append(table)
        done(len(part))
    return pa.concat_tables(tables).cast(COLUMNS), [file.name for file in files]


def rows(crops: Crops) -> Iterator[dict[str, Any]]:
    """What is said of each crop, without where it lies."""
    for batch in crops.whole().drop_columns([*OF_THE_FILES]).to_batches(1000):
        yield from batch.to_pylist()


def _write_tar(crops: Crops, path: Path) -> None:
    def members() -> Iterator[tuple[str, bytes]]:
        for i, row in enumerate(rows(crops)):
            yield f"{row['key']}.jpg", crops.read(i)
            yield f"{row['key']}.json", json.dumps(row, allow_nan=False, separators=(",", ":")).encode()

    write_shard(path, members())


def _write_parquet(crops: Crops, path: Path) -> None:
    """Pictures are not compressed, so that each lies in the file as it is and can be read by its offset."""
    table = crops.whole().drop_columns([*OF_THE_FILES])
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    for field in table.schema:
        of_one = {"dtype": TYPES.get(field.type, "float64"), "_type": "Value"}
        listed = {"feature": of_one, "length": 4, "_type": "Sequence"}
        features[field.name] = listed if pa.types.is_list(field.type) or field.name == "box" else of_one
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pa.schema([pa.field("image", image), *table.schema], about)
    names = [field.name for field in table.schema]
    compression = {name: "zstd" for name in names if name != "box"}
    compression |= {"image.bytes": "none", "image.path": "zstd", "box.list.element": "zstd"}
    told = [name for name in names if name not in ("key", "box", "mask")]  # not of the pictures, above all
    options = {"compression": compression, "use_dictionary": told, "write_statistics": told}
    with whole_file(path) as file, pq.ParquetWriter(file, schema, **options) as to:
        for start in range(0, len(crops), GROUP):
            part = table.slice(start, GROUP)
            keys = part["key"].to_pylist()
            pictures = [{"bytes": crops.read(start + i), "path": f"{key}.jpg"} for i, key in enumerate(keys)]
            columns = [pa.array(pictures, image), *(column.combine_chunks() for column in part.columns)]
            to.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=GROUP)


def located(path: Path, pictures: Iterator[bytes]) -> np.ndarray:
    """Where pictures begin in a file that holds them as they are, in this order: offsets (N,) int64.

    Raises:
        DatasetError: one is not in it.
    """
    offsets, at = [], 0
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        for number, picture in enumerate(pictures):
            at = held.find(picture, at)
            if at < 0:
                raise DatasetError(f"{path}: holds another picture than the dataset's number {number}; remove it")
            offsets.append(at)
            at += len(picture)
    return np.array(offsets, np.int64)


def _write_files(crops: Crops, out: Path, done: Callable[[int], object]) -> pa.Table:
    """A file for each crop, and metadata.parquet in each split's folder, by which Hugging Face reads such."""
    table = crops.whole()
    for name in ("shard", "offset"):
        table = table.set_column(COLUMNS.get_field_index(name), name, pa.array(np.zeros(len(crops)), pa.int64()))
    for split in SPLITS:
        members = np.flatnonzero(crops.column("split") == split)
        names = []
        for i in members.tolist():
            name = picture_path(split, int(crops.pid[i]), crops.column("key")[i])
            names.append(name.removeprefix(f"{split}/"))
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.stat().st_size != crops.column("size")[i]:
                path.write_bytes(crops.read(i))  # checked against SHA256SUMS, in which it comes last
            done(1)
        if names:
            about = crops.take(members).whole().drop_columns([*LATE]).add_column(0, "file_name", pa.array(names))
            stream = pa.BufferOutputStream()
            pq.write_table(about, stream, compression="zstd")
            write_whole(out / split / "metadata.parquet", stream.getvalue())
    return table.cast(COLUMNS)
