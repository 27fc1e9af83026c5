"""What a render would take: `python -m synth.render --dry-run`."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from opengspr import farm
from scenes.worlds import World
from synth.plan import Unit
from synth.work import Job

PROBE_PLACES, PROBE_SHOTS = 3, 12


def report(
    world: World,
    ids: int,
    plan: Callable[[], Iterator[Unit]],
    looks: Callable[[], dict[int, dict]],
    job: Callable[[Unit, dict[int, dict]], Job] | None,
    workers: int,
) -> None:
    """Prints the plan, and the time and the space that it would take on this machine, from a short measured probe.

    Args:
        looks: draws everybody's. job: makes a unit's job of them; None where rendering is not possible here.
    """
    units = shots = 0
    probes: dict[str, Unit] = {}
    for unit in plan():
        units, shots = units + 1, shots + unit.shots
        if len(probes) < PROBE_PLACES:
            probes.setdefault(unit.place, unit)
    what = f"{ids} people, {world.per_id} pictures each" if world.per_id else f"{ids} people"
    cameras = f"{len(world.cameras)} viewpoints in {len(world.places)} places"
    print(f"{world.name}: {what}, {cameras}: {shots:,} shots in {units:,} units")
    if job is None:
        return
    people = looks()
    seconds, size, count = 0.0, 0, 0
    for unit in probes.values():
        one = _cost(job(_begin(unit, PROBE_SHOTS), people))
        seconds, size, count = seconds + one[0], size + one[1], count + one[2]
    each, bytes_each = seconds / max(count, 1), size / max(count, 1)
    print(f"  {count} shots of the first units took {each:.2f} CPU-s and {bytes_each / 1000:.0f} kB each")
    hours = shots * each / 3600
    print(
        f"  all: about {hours:.1f} CPU-hours, {hours / workers:.1f} hours with {workers} workers, "
        f"{shots * bytes_each / 1e9:.1f} GB"
    )


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
        farm.run([warm, here], job.unit.shots + warm.unit.shots, 1, Path(folder) / "logs", "probe")
        figures = json.loads(here.report.read_text())
        return figures["cpu_s"], path.stat().st_size, figures["shots"] + sum(figures["dropped"].values())
