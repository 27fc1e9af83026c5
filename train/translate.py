"""Gives a labelled dataset the style of another's cameras: CycleGAN, SPGAN or eSPGAN (parts/translation.py).

    python -m train.translate --src gspr --tgt market --out data/gspr-as-market
    python -m train.translate --src market --tgt duke --translator spgan --out data/market-as-duke

Writes a dataset of the source's training crops, with their labels, all of them training crops again; a sheet of some
before and after, among crops of the target; and the Fréchet Inception distance to the target before and after, where
its weights are at hand (parts/fid.py). A recipe on the same pair with the same settings takes the same translation from
runs/stages, and this command takes a recipe's.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from datasets.manifest import COLUMNS, Crops, Dataset
from datasets.masks import resized
from datasets.opening import open_dataset
from datasets.pictures import encode
from datasets.splits import Roles
from datasets.writer import LATE, Crop, DatasetWriter
from opengspr import UserError, ranks
from opengspr.files import one_writer, output_folder, write_whole
from train.parts import fid, preparation, translating
from train.parts.data import Images, evenly
from train.parts.settings import of_the_result
from train.parts.translating import Translated

PART = 2000  # crops that are written before a writer that is cut off begins again
COLUMNS_OF_SHEET = 12


@dataclass(frozen=True, kw_only=True)
class Translate(translating.Translating):
    """Gives a labelled dataset's training crops the style of another dataset."""

    out: Path | None = None
    """The new dataset's folder."""


def work(chosen: Translate) -> None:
    """Trains the translator, unless that was done; writes the dataset."""
    for flag in ("src", "tgt", "out"):
        if not getattr(chosen, flag):
            raise UserError(f"--{flag}: wanted {'a folder' if flag == 'out' else 'the name of a dataset'}")
    assert chosen.out is not None
    out = chosen.out
    own, other = (open_dataset(name, chosen.data_root) for name in (chosen.src, chosen.tgt))
    asked = {name: value for name, value in of_the_result(chosen).items() if name not in ("src", "tgt", "out")}
    style = {"name": other.name, "fingerprint": other.fingerprint, **other.info["provenance"]}
    source = {"name": own.name, "fingerprint": own.fingerprint, **own.info["provenance"]}
    made = {"translate": asked, "source": source, "style": style}
    with ExitStack() as held:

        def begin() -> DatasetWriter:  # before hours of training: the folder may be another's
            held.enter_context(one_writer(output_folder(out)))
            return DatasetWriter(out, made)

        writer = ranks.by_first(begin)
        if writer.finished:
            print(f"{out}: already whole, nothing to do")
            return
        done = translating.translate(chosen, own, other, chosen.machine)
        if ranks.first():
            _finish(writer, own, other, done, chosen)


def _finish(writer: DatasetWriter, own: Dataset, other: Dataset, done: Translated, chosen: Translate) -> None:
    """Writes dataset and sheet, and says where they are."""
    _write(writer, own, done.after.images)
    mine, theirs = own.info["licence"], other.info["licence"]
    terms = mine if mine == theirs else f"{mine}, in the style of pictures under {theirs}"
    counts = writer.finish(Roles(np.unique(own.split("train").pid)), terms)["counts"]
    title = f"{own.name} in the style of {other.name}, {chosen.translator}"
    write_whole(done.folder / "sheet.jpg", sheet(done, (own.name, writer.root.name, other.name)))
    print(f"{title}: {counts['train']:,} crops of {counts['ids']:,} people\n{_distances(done, chosen.machine.device)}")
    print(f"before and after: {done.folder / 'sheet.jpg'}\ndataset: {writer.root}")


def _write(writer: DatasetWriter, own: Dataset, pictures: Images) -> None:
    """The crops, a part at a time."""
    crops = own.split("train")
    keys = keys_of(crops)
    with tqdm(total=len(crops), desc="write", unit="crop", disable=None) as bar:
        for first in range(0, len(crops), PART):
            which = np.arange(first, min(first + PART, len(crops)))
            if not writer.has(f"{first:09d}"):
                writer.add(f"{first:09d}", _rows(crops.take(which), keys, which, pictures), Counter())
            bar.update(len(which))


def _rows(crops: Crops, keys: Sequence[str], which: np.ndarray, pictures: Images) -> Iterator[Crop]:
    """Rows of these crops with their new pictures."""
    columns = {name: crops.column(name).tolist() for name in COLUMNS.names if name not in (*LATE, "key")}
    height, width = pictures.height, pictures.width
    for i, number in enumerate(which):
        row: dict[str, Any] = {name: values[i] for name, values in columns.items()}
        mask = resized(row["mask"], (row["height"], row["width"]), (height, width))
        row |= {"key": keys[number], "width": width, "height": height, "mask": mask}
        yield row, encode(pictures.__getitems__([number])[0])


def keys_of(crops: Crops) -> list[str]:
    """Keys for a dataset of ours: as they are, or others' file names without folder and ending, made one of a kind."""
    stems = [re.sub("[^A-Za-z0-9_-]", "_", Path(key).stem)[:80] for key in crops.column("key")]
    return stems if len({*stems}) == len(stems) else [f"{stem}_{i}" for i, stem in enumerate(stems)]


def _distances(done: Translated, device: str) -> str:
    """A line on how near the target the pictures were, and are."""
    if fid.missing():
        return f"Fréchet Inception distance: not measured, wanted {fid.missing()}"
    before, after = (fid.fid(one.images, done.other, device) for one in (done.before, done.after))
    return f"Fréchet Inception distance to the target: {before:.1f} before, {after:.1f} after"


def sheet(done: Translated, names: Sequence[str]) -> bytes:
    """A JPEG: some pictures, below them their translations, below those some of the target's."""
    rows = (done.before.images, done.after.images, done.other)
    height, width = rows[0].height, rows[0].width
    scale = 256 / height
    cell, gap, side = (round(width * scale), 256), 8, 190
    page = Image.new("RGB", (side + COLUMNS_OF_SHEET * (cell[0] + gap), len(rows) * (cell[1] + gap) + gap), "white")
    draw = ImageDraw.Draw(page)
    for line, (images, name, role) in enumerate(zip(rows, names, ("before", "after", "target"), strict=True)):
        top = gap + line * (cell[1] + gap)
        draw.text((gap, top + 100), role, "#1c2430", ImageFont.load_default(22))
        draw.text((gap, top + 132), name[:24], "#68727f", ImageFont.load_default(14))
        chosen = evenly(len(images), COLUMNS_OF_SHEET)
        for column, picture in enumerate(images.__getitems__(chosen)):
            shown = Image.fromarray(picture).resize(cell, Image.Resampling.BICUBIC)
            page.paste(shown, (side + column * (cell[0] + gap), top))
    stream = BytesIO()
    page.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(Translate, translating.SMALL, {}, work, args)


if __name__ == "__main__":
    main()
