"""One shot of a capture again: `python -m synth.render --only KEY`."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from opengspr import UserError, farm
from opengspr.files import output_folder, write_whole
from synth.capture import KEY, Shot, open_capture, read_unit
from synth.plan import Unit
from synth.work import Job


def unit_of(plan: Iterator[Unit], key: str) -> tuple[str, Unit]:
    """The name of the unit that a shot is in, and the unit without its other shots.

    Raises:
        UserError: not a key, or no shot of this plan.
    """
    if not KEY.fullmatch(key):
        raise UserError(f"--only: got {key!r}, wanted a shot's key, like 00017_c03s07_000120_00")
    pid, rest, frame, _ = key.split("_")
    camid, viewpoint = (int(number) for number in rest[1:].split("s"))
    for unit in plan:
        for instant in unit.instants:
            for sight in instant.sights:
                camera = sight.camera
                wanted = (camera.camid, camera.viewpoint, instant.frame) == (camid, viewpoint, int(frame))
                if wanted and int(pid) in sight.pids:
                    alone = replace(sight, pids=(int(pid),), full=False)
                    return unit.name, replace(unit, instants=(replace(instant, sights=(alone,)),), empty=())
    raise UserError(f"--only: no shot {key} in this plan; its preset, --ids and --seed must be the capture's")


def render_again(name: str, job: Job, key: str, out: Path) -> str:
    """Renders the one shot of a job, writes it to `out`/only and compares it with the capture's.

    Args:
        name: of the unit that the shot is in.

    Returns:
        what came of it, in a line.
    """
    with tempfile.TemporaryDirectory() as folder:
        here = replace(job, path=Path(folder) / "units" / f"{name}.tar")
        failed = farm.run([here], 1, 1, Path(folder) / "logs", "again")
        if failed:
            raise UserError(f"--only: {key}: {failed[name]}")
        shots = [*read_unit(here.path)]
        if not shots:
            (reason,) = json.loads(here.report.read_text())["dropped"]
            return f"{key} is dropped: {reason}"
    (shot,) = shots
    to = output_folder(out / "only")
    for ending, data in _files(shot).items():
        write_whole(to / f"{key}.{ending}", data)
    stored = next((s for s in _stored(out, name) if s.key == key), None)
    same = (
        "the capture has it not yet"
        if stored is None
        else "as in the capture"
        if stored == shot
        else ("NOT as in the capture")
    )
    return f"{to / key}.jpg: {same}"


def _files(shot: Shot) -> dict[str, bytes]:
    return {"jpg": shot.jpg, "png": shot.png, "json": (json.dumps(shot.truth, indent=1) + "\n").encode()}


def _stored(out: Path, name: str) -> Iterator[Shot]:
    path = open_capture(out).path / "units" / f"{name}.tar"
    if path.exists():
        yield from read_unit(path)
