"""Publishes a dataset that was made here: `python -m datasets.publish data/gspr --to parquet --out dist/`.

Data in one of three forms, checksums, card, datasheet, Croissant metadata. `--push ORG/NAME` uploads it to the Hugging
Face hub. Cut off, the same command goes on.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from os import environ
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq
from tqdm import tqdm
from tyro.conf import Positional

from datasets import card, croissant, forms, hub
from datasets.manifest import Dataset
from datasets.opening import open_own
from datasets.pictures import DatasetError
from datasets.sheet import draw_sheet
from datasets.statistics import counted, drawn
from opengspr.command import UserError, command
from opengspr.files import one_writer, output_folder, parse_object, whole_file, write_whole
from opengspr.version import VERSION, made_with

BEGUN = ".publishing.json"  # what is being published here


@dataclass(frozen=True)
class Settings:
    """Publishes a dataset that was made here: data, checksums, card, datasheet, Croissant metadata."""

    name: Positional[str]
    """A dataset's name below the data root, or its path."""
    out: Path
    """Folder to publish into."""
    to: Literal["webdataset", "parquet", "folder"] = "parquet"
    """webdataset (tars), parquet (as Hugging Face shows it) or folder (plain files)."""
    push: str | None = None
    """ORG/NAME of a repository on the Hugging Face hub, to which it is then uploaded."""
    data_root: Path | None = None
    """Where datasets lie; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Settings) -> None:
    if settings.push is not None:
        hub.check(settings.push)
    dataset = open_own(settings.name, settings.data_root)
    refuse_others(dataset)
    with one_writer(output_folder(settings.out)) as out:
        _same(dataset, settings.to, out)
        if (out / "SHA256SUMS").exists():
            print(f"{out}: already whole")
        else:
            _write(dataset, settings.to, out)
            print(f"published: {out}")
        if settings.push is not None:
            print(f"pushed: {hub.push(out, settings.push)}")


def refuse_others(dataset: Dataset) -> None:
    """Raises DatasetError unless the dataset was rendered by this collector and its licence is what that was."""
    for origin in _origins(dataset.info.get("provenance")):
        capture = origin.get("capture") if isinstance(origin, dict) else None
        if not isinstance(capture, dict) or "world" not in capture:
            raise DatasetError(
                f"{dataset.name}: not rendered by this collector; only what was made with it is published"
            )
        free = str(capture.get("body") or "anny").startswith("anny") and not capture.get("assets")
        if dataset.info["licence"] == card.CC_BY and not free:
            raise DatasetError(f"{dataset.name}: its bodies or clothes are under other terms, yet it says {card.CC_BY}")


def _origins(made: Any) -> Iterator[Any]:
    """What a dataset goes back to: of one that was cut, its source; of one that was translated, the style's too."""
    if isinstance(made, dict) and "capture" not in made and "source" in made:
        for name in ("source", "style"):
            if name in made:
                yield from _origins(made[name])
    else:
        yield made


def _same(dataset: Dataset, form: str, out: Path) -> None:
    """Notes what is published into a folder, or refuses one that holds something else."""
    wanted = {"dataset": dataset.name, "fingerprint": dataset.fingerprint, "form": form}
    note = out / BEGUN
    if note.exists():
        there = parse_object(note.read_bytes(), note, DatasetError)
        if there != wanted:
            raise UserError(f"{out}: holds {there.get('dataset')} as {there.get('form')}; choose another --out")
    elif any(path for path in out.iterdir() if not path.name.startswith(".lock")):
        raise UserError(f"{out}: holds other files, wanted an empty folder or one to go on with")
    else:
        write_whole(note, (json.dumps(wanted) + "\n").encode())


def _write(dataset: Dataset, form: str, out: Path) -> None:
    with tqdm(total=len(dataset.crops), unit="crop", disable=None) as bar:
        table, files = forms.write(dataset.crops, form, out, bar.update)
    with whole_file(out / "manifest.parquet") as file:
        pq.write_table(table, file, compression="zstd")
    made = card.recipe(dataset.info)
    info = {**dataset.info, "form": form, "published": {"fingerprint": dataset.fingerprint, **made_with()}}
    info |= {"files": files} if files else {}
    stream = BytesIO()
    draw_sheet(dataset, 10, 8).save(stream, "JPEG", quality=90)
    write_whole(out / "sheet.jpg", stream.getvalue())
    write_whole(out / "statistics.png", drawn(counted(dataset.crops), dataset, "all"))
    write_whole(out / "dataset.json", (json.dumps(info, indent=1) + "\n").encode())
    write_whole(out / "README.md", card.card(dataset, form, made).encode())
    write_whole(out / "DATASHEET.md", card.datasheet(dataset, made).encode())
    write_whole(out / "croissant.json", (json.dumps(_metadata(dataset, form, out), indent=1) + "\n").encode())
    write_whole(out / "SHA256SUMS", checksums(out).encode())


def _metadata(dataset: Dataset, form: str, out: Path) -> dict:
    counts, free = dataset.info["counts"], dataset.info["licence"] == card.CC_BY
    day = time.strftime("%Y-%m-%d", time.gmtime(int(environ.get("SOURCE_DATE_EPOCH") or time.time())))
    about = {
        "description": f"{counts['crops']} rendered pictures of {counts['ids']} made-up people, for re-identification.",
        "license": card.CC_BY_URL if free else dataset.info["licence"],
        "citeAs": f"{dataset.name}, rendered with OpenGSPR {VERSION}, fingerprint {dataset.fingerprint[:16]}",
        "datePublished": day,
        "version": "1.0.0",
    }
    digest = hashlib.sha256((out / "manifest.parquet").read_bytes()).hexdigest()
    return croissant.metadata(dataset.name, form, about, card.responsible(), digest)


def checksums(out: Path) -> str:
    """The text of SHA256SUMS over all files of a folder but hidden ones, in order."""
    lines = []
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = path.relative_to(out).as_posix()
        if not any(part.startswith(".") for part in name.split("/")):
            with open(path, "rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines)


if __name__ == "__main__":
    command(Settings, main)
