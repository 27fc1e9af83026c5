"""Look at what will be rendered: `python -m synth.preview people --ids 0:48`, `person 17`, `places`, `place beach`."""

from collections.abc import Callable
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
from opengspr.randomness import rng
from opengspr.work import silence
from scenes.places import load_place, place_names
from scenes.sky import light
from scenes.worlds import load_world, worlds_of
from synth.machine import check_blender
from synth.motion import ACTIONS, Sitting
from synth.person.identity import identities
from synth.person.tiers import Tiers, chosen_tiers
from synth.plan import Scene

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


@dataclass(frozen=True)
class Views:
    """What both kinds of sheet of places take."""

    weather: str = "clear"
    """extra sunny, clear, clouds, overcast, rain, foggy or thunder."""
    people: int = 5
    """People who walk there; 0 for none."""
    seed: int = 0
    """Another seed, other colours and people."""
    size: int = 216
    """Height of a picture in pixels."""
    out: Path = Path("places.png")
    """The picture to write (.png or .jpg)."""
    workers: int = 2
    """Processes that render."""


@dataclass(frozen=True)
class Places(Views):
    """A sheet of every place, by day and by night."""

    names: tuple[str, ...] = ()
    """Only these places."""


@dataclass(frozen=True)
class OnePlace(Views):
    """One place from its 12 viewpoints."""

    place: Positional[str] = "plaza"
    """Its name."""
    time: str = "14:00"
    """Of the day, HOURS:MINUTES."""


Preview = (
    Annotated[People, subcommand("people")]
    | Annotated[Person, subcommand("person")]
    | Annotated[Places, subcommand("places")]
    | Annotated[OnePlace, subcommand("place")]
)
NIGHT_HOUR, DAY_HOUR = 22.0, 14.0


def main(settings: People | Person | Places | OnePlace) -> None:
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}.get(settings.out.suffix.lower())
    if kind is None:
        raise UserError(f"--out {settings.out}: wanted a name ending in .jpg or .png")
    if not 32 <= settings.size <= 2048:
        raise UserError(f"--size: got {settings.size}, wanted 32 to 2048")
    check_blender()
    output_folder(settings.out.parent)
    sheet = DRAW[type(settings)](settings)
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


def _places(settings: Places) -> Image.Image:
    names = settings.names or tuple(place_names())
    orders = [
        Scene(name, settings.weather, hour, (k % 12,), settings.people, settings.seed)
        for k, name in enumerate(names)
        for hour in (DAY_HOUR, NIGHT_HOUR)
    ]
    captions = [f"{order.place} {order.hour:.0f}:00" for order in orders]
    return _grid([pictures[0] for pictures in _views(orders, settings)], captions, columns=min(8, len(orders)))


def _place(settings: OnePlace) -> Image.Image:
    hours, _, minutes = settings.time.partition(":")
    if not (hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 and int(minutes) < 60):
        raise UserError(f"--time: got {settings.time!r}, wanted a time of day like 18:30")
    hour, views = int(hours) + int(minutes) / 60, range(len(load_place(settings.place).viewpoints))
    light(settings.weather, hour, rng("preview"))  # says what is wrong
    halves = [tuple(views)[k :: settings.workers] for k in range(settings.workers)]
    orders = [Scene(settings.place, settings.weather, hour, half, settings.people, settings.seed) for half in halves]
    found = {v: p for half, pictures in zip(halves, _views(orders, settings)) for v, p in zip(half, pictures)}
    return _grid([found[v] for v in views], [f"viewpoint {v}" for v in views], columns=4)


def _views(orders: list[Scene], settings: Views) -> list[list[np.ndarray]]:
    """Pictures of each scene from its viewpoints."""
    for order in orders:
        load_place(order.place)  # says what is wrong
    with ProcessPoolExecutor(min(settings.workers, len(orders)), get_context("spawn"), silence) as pool:
        done = pool.map(_view, orders, repeat(settings.size))
        return [*tqdm(done, total=len(orders), desc="places", disable=None)]


def _view(order: Scene, height: int) -> list[np.ndarray]:
    from synth.blender.views import views

    return [
        np.asarray(Image.fromarray(picture).resize((height * 16 // 9, height), Image.Resampling.LANCZOS))
        for picture in views(order)
    ]


def _looks(settings: Sheet, pids: range) -> list[dict]:
    name, *others = worlds_of(settings.preset)
    if others:
        raise UserError(f"--preset {settings.preset}: a group of worlds; name one: {', '.join([name, *others])}")
    world = load_world(name)
    drawn = identities(world.name, world.wardrobe, pids.stop, settings.seed, world.lookalikes, tiers=_tiers(settings))
    return [*drawn][pids.start :]


def _tiers(settings: Sheet) -> Tiers:
    return chosen_tiers(settings.assets, settings.body, settings.body_dir)


def _portraits(orders: list[tuple[dict, list[Sitting]]], settings: Sheet) -> list[list[np.ndarray]]:
    """Pictures of each look in its sittings."""
    with ProcessPoolExecutor(min(settings.workers, len(orders)), get_context("spawn"), silence) as pool:
        done = pool.map(_portrait, orders, repeat(settings.size), repeat(_tiers(settings)))
        return [*tqdm(done, total=len(orders), desc="portraits", disable=None)]


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


DRAW: dict[type, Callable[..., Image.Image]] = {People: _people, Person: _person, Places: _places, OnePlace: _place}

if __name__ == "__main__":
    command(Preview, main)
