"""What a render would take: `python -m synth.render --dry-run`."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from scenes.worlds import World
from synth import farm
from synth.plan import Unit
from synth.work import Job

PROBE_PLACES, PROBE_SHOTS = 3, 12


def report(
    world: World,
    planned: int,
    ids: int,
    plan: Callable[[], Iterator[Unit]],
    looks: Callable[[], dict[int, dict]],
    job: Callable[[Unit, dict[int, dict]], Job] | None,
    workers: int,
) -> None:
    """Prints the plan, and the time and the space that it would take on this machine, from a short measured probe.

    Args:
        planned: number of places asked for; those that do not stand yet are counted like those that do.
        looks: draws everybody's. job: makes a unit's job of them; None where rendering is not possible here.
    """
    units = shots = 0
    probes: dict[str, Unit] = {}
    for unit in plan():
        units, shots = units + 1, shots + unit.shots
        if len(probes) < PROBE_PLACES:
            probes.setdefault(unit.place, unit)
    ratio = planned / len(world.places)
    if world.per_id:  # more places give no more pictures of each, once there are enough cameras
        ratio = min(ratio, ids * world.per_id / shots)
    views = len(world.cameras) // len(world.places)
    what = f"{ids} people, {world.per_id} pictures each" if world.per_id else f"{ids} people"
    print(f"{world.name}: {planned} places x {views} viewpoints x {what}: {_shots(shots, units, ratio)}")
    if planned > len(world.places):
        print(f"  {len(world.places)} of the places stand so far ({', '.join(world.places)}): {_shots(shots, units)}")
    if job is None:
        return
    people = looks()
    seconds, size, count = 0.0, 0, 0
    for unit in probes.values():
        one = _cost(job(_begin(unit, PROBE_SHOTS), people))
        seconds, size, count = seconds + one[0], size + one[1], count + one[2]
    each, bytes_each = seconds / max(count, 1), size / max(count, 1)
    print(f"  {count} shots of the first units took {each:.2f} CPU-s and {bytes_each / 1000:.0f} kB each")
    for name, number in (("all", shots * ratio), ("what stands", shots)) if ratio > 1 else (("all", shots),):
        hours = number * each / 3600
        print(
            f"  {name}: about {hours:.1f} CPU-hours, {hours / workers:.1f} hours with {workers} workers, "
            f"{number * bytes_each / 1e9:.1f} GB"
        )


def _shots(shots: int, units: int, ratio: float = 1) -> str:
    return f"{round(shots * ratio):,} shots in {'about ' if ratio > 1 else ''}{round(units * ratio):,} units"


def _begin(unit: Unit, shots: int) -> Unit:
    """The unit's first instants, as many as have so many shots."""
    instants, count = [], 0
    for instant in unit.instants:
        if count >= shots:
            break
        instants.append(instant)
        count += sum(len(sight.pids) for sight in instant.sights)
    return replace(unit, instants=tuple(instants), empty=())


def _cost(job: Job) -> tuple[float, int, int]:
    """CPU seconds, bytes and number of a job's shots, on one process and without its start."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "units" / job.path.name
        here = replace(job, path=path)
        warm = replace(here, unit=_begin(job.unit, 1), path=path.with_name("warm.tar"))
        farm.render([warm, here], job.unit.shots + warm.unit.shots, 1, Path(folder) / "logs", "probe")
        figures = json.loads(here.report.read_text())
        return figures["cpu_s"], path.stat().st_size, figures["shots"] + sum(figures["dropped"].values())
