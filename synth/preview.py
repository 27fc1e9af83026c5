"""Look at what will be rendered: `python -m synth.preview people --ids 0:48`, `python -m synth.preview person 17`."""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm
from tyro.conf import Positional, subcommand

from opengspr import UserError, command
from opengspr.files import output_folder, write_whole
from scenes.worlds import load_world, worlds_of
from synth.machine import check_blender
from synth.motion import ACTIONS, Sitting
from synth.person.identity import identities
from synth.person.tiers import Tiers, chosen_tiers

PAPER, INK = "#ffffff", "#1c2430"
GAP, CAPTION = 6, 20


@dataclass(frozen=True)
class Sheet:
    """What both kinds of sheet take."""

    preset: str = "gspr"
    """The world whose people they are."""
    seed: int = 0
    """Another seed, other people."""
    size: int = 256
    """Height of a picture in pixels."""
    out: Path = Path("people.png")
    """The picture to write (.png or .jpg)."""
    workers: int = 2
    """Processes that render."""
    assets: Path | None = None
    """Folder of an asset pack that people wear too (docs/people.md)."""
    body: str = "anny"
    """anny, or smplx with files of your own."""
    body_dir: Path | None = None
    """Folder of SMPL-X model files."""


@dataclass(frozen=True)
class People(Sheet):
    """A sheet of people, each from the front or at an angle."""

    ids: str = "0:48"
    """A range of people, FIRST:END."""


@dataclass(frozen=True)
class Person(Sheet):
    """One person from 8 sides, and in their actions."""

    pid: Positional[int] = 0
    """The person."""


Preview = Annotated[People, subcommand("people")] | Annotated[Person, subcommand("person")]


def main(settings: People | Person) -> None:
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}.get(settings.out.suffix.lower())
    if kind is None:
        raise UserError(f"--out {settings.out}: wanted a name ending in .jpg or .png")
    if not 32 <= settings.size <= 2048:
        raise UserError(f"--size: got {settings.size}, wanted 32 to 2048")
    check_blender()
    output_folder(settings.out.parent)
    sheet = _people(settings) if isinstance(settings, People) else _person(settings)
    stream = BytesIO()
    sheet.save(stream, kind, quality=92, subsampling=0)
    write_whole(settings.out, stream.getvalue())
    print(f"{settings.out}: {sheet.width} x {sheet.height} pixels")


def _people(settings: People) -> Image.Image:
    first, _, end = settings.ids.partition(":")
    if not (first.isdecimal() and end.isdecimal() and int(first) < int(end)):
        raise UserError(f"--ids: got {settings.ids!r}, wanted a range of people like 0:48")
    pids = range(int(first), int(end))
    sides = (-25.0, 20.0, 155.0, 70.0, 0.0, -150.0)  # most are seen from the front
    orders = [
        (look, [Sitting(sides[look["pid"] % len(sides)], *(("walk", 0.12) if look["pid"] % 2 else ("stand", 0.1)))])
        for look in _looks(settings, pids)
    ]
    pictures = [pictures[0] for pictures in _portraits(orders, settings)]
    return _grid(pictures, [str(pid) for pid in pids], columns=min(12, len(pids)))


def _person(settings: Person) -> Image.Image:
    look = _looks(settings, range(settings.pid, settings.pid + 1))[0]
    sides = [Sitting(45.0 * k) for k in range(8)]
    acts = [Sitting(-30.0, action, phase) for action in ACTIONS for phase in (0.0, 0.3)]
    orders = [(look, [sitting]) for sitting in sides + acts]
    captions = [f"{sitting.azimuth_deg:.0f}°" for sitting in sides] + [sitting.action for sitting in acts]
    return _grid([pictures[0] for pictures in _portraits(orders, settings)], captions, columns=8)


def _looks(settings: Sheet, pids: range) -> list[dict]:
    name, *others = worlds_of(settings.preset)
    if others:
        raise UserError(f"--preset {settings.preset}: a group of worlds; name one: {', '.join([name, *others])}")
    world = load_world(name)
    return [*identities(world.name, world.wardrobe, pids.stop, settings.seed, tiers=_tiers(settings))][pids.start :]


def _tiers(settings: Sheet) -> Tiers:
    return chosen_tiers(settings.assets, settings.body, settings.body_dir)


def _portraits(orders: list[tuple[dict, list[Sitting]]], settings: Sheet) -> list[list[np.ndarray]]:
    """Pictures of each look in its sittings."""
    with ProcessPoolExecutor(min(settings.workers, len(orders)), get_context("spawn"), _quiet) as pool:
        done = pool.map(_portrait, orders, repeat(settings.size), repeat(_tiers(settings)))
        return [*tqdm(done, total=len(orders), desc="portraits", disable=None)]


def _quiet() -> None:
    """Drops what Blender prints."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _portrait(order: tuple[dict, list[Sitting]], height: int, tiers: Tiers) -> list[np.ndarray]:
    from synth.blender.portrait import portraits

    return portraits(*order, height, tiers)


def _grid(pictures: list[np.ndarray], captions: list[str], columns: int) -> Image.Image:
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + CAPTION + GAP) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for k, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = GAP + k % columns * (width + GAP), GAP + k // columns * (height + CAPTION + GAP)
        sheet.paste(Image.fromarray(picture), (x, y))
        draw.text((x + 2, y + height + 3), caption, INK, ImageFont.load_default(13))
    return sheet


if __name__ == "__main__":
    command(Preview, main)
