"""Whole frames of a place from its viewpoints, for looking at it."""

import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from opengspr.randomness import rng
from scenes.places import Place, load_place
from synth.blender.shoot import unit_pictures
from synth.develop import Traits
from synth.person.identity import identities
from synth.plan import QUALITIES, Camera, Instant, Scene, Sight, Unit
from synth.walks import Walker

ACTIONS = ("walk", "walk", "stand", "walk", "text", "phone")


def views(scene: Scene) -> list[np.ndarray]:
    """Pictures (540, 960, 3) uint8 from the scene's viewpoints, in their order."""
    place = load_place(scene.place)
    cameras = [Camera(0, viewpoint, Traits()) for viewpoint in scene.viewpoints]
    walkers = _strewn(place, scene)
    sights = tuple(Sight(camera, (), True) for camera in cameras)
    unit = Unit(
        name="view",
        seed=scene.seed,
        world="preview",
        place=scene.place,
        weather=scene.weather,
        hour=scene.hour,
        instants=(Instant(0, 0, walkers, sights if walkers else ()),),
        empty=() if walkers else tuple(cameras),
    )
    looks = {look["pid"]: look for look in identities("preview", "mixed", max(1, scene.people), scene.seed)}
    with tempfile.TemporaryDirectory() as folder:
        frames = [*unit_pictures(unit, looks, QUALITIES["good"], lambda _: None, Path(folder))]
    return [np.asarray(Image.open(BytesIO(frame.jpg)).convert("RGB")) for frame in frames]


def _strewn(place: Place, scene: Scene) -> tuple[Walker, ...]:
    """People on the routes, who go along them."""
    random = rng(scene.seed, "preview", place.name)
    out = []
    for pid in range(scene.people):
        route = np.array(place.routes[pid % len(place.routes)])
        leg = int(random.integers(len(route) - 1))
        way = (route[leg + 1] - route[leg]) * random.choice([-1, 1])
        x, y = route[leg] + random.uniform(0.15, 0.85) * (route[leg + 1] - route[leg])
        heading = float(np.arctan2(way[0], -way[1]))
        out.append(Walker(pid, (float(x), float(y)), heading, float(random.random()), ACTIONS[pid % len(ACTIONS)], 0))
    return tuple(out)
