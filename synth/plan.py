"""The plan: who stands where, when, before which camera. Pure, streamed, the same on every machine.

A *unit* is a place, a light and as many casts of people as give about `SHOTS_PER_UNIT` shots; it is rendered as a
whole and written as one file.
Inside it, an *instant* is one cast posed once and shot from one or more cameras. Every place deals people anew, so
company tells nothing.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from opengspr import UserError
from scenes.places import FRAME, Place, camera_matrices, load_place, project
from scenes.worlds import World
from synth.develop import Traits
from synth.motion import ACTIONS
from synth.randomness import rng

FPS = 25
SPEED_M_S = 1.3
SHOTS_PER_UNIT = 60
APART_M = 0.75
GAP_FRAMES = 40  # between two instants of a cast


@dataclass(frozen=True)
class Quality:
    """Attributes: samples per pixel; height_px of a person's picture, who is rendered no larger even where the frame
    has more.
    """

    samples: int
    height_px: int


QUALITIES = {"draft": Quality(4, 160), "good": Quality(4, 256), "best": Quality(16, 360)}


@dataclass(frozen=True)
class Camera:
    """Attributes: camid, what evaluation tells apart; viewpoint, index within the place; traits of its pictures."""

    camid: int
    viewpoint: int
    traits: Traits


@dataclass(frozen=True)
class Walker:
    """Attributes: at (x, y) m; heading_rad, 0 looks along -y; phase of the gait, 0 to 1; action."""

    pid: int
    at: tuple[float, float]
    heading_rad: float
    phase: float
    action: str


@dataclass(frozen=True)
class Instant:
    """Attributes: frame, 25 a second; tracklet, the same for a cast's instants in one place."""

    frame: int
    tracklet: int
    walkers: tuple[Walker, ...]
    cameras: tuple[Camera, ...]


@dataclass(frozen=True)
class Unit:
    name: str
    seed: int
    world: str
    place: str
    weather: str
    hour: float
    instants: tuple[Instant, ...]

    @property
    def key(self) -> tuple:
        return (self.seed, self.world, self.name)

    @property
    def shots(self) -> int:
        return sum(len(instant.walkers) * len(instant.cameras) for instant in self.instants)

    @property
    def pids(self) -> list[int]:
        return sorted({walker.pid for instant in self.instants for walker in instant.walkers})


def units(world: World, ids: int, seed: int) -> Iterator[Unit]:
    """The world's units in order, for its first `ids` people."""
    if ids < 1:
        raise UserError(f"--ids: got {ids}, wanted at least 1")
    for name in world.places:
        place = load_place(name)
        cameras = [Camera(c.camid, c.viewpoint, _traits(world, c.traits)) for c in world.cameras if c.place == name]
        bad = [c.viewpoint for c in cameras if not 0 <= c.viewpoint < len(place.viewpoints)]
        if bad:
            raise UserError(
                f"world {world.name}: {name} has no viewpoint {bad[0]}, only 0 to {len(place.viewpoints) - 1}"
            )
        order = rng(seed, world.name, name, "company").permutation(ids)
        casts, start = [], 0
        while start < ids:
            size = int(rng(seed, world.name, name, "cast", start).integers(place.walkers[0], place.walkers[1] + 1))
            casts.append((start, order[start : start + size]))
            start += size
        yield from _place_units(world, place, cameras, casts, seed)


def _traits(world: World, given: dict[str, Any]) -> Traits:
    known = [field.name for field in fields(Traits)]
    for name in given:
        if name not in known:
            raise UserError(f"world {world.name}: no camera trait {name!r}; known: {', '.join(known)}")
    return Traits(**given)


def _place_units(world: World, place: Place, cameras: list[Camera], casts: list, seed: int) -> Iterator[Unit]:
    rounds = world.rounds(len(cameras))
    instants: list[Instant] = []
    for number, (start, pids) in enumerate(casts):
        for k in range(rounds):
            shooting = (
                cameras[k * world.cameras_at_once : (k + 1) * world.cameras_at_once] if world.in_turn else cameras
            )
            frame = (start * 60 + k) * GAP_FRAMES
            instants.append(_instant(world, place, [int(p) for p in pids], shooting, frame, number, k, seed))
        full = sum(len(i.walkers) * len(i.cameras) for i in instants) >= SHOTS_PER_UNIT
        if full or number == len(casts) - 1:
            name = f"{place.name}-{number:05d}"
            weather, hour = world.light(rng(seed, world.name, name, "light"), place.indoors)
            yield Unit(name, seed, world.name, place.name, weather, hour, tuple(instants))
            instants = []


def _instant(
    world: World, place: Place, pids: list[int], cameras: list[Camera], frame: int, tracklet: int, k: int, seed: int
) -> Instant:
    views = [camera_matrices(place.viewpoints[c.viewpoint]) for c in cameras]
    walkers: list[Walker] = []
    for pid in pids:
        random = rng(seed, world.name, place.name, "walk", pid)
        route = np.array(place.routes[random.integers(len(place.routes))], float)
        route = route if random.random() < 0.5 else route[::-1]
        begin, speed, aside = random.random(), SPEED_M_S * random.normal(1, 0.12), random.normal(0, 0.35)
        action = "walk" if random.random() < 0.85 else ACTIONS[random.integers(1, len(ACTIONS))]
        for attempt in range(30):
            moved = 0.0 if action == "stand" else speed * k * GAP_FRAMES / FPS
            at, heading = _along(route, begin + 0.037 * attempt, moved, aside + 0.5 * (attempt % 3) * (-1) ** attempt)
            apart = all(np.hypot(at[0] - w.at[0], at[1] - w.at[1]) > APART_M for w in walkers)
            if apart and all(_in_frame(at, view) for view in views):
                break
        phase = float((random.random() + moved / 1.4) % 1)
        walkers.append(
            Walker(pid, (float(at[0]), float(at[1])), float(heading + random.normal(0, 0.12)), phase, action)
        )
    return Instant(frame, tracklet, tuple(walkers), tuple(cameras))


def _along(route: np.ndarray, begin: float, moved_m: float, aside_m: float) -> tuple[np.ndarray, float]:
    """Position (2,) and heading on a route walked to and fro, from a share `begin` of its length on."""
    legs = np.diff(route, axis=0)
    lengths = np.hypot(*legs.T)
    total = lengths.sum()
    s = (begin * total + moved_m) % (2 * total)
    back = s > total
    s = 2 * total - s if back else s
    leg = min(int(np.searchsorted(np.cumsum(lengths), s)), len(legs) - 1)
    direction = legs[leg] / lengths[leg]
    at = route[leg] + direction * (s - lengths[:leg].sum()) + aside_m * np.array([-direction[1], direction[0]])
    direction = -direction if back else direction
    return at, float(np.arctan2(direction[0], -direction[1]))


def _in_frame(at: np.ndarray, view: tuple) -> bool:
    """Whether a person of 1.9 m there is whole in the frame."""
    pixels, depth = project(np.array([[at[0], at[1], 0.0], [at[0], at[1], 1.9]]), view)
    return bool((depth > 1).all() and (pixels > [60, 0]).all() and (pixels < [FRAME[0] - 60, FRAME[1]]).all())


def plan_hash(all_units: list[Unit]) -> str:
    """16 hex digits that change with anything in the plan."""
    digest = hashlib.blake2b(digest_size=8)
    for unit in all_units:
        digest.update(repr(asdict(unit)).encode())
    return digest.hexdigest()
