"""A dataset and its crops, and our own form of it on the disk (docs/formats.md). `opening` opens them by name."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datasets.pictures import MOST_BYTES, DatasetError, InFiles, InShards, Pictures
from datasets.splits import SPLITS
from opengspr.files import parse_object

SCHEMA = 1
KEY = "^[A-Za-z0-9_-]{1,90}$"
DATA_FILE = re.compile(r"data/[a-z0-9-]{1,60}\.(?:tar|parquet)")
COLUMNS = pa.schema(
    [
        ("key", pa.string()),
        ("shard", pa.int64()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("split", pa.string()),
        ("pid", pa.int64()),
        ("camid", pa.int64()),
        ("place", pa.string()),
        ("viewpoint", pa.int64()),
        ("tracklet", pa.int64()),
        ("frame", pa.int64()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("box", pa.list_(pa.float64(), 4)),
        ("score", pa.float64()),
        ("visible_share", pa.float64()),
        ("truncation", pa.float64()),
        ("azimuth_deg", pa.float64()),
        ("weather", pa.string()),
        ("hour", pa.float64()),
        ("action", pa.string()),
        ("skin_tone", pa.int64()),
        ("sex", pa.string()),
        ("age_group", pa.string()),
        ("world", pa.string()),
        ("variation", pa.int64()),
        ("like", pa.int64()),
        ("attributes", pa.string()),
        ("mask", pa.string()),
    ]
)
# what a column holds of which nobody knows anything: of pictures from elsewhere
UNKNOWN: dict[str, Any] = {
    **dict.fromkeys(("pid", "viewpoint", "tracklet", "skin_tone", "like", "width", "height"), -1),
    **dict.fromkeys(("score", "visible_share", "truncation", "azimuth_deg", "hour"), -1.0),
    **dict.fromkeys(("place", "weather", "action", "sex", "age_group", "world", "mask"), ""),
    "variation": 0,
    "attributes": "{}",
    "box": [-1.0] * 4,
}
# columns of which older manifests have none, and what that means
ADDED = {"variation": 0, "like": -1, "attributes": "{}", "mask": ""}


CORE = ("key", "shard", "offset", "size", "split", "pid", "camid", "frame", "box")  # columns that are read at once


class Crops(Pictures):
    """The N crops of a split with their labels: the manifest's columns, and where the pictures lie.

    Attributes:
        table: the columns that are in memory; others are read when they are asked for.
        rows: of the crops in the manifest, (N,) int64; None where there is no manifest.
    """

    def __init__(self, table: pa.Table, pictures: Pictures, rows: np.ndarray | None = None) -> None:
        self.root, self.table, self.pictures, self.rows = pictures.root, table, pictures, rows
        self._columns: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, i: int) -> bytes:
        return self.pictures.read(i)

    def where(self, i: int) -> str:
        return self.pictures.where(i)

    def column(self, name: str) -> np.ndarray:
        """A manifest column, (N,); `box` is (N, 4). Of others' datasets most are `UNKNOWN`.

        Raises:
            DatasetError: there is no such column.
        """
        if name not in self._columns:
            if name not in self.table.column_names and (self.rows is None or name not in COLUMNS.names):
                if name in UNKNOWN:
                    return np.broadcast_to(np.array(UNKNOWN[name]), (len(self), *np.shape(UNKNOWN[name])))
                raise DatasetError(f"no column {name!r} in {self.root}; it has {', '.join(self.table.column_names)}")
            values = self._arrow(name).combine_chunks()
            if name == "box":
                self._columns[name] = values.flatten().to_numpy().reshape(-1, 4)
            else:
                self._columns[name] = values.to_numpy(zero_copy_only=False)
        return self._columns[name]

    def _arrow(self, name: str) -> pa.ChunkedArray:
        if name in self.table.column_names:
            return self.table[name]
        return _read_columns(self.root / "manifest.parquet", [name])[name].take(pa.array(self.rows))

    def whole(self) -> pa.Table:
        """All columns of one of ours, in the order of COLUMNS."""
        return pa.table([self._arrow(name) for name in COLUMNS.names], schema=COLUMNS)

    def replaced(self, name: str, values: np.ndarray) -> "Crops":
        """The crops with other values in a column, (N,)."""
        table, column = self.table, pa.array(values, COLUMNS.field(name).type)
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, column)
        else:
            table = table.append_column(name, column)
        return Crops(table, self.pictures, self.rows)

    @property
    def pid(self) -> np.ndarray:
        """Identities, (N,) int64, 0-based; -1 = nobody knows."""
        return self.column("pid")

    @property
    def camid(self) -> np.ndarray:
        """Cameras, (N,) int64, 0-based: what evaluation excludes."""
        return self.column("camid")

    @property
    def frame(self) -> np.ndarray:
        """Frame numbers, (N,) int64, 25 per second."""
        return self.column("frame")

    def take(self, indices: np.ndarray) -> "Crops":
        """These crops, in this order."""
        rows = None if self.rows is None else self.rows[indices]
        return Crops(self.table.take(pa.array(indices, pa.int64())), self.pictures.take(indices), rows)


@dataclass(frozen=True)
class Dataset:
    """An opened dataset.

    Attributes:
        info: dataset.json, or as much of it as there is of somebody else's (trees.py).
        fingerprint: changes with the pictures; of ours it is the SHA-256 of SHA256SUMS.
        given: the crops, where they are not to be read from the manifest.
    """

    name: str
    root: Path
    info: dict[str, Any]
    fingerprint: str
    given: Crops | None = None

    @cached_property
    def crops(self) -> Crops:
        """All crops, in manifest order."""
        return _read_manifest(self.root, self.info) if self.given is None else self.given

    @property
    def ours(self) -> bool:
        """Whether it is in the form that this collector writes."""
        return self.given is None

    def split(self, name: str) -> Crops:
        """The crops of train, query or gallery.

        Raises:
            DatasetError: no such split, or no crop in it.
        """
        members = np.flatnonzero(pc.equal(self.crops.table["split"], name).to_numpy())
        if not len(members):
            have = {one: self.info.get("counts", {}).get(one, 0) for one in SPLITS}
            raise DatasetError(f"dataset {self.name!r} has no crops in split {name!r}; it has {have}")
        return self.crops.take(members)


def read_own(root: Path) -> Dataset:
    """A dataset in our own form.

    Raises:
        DatasetError: unfinished, or of a newer schema.
    """
    try:
        sums = (root / "SHA256SUMS").read_bytes()
        info = parse_object((root / "dataset.json").read_bytes(), root / "dataset.json", DatasetError)
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        raise DatasetError(f"{root}: unfinished, {missing} is missing; run the command that makes it again") from None
    schema, files = info.get("schema"), info.get("files", [])
    if not isinstance(schema, int) or not 1 <= schema <= SCHEMA:
        raise DatasetError(f"{root / 'dataset.json'}: schema {schema!r}, this version reads 1 to {SCHEMA}")
    if not isinstance(files, list) or not all(isinstance(one, str) and DATA_FILE.fullmatch(one) for one in files):
        raise DatasetError(f"{root / 'dataset.json'}: files {files!r:.100}, wanted names below data/")
    return Dataset(root.resolve().name, root, info, hashlib.sha256(sums).hexdigest())


def picture_path(split: str, pid: int, key: str) -> str:
    """Where a crop's file lies in a dataset that was published as a folder."""
    return f"{split}/{pid:05d}/{key}.jpg"


def _read_manifest(root: Path, info: Mapping[str, Any]) -> Crops:
    """The manifest's crops, checked; the columns that are not always needed stay on the disk."""
    path, files = root / "manifest.parquet", info.get("files")
    table = _read_columns(path, CORE)
    pictures: Pictures
    if info.get("form") == "folder":
        names = zip(*(table[name].to_pylist() for name in ("split", "pid", "key")))
        pictures = InFiles(root, pa.array([picture_path(*one) for one in names], pa.string()))
    else:
        shard, offset, size = (table[name].to_numpy() for name in ("shard", "offset", "size"))
        if files and shard.max(initial=0) >= len(files):
            raise DatasetError(f"{path}: shard {shard.max()}, dataset.json names {len(files)} files")
        pictures = InShards(root, shard, offset, size, files)
    crops = Crops(table, pictures, np.arange(len(table)))
    _check_rows(path, crops)
    return crops


def _read_columns(path: Path, names: Sequence[str]) -> pa.Table:
    """Some of a manifest's columns.

    Raises:
        DatasetError: not a manifest, a column is missing or has empty values.
    """
    try:
        with pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            missing = {*COLUMNS.names} - {*there, *ADDED}
            if missing:
                raise DatasetError(f"{path}: columns missing: {', '.join(sorted(missing))}")
            table = file.read([name for name in names if name in there])
        for name in names:
            if name not in there:
                table = table.append_column(name, pa.array(np.full(len(table), ADDED[name])))
        table = table.select(names).cast(pa.schema([COLUMNS.field(name) for name in names])).combine_chunks()
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: cannot be read as the manifest: {' '.join(str(error).split())[:200]}") from error
    for name in names:
        if table[name].null_count:
            raise DatasetError(f"{path}: column {name} has empty values")
    return table


def _check_rows(path: Path, crops: Crops) -> None:
    """Refuses rows that point nowhere or mean nothing, naming the first."""
    table = crops.table
    box = crops.column("box")
    checks = {
        "a key of letters, digits, - and _": pc.match_substring_regex(table["key"], KEY).to_numpy(),
        "camid, shard and offset of at least 0": np.minimum.reduce(
            [crops.column(name) for name in ("camid", "shard", "offset")]
        )
        >= 0,
        "a pid of at least 0, or -1 where nobody knows": crops.column("pid") >= -1,
        f"a size of 1 to {MOST_BYTES} bytes": (crops.column("size") > 0) & (crops.column("size") <= MOST_BYTES),
        "a box of finite x0 < x1, y0 < y1": np.isfinite(box).all(axis=1) & (box[:, :2] < box[:, 2:]).all(axis=1),
        f"a split of {', '.join(SPLITS)}": pc.is_in(table["split"], pa.array(SPLITS)).to_numpy(),
    }
    for wanted, good in checks.items():
        if not good.all():
            bad = table.slice(int(np.argmin(good)), 1).to_pylist()[0]
            raise DatasetError(f"{path}: crop {bad['key']}: wanted {wanted}, got {bad}"[:400])
