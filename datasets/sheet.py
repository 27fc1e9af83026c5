"""Draws a contact sheet: `python -m datasets.sheet demo-tgt --out sheet.jpg`.

A row for each person; where nobody is known, for each camera.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tyro.conf import Positional

from datasets.choice import choose_crops, choose_ids
from datasets.manifest import Crops, Dataset
from datasets.opening import open_dataset
from opengspr.command import UserError, command
from opengspr.files import output_folder, write_whole

CELL = (112, 224)  # width and height of a picture's place, pixels
CAPTION = 22  # height of the line below a picture
GAP = 10
SIDE = 170  # width of the column that describes the person
HEAD = 74
PAPER, PLACE, INK, FAINT = "#ffffff", "#eef0f3", "#1c2430", "#68727f"
SPLIT_INK = {"train": "#2f6f4f", "query": "#b3541e", "gallery": "#2b5c9e"}


@dataclass(frozen=True)
class Settings:
    """Draws a contact sheet: a row for each person, their crops from as many cameras as there are; of a dataset in
    which nobody is known a row for each camera.
    """

    name: Positional[str]
    """A dataset's name below the data root, or its path."""
    out: Path
    """The picture to write (.jpg or .png)."""
    ids: int = 12
    """At most so many rows."""
    per_id: int = 8
    """At most so many crops in each."""
    data_root: Path | None = None
    """Where datasets lie; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Settings) -> None:
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}.get(settings.out.suffix.lower())
    if kind is None:
        raise UserError(f"--out {settings.out}: wanted a name ending in .jpg or .png")
    if min(settings.ids, settings.per_id) < 1:
        raise UserError(f"--ids {settings.ids} --per-id {settings.per_id}: wanted at least 1 of each")
    output_folder(settings.out.parent)
    dataset = open_dataset(settings.name, settings.data_root)
    stream = BytesIO()
    draw_sheet(dataset, settings.ids, settings.per_id).save(stream, kind, quality=92, subsampling=0)
    write_whole(settings.out, stream.getvalue())
    print(f"{settings.out}: contact sheet of {dataset.name}")


def draw_sheet(dataset: Dataset, ids: int, per_id: int) -> Image.Image:
    """The sheet, with up to `ids` rows of up to `per_id` crops."""
    crops = dataset.crops
    known = bool((crops.pid >= 0).any())
    rows = [choose_crops(crops, pid, per_id) for pid in choose_ids(crops, ids, per_id)] if known else []
    for camid in [] if known else np.unique(crops.camid)[:ids]:
        mine = np.flatnonzero(crops.camid == camid)
        rows.append(mine[np.linspace(0, len(mine) - 1, min(per_id, len(mine))).round().astype(int)])
    columns = max(map(len, rows))
    step_x, step_y = CELL[0] + GAP, CELL[1] + CAPTION + GAP
    sheet = Image.new("RGB", (max(SIDE + columns * step_x, 640) + GAP, HEAD + len(rows) * step_y + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    counts = dataset.info["counts"]
    draw.text((GAP * 2, 16), dataset.name, INK, _font(26))
    people = f"{counts['ids']:,} people" if known else "people unknown"
    about = f"{counts['crops']:,} crops  ·  {people}  ·  {counts['cameras']} cameras"
    draw.text((GAP * 2, 48), about, FAINT, _font(14))
    for number, row in enumerate(rows):
        top = HEAD + number * step_y
        draw.line((GAP * 2, top - GAP / 2, sheet.width - GAP * 2, top - GAP / 2), PLACE)
        _describe(draw, crops, row, top)
        for column, i in enumerate(row.tolist()):
            _place(sheet, draw, crops, i, (SIDE + column * step_x, top))
    return sheet


def _describe(draw: ImageDraw.ImageDraw, crops: Crops, row: np.ndarray, top: int) -> None:
    """The label at the left of a person's row, or a camera's."""
    i = int(row[0])
    pid, camid = int(crops.pid[i]), int(crops.camid[i])
    mine = crops.pid == pid if pid >= 0 else crops.camid == camid
    lines = [f"{mine.sum()} crops", *([f"{len(np.unique(crops.camid[mine]))} cameras"] if pid >= 0 else [])]
    if crops.column("sex")[i]:
        who = f"{crops.column('sex')[i]}, {crops.column('age_group')[i]}"
        lines = [who, f"skin tone {crops.column('skin_tone')[i]} of 10", *lines]
    draw.text((GAP * 2, top + 6), f"id {pid}" if pid >= 0 else f"camera {camid}", INK, _font(22))
    for number, line in enumerate(lines):
        draw.text((GAP * 2, top + 42 + 20 * number), line, FAINT, _font(14))


def _place(sheet: Image.Image, draw: ImageDraw.ImageDraw, crops: Crops, i: int, corner: tuple[int, int]) -> None:
    """One crop, as large as its place allows, with its camera and split below."""
    picture = Image.fromarray(crops.image(i))
    scale = min(CELL[0] / picture.width, CELL[1] / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    left, top = corner
    draw.rectangle((left, top, left + CELL[0] - 1, top + CELL[1] - 1), PLACE)
    sheet.paste(picture, (left + (CELL[0] - size[0]) // 2, top + (CELL[1] - size[1]) // 2))
    split = crops.column("split")[i]
    draw.text((left, top + CELL[1] + 3), f"cam {crops.camid[i]}", INK, _font(13))
    draw.text((left + CELL[0], top + CELL[1] + 3), split, SPLIT_INK[split], _font(13), anchor="ra")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


if __name__ == "__main__":
    command(Settings, main)
