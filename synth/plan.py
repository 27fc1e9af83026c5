"""The plan: who stands where, when, before which camera. Pure, streamed, the same on every machine.

A *unit* is a place, a light and as many casts of people as give the world's `unit_shots`; it is rendered as a whole
and written as one file. Inside it, an *instant* is one cast posed once and shot from one or more cameras. Every place
deals its casts anew, so company tells nothing, and everyone has the time to walk from place to place.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from math import ceil

import numpy as np

from opengspr import UserError
from opengspr.randomness import rng
from scenes.places import FRAME, Place, camera_matrices, inside, load_place
from scenes.worlds import World, WorldCamera
from synth.develop import Traits, odd_traits
from synth.motion import STILL

FPS = 25
SPEED_M_S = 1.3
CYCLE_M = 1.4  # of walking: two steps
ACTIONS = {
    "walk": 0.76,
    "stand": 0.07,
    "turn": 0.02,
    "run": 0.02,
    "phone": 0.04,
    "text": 0.05,
    "pockets": 0.03,
    "wave": 0.01,
}
RUN = 2.0  # times as fast as walking
APART_M = 0.75
BRUSH_M = (0.42, 0.55)  # between two who brush against each other, shoulder to shoulder
GAP_FRAMES = 40  # between two instants of a cast
PAUSE_FRAMES = 5 * FPS  # between two casts
TRAVEL_FRAMES = 120 * FPS  # to the next place, at least
STROLL = 15  # places in the queue that people lose or win on their way, which mixes the casts
TRIES = 64  # ways to walk past before people get into each other's way, or out of the picture
HIDDEN = 0.55  # of somebody's box behind another's: too little is left of them


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
class Walker:
    """Attributes: at (x, y) m; heading_rad, 0 looks along -y; phase of the gait, 0 to 1; action;
    variation, which of their appearances they wear; speed_m_s, at which they go where they look.
    """

    pid: int
    at: tuple[float, float]
    heading_rad: float
    phase: float
    action: str
    variation: int
    speed_m_s: float = 0.0


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
    walks = _walks(world, place, visit, checks, seed)
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
            walkers = tuple(walk.at(frame) for walk in walks)
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


@dataclass(frozen=True, eq=False)
class _Walk:
    """One person's way past a place."""

    pid: int
    route: np.ndarray
    begin: float
    aside_m: float
    speed: float
    turn_rad: float
    phase: float
    action: str
    variation: int

    def at(self, frame: int) -> Walker:
        moved = np.array(self.speed * frame / FPS)
        at, heading = _along(self.route, np.array(self.begin), moved, np.array(self.aside_m))
        # rounded, since processors differ in the last bits of a sine, and the plan is the same on all of them
        x, y, turn, phase = (
            round(float(v), 5) for v in (*at, heading + self.turn_rad, (self.phase + moved / CYCLE_M) % 1)
        )
        return Walker(self.pid, (x, y), turn, phase, self.action, self.variation, round(self.speed, 3))


def _walks(world: World, place: Place, visit: Visit, checks: list, seed: int) -> list[_Walk]:
    """Ways on which nobody comes too near to another, leaves the region, or the picture of a camera that shoots then.

    Args:
        checks: (frame, cameras) when that must hold.
    """
    frames = np.array([frame for frame, _ in checks])
    views = [np.stack([_view(place.name, c.viewpoint) for c in cameras]) for _, cameras in checks]
    walks: list[_Walk] = []
    taken, region = np.zeros((0, len(frames), 2)), np.array(place.region, float)
    for pid in visit.pids:
        random = rng(seed, world.name, place.name, "walk", pid)
        route = np.array(place.routes[random.integers(len(place.routes))], float)
        route = route if random.random() < 0.5 else route[::-1]
        begin, pace, aside = random.random(), SPEED_M_S * random.normal(1, 0.12), random.normal(0, 0.25)
        action = str(random.choice([*ACTIONS], p=[*ACTIONS.values()]))
        speed = 0.0 if action in STILL else float(pace * (RUN if action == "run" else 1.0))
        turn, phase = random.normal(0, 0.12), random.random()
        tries = np.arange(TRIES)
        begins, asides = begin + 0.037 * tries, aside + 0.5 * (tries % 3) * (-1.0) ** tries
        beside = rng(seed, world.name, place.name, "collision", pid)
        if walks and beside.random() < world.collisions:
            other = walks[beside.integers(len(walks))]
            route, speed, action, begins = other.route, other.speed, other.action, np.full(TRIES, other.begin)
            asides = other.aside_m + beside.uniform(*BRUSH_M, TRIES) * (-1.0) ** tries
        paths, _ = _along(route, begins[:, None], speed * frames / FPS, asides[:, None])  # (tries, checks, 2)
        near = np.linalg.norm(paths[:, None] - taken, axis=-1) < APART_M
        faults = 9 * near.sum((1, 2)) + 3 * (~inside(paths, region)).sum(1)  # the worst is to be in others
        faults = faults + sum(_unseen(paths[:, k], taken[:, k], view).sum(1) for k, view in enumerate(views))
        best = int(np.argmin(faults))
        change = rng(seed, world.name, place.name, "variation", pid, visit.number)
        worn = int(change.integers(world.variations))
        taken = np.concatenate([taken, paths[None, best]])
        walks.append(_Walk(pid, route, float(begins[best]), float(asides[best]), speed, turn, phase, action, worn))
    return walks


def _along(
    route: np.ndarray, begin: np.ndarray, moved_m: np.ndarray, aside_m: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (..., 2) and headings (...) on a route (P, 2) walked to and fro, from a share `begin` of its length on;
    the three numbers broadcast.
    """
    legs = np.diff(route, axis=0)
    lengths = np.hypot(*legs.T)
    total = lengths.sum()
    s = (begin * total + moved_m) % (2 * total)
    back = s > total
    s = np.where(back, 2 * total - s, s)
    leg = np.minimum(np.searchsorted(np.cumsum(lengths), s), len(legs) - 1)
    direction = (legs / lengths[:, None])[leg]
    before = np.concatenate([[0.0], np.cumsum(lengths)])[leg]
    side = np.stack([-direction[..., 1], direction[..., 0]], -1)
    at = route[leg] + direction * (s - before)[..., None] + aside_m[..., None] * side
    direction = np.where(back[..., None], -direction, direction)
    return at, np.arctan2(direction[..., 0], -direction[..., 1])


@lru_cache(maxsize=2000)
def _view(place: str, viewpoint: int) -> np.ndarray:
    """A camera's projection matrix (3, 4)."""
    k, r, t = camera_matrices(load_place(place).viewpoints[viewpoint])
    return k @ np.column_stack([r, t])


def _unseen(at: np.ndarray, others: np.ndarray, views: np.ndarray) -> np.ndarray:
    """How many people each camera (C, 3, 4) misses when somebody stands at each of (N, 2): themselves, where they are
    not whole in the frame or hidden by another, and each of the others (M, 2) whom they hide: (N, C).
    """
    (mine, whole), (theirs, _) = _boxes(at, views), _boxes(others, views)
    mine, theirs = mine[:, None], theirs[None]  # (N, 1, C, 5) and (1, M, C, 5)
    width, height = (
        np.minimum(mine[..., k + 2], theirs[..., k + 2]) - np.maximum(mine[..., k], theirs[..., k]) for k in (0, 1)
    )
    common = np.maximum(width, 0) * np.maximum(height, 0)
    nearer = mine[..., 4] < theirs[..., 4]
    far = np.where(nearer[..., None], theirs, mine)
    share = common / ((far[..., 2] - far[..., 0]) * (far[..., 3] - far[..., 1]))
    return ~whole + (share > HIDDEN).sum(1)


def _boxes(at: np.ndarray, views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The box x0, y0, x1, y1 and depth (N, C, 5) of a person of 1.9 m at each of (N, 2) in each camera (C, 3, 4), and
    whether they are whole in the frame (N, C).
    """
    foot = np.column_stack([at, np.zeros(len(at)), np.ones(len(at))])
    body = np.stack([foot, foot + [0, 0, 1.9, 0]], 1)  # (N, 2, 4)
    seen = np.einsum("cij,nhj->nchi", views, body)
    depth = seen[..., 2]
    pixels = seen[..., :2] / np.where(np.abs(depth) < 1e-9, 1e-9, depth)[..., None]
    within = (pixels > [60, 0]).all(-1) & (pixels < [FRAME[0] - 60, FRAME[1]]).all(-1) & (depth > 1)
    (x, bottom), top = pixels[:, :, 0].transpose(2, 0, 1), pixels[:, :, 1, 1]
    half = np.maximum(0.14 * np.abs(bottom - top), 1)
    box = np.stack([x - half, np.minimum(top, bottom), x + half, np.maximum(top, bottom) + 1e-6, depth[:, :, 0]], -1)
    return box, within.all(-1)


def plan_hash(units: Iterable[Unit]) -> str:
    """16 hex digits that change with anything in the plan."""
    digest = hashlib.blake2b(digest_size=8)
    for unit in units:
        digest.update(repr(unit).encode())
    return digest.hexdigest()
