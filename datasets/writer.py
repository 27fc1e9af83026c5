"""Writes a dataset shard by shard, so that a writer that was cut off goes on with what is missing."""

import hashlib
import json
import platform
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pyarrow as pa
import pyarrow.parquet as pq

from datasets.manifest import COLUMNS, SCHEMA, SPLITS
from datasets.pictures import DatasetError
from datasets.splits import Roles, assign
from opengspr import __version__
from opengspr.files import output_folder, parse_object, sync_folder, whole_file, write_whole
from opengspr.shards import write_shard

LATE = ("split", "shard", "offset", "size")  # columns that a crop's KEY.json lacks: known only afterwards
Crop = tuple[dict[str, Any], bytes]  # a row without the late columns, and the encoded crop


class DatasetWriter:
    """Shards in any order, then `finish`. One process at a time: hold `one_writer(root)` around it.

    Beside each shard lies parts/NNNNN.parquet with its rows until the dataset is whole: a shard is done when its part
    exists.
    """

    def __init__(self, root: str | Path, provenance: dict[str, Any]) -> None:
        """Begins a dataset, or goes on with one.

        Args:
            root: the dataset's folder.
            provenance: how it is made (JSON); a dataset goes on only under the same.

        Raises:
            DatasetError: the folder holds something else, or was begun with another provenance.
        """
        self.root = Path(root)
        self.provenance = json.loads(json.dumps(provenance))
        self.finished = (self.root / "SHA256SUMS").exists()
        began = self._provenance_there()
        if began is None and any(path for path in self.root.glob("*") if path.name not in (".lock", "parts", "shards")):
            raise DatasetError(f"{self.root}: holds other files, wanted an empty folder or a dataset to go on with")
        if began not in (None, self.provenance):
            raise DatasetError(
                f"{self.root}: was made otherwise ({_difference(began, self.provenance)}); "
                "remove it or choose another folder"
            )
        if not self.finished:
            output_folder(self.root / "shards")
            output_folder(self.root / "parts")

    def _provenance_there(self) -> dict[str, Any] | None:
        if self.finished:
            path = self.root / "dataset.json"
            return parse_object(path.read_bytes(), path, DatasetError).get("provenance") if path.exists() else None
        for part in self._parts():
            return json.loads(pq.read_schema(part).metadata[b"provenance"])
        return None

    def _parts(self) -> list[Path]:
        return sorted((self.root / "parts").glob("[0-9]*.parquet"))

    def has(self, shard: int) -> bool:
        """Whether this shard is done."""
        return self.finished or (self.root / "parts" / f"{shard:05d}.parquet").exists()

    def add(self, shard: int, crops: Iterable[Crop], drops: Counter[str]) -> None:
        """Writes one shard; `drops`, what was dropped for which reason, is read when `crops` is at its end."""
        rows: list[dict[str, Any]] = []

        def members() -> Iterator[tuple[str, bytes]]:
            for row, data in crops:
                assert {*row, *LATE} == {*COLUMNS.names}, {*row, *LATE} ^ {*COLUMNS.names}
                rows.append({**row, "shard": shard, "size": len(data), "split": ""})
                yield f"{row['key']}.jpg", data
                yield f"{row['key']}.json", json.dumps(row, allow_nan=False, separators=(",", ":")).encode()

        offsets = write_shard(self.root / "shards" / f"{shard:05d}.tar", members())
        for row, offset in zip(rows, offsets[::2]):
            row["offset"] = offset
        about = {"drops": json.dumps(drops), "provenance": json.dumps(self.provenance)}
        table = pa.Table.from_pylist(rows, COLUMNS).replace_schema_metadata(about)
        with whole_file(self.root / "parts" / f"{shard:05d}.parquet") as file:
            pq.write_table(table, file)

    def rows(self) -> int:
        """How many crops the parts hold."""
        return sum(pq.read_metadata(part).num_rows for part in self._parts())

    def drops(self) -> Counter[str]:
        """What was dropped in the parts, by reason."""
        total: Counter[str] = Counter()
        for part in self._parts():
            total.update(json.loads(pq.read_schema(part).metadata[b"drops"]))
        return total

    def finish(self, roles: Roles, licence: str) -> dict[str, Any]:
        """Joins the parts: splits, manifest.parquet, dataset.json and, last, SHA256SUMS.

        Args:
            roles: who is train, and who a distractor.
            licence: the dataset's licence, by its SPDX name.

        Returns:
            dataset.json as written.
        """
        parts = self._parts()
        assert parts, "finish before any shard"
        keys = pa.concat_tables([pq.read_table(part, columns=["pid", "camid", "key"]) for part in parts])
        pid, camid, key = (keys[name].to_numpy() for name in ("pid", "camid", "key"))
        split = assign(pid, camid, key, roles)
        drops = self.drops()
        start = 0
        with whole_file(self.root / "manifest.parquet") as file, pq.ParquetWriter(file, COLUMNS) as out:
            for part in parts:
                table = pq.read_table(part)
                column = pa.array(split[start : start + len(table)], pa.string())
                out.write_table(table.set_column(COLUMNS.get_field_index("split"), "split", column).cast(COLUMNS))
                start += len(table)
        info = {
            "schema": SCHEMA,
            "name": self.root.resolve().name,
            "counts": counts(pid, camid, split),
            "drops": dict(sorted(drops.items())),
            "licence": licence,
            "made_with": {"opengspr": __version__, "pillow": PIL.__version__, "python": platform.python_version()},
            "provenance": self.provenance,
        }
        write_whole(self.root / "dataset.json", (json.dumps(info, indent=1) + "\n").encode())
        write_whole(self.root / "SHA256SUMS", checksums(self.root).encode())
        self.finished = True
        shutil.rmtree(self.root / "parts")
        sync_folder(self.root)
        return info


def counts(pid: np.ndarray, camid: np.ndarray, split: np.ndarray) -> dict[str, int]:
    """How many crops, identities and cameras there are, and crops by split."""
    whole = {"crops": len(pid), "ids": len(np.unique(pid)), "cameras": len(np.unique(camid))}
    return whole | {name: int((split == name).sum()) for name in SPLITS}


def checksums(root: Path) -> str:
    """The text of SHA256SUMS, which `sha256sum -c` reads, over the files that make the dataset."""
    names = ["dataset.json", "manifest.parquet"]
    names += [f"shards/{path.name}" for path in (root / "shards").glob("[0-9]*.tar")]
    lines = []
    for name in sorted(names):
        with open(root / name, "rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines)


def _difference(old: Any, new: Any, name: str = "settings") -> str:
    """The first place where two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                return _difference(old.get(key), new.get(key), key)
    return f"{name}: {old!r:.60} there, {new!r:.60} now"
