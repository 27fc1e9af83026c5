"""Small pictures for pages: many in a file, or links to where larger ones are."""

import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image
from tqdm import tqdm

from opengspr.files import output_folder, write_whole

WIDTH, HEIGHT = 64, 128  # of a small picture, pixels
COLUMNS, ROWS = 16, 8  # of small pictures in a file


def small(image: Callable[[int], np.ndarray], count: int, out: Path) -> dict[str, Any]:
    """Writes small pictures below a page's folder, many in a file, and returns what the page has to know of them.

    Args:
        image: picture i, (H, W, 3) uint8. count: how many there are.
    """
    folder, at_once = output_folder(out / "pictures"), COLUMNS * ROWS
    for number, start in enumerate(tqdm(range(0, count, at_once), unit="file", disable=None)):
        sheet = Image.new("RGB", (COLUMNS * WIDTH, ROWS * HEIGHT), "#eef0f3")
        for place, i in enumerate(range(start, min(start + at_once, count))):
            picture = Image.fromarray(image(i))
            scale = min(WIDTH / picture.width, HEIGHT / picture.height)
            size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
            picture = picture.resize(size, Image.Resampling.LANCZOS)
            left, top = place % COLUMNS * WIDTH, place // COLUMNS * HEIGHT
            sheet.paste(picture, (left + (WIDTH - size[0]) // 2, top + (HEIGHT - size[1]) // 2))
        stream = BytesIO()
        sheet.save(stream, "JPEG", quality=82)
        write_whole(folder / f"{number:05d}.jpg", stream.getvalue())
    return {"columns": COLUMNS, "rows": ROWS}


def linked(files: Sequence[Path], out: Path) -> list[str]:
    """Where files are, seen from a page in a folder."""
    return [quote(Path(os.path.relpath(file, out)).as_posix()) for file in files]
