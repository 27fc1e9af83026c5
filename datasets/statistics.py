"""Counts what a dataset shows and draws it: `python -m datasets.statistics demo-tgt --out stats/`.

Hour, weather, view, size, cameras, people, visibility, what people wear; of others' datasets what is known of them.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm
from tyro.conf import Positional

from datasets.manifest import Crops, Dataset
from datasets.opening import open_dataset
from datasets.pictures import DatasetError
from datasets.splits import SPLITS
from opengspr.command import UserError, command
from opengspr.files import output_folder, write_whole

Tables = dict[str, dict[str, int]]
WORN = ("upper", "lower", "shoes", "hair", "hat", "bag")  # of the attributes, those that are drawn
ALSO = ("glasses", "mask", "beard", "umbrella")
MOST = 14  # bars of a chart of names; the rest are one
FEWEST = 5  # for which a chart has room, so that bars do not become walls
SIZED = 5000  # pictures of which the size is looked up, at most, where no manifest says it
INK, BAR, PAPER = "#1c2430", "#3b6ea5", "#ffffff"


@dataclass(frozen=True)
class Settings:
    """Counts what a dataset shows, by every factor that is known of it, and draws it."""

    name: Positional[str]
    """A dataset's name below the data root, or its path."""
    out: Path
    """Folder for statistics.png and statistics.json."""
    split: str = "all"
    """all, train, query or gallery."""
    data_root: Path | None = None
    """Where datasets lie; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Settings) -> None:
    if settings.split not in ("all", *SPLITS):
        raise UserError(f"--split {settings.split}: wanted all, {', '.join(SPLITS)}")
    dataset = open_dataset(settings.name, settings.data_root)
    out = output_folder(settings.out)
    tables = counted(dataset.crops if settings.split == "all" else dataset.split(settings.split))
    write_whole(out / "statistics.json", (json.dumps(tables, indent=1) + "\n").encode())
    write_whole(out / "statistics.png", drawn(tables, dataset, settings.split))
    print(f"{dataset.name}: {out / 'statistics.png'}, {out / 'statistics.json'}")


def counted(crops: Crops) -> Tables:
    """How many crops there are of each kind, by the chart's name; charts of which nothing is known are left out."""
    heights, widths = _sizes(crops)
    of_person = np.unique(crops.pid[crops.pid >= 0], return_counts=True)[1]
    tables: Tables = {
        "hour": _binned(crops.column("hour"), np.arange(0, 25, 2)),
        "weather": _named(crops.column("weather")),
        "view: degrees from the front": _binned(crops.column("azimuth_deg"), np.arange(0, 361, 30)),
        "height of the crop, pixels": _binned(heights, np.array([0, 64, 96, 128, 192, 256, 384, 512, 768, 1081])),
        "height over width": _binned(heights / np.maximum(widths, 1), np.arange(0.5, 5.1, 0.5)),
        "visible share": _binned(crops.column("visible_share"), np.arange(0, 1.01, 0.1)),
        "camera": _named(_cameras(crops)),
        "people, by how many crops they have": _binned(of_person, _round_bins(of_person)),
        "split": _named(crops.column("split")),
        "action": _named(crops.column("action")),
        "sex": _named(crops.column("sex")),
        "age group": _named(crops.column("age_group")),
        "skin tone (Monk scale)": _binned(crops.column("skin_tone"), np.arange(1, 12)),
        **_attributes(crops),
    }
    return {name: table for name, table in tables.items() if sum(table.values())}


def _named(values: np.ndarray) -> dict[str, int]:
    """How often each name comes, the commonest first; empty names are not known."""
    return dict(Counter(str(value) for value in values if value != "").most_common())


def _binned(values: np.ndarray, edges: np.ndarray) -> dict[str, int]:
    """How many values lie from each edge to the next; negative ones are not known, and a last bin takes the rest."""
    values = values[values >= 0]
    if not len(values):
        return {}
    number = np.bincount(
        np.clip(np.searchsorted(edges, values, "right") - 1, 0, len(edges) - 2), minlength=len(edges) - 1
    )
    whole = np.all(np.diff(edges) == 1)
    names = [f"{low:g}" if whole else f"{low:g}-{high:g}" for low, high in pairwise(edges)]
    return dict(zip(names, number.tolist()))


def _round_bins(values: np.ndarray) -> np.ndarray:
    """About ten bins of one round width from 0 past the largest value."""
    most = int(values.max(initial=0)) + 1
    step = next(step for power in range(9) for step in (10**power, 2 * 10**power, 5 * 10**power) if most / step <= 12)
    return np.arange(0, most + step, step)


def _sizes(crops: Crops) -> tuple[np.ndarray, np.ndarray]:
    """Heights and widths; of others' datasets those of some pictures, spread evenly."""
    if crops.rows is not None:
        return crops.column("height"), crops.column("width")
    sizes = []
    for i in tqdm(range(0, len(crops), -(-len(crops) // SIZED)), unit="picture", disable=None):
        try:
            with Image.open(BytesIO(crops.read(i))) as picture:
                sizes.append(picture.size)
        except (OSError, SyntaxError, ValueError) as error:
            raise DatasetError(f"{crops.where(i)}: cannot be read as a picture: {error}") from error
    widths, heights = np.array(sizes).T
    return heights, widths


def _cameras(crops: Crops) -> np.ndarray:
    """Each crop's camera: its number, and its place where it has one."""
    pairs = zip(crops.camid.tolist(), crops.column("place"))
    return np.array([f"{camid} {place}".strip() for camid, place in pairs], object)


def _attributes(crops: Crops) -> Tables:
    """What people wear and carry; "none" where others wear such a thing."""
    tables = {name: Counter[str]() for name in (*WORN, "with")}
    rows = crops.column("attributes")
    for text, count in Counter(rows.tolist()).items():
        try:
            worn = json.loads(text)
        except ValueError:
            continue  # of pictures without truth it is a file's name
        for name in WORN if isinstance(worn, dict) else ():
            tables[name][str(worn.get(name) or "none")] += count
        for name in ALSO if isinstance(worn, dict) else ():
            tables["with"][name] += count * bool(worn.get(name))
    return {name: dict(table.most_common()) for name, table in tables.items() if {*table} - {"none"}}


def drawn(tables: Tables, dataset: Dataset, split: str) -> bytes:
    """All charts in one PNG."""
    from matplotlib.figure import Figure  # takes half a second

    columns = min(4, len(tables))
    rows = -(-len(tables) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.1 * rows + 0.7), dpi=100, facecolor=PAPER, layout="constrained")
    shown = dataset.info["counts"]["crops"] if split == "all" else f"{split}, {dataset.info['counts'][split]}"
    figure.suptitle(f"{dataset.name}: {shown} crops", fontsize=15, color=INK, parse_math=False)
    for number, (title, table) in enumerate(tables.items(), 1):
        axes = figure.add_subplot(rows, columns, number)
        names, values = _few(table)
        across = len(max(names, key=len)) > 6 or title == "camera"
        places = np.arange(len(names))
        if across:
            axes.barh(places, values, color=BAR)
            axes.set_yticks(places, names, fontsize=8, parse_math=False)
            axes.set_ylim(max(len(names), FEWEST) - 0.5, -0.5)
        else:
            axes.bar(places, values, color=BAR)
            axes.set_xlim(-0.5, max(len(names), FEWEST) - 0.5)
            axes.set_xticks(places, names, fontsize=8, rotation=45 if len(names) > 8 else 0, parse_math=False)
        axes.set_title(title, fontsize=10, color=INK, parse_math=False)
        axes.tick_params(labelsize=8, colors=INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _few(table: Mapping[str, int]) -> tuple[list[str], list[int]]:
    """Names and numbers of a chart's bars: all of a scale; of many names the commonest, and the rest together."""
    pairs = [*table.items()]
    if len(pairs) > MOST:
        rest = pairs[MOST - 1 :]
        pairs = [*pairs[: MOST - 1], (f"{len(rest)} others", sum(number for _, number in rest))]
    return [name if len(name) <= 24 else f"{name[:23]}…" for name, _ in pairs], [number for _, number in pairs]


if __name__ == "__main__":
    command(Settings, main)
