"""What synthetic data is worth: `python -m benchmarks.worth --targets campus-winter,campus-summer --json`.

Smaller datasets are cut from one, of so many people and so many crops of each; a net begins from nothing on each, with
equal steps, and is scored on worlds that it never saw. `--beside` takes other datasets whole, such as the same people
rendered in one weather only. What is finished is not run again; the figures stand in OUT/worth.csv, curves in
OUT/worth.html.
"""

import csv
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np

from datasets.opening import open_dataset
from opengspr import UserError, command
from opengspr.files import output_folder, write_whole
from train import benchmark
from train.parts import charts
from train.parts.comparison import UNSEEN
from train.parts.report import STYLE


@dataclass(frozen=True)
class Settings:
    """Measure what synthetic data is worth; the last line is JSON."""

    data: str = "mini-gspr"
    """Dataset from which smaller ones are cut: a name or a path."""
    targets: str = ""
    """Worlds to be scored on, with commas between."""
    ids: str = "14,28,55,110"
    """How many people, with commas between."""
    per_id: str = "6,13,26,52"
    """Crops of each at most, with commas between."""
    beside: str = ""
    """Other datasets, with commas between, that are learnt from as they are."""
    seeds: int = 1
    """How many: 0, 1, 2 ..."""
    epochs: int = 20
    """Of the small budget's 80 steps."""
    runs: Path = Path("runs")
    out: Path = Path("results/worth")
    data_root: Path | None = None
    """Where datasets lie; else $OPENGSPR_DATA, else ./data."""
    json: bool = False
    """Print only the last line."""


def main(settings: Settings) -> None:
    targets = [name for name in settings.targets.split(",") if name]
    if not targets:
        raise UserError("--targets: wanted names of datasets with commas between")
    output_folder(settings.out / "cuts", parents=True)
    sources = [*_cuts(settings), *(name for name in settings.beside.split(",") if name)]
    config = settings.out / "settings.yaml"
    write_whole(config, f"init: none\npretrain_epochs: {settings.epochs}\n".encode())
    grid = benchmark.Benchmark(
        pairs=",".join(f"{source}:{targets[0]}" for source in sources), methods="source", seeds=settings.seeds,
        unseen=",".join(targets[1:]), budget="small", config=config, runs=settings.runs, out=settings.out,
        data_root=settings.data_root,
    )  # fmt: skip
    with redirect_stdout(StringIO() if settings.json else sys.stdout):
        benchmark.work(grid)
    rows = [*_scored(settings, sources, targets)]
    write_whole(settings.out / "worth.csv", _csv(rows).encode())
    write_whole(settings.out / "worth.html", _page(rows, targets).encode())
    if not settings.json:
        print(f"curves: {settings.out / 'worth.html'}")
    print(json.dumps(rows))


def _cuts(settings: Settings) -> Iterator[str]:
    """Paths of the smaller datasets, made where they are missing."""
    name = Path(settings.data).name
    for ids, per_id in itertools.product(_numbers("ids", settings.ids), _numbers("per-id", settings.per_id)):
        path = settings.out / "cuts" / f"{name}-{ids}x{per_id}"
        words = [settings.data, "--ids", ids, "--per-id", per_id, "--quality", 95, "--out", path]
        if settings.data_root:
            words += ["--data-root", settings.data_root]
        done = subprocess.run([sys.executable, "-m", "datasets.cut", *map(str, words)], capture_output=True, text=True)
        if done.returncode:
            raise UserError(done.stderr.strip().splitlines()[-1].removeprefix("error: "))
        yield str(path)


def _numbers(flag: str, text: str) -> list[int]:
    try:
        return [int(one) for one in text.split(",")]
    except ValueError:
        raise UserError(f"--{flag} {text}: wanted whole numbers with commas between") from None


def _scored(settings: Settings, sources: list[str], targets: list[str]) -> Iterator[dict[str, str | float]]:
    """A line for each dataset: how many people and crops, and mean mAP on each target."""
    with open(settings.out / "runs.csv", newline="") as file:
        lines = [*csv.DictReader(file)]
    for source in sources:
        crops = open_dataset(source, settings.data_root).split("train")
        own = [line for line in lines if line["pair"] == f"{source} to {targets[0]}"]
        row: dict[str, str | float] = {
            "data": Path(source).name,
            "cut": Path(source).parent == settings.out / "cuts",
            "people": len(np.unique(crops.pid)),
            "crops": len(crops),
        }
        for target, column in zip(targets, ["mAP", *(UNSEEN + name for name in targets[1:])], strict=True):
            row[target] = round(float(np.mean([float(line[column]) for line in own])), 2)
        yield row


def _csv(rows: list[dict[str, str | float]]) -> str:
    stream = StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _page(rows: list[dict[str, str | float]], targets: list[str]) -> str:
    """Curves over the number of crops, a line for each number of people, and a point for each dataset beside."""
    figures = []
    for target in targets:
        by_people: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            name = f"{row['people']} people" if row["cut"] else str(row["data"])
            by_people.setdefault(name, []).append((float(row["crops"]), float(row[target])))
        lines = {name: sorted(points) for name, points in by_people.items()}
        figures.append(charts.line_chart(f"mAP on {target}", lines, "crops to learn from"))
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>What synthetic data is worth</title>'
    body = f"<h1>What synthetic data is worth</h1>{''.join(figures)}"
    return f"{head}<style>{STYLE}</style></head><body>{body}</body></html>\n"


if __name__ == "__main__":
    command(Settings, main)
