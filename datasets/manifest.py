"""Opens a dataset (docs/formats.md): `open_dataset("demo-tgt").split("train")`."""

import hashlib
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datasets.pictures import MOST_BYTES, DatasetError, Pictures
from opengspr.command import data_root as resolve_data_root
from opengspr.files import parse_object

SCHEMA = 1
SPLITS = ("train", "query", "gallery")
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
# columns of which older manifests have none, and what that means
ADDED = {"variation": 0, "like": -1, "attributes": "{}", "mask": ""}


class Crops(Pictures):
    """The N crops of a split with their labels."""

    def __init__(self, root: Path, table: pa.Table) -> None:
        self.table = table
        self._columns: dict[str, np.ndarray] = {}
        super().__init__(root, self.column("shard"), self.column("offset"), self.column("size"))

    def column(self, name: str) -> np.ndarray:
        """A manifest column, (N,); `box` is (N, 4).

        Raises:
            DatasetError: there is no such column.
        """
        if name not in self.table.column_names:
            raise DatasetError(f"no column {name!r} in {self.root}; it has {', '.join(self.table.column_names)}")
        if name not in self._columns:
            values = self.table[name].combine_chunks()
            if name == "box":
                self._columns[name] = values.flatten().to_numpy().reshape(-1, 4)
            else:
                self._columns[name] = values.to_numpy(zero_copy_only=False)
        return self._columns[name]

    @property
    def pid(self) -> np.ndarray:
        """Identities, (N,) int64, 0-based."""
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
        return Crops(self.root, self.table.take(pa.array(indices, pa.int64())))


@dataclass(frozen=True)
class Dataset:
    """An opened dataset: `info` is dataset.json, `fingerprint` the SHA-256 of SHA256SUMS."""

    name: str
    root: Path
    info: dict[str, Any]
    fingerprint: str

    @cached_property
    def crops(self) -> Crops:
        """All crops, in manifest order."""
        return Crops(self.root, _read_manifest(self.root / "manifest.parquet"))

    def split(self, name: str) -> Crops:
        """The crops of train, query or gallery.

        Raises:
            DatasetError: no such split, or no crop in it.
        """
        members = np.flatnonzero(self.crops.column("split") == name)
        if not len(members):
            have = {one: self.info.get("counts", {}).get(one, 0) for one in SPLITS}
            raise DatasetError(f"dataset {self.name!r} has no crops in split {name!r}; it has {have}")
        return self.crops.take(members)


def open_dataset(name_or_path: str | Path, data_root: str | Path | None = None) -> Dataset:
    """Opens a dataset by its name below the data root, or by a path (anything with a slash in it).

    Raises:
        DatasetError: unknown, not labelled yet, not a dataset, unfinished, or of a newer schema.
    """
    root = _find(str(name_or_path), data_root)
    if (root / "capture.json").exists():
        raise DatasetError(
            f"{root}: a capture, not a dataset; label it: python -m labeler.label {shlex.quote(str(root))}"
        )
    try:
        sums = (root / "SHA256SUMS").read_bytes()
        info = parse_object((root / "dataset.json").read_bytes(), root / "dataset.json", DatasetError)
    except FileNotFoundError as error:
        if (root / "shards").is_dir():
            why = f"unfinished, {Path(error.filename).name} is missing; run the command that makes it again"
        else:
            why = "not a dataset: it has no dataset.json, manifest.parquet and shards"
        raise DatasetError(f"{root}: {why}") from None
    schema = info.get("schema")
    if not isinstance(schema, int) or not 1 <= schema <= SCHEMA:
        raise DatasetError(f"{root / 'dataset.json'}: schema {schema!r}, this version reads 1 to {SCHEMA}")
    return Dataset(root.resolve().name, root, info, hashlib.sha256(sums).hexdigest())


def known_datasets(data_root: Path) -> list[str]:
    """Names of the whole datasets in the data root."""
    return sorted(path.parent.name for path in data_root.glob("*/SHA256SUMS"))


def _find(name: str, data_root: str | Path | None) -> Path:
    """The folder that the name stands for, where there is one."""
    top = resolve_data_root(data_root)
    root = Path(name) if "/" in name or name.startswith(".") else top / name
    if root.is_dir():
        return root
    if root.exists():
        raise DatasetError(f"{root}: a file, wanted a dataset's folder")
    capture = top / "captures" / root.name
    if (capture / "capture.json").exists():
        label = ["python", "-m", "labeler.label", str(capture), *(["--data-root", str(top)] if data_root else [])]
        raise DatasetError(f"dataset {name!r} is rendered but not labelled: {shlex.join(label)}")
    known = ", ".join(known_datasets(top)) or "none"
    raise DatasetError(f"no dataset {name!r}: expected at {root}; known in {top.absolute()}: {known}")


def _read_manifest(path: Path) -> pa.Table:
    """The manifest, checked, with dictionary-free columns in our order."""
    try:
        table = pq.read_table(path, partitioning=None)
        for name, value in ADDED.items():
            if name not in table.column_names:
                table = table.append_column(name, pa.array(np.full(len(table), value)))
        missing = set(COLUMNS.names) - set(table.column_names)
        if missing:
            raise DatasetError(f"{path}: columns missing: {', '.join(sorted(missing))}")
        table = table.select(COLUMNS.names).cast(COLUMNS).combine_chunks()
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: cannot be read as the manifest: {' '.join(str(error).split())[:200]}") from error
    _check_rows(path, table)
    return table


def _check_rows(path: Path, table: pa.Table) -> None:
    """Refuses rows that point nowhere or mean nothing, naming the first."""
    if any(column.null_count for column in table.columns):
        empty = next(name for name in table.column_names if table[name].null_count)
        raise DatasetError(f"{path}: column {empty} has empty values")
    crops = Crops(path.parent, table)
    box = crops.column("box")
    checks = {
        "camid, shard and offset of at least 0": np.minimum.reduce(
            [crops.column(name) for name in ("camid", "shard", "offset")]
        )
        >= 0,
        "a pid of at least 0, or -1 where nobody knows": crops.column("pid") >= -1,
        f"a size of 1 to {MOST_BYTES} bytes": (crops.column("size") > 0) & (crops.column("size") <= MOST_BYTES),
        "a box of finite x0 < x1, y0 < y1": np.isfinite(box).all(axis=1) & (box[:, :2] < box[:, 2:]).all(axis=1),
        f"a split of {', '.join(SPLITS)}": np.isin(crops.column("split").astype(str), SPLITS),
    }
    for wanted, good in checks.items():
        if not good.all():
            bad = table.slice(int(np.argmin(good)), 1).to_pylist()[0]
            raise DatasetError(f"{path}: crop {bad['key']}: wanted {wanted}, got {bad}"[:400])
