"""How fast datasets are opened and read: `python -m benchmarks.datasets --json`.

A manifest of GSPR's size, made up; crops of 256 x 128 in each form, decoded, by the number of loading processes.
"""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch.utils.data import DataLoader

from datasets import publish
from datasets.manifest import COLUMNS, UNKNOWN
from datasets.opening import open_dataset
from datasets.pictures import encode
from datasets.splits import Roles
from datasets.streaming import Stream
from datasets.writer import Crop, DatasetWriter
from opengspr import command

ROWS = 625_416
BATCH = 64
FORMS = {"files": "folder", "shards": "webdataset", "parquet": "parquet"}


@dataclass(frozen=True)
class Settings:
    """Measure how fast datasets are opened and read; the last line is JSON."""

    crops: int = 6000
    """Crops that are read."""
    workers: tuple[int, ...] = (0, 1, 2)
    """Numbers of loading processes."""
    json: bool = False
    """Print only the last line."""


def main(settings: Settings) -> None:
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        figures["manifest_open_s_625k"] = _opened(Path(folder) / "large")
        _made(Path(folder) / "some", settings.crops)
        for name, form in FORMS.items():
            out = Path(folder) / form
            publish.main(publish.Settings(str(Path(folder) / "some"), out, form))  # type: ignore[arg-type]  # a plain str
            figures |= _read(out, name, settings.workers)
    if not settings.json:
        for name, value in figures.items():
            print(f"{name:34} {value:.4g}")
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def _opened(root: Path) -> float:
    """Seconds to open a dataset of ROWS crops, choose a split and a camera, and name files, pids and camids."""
    random, number = np.random.default_rng(0), np.arange(ROWS)
    known = {
        "key": pa.array([f"{n % 2369:05d}_c{n % 26:02d}s{n % 12:02d}_{n:06d}_00" for n in number.tolist()]),
        "shard": number // 10_000,
        "offset": number % 10_000 * 7168 + 512,
        "size": np.full(ROWS, 6000),
        "split": pa.array(np.where(number % 3 == 0, "train", np.where(number % 3 == 1, "query", "gallery"))),
        "pid": number % 2369,
        "camid": number % 26,
        "frame": number,
        "attributes": pa.array([json.dumps({"worn": "x" * 200, "pid": n}) for n in range(2369)]).take(number % 2369),
        "mask": pa.array([f"{n:0150d}" for n in number.tolist()]),
        "box": pa.FixedSizeListArray.from_arrays(pa.array(random.random(4 * ROWS) + np.tile([0, 0, 2, 2], ROWS)), 4),
    }
    columns = [
        pa.array(known[name]) if name in known else pa.array([UNKNOWN[name]], kind).take(pa.array(np.zeros(ROWS, int)))
        for name, kind in zip(COLUMNS.names, COLUMNS.types)
    ]
    root.mkdir()
    pq.write_table(pa.Table.from_arrays(columns, COLUMNS.names).cast(COLUMNS), root / "manifest.parquet")
    (root / "dataset.json").write_text(json.dumps({"schema": 1, "name": "large"}))
    (root / "SHA256SUMS").touch()
    start = time.perf_counter()
    crops = open_dataset(root).split("train")
    crops = crops.take(np.flatnonzero(crops.camid == 3))
    named = crops.column("key"), crops.pid, crops.camid
    took = time.perf_counter() - start
    assert {len(column) for column in named} == {int(((number % 3 == 0) & (number % 26 == 3)).sum())}
    return took


def _made(root: Path, number: int) -> None:
    """A dataset of crops that are as hard to decode as rendered ones: smooth shapes and some noise."""
    random = np.random.default_rng(0)
    ramp = np.linspace(0, 6, 256)[:, None, None] + np.linspace(0, 3, 128)[None, :, None]

    blank = {name: UNKNOWN[name] for name in COLUMNS.names if name in UNKNOWN}
    made: list[Crop] = []
    for n in range(number):
        image = 128 + 80 * np.sin(ramp * random.uniform(0.5, 3, 3) + random.uniform(0, 6, 3))
        noisy = image + random.normal(0, 6, image.shape)
        row = {"key": f"{n:06d}", "pid": n // 8, "camid": n % 4, "frame": n, "width": 128, "height": 256}
        box = {"box": [0.0, 0.0, 128.0, 256.0]}
        made.append(({**blank, **row, **box}, encode(np.clip(noisy, 0, 255).astype(np.uint8))))
    root.mkdir()
    writer = DatasetWriter(root, {"capture": {"world": "made up"}, "labeler": {}})
    writer.add("all", made, Counter())
    writer.finish(Roles(train=np.arange(number)), "CC-BY-4.0")


def _read(root: Path, name: str, workers: Sequence[int]) -> dict[str, float]:
    """Images a second, decoded, by the number of loading processes; and the best of these."""
    crops, speeds = open_dataset(root).split("train"), {}
    for count in workers:
        loader = DataLoader(Stream(crops), BATCH, num_workers=count)
        start = time.perf_counter()
        seen = sum(len(pids) for _, pids, _ in loader)
        assert seen == len(crops)
        speeds[f"images_per_s_{name}_{count}_workers"] = seen / (time.perf_counter() - start)
    return {f"images_per_s_{name}": max(speeds.values()), **speeds}


if __name__ == "__main__":
    command(Settings, main)
