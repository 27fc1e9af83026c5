"""Writes a dataset part by part, so that a writer that was cut off goes on with what is missing."""

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
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datasets.manifest import COLUMNS, SCHEMA
from datasets.pictures import DatasetError
from datasets.splits import SEQUENCE, Roles, assign, counts, sequences
from opengspr.files import output_folder, parse_object, sync_folder, whole_file, write_whole
from opengspr.shards import body_bytes, join_shards, write_shard
from opengspr.version import made_with

LATE = ("split", "shard", "offset", "size")  # columns that a crop's KEY.json lacks: known only afterwards
OWN = (".lock", "parts", "shards", "logs")  # begin the names of what may lie in an unfinished dataset
SHARD_BYTES = 64 << 20  # a shard is full when its crops come to so much
Crop = tuple[dict[str, Any], bytes]  # a row without the late columns, and the encoded crop


class DatasetWriter:
    """Parts in any order, by any number of processes, then `finish` by one that holds `one_writer(root)`.

    A part is parts/NAME.tar, its crops, and parts/NAME.parquet, its rows, which is written last: where that exists, the
    part is done. In the end parts are joined to shards, in the order of their names.
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
        if began is None and any(path for path in self.root.glob("*") if not path.name.startswith(OWN)):
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
        return sorted((self.root / "parts").glob("[!.]*.parquet"))

    def has(self, part: str) -> bool:
        """Whether this part is done."""
        return self.finished or (self.root / "parts" / f"{part}.parquet").exists()

    def add(self, part: str, crops: Iterable[Crop], drops: Counter[str]) -> int:
        """Writes one part; `drops`, what was dropped for which reason, is read when `crops` is at its end.

        Returns:
            how many crops it has.
        """
        rows: list[dict[str, Any]] = []

        def members() -> Iterator[tuple[str, bytes]]:
            for row, data in crops:
                assert {*row, *LATE} == {*COLUMNS.names}, {*row, *LATE} ^ {*COLUMNS.names}
                rows.append({**row, "shard": 0, "size": len(data), "split": ""})
                yield f"{row['key']}.jpg", data
                yield f"{row['key']}.json", json.dumps(row, allow_nan=False, separators=(",", ":")).encode()

        offsets = write_shard(self.root / "parts" / f"{part}.tar", members())
        for row, offset in zip(rows, offsets[::2]):
            row["offset"] = offset
        about = {"drops": json.dumps(drops), "provenance": json.dumps(self.provenance)}
        table = pa.Table.from_pylist(rows, COLUMNS).replace_schema_metadata(about)
        with whole_file(self.root / "parts" / f"{part}.parquet") as file:
            pq.write_table(table, file)
        return len(rows)

    def take_back(self, reason: str) -> None:
        """Undoes the parts in which something was dropped for this reason; they will be made again."""
        for part in self._parts():
            if json.loads(pq.read_schema(part).metadata[b"drops"]).get(reason):
                part.unlink(missing_ok=True)  # where two processes find this at once
                part.with_suffix(".tar").unlink(missing_ok=True)

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
        assert parts, "finish before any part"
        for part in parts:
            began = json.loads(pq.read_schema(part).metadata[b"provenance"])
            if began != self.provenance:
                raise DatasetError(f"{part}: was made otherwise ({_difference(began, self.provenance)}); remove it")
        keys = pa.concat_tables([pq.read_table(part, columns=["key", *SEQUENCE]) for part in parts])
        pid, camid, key = (keys[name].to_numpy() for name in ("pid", "camid", "key"))
        split = assign(pid, camid, key, sequences(lambda name: keys[name].to_numpy()), roles)
        drops = self.drops()
        start = 0
        with whole_file(self.root / "manifest.parquet") as file, pq.ParquetWriter(file, COLUMNS) as out:
            for shard, offset, part in self._join(parts):
                table = pq.read_table(part)
                late = {
                    "split": pa.array(split[start : start + len(table)], pa.string()),
                    "shard": pa.array(np.full(len(table), shard)),
                    "offset": pc.add(table["offset"], offset),
                }
                for name, column in late.items():
                    table = table.set_column(COLUMNS.get_field_index(name), name, column)
                out.write_table(table.cast(COLUMNS))
                start += len(table)
        info = {
            "schema": SCHEMA,
            "name": self.root.resolve().name,
            "counts": counts(pid, camid, split),
            "drops": dict(sorted(drops.items())),
            "licence": licence,
            "made_with": {**made_with(), "pillow": PIL.__version__, "python": platform.python_version()},
            "provenance": self.provenance,
        }
        write_whole(self.root / "dataset.json", (json.dumps(info, indent=1) + "\n").encode())
        write_whole(self.root / "SHA256SUMS", checksums(self.root).encode())
        self.finished = True
        for name in ("parts", "logs"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        sync_folder(self.root)
        return info

    def _join(self, parts: list[Path]) -> Iterator[tuple[int, int, Path]]:
        """Writes the shards; yields each part with its shard and where it begins in that."""
        shards: list[list[tuple[int, Path]]] = []
        filled = SHARD_BYTES
        for part in parts:
            if filled >= SHARD_BYTES:
                shards.append([])
                filled = 0
            shards[-1].append((filled, part))
            filled += body_bytes(part.with_suffix(".tar"))
        for number, members in enumerate(shards):
            path = self.root / "shards" / f"{number:05d}.tar"
            if not path.exists():
                join_shards(path, [part.with_suffix(".tar") for _, part in members])
            for offset, part in members:
                yield number, offset, part


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
