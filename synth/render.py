"""Render a world's people before its cameras.

    python -m synth.render --scenes 26 --ids 2369                  # GSPR
    python -m synth.render --preset demo                           # three small worlds
    python -m synth.render --preset mini-gspr --per-id 8 --dry-run

Writes a capture (docs/formats.md). The same command goes on where it was cut off and does only what is missing; so do
several with a --shard each, on one machine or many.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated

import tyro

from opengspr import UserError, command
from opengspr.command import data_root
from opengspr.files import output_folder
from opengspr.sharing import Sharing
from scenes.worlds import World, load_world, worlds_of
from synth import estimate, only
from synth.capture import open_capture, write_capture_info, write_people
from synth.choice import Choice, chosen
from synth.machine import DEVICES, check_blender, choose_device, instruction_set, versions
from synth.person.identity import identities
from synth.person.tiers import OURS, Tiers, chosen_tiers
from synth.plan import QUALITIES, Unit, plan_hash, units
from synth.work import Job

SHAPING = {"ids", "seed", "assets", "body", *(one.name for one in fields(Choice))}  # flags that decide what is seen


@dataclass(frozen=True)
class Render:
    """Render people before the cameras of a world, with the truth about every picture."""

    preset: str = "gspr"
    """A world of scenes/worlds, or a group of them (demo)."""
    scenes: tuple[str, ...] | None = None
    """Number of places, or their names; by default all of the preset."""
    ids: int | None = None
    """Number of people; by default the preset's. The first N of more people are the same N."""
    views: int | None = None
    """Number of viewpoints of each place, spread evenly; by default all."""
    per_id: int | None = None
    """Pictures of each person, as many by each camera as by another, instead of all."""
    tracklet: int = 1
    """Frames of a sequence: each shot becomes so many."""
    stride: int = 4
    """Frames (25 a second) from one picture of a sequence to the next."""
    quality: str | None = None
    """draft, good or best; by default the preset's."""
    seed: int = 0
    """Another seed, other people."""
    out: Path | None = None
    """Folder of the capture; by default captures/WORLD under the data root."""
    data_root: Path | None = None
    """Where data lies; by default $OPENGSPR_DATA, else ./data."""
    sharing: Annotated[Sharing, tyro.conf.arg(name="")] = field(default_factory=Sharing)
    device: str = "auto"
    """auto, cpu, cuda or optix."""
    lookalikes: float | None = None
    """Share of people who have a look-alike: another in the same clothes; by default the preset's."""
    variations: int = 1
    """Appearances of each person, up to 12: other clothes, hair and things from visit to visit."""
    assets: Path | None = None
    """Folder of an asset pack that people wear too (docs/people.md)."""
    body: str = "anny"
    """anny, or smplx with files of your own, which are not for commercial use (docs/people.md)."""
    body_dir: Path | None = None
    """Folder of SMPL-X model files."""
    dry_run: bool = False
    """Only say what would be rendered, and how long it would take here."""
    only: Annotated[str | None, tyro.conf.arg(metavar="KEY")] = None
    """Render this one shot of the capture again, and compare."""


@dataclass(frozen=True)
class Task:
    """One world to be rendered into one folder."""

    world: World
    ids: int
    seed: int
    out: Path
    device: str
    tiers: Tiers = OURS
    command: str = ""

    def plan(self) -> Iterator[Unit]:
        return units(self.world, self.ids, self.seed)

    def looks(self) -> dict[int, dict]:
        """Of everybody, by pid, drawn anew."""
        world = self.world
        people = identities(
            world.name, world.wardrobe, self.ids, self.seed, world.lookalikes, world.variations, self.tiers
        )
        return {look["pid"]: look for look in people}

    def path(self, unit: Unit) -> Path:
        return self.out / "units" / f"{unit.name}.tar"

    def job(self, unit: Unit, looks: dict[int, dict]) -> Job:
        cast = {pid: looks[pid] for pid in unit.pids}
        return Job(unit, cast, QUALITIES[self.world.quality], self.path(unit), self.device, self.tiers)


def main(settings: Render) -> None:
    names = worlds_of(settings.preset)
    if settings.out is not None and len(names) > 1:
        raise UserError(
            f"--out: --preset {settings.preset} makes {len(names)} captures; "
            "render them one by one to name their folders"
        )
    if settings.ids is not None and settings.ids < 1:
        raise UserError(f"--ids: got {settings.ids}, wanted at least 1")
    settings.sharing.check()
    if settings.device not in DEVICES:
        raise UserError(f"--device: got {settings.device!r}, wanted one of {', '.join(DEVICES)}")
    tiers = chosen_tiers(settings.assets, settings.body, settings.body_dir)
    choice = Choice(**{one.name: getattr(settings, one.name) for one in fields(Choice)})
    worlds = [chosen(load_world(name), choice) for name in names]
    captures = data_root(settings.data_root) / "captures"
    outs = [settings.out or captures / world.name for world in worlds]
    if not settings.dry_run:
        if settings.out is None:
            output_folder(captures, parents=True)
        for out in outs:
            output_folder(out)
    device = _device(settings)
    tasks = [
        Task(
            world,
            settings.ids or world.people,
            settings.seed,
            out,
            device or "cpu",
            tiers,
            spoken(settings, world.name),
        )
        for world, out in zip(worlds, outs, strict=True)
    ]
    if settings.dry_run:
        for task in tasks:
            job = task.job if device else None
            estimate.report(task.world, task.ids, task.plan, task.looks, job, settings.sharing.workers)
        return
    if settings.only is not None:
        for task in tasks[:1]:
            name, unit = only.unit_of(task.plan(), settings.only)
            print(only.render_again(name, task.job(unit, _begin(task)), settings.only, task.out))
        return
    failed = [name for task in tasks for name in _render_world(task, settings)]
    if failed:
        raise UserError(
            f"{len(failed)} units failed three times and are missing: {', '.join(failed[:5])}; see logs/ in the capture"
        )
    folders = " ".join(map(str, outs))
    print(f"captured: {folders}\nnext: python -m labeler.label {folders}")


def spoken(settings: Render, world: str) -> str:
    """The command that renders a world as these settings do, on whatever machine."""
    words = [f"python -m synth.render --preset {world}"]
    for one in fields(Render):
        value = getattr(settings, one.name)
        if one.name in SHAPING and value != one.default:
            shown = " ".join(value) if isinstance(value, tuple) else value.name if isinstance(value, Path) else value
            words.append(f"--{one.name.replace('_', '-')} {shown}")
    return " ".join(words)


def _device(settings: Render) -> str | None:
    """The device to render on; None where a dry run is all that can be done."""
    try:
        return choose_device(settings.device, check_blender())
    except UserError as error:
        if not settings.dry_run:
            raise
        print(f"note: no time can be measured here: {error}", file=sys.stderr)
        return None


def _render_world(task: Task, settings: Render) -> dict[str, str]:
    """Renders what is missing of one capture; returns the units that failed."""
    with settings.sharing.writer(task.out):
        looks = _begin(task)
        there = {path.name for path in (task.out / "units").glob("[!.]*.tar")}

        def missing() -> Iterator[Unit]:
            return (unit for unit in settings.sharing.mine(task.plan()) if f"{unit.name}.tar" not in there)

        shots = sum(unit.shots for unit in missing())
        if there:
            info = open_capture(task.out).info
            print(f"{task.out}: {len(there)} of {info['units']} units are there already")
            if info.get("device") != task.device:
                began = info.get("device")
                print(f"note: they were rendered on {began}, the rest on {task.device}: other noise", file=sys.stderr)
        if not shots:
            return {}
        jobs, logs = (task.job(unit, looks) for unit in missing()), task.out / "logs"
        return settings.sharing.run(jobs, shots, logs, task.world.name)


def _begin(task: Task) -> dict[int, dict]:
    """The looks by pid of the capture in the task's folder, which is begun here if there is none.

    A capture goes on with the people as they were written.

    Raises:
        UserError: it has another plan. Another seed, count or quality belongs elsewhere.
    """
    world, out = task.world, task.out
    count = shots = 0

    def counted() -> Iterator[Unit]:
        nonlocal count, shots
        for unit in task.plan():
            count, shots = count + 1, shots + unit.shots
            yield unit

    digest = plan_hash(counted())
    wanted = {
        "world": world.name,
        "seed": task.seed,
        "ids": task.ids,
        "places": list(world.places),
        "cameras": len(world.cameras),
        "per_id": world.per_id,
        "tracklet": world.tracklet,
        "stride": world.stride if world.tracklet > 1 else 1,
        "quality": world.quality,
        "wardrobe": world.wardrobe,
        "lookalikes": world.lookalikes,
        "variations": world.variations,
        **task.tiers.record(),
        "split": world.split,
        "plan_hash": digest,
    }
    if not (out / "capture.json").exists():
        looks = task.looks()
        write_people(out, [person_row(look) for look in looks.values()])
        info = {
            **wanted,
            "units": count,
            "shots": shots,
            "command": task.command,
            "versions": versions(),
            "cpu": instruction_set(),
        }
        write_capture_info(out, {**info, "device": task.device})
        return looks
    capture = open_capture(out)
    for key, value in wanted.items():
        if capture.info.get(key) != value:
            raise UserError(
                f"{out}: holds a capture with {key} {capture.info.get(key)!r}, this command would make {value!r}; "
                "choose another --out or remove it"
            )
    return {pid: json.loads(look) for pid, look in zip(*(capture.people[c].to_pylist() for c in ("pid", "look")))}


def person_row(look: dict) -> dict:
    """A look as a row of people.parquet."""
    return {
        "pid": look["pid"],
        "world": look["world"],
        "sex": look["sex"],
        "age_group": look["age_group"],
        "skin_tone": look["skin_tone"],
        "height_m": look["shape"]["height_m"],
        "look": look,
    }


if __name__ == "__main__":
    command(Render, main)
