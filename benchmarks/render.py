"""What a rendered crop costs, and what it is worth: `python -m benchmarks.render --json`.

Renders the unaltered `gspr` plan on places drawn by seed 0 with one worker, and labels it; after each unit some of its
shots again at 16 samples, since machines drift; renders many small units with one worker that is never
replaced; a part of the plan with one worker and with two; and some of its shots at 64 samples for comparison, and
whole frames.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from labeler import label
from labeler.backends import Choice
from opengspr import command, farm
from opengspr.files import output_folder
from opengspr.randomness import rng
from scenes.places import FRAME, camera_matrices, load_place, project
from scenes.worlds import World, load_world
from synth.capture import Shot, open_capture, write_capture_info, write_people
from synth.person.identity import identities
from synth.plan import QUALITIES, Quality, Unit, units
from synth.render import person_row
from synth.work import Job
from train.parts.ssim import ssim

HEIGHT_PX = QUALITIES["good"].height_px
PLAIN = {16: Quality(16, HEIGHT_PX), 1: Quality(1, HEIGHT_PX)}
SIZE = (128, 256)  # width and height at which pictures are compared


@dataclass(frozen=True)
class Benchmark:
    """Measure rendering on this machine; the last line is JSON."""

    places: int = 4
    """Places drawn by seed 0, or those there are."""
    ids: int = 32
    """People."""
    compared: int = 32
    """Shots that are rendered again with more samples."""
    small_units: int = 200
    """Small units that one process renders, never replaced, to see its memory grow; 0 to leave it."""
    json: bool = False
    """Print only the last line."""


def main(settings: Benchmark) -> None:

    def say(text: str) -> None:
        if not settings.json:
            print(text, flush=True)

    world = _world(settings.places)
    plan = [*units(world, settings.ids, 0)]
    looks = {look["pid"]: look for look in identities(world.name, world.wardrobe, settings.ids, 0, world.lookalikes)}
    result: dict[str, Any] = {"places": len(world.places), "planned": sum(unit.shots for unit in plan)}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        say(f"{result['planned']} shots in {len(plan)} units of {', '.join(world.places)}, with one worker")
        some = {unit.name: unit for unit in _some_shots(plan, settings.compared)}
        cpu_s, result["cpu_s_16_samples"] = _render(world, plan, looks, some, out)
        result |= _kept(out / "one", world) | {"walkers_in_view_mean": _in_view(plan)}
        result["cpu_s_per_crop"] = cpu_s / result["kept"]
        if settings.small_units:
            say(f"... {settings.small_units} small units with one worker")
            result["rss_growth"] = _growth(plan, looks, settings.small_units, out)
        say("... a part of the plan with one worker and with two, each twice")
        result |= _speedup(plan, looks, out)
        result |= _peaks(out)
        say("... the reference pictures")  # last, since Blender in this process would spoil the workers
        shots = {shot.key: shot for shot in open_capture(out / "one").shots()}
        with _quiet():
            result |= _references(world, [*some.values()], looks, shots, out)
        # the few that were compared are somewhat smaller or larger than all: what they cost, by the pixel
        result["cpu_s_16_samples"] *= result["mean_region_px"] / result["compared_region_px"]
        result["share_of_16_samples"] = result["cpu_s_per_crop"] / result["cpu_s_16_samples"]
        result["ratio_to_full_frame"] = result["cpu_s_full_frame"] / result["cpu_s_per_crop"]
    result |= {
        "hours_gspr": result["cpu_s_per_crop"] * 625_416 / 3600,
        "hours_mini_gspr_at_this_quality": result["cpu_s_per_crop"] * 27_040 / 3600,
    }
    print(json.dumps({key: round(float(value), 4) for key, value in result.items()}))


@contextmanager
def _quiet() -> Iterator[None]:
    """Drops what Blender writes to the standard output."""
    sys.stdout.flush()
    kept, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(null)


def _world(places: int) -> World:
    world = load_world("gspr")
    order = rng(0, "benchmark", "places").permutation(len(world.itinerary))[:places]
    names = [world.itinerary[k] for k in sorted(order)]
    return replace(world, cameras=tuple(camera for camera in world.cameras if camera.place in names))


def _render(world: World, plan: list[Unit], looks: dict, some: dict[str, Unit], out: Path) -> tuple[float, float]:
    """CPU seconds of all the processes for the plan, and of rendering alone for one of its shots at 16 samples.

    The latter is what 16 samples cost more than one, times 16/15: without what a picture costs anyway, nor denoising.
    """
    write_people(out / "one", [person_row(look) for look in looks.values()])
    shots = sum(unit.shots for unit in plan)
    info = {"world": world.name, "seed": 0, "split": world.split, "units": len(plan), "shots": shots}
    write_capture_info(out / "one", info)
    kinds = {"one": (plan, QUALITIES["good"]), **{f"{k}": ([*some.values()], quality) for k, quality in PLAIN.items()}}
    jobs = [
        Job(unit, looks, quality, out / kind / "units" / f"{unit.name}.tar")
        for kind, (units_, quality) in kinds.items()
        for unit in units_
    ]
    jobs.sort(key=lambda job: job.unit.name)  # one after the other, while the machine is as it is
    began = _children_s()
    failed = farm.run(jobs, sum(job.unit.shots for job in jobs), 1, out / "one" / "logs", "the plan")
    assert not failed, failed
    spent = _children_s() - began
    costs = {
        kind: sum(json.loads(p.read_text())["cpu_s"] for p in (out / f"{kind}" / "logs").glob("*.json"))
        for kind in PLAIN
    }
    plain = (costs[16] - costs[1]) * 16 / 15
    return spent - sum(costs.values()), plain / sum(unit.shots for unit in some.values())


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peaks(out: Path) -> dict[str, float]:
    """The most resident memory that a worker ever had: in all, and in each part of the benchmark."""
    peaks: dict[str, float] = {}
    for path in out.glob("*/logs/*.json"):
        part = f"rss_mib_{path.parent.parent.name}"
        peaks[part] = max(peaks.get(part, 0), json.loads(path.read_text())["peak_mib"])
    return {"rss_mib_max": max(peaks.values()), **peaks}


def _kept(capture: Path, world: World) -> dict[str, float]:
    with redirect_stdout(sys.stderr):
        label.main(label.Settings((capture,), choice=Choice("truth"), data_root=capture.parent / "data"))
    rows = pq.read_table(capture.parent / "data" / capture.name / "manifest.parquet", columns=["height"])
    truths = [shot.truth for shot in open_capture(capture).shots()]
    return {
        "kept": len(rows),
        "median_crop_height_px": float(np.median(rows["height"])),
        "mean_region_px": float(np.mean([_pixels(truth) for truth in truths])),
        "walkers_in_region_mean": float(np.mean([1 + len(truth["others"]) for truth in truths])),
    }


def _pixels(truth: dict) -> float:
    """Pixels of a shot's region."""
    return truth["region"][2] * truth["region"][3] * truth["scale"] ** 2


def _in_view(plan: list[Unit]) -> float:
    """Walkers in the frame of a shot's camera, on average over the shots."""
    counts: list[int] = []
    for unit in plan:
        for instant in unit.instants:
            middles = np.array([[*walker.at, 0.9] for walker in instant.walkers])
            for sight in instant.sights:
                camera = camera_matrices(load_place(unit.place).viewpoints[sight.camera.viewpoint])
                pixels, depth = project(middles, camera)
                there = (depth > 0) & (pixels >= 0).all(1) & (pixels < FRAME).all(1)
                counts += [int(there.sum())] * len(sight.pids)
    return float(np.mean(counts))


def _some_shots(plan: list[Unit], count: int) -> Iterator[Unit]:
    """The plan cut down to so many shots in all, spread evenly over it."""
    every = max(1, sum(unit.shots for unit in plan) // count)
    number = 0
    for unit in plan:
        instants = []
        for instant in unit.instants:
            sights = []
            for sight in instant.sights:
                pids = tuple(pid for k, pid in enumerate(sight.pids) if (number + k) % every == 0)
                number += len(sight.pids)
                if pids:
                    sights.append(replace(sight, pids=pids, full=False))
            if sights:
                instants.append(replace(instant, sights=tuple(sights)))
        if instants:
            yield replace(unit, instants=tuple(instants), empty=())


def _references(world: World, some: list[Unit], looks: dict, shots: dict[str, Shot], folder: Path) -> dict[str, float]:
    """The same regions against 64 samples, and empty whole frames at 16."""
    from synth.blender import shoot
    from synth.truth import whole_frame

    pairs, frames, pixels = [], [], []
    for unit in some:
        for best in shoot.unit_pictures(unit, looks, Quality(64, HEIGHT_PX), lambda _: None, folder):
            if isinstance(best, Shot):
                pairs.append((_crop(shots[best.key]), _crop(best)))
                pixels.append(_pixels(best.truth))
    for unit in {unit.place: unit for unit in some}.values():
        studio = shoot.Studio(unit, Quality(16, HEIGHT_PX), folder)
        began, whole = time.process_time(), whole_frame(120)
        for x0 in range(whole.x0, whole.x1, 3 * shoot.STRIP_PX):  # a third of it, left and right of the middle
            strip = replace(whole, x0=x0, x1=x0 + shoot.STRIP_PX)
            studio.render(studio.view(unit.instants[0].sights[0].camera), strip)
        frames.append(3 * (time.process_time() - began))
    return {
        "compared": len(pairs),
        "compared_region_px": float(np.mean(pixels)),
        "cpu_s_full_frame": float(np.mean(frames)),
        "psnr_db": float(np.mean([10 * np.log10(255**2 / np.mean((a - b) ** 2)) for a, b in pairs])),
        "ssim": float(np.mean(ssim(*map(np.stack, zip(*pairs))))),
        "triangles_median": float(np.median([len(shoot.build(look).faces) for look in looks.values()])),
    }


def _crop(shot: Shot) -> np.ndarray:
    """The person's box at the size of comparison, (256, 128, 3)."""
    (x, y, *_), scale = shot.truth["region"], shot.truth["scale"]
    box = [(v - o) * scale for v, o in zip(shot.truth["box"], (x, y, x, y))]
    with Image.open(BytesIO(shot.jpg)) as picture:
        return np.asarray(picture.convert("RGB").resize(SIZE, Image.Resampling.BICUBIC, box=tuple(box)), float)


def _pieces(plan: list[Unit], looks: dict, count: int, sights: int, quality: str, out: Path) -> list[Job]:
    """Jobs of one instant each, before at most so many cameras, of all the plan's units in turn."""
    jobs = []
    for k in range(count):
        unit = plan[k % len(plan)]
        instant = unit.instants[k // len(plan) % len(unit.instants)]
        seen = tuple(replace(sight, full=False) for sight in instant.sights[:sights])
        piece = replace(unit, name=f"piece-{k:05d}", instants=(replace(instant, sights=seen),), empty=())
        jobs.append(Job(piece, looks, QUALITIES[quality], out / "units" / f"{piece.name}.tar"))
    return jobs


def _seconds(jobs: list[Job], workers: int) -> float:
    """How long so many processes, never replaced, take for the jobs."""
    recycle = farm.RECYCLE_UNITS, farm.RECYCLE_MIB
    farm.RECYCLE_UNITS, farm.RECYCLE_MIB = len(jobs) + 1, 1 << 30  # a new process would hide that one grows
    began = time.monotonic()
    logs = jobs[0].report.parent
    failed = farm.run(jobs, sum(job.unit.shots for job in jobs), workers, logs, f"{workers} workers")
    farm.RECYCLE_UNITS, farm.RECYCLE_MIB = recycle
    assert not failed, failed
    return time.monotonic() - began


def _growth(plan: list[Unit], looks: dict, count: int, folder: Path) -> float:
    """Resident memory of a process after many small units, as a multiple of what it was when it had settled."""
    jobs = _pieces(plan, looks, count, 1, "draft", output_folder(folder / "small"))
    _seconds(jobs, 1)
    rss = [json.loads(job.report.read_text())["rss_mib"] for job in jobs]
    settled = float(np.mean(rss[count // 10 : count // 5 + 1]))  # once every surface has been made
    return float(np.mean(rss[-max(1, count // 10) :])) / settled


def _speedup(plan: list[Unit], looks: dict, folder: Path) -> dict[str, float]:
    """How much faster two workers are than one, and how much more processor time they need for the same work, which is
    what the machine loses when both cores are busy: each twice, in an order that a steady drift does not favour.
    """
    seconds, cpu_s = {1: 0.0, 2: 0.0}, {1: 0.0, 2: 0.0}
    for k, workers in enumerate((1, 2, 2, 1)):
        jobs = _pieces(plan, looks, 2 * len(plan), 99, "good", output_folder(folder / f"run{k}"))
        began = _children_s()
        seconds[workers] += _seconds(jobs, workers)
        cpu_s[workers] += _children_s() - began
    return {"two_worker_speedup": seconds[1] / seconds[2], "two_worker_cpu_ratio": cpu_s[2] / cpu_s[1]}


if __name__ == "__main__":
    command(Benchmark, main)
