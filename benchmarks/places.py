"""How good the places are: `python -m benchmarks.places --json`.

What each viewpoint sees, by rays; how bright each one's frame is, by day in all weathers and at night; whether a linear
probe can name the place from viewpoints it has not seen; what a place costs to build, and a crop in each weather.
"""

import json
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import sobel
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm
from tyro.conf import Positional

from opengspr import command
from opengspr.files import output_folder
from opengspr.randomness import rng
from opengspr.work import silence
from scenes.check import faults
from scenes.places import build_place, load_place, place_names
from scenes.sight import sight, triangles
from scenes.sky import WEATHERS
from scenes.worlds import load_world
from synth.develop import Traits
from synth.person.identity import identities
from synth.plan import QUALITIES, Camera, Unit, units

SIZE = (320, 180)
STEP = 20  # of 120: the frame at that size
DAY, NIGHT = (7.5, 16.5), (21.0, 27.0)  # hours
HELD_OUT = (1, 5, 9)  # viewpoints that the probe has not seen, all round
BURNT = 253  # of 255
ALIKE = ("plaza", "park", "market")  # places in which weathers are compared


@dataclass(frozen=True)
class Benchmark:
    """Measure places; the last line is JSON."""

    names: Positional[tuple[str, ...]] = ()
    """Their names; all of them without."""
    workers: int = 2
    """Processes that render."""
    rounds: int = 2
    """Times that crops are rendered in each weather; 0 to leave it."""
    seed: int = 0
    """Another seed, other colours and light."""
    out: Path | None = None
    """Folder for the frames, to be looked at."""
    json: bool = False
    """Print only the last line."""


def main(settings: Benchmark) -> None:
    names = settings.names or tuple(place_names())
    pool = ProcessPoolExecutor(settings.workers, get_context("spawn"), silence, max_tasks_per_child=1)
    with pool:
        done = pool.map(_measured, names, range(len(names)), repeat(settings.seed), repeat(settings.out))
        found = [*tqdm(done, total=len(names), desc="places", disable=None)]
    with ProcessPoolExecutor(1, get_context("spawn"), silence) as pool:
        costs = pool.submit(weather_costs, settings.rounds).result() if settings.rounds else {}
    result = _together(found) | ({"weather_cost_ratio_max": max(costs.values())} if costs else {})
    if not settings.json:
        for name, one in zip(names, found):
            numbers = {key: round(value, 3) for key, value in one.items() if isinstance(value, float | int)}
            print(f"{name:20} {numbers}")
        print("crops cost, of clear weather's:", {key: round(value, 3) for key, value in costs.items()})
    print(json.dumps({key: round(float(value), 4) for key, value in result.items()}))


def _together(found: list[dict[str, Any]]) -> dict[str, float]:
    """The figures of all places."""
    return {
        "places": len(found),
        "viewpoints": sum(one["viewpoints"] for one in found),
        "faults": sum(one["faults"] for one in found),
        "roi_in_view_min": min(one["roi_in_view_min"] for one in found),
        "day_brightness_min": min(one["day"].min() for one in found),
        "day_brightness_max": max(one["day"].max() for one in found),
        "night_brightness_min": min(one["night"].min() for one in found),
        "clipped_share_max": max(one["clipped_share_max"] for one in found),
        **({"place_probe_accuracy": probe([one["frames"] for one in found])} if len(found) > 1 else {}),
        "build_cpu_s_max": max(one["build_cpu_s"] for one in found),
        "rss_mib_max": max(one["rss_mib"] for one in found),
    }


def _measured(name: str, number: int, seed: int, out: Path | None) -> dict[str, Any]:
    """A place's figures, in a process that has built none before.

    Returns:
        besides figures: day, night, median brightness (V,) by viewpoint; frames, features (2 V, F), those of the day
        first.
    """
    from synth.blender import shoot

    place = load_place(name)
    result: dict[str, Any] = {"viewpoints": len(place.viewpoints)}
    random = rng(seed, "benchmark", "places", name)
    days = [([*WEATHERS][(2 * number + k) % len(WEATHERS)], float(random.uniform(*DAY))) for k in (0, 1)]
    lights = [*days, (str(random.choice([*WEATHERS])), float(random.uniform(*NIGHT)) % 24)]
    frames: dict[int, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):  # as in the processes that render
        for k, (weather, hour) in enumerate(lights):
            unit = Unit(f"{name}-{k}", seed, "benchmark", name, weather, hour, (), ())
            began = time.process_time()
            studio = shoot.Studio(unit, QUALITIES["good"], Path(folder))
            if not k:
                result["build_cpu_s"] = time.process_time() - began
                result["rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            for view in range(len(place.viewpoints)):
                if k == 2 or view % 2 == k:  # each by day in one of the two lights, and by night
                    camera = Camera(0, view, Traits())
                    picture, _ = studio.picture(camera, shoot.whole_frame(STEP), f"{view}", [])
                    frames[len(place.viewpoints) * (k == 2) + view] = picture
                    if out is not None:
                        path = output_folder(out) / f"{name}-{view:02d}-{'night' if k == 2 else 'day'}-{weather}.jpg"
                        Image.fromarray(picture).save(path, quality=92)
    pictures = np.stack([frames[k] for k in sorted(frames)])
    bright = np.median(pictures @ [0.299, 0.587, 0.114], axis=(1, 2))
    result["day"], result["night"] = bright[: len(place.viewpoints)], bright[len(place.viewpoints) :]
    result |= {"day_min": float(result["day"].min()), "day_max": float(result["day"].max())}
    result |= {"night_min": float(result["night"].min())}
    result["clipped_share_max"] = float((pictures.max(3) >= BURNT).mean((1, 2)).max())
    result["frames"] = np.stack([features(picture) for picture in pictures])
    result["faults"] = len(faults(place))  # last, as it takes memory that a scene does not
    corners = triangles(build_place(place, rng(0, "check", name)))
    seen = [sight(place, view, corners) for view in place.viewpoints]
    result["roi_in_view_min"] = min(one.region_share for one in seen if one is not None)
    return result


def features(picture: np.ndarray) -> np.ndarray:
    """What a linear probe is given of a picture (H, W, 3): how often colours come in its upper, middle and lower part,
    and how edges lie there.
    """
    out = []
    scaled = picture.astype(float) / (picture.mean() + 8)  # how bright the picture is says little of the place
    grey = scaled.mean(2)
    dx, dy = sobel(grey, 1), sobel(grey, 0)
    strength, angle = np.hypot(dx, dy), np.arctan2(dy, dx) % np.pi
    red, blue = (scaled[..., k] - scaled[..., 1] for k in (0, 2))
    levels = np.stack([grey / 2.5, red / (grey + 0.05) + 0.5, blue / (grey + 0.05) + 0.5])
    colour = np.tensordot([36, 6, 1], (levels.clip(0, 0.999) * 6).astype(int), 1)
    turned = (angle / np.pi * 9).astype(int) % 9
    for rows in np.array_split(np.arange(len(picture)), 3):
        out.append(np.bincount(colour[rows].ravel(), minlength=216) / colour[rows].size)
        edges = np.bincount(turned[rows].ravel(), strength[rows].ravel(), minlength=9) / colour[rows].size
        out.append(np.concatenate([edges, [strength[rows].std()]]))
    return np.sqrt(np.concatenate(out))


def probe(frames: list[np.ndarray]) -> float:
    """Share of frames of held-out viewpoints whose place a linear classifier names that has learnt from the others.

    Args:
        frames: features (2 V, F) of each place.
    """
    place = np.repeat(np.arange(len(frames)), [len(one) for one in frames])
    view = np.concatenate([np.arange(len(one)) % (len(one) // 2) for one in frames])
    x, held = np.concatenate(frames), np.isin(view, HELD_OUT)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=2000))
    return float(model.fit(x[~held], place[~held]).score(x[held], place[held]))


def weather_costs(rounds: int) -> dict[str, float]:
    """CPU time of crops in each weather at noon in shares of clear weather's, in turn with one another."""
    from synth.blender import shoot

    world = load_world("gspr")
    looks = {look["pid"]: look for look in identities(world.name, world.wardrobe, 12, 0, world.lookalikes)}
    spent: dict[str, float] = dict.fromkeys(WEATHERS, 0.0)
    some = [_small(next(unit for unit in units(world, 12, 0) if unit.place == name)) for name in ALIKE]
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        for number in range(rounds + 1):
            for unit in some:
                for weather in WEATHERS:
                    began = time.process_time()
                    one = replace(unit, weather=weather, hour=12.0)
                    assert [*shoot.unit_pictures(one, looks, QUALITIES["good"], lambda _: None, Path(folder))]
                    if number:  # the first is for warming up
                        spent[weather] += time.process_time() - began
    return {weather: seconds / spent["clear"] for weather, seconds in spent.items()}


def _small(unit: Unit) -> Unit:
    """A unit's first instants, a dozen shots or some more."""
    shots, kept = 0, []
    for instant in unit.instants:
        if shots < 12:
            kept.append(instant)
            shots += sum(len(sight.pids) for sight in instant.sights)
    return replace(unit, instants=tuple(kept), empty=())


if __name__ == "__main__":
    command(Benchmark, main)
