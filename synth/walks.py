"""How people walk past a place: together, and in nobody's way. Part of the plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from opengspr.randomness import rng
from scenes.places import FRAME, Place, camera_matrices, inside, load_place
from scenes.worlds import World
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
TRIES = 64  # ways to walk past before people get into each other's way, or out of the picture
HIDDEN = 0.55  # of somebody's box behind another's: too little is left of them


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


@dataclass(frozen=True, eq=False)
class Walk:
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
        """Where they are then."""
        moved = np.array(self.speed * frame / FPS)
        at, heading = _along(self.route, np.array(self.begin), moved, np.array(self.aside_m))
        # rounded, since processors differ in the last bits of a sine, and the plan is the same on all of them
        x, y, turn, phase = (
            round(float(v), 5) for v in (*at, heading + self.turn_rad, (self.phase + moved / CYCLE_M) % 1)
        )
        return Walker(self.pid, (x, y), turn, phase, self.action, self.variation, round(self.speed, 3))


def walks(world: World, place: Place, pids: Sequence[int], visit: int, checks: list, seed: int) -> list[Walk]:
    """Ways on which nobody comes too near to another, leaves the region, or the picture of a camera that shoots then.

    Args:
        pids: of those who walk together. visit: which of the place's casts they are.
        checks: (frame, cameras) when that must hold.
    """
    frames = np.array([frame for frame, _ in checks])
    views = [np.stack([_view(place.name, c.viewpoint) for c in cameras]) for _, cameras in checks]
    found: list[Walk] = []
    taken, region = np.zeros((0, len(frames), 2)), np.array(place.region, float)
    for pid in pids:
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
        if found and beside.random() < world.collisions:
            other = found[beside.integers(len(found))]
            route, speed, action, begins = other.route, other.speed, other.action, np.full(TRIES, other.begin)
            asides = other.aside_m + beside.uniform(*BRUSH_M, TRIES) * (-1.0) ** tries
        paths, _ = _along(route, begins[:, None], speed * frames / FPS, asides[:, None])  # (tries, checks, 2)
        near = np.linalg.norm(paths[:, None] - taken, axis=-1) < APART_M
        faults = 9 * near.sum((1, 2)) + 3 * (~inside(paths, region)).sum(1)  # the worst is to be in others
        faults = faults + sum(_unseen(paths[:, k], taken[:, k], view).sum(1) for k, view in enumerate(views))
        best = int(np.argmin(faults))
        change = rng(seed, world.name, place.name, "variation", pid, visit)
        worn = int(change.integers(world.variations))
        taken = np.concatenate([taken, paths[None, best]])
        found.append(Walk(pid, route, float(begins[best]), float(asides[best]), speed, turn, phase, action, worn))
    return found


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
