"""Pages of pictures: small ones, many in a file, or links to where larger ones are; and what all pages share."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image
from tqdm import tqdm

from opengspr.command import UserError
from opengspr.files import one_writer, output_folder, write_whole

WIDTH, HEIGHT = 64, 128  # of a small picture, pixels
COLUMNS, ROWS = 16, 8  # of small pictures in a file
HERE = Path(__file__).parent


@contextmanager
def folder_of(out: Path, kind: str) -> Iterator[Path]:
    """A page's folder, for one writer.

    Args:
        kind: of page; a file of this name says that the folder is one of ours.

    Raises:
        UserError: it holds other files, or another one writes there.
    """
    mark = out / f".{kind}"
    if any(out.glob("*")) and not mark.exists():
        raise UserError(f"--out {out}: holds other files, wanted an empty folder or one with a {kind}")
    with one_writer(output_folder(out)):
        write_whole(mark, b"")
        yield out


def page(template: Path, title: str, about: str, data: Mapping[str, Any]) -> bytes:
    """A page from a template in which {{title}}, {{about}}, {{data}} and what pages share, {{style}} and {{script}},
    are to be filled in.
    """
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")  # so that nothing in it ends the script
    shared = {name: (HERE / f"pages.{end}").read_text() for name, end in (("style", "css"), ("script", "js"))}
    filled = shared | {"title": escape(title), "about": escape(about), "data": text}
    pieces = re.split(r"\{\{(\w+)\}\}", template.read_text())
    return "".join(filled[piece] if k % 2 else piece for k, piece in enumerate(pieces)).encode()


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
