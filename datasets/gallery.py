"""Makes a page to look through a dataset's people: `python -m datasets.gallery demo-tgt --out gallery/`.

index.html shows people page by page, chosen by anything that is known of their crops. Pictures of ours lie beside it,
small, many in a file; those of others' datasets are not copied but linked to where they are.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tyro.conf import Positional

from datasets import pages
from datasets.manifest import Crops, Dataset
from datasets.opening import open_dataset
from datasets.statistics import WORN
from opengspr.command import UserError, command
from opengspr.files import write_whole

MOST = 60  # different values of what may be chosen by
PAGE = Path(__file__).with_name("gallery.html")


@dataclass(frozen=True)
class Settings:
    """Makes a page to look through a dataset's people and to choose among them by all that is known."""

    name: Positional[str]
    """A dataset's name below the data root, or its path."""
    out: Path
    """Folder for index.html and its pictures."""
    most: int = 100_000
    """At most so many crops: of more, as many people as make these."""
    data_root: Path | None = None
    """Where datasets lie; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Settings) -> None:
    if settings.most < 1:
        raise UserError(f"--most {settings.most}: wanted at least 1")
    dataset = open_dataset(settings.name, settings.data_root)
    crops = shown(dataset.crops, settings.most)
    with pages.folder_of(settings.out, "gallery") as out:
        files = [crops.root / key for key in crops.column("key")]
        pictures = pages.small(crops.image, len(crops), out) if dataset.ours else {"links": pages.linked(files, out)}
        write_whole(out / "index.html", page(dataset, crops, pictures))
    print(f"gallery of {len(crops)} crops: {out / 'index.html'}")


def shown(crops: Crops, most: int) -> Crops:
    """The crops in the order of people and cameras; of too many, those of the first people."""
    order = np.lexsort([crops.frame, crops.camid, crops.pid])
    if len(order) > most:
        ends = np.flatnonzero(np.diff(crops.pid[order])) + 1  # where the next person begins
        ends = ends[ends <= most]
        order = order[: ends[-1] if len(ends) else most]
    return crops.take(order)


def page(dataset: Dataset, crops: Crops, pictures: dict[str, Any]) -> bytes:
    """index.html."""
    people, of = np.unique(crops.pid, return_inverse=True)
    data = {
        "pictures": pictures,
        "person": of.reshape(-1).tolist(),
        "people": people.tolist(),
        "keys": crops.column("key").tolist(),
        "known": [dict(zip(("name", "values", "of"), one)) for one in _known(crops)],
    }
    whom = f"of {len(people):,} people" if people[-1] >= 0 else "of people unknown"
    return pages.page(PAGE, dataset.name, f"{len(crops):,} crops {whom}", data)


def _known(crops: Crops) -> Iterator[tuple[str, list[str], list[int]]]:
    """What may be chosen by: its name, its values, and each crop's number among them."""
    columns: dict[str, np.ndarray] = {
        "split": crops.column("split"),
        "camera": crops.camid,
        **{name: crops.column(name) for name in ("place", "weather", "action", "sex")},
        "age group": crops.column("age_group"),
        "skin tone": crops.column("skin_tone"),
        "hour": np.floor(crops.column("hour")).astype(int),
        "view": np.floor(crops.column("azimuth_deg") / 30).astype(int) * 30,
        "visible": np.floor(crops.column("visible_share") * 10).astype(int) * 10,
    }
    worn = [_object(text) for text in crops.column("attributes")]
    columns |= {name: np.array([str(one.get(name) or "") for one in worn], object) for name in WORN}
    for name, column in columns.items():
        values, of = np.unique(column.astype(str), return_inverse=True)
        if column.dtype.kind in "iu":
            ranked = np.argsort(values.astype(int), kind="stable")
            values, of = values[ranked], np.argsort(ranked)[of]
        unknown = all(value in ("", "-1", "-10", "-30") for value in values)
        if 1 < len(values) <= MOST and not unknown:
            yield name, [str(value) or "none" for value in values], of.reshape(-1).tolist()


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


if __name__ == "__main__":
    command(Settings, main)
