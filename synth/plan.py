"""The plan: who stands where, when, before which camera. Pure, streamed, the same on every machine.

A *unit* is a place, a light and as many casts of people as give the world's `unit_shots`; it is rendered as a whole
and written as one file. Inside it, an *instant* is one cast posed once and shot from one or more cameras. Every place
deals its casts anew, so company tells nothing, and everyone has the time to walk from place to place.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from math import ceil

import numpy as np

from opengspr import UserError
from opengspr.randomness import rng
from scenes.places import Place, load_place
from scenes.worlds import World, WorldCamera
from synth.develop import Traits, odd_traits
from synth.walks import FPS, Walker, walks

GAP_FRAMES = 40  # between two instants of a cast
PAUSE_FRAMES = 5 * FPS  # between two casts
TRAVEL_FRAMES = 120 * FPS  # to the next place, at least
STROLL = 15  # places in the queue that people lose or win on their way, which mixes the casts


@dataclass(frozen=True)
class Quality:
    """Attributes: samples per pixel; height_px of a person's picture, who is rendered no larger even where the frame
    has more; denoise, whether the noise of so few samples is taken out.
    """

    samples: int
    height_px: int
    denoise: bool = True

    @property
    def fine(self) -> bool:
        """Whether pictures show as much of people's clothes as is painted, or half of it will do."""
        return self.height_px > 300


QUALITIES = {"draft": Quality(3, 160), "good": Quality(2, 270), "best": Quality(8, 948)}


@dataclass(frozen=True)
class Camera:
    """Attributes: camid, what evaluation tells apart; viewpoint, index within the place; traits of its pictures."""

    camid: int
    viewpoint: int
    traits: Traits


@dataclass(frozen=True)
class Sight:
    """A camera at an instant. Attributes: pids, of whom it takes pictures; full, whether the whole frame is kept."""

    camera: Camera
    pids: tuple[int, ...]
    full: bool


@dataclass(frozen=True)
class Instant:
    """Attributes: frame, 25 a second; tracklet, the same for the frames of one sequence; walkers, all who are there."""

    frame: int
    tracklet: int
    walkers: tuple[Walker, ...]
    sights: tuple[Sight, ...]


@dataclass(frozen=True)
class Unit:
    """Attributes: empty, cameras of which a frame without people is kept."""

    name: str
    seed: int
    world: str
    place: str
    weather: str
    hour: float
    instants: tuple[Instant, ...]
    empty: tuple[Camera, ...]

    @property
    def key(self) -> tuple:
        return (self.seed, self.world, self.name)

    @property
    def shots(self) -> int:
        return sum(len(sight.pids) for instant in self.instants for sight in instant.sights)

    @property
    def pids(self) -> list[int]:
        return sorted({walker.pid for instant in self.instants for walker in instant.walkers})


@dataclass(frozen=True)
class Scene:
    """A place to be looked at. Attributes: viewpoints; people, how many are strewn over its routes."""

    place: str
    weather: str
    hour: float
    viewpoints: tuple[int, ...]
    people: int
    seed: int


@dataclass(frozen=True)
class Visit:
    """A cast that comes past a place. Attributes: number among the place's; frame at which it comes."""

    number: int
    pids: tuple[int, ...]
    frame: int


@dataclass(frozen=True)
class Slot:
    """A camera at one of the instants of each cast in a place, the `round`."""

    place: str
    camera: int
    round: int


def units(world: World, ids: int, seed: int) -> Iterator[Unit]:
    """The world's units in order, for its first `ids` people."""
    if ids < 1:
        raise UserError(f"--ids: got {ids}, wanted at least 1")
    for name in world.places:
        place = load_place(name)
        cameras = [Camera(c.camid, c.viewpoint, _traits(world, c, seed)) for c in world.cameras if c.place == name]
        bad = [c.viewpoint for c in cameras if not 0 <= c.viewpoint < len(place.viewpoints)]
        if bad:
            raise UserError(
                f"world {world.name}: {name} has no viewpoint {bad[0]}, only 0 to {len(place.viewpoints) - 1}"
            )
        yield from _place_units(world, place, cameras, ids, seed)


def visits(world: World, place: Place, ids: int, seed: int) -> Iterator[Visit]:
    """The casts that come past a place, in order of time.

    Where a place's cameras shoot in turn, as GSPR's do, everyone visits one place after the other. Elsewhere people
    set out in groups, one a place, and go round: what a group does in one session, the next does in the one after.
    """
    interval = world.most_rounds * _gap(world) + PAUSE_FRAMES
    order, stop = rng(seed, world.name, "itinerary").permutation(ids), world.itinerary.index(place.name)
    groups = 1 if world.in_turn else len(world.itinerary)
    fewest = min(world.walkers_in(load_place(name))[0] for name in world.itinerary)
    session = ceil(ceil(ids / groups) / fewest) * interval + TRAVEL_FRAMES
    random, number = rng(seed, world.name, place.name, "company"), 0
    for turn in range(groups):
        members = order[(stop - turn) % groups :: groups]
        ranks = np.arange(len(members)) + random.normal(0, STROLL, len(members))
        queue = random.permutation(members) if world.in_turn else members[np.argsort(ranks)]
        frame, start = session * (stop if world.in_turn else turn), 0
        low, high = world.walkers_in(place)
        while start < len(queue):
            size = int(rng(seed, world.name, place.name, "cast", number).integers(low, high + 1))
            yield Visit(number, tuple(int(pid) for pid in queue[start : start + size]), frame)
            start, number, frame = start + size, number + 1, frame + interval


def _gap(world: World) -> int:
    """Frames from one instant of a cast to the next."""
    return GAP_FRAMES + (world.tracklet - 1) * world.stride


def _traits(world: World, camera: WorldCamera, seed: int) -> Traits:
    """A camera's own traits, those that the world gives it first."""
    known = [field.name for field in fields(Traits)]
    for name in camera.traits:
        if name not in known:
            raise UserError(f"world {world.name}: no camera trait {name!r}; known: {', '.join(known)}")
    random = rng(seed, world.name, camera.place, camera.viewpoint, "traits")
    drawn = odd_traits(random, world.odd_cameras) if world.odd_cameras else Traits()
    return replace(drawn, **camera.traits)


def _place_units(world: World, place: Place, cameras: list[Camera], ids: int, seed: int) -> Iterator[Unit]:
    instants: list[Instant] = []
    last, number = -1, 0

    def unit() -> Unit:
        name = f"{place.name}-{last:05d}"
        start = rng(seed, world.name, "lights")
        weather, hour = world.light(place.name, number, start, rng(seed, world.name, name, "light"))
        random = rng(seed, world.name, name, "empty")
        bare = int(world.empty_frames * sum(len(instant.sights) for instant in instants) + 1 - random.random())
        empty = tuple(dict.fromkeys(cameras[random.integers(len(cameras))] for _ in range(bare)))
        return Unit(name, seed, world.name, place.name, weather, hour, tuple(instants), empty)

    shots = 0
    for visit in visits(world, place, ids, seed):
        new = _instants(world, place, cameras, visit, seed)
        instants += new
        shots += sum(len(sight.pids) for instant in new for sight in instant.sights)
        last = visit.number
        if shots >= world.unit_shots:
            yield unit()
            instants, shots, number = [], 0, number + 1
    if instants:
        yield unit()


def _instants(world: World, place: Place, cameras: list[Camera], visit: Visit, seed: int) -> list[Instant]:
    """What is shot of one cast: the rounds of its cameras, each a sequence of `world.tracklet` frames."""
    at_once = world.cameras_at_once if world.in_turn else len(cameras)
    rounds = [
        cameras[k * at_once : (k + 1) * at_once] if world.in_turn else cameras for k in range(world.rounds(place.name))
    ]
    begins = [k * _gap(world) for k in range(len(rounds))]
    length = (world.tracklet - 1) * world.stride
    checks = [(t, shooting) for begin, shooting in zip(begins, rounds) for t in sorted({begin, begin + length})]
    company = walks(world, place, visit.pids, visit.number, checks, seed)
    wanted = {pid: _subset(world, pid, seed) for pid in visit.pids} if world.per_id else {}
    instants = []
    for k, (begin, shooting) in enumerate(zip(begins, rounds)):
        sights = []
        for camera in shooting:
            slot = Slot(place.name, cameras.index(camera), k)
            pids = tuple(pid for pid in visit.pids if not wanted or slot in wanted[pid])
            luck = rng(seed, world.name, place.name, "full", visit.number, k, camera.viewpoint).random()
            if pids:
                sights.append(Sight(camera, pids, luck < world.full_frames))
        for frame in range(begin, begin + length + 1, world.stride) if sights else ():
            walkers = tuple(walk.at(frame) for walk in company)
            shown = sights if frame == begin else [Sight(s.camera, s.pids, False) for s in sights]
            instants.append(Instant(visit.frame + frame, visit.number * len(rounds) + k, walkers, tuple(shown)))
    return instants


def _subset(world: World, pid: int, seed: int) -> set[Slot]:
    """The slots in which a person is shot when only `world.per_id` pictures of each are wanted: as many of each camid
    as of another, give or take one, at random.
    """
    by_camid: dict[int, list[Slot]] = {}
    seen: dict[str, int] = {}
    for camera in world.cameras:
        index = seen[camera.place] = seen.get(camera.place, -1) + 1
        rounds = [index // world.cameras_at_once] if world.in_turn else range(world.rounds(camera.place))
        by_camid.setdefault(camera.camid, []).extend(Slot(camera.place, index, k) for k in rounds)
    random = rng(seed, world.name, "subset", pid)
    shuffled = [[slots[k] for k in random.permutation(len(slots))] for slots in by_camid.values()]
    shuffled = [shuffled[k] for k in random.permutation(len(shuffled))]
    longest = max(map(len, shuffled))
    dealt = [slots[k] for k in range(longest) for slots in shuffled if k < len(slots)]
    return set(dealt[: world.per_id])


def plan_hash(units: Iterable[Unit]) -> str:
    """16 hex digits that change with anything in the plan."""
    digest = hashlib.blake2b(digest_size=8)
    for unit in units:
        digest.update(repr(unit).encode())
    return digest.hexdigest()
