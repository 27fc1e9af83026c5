"""Hair as one sheet of strands (numpy): columns that run over the skull from a whorl, a parting or a tie, and hang on.

Strands are laid on a chart of the head: a direction from its middle, as an angle from the zenith to the side and back.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter1d, maximum_filter
from scipy.spatial import Delaunay

from synth.person.haircuts import SHOULDER_M, Hair, hairline, on_ear
from synth.person.headwear import HAIR_UNDER_HAT_M, Hat, hat_inside, head_surface, units
from synth.person.pieces import normals, step

COLUMNS, ROWS = 92, 15  # strands round the head, and vertices of each on the skull
MIDDLE = np.array([0.0, -0.025, 1.60])
RADIUS_M = 0.095  # of the head round it, about
BEFORE_EAR = np.deg2rad(54)  # where the foremost strand hangs down
BEFORE_SHOULDER = 0.36  # of the strands from the front to the back, where they part over a shoulder
LOW = 1.66  # angle from the zenith where strands leave the skull
CELL_M, WIDE_M = 0.015, 0.16
WHORL = {"": (0.0, 0.45), "tail": (0.0, 1.22), "bun": (0.0, 1.45), "top bun": (0.0, 0.12), "braids": (0.0, 0.45)}


@dataclass(frozen=True)
class Flow:
    """Strands on the chart, from the front over the left and back to the right and on.

    Attributes:
        root, tip, bend: (COLUMNS, 2) their ends, and by how much their middle is off the straight line.
        falls: (COLUMNS,) whether they hang on from their tips. ahead: (COLUMNS,) 0 at the front to 1 at the back.
    """

    root: np.ndarray
    tip: np.ndarray
    bend: np.ndarray
    falls: np.ndarray
    ahead: np.ndarray


@dataclass(frozen=True)
class Sheet:
    """Hair on a head; R rows of C strands.

    Attributes:
        vertices: (R, C, 3). shade: (R, C). along: (R, C) metres from the root. level: (R, C) height on the template.
        thin: (R, C) how much of the skin shows, 0 to 1. shown: (R, C) whether there is hair. closed: the last strand
            lies beside the first.
    """

    vertices: np.ndarray
    shade: np.ndarray
    along: np.ndarray
    level: np.ndarray
    thin: np.ndarray
    shown: np.ndarray
    closed: bool


def chart(at: np.ndarray) -> np.ndarray:
    """Template positions (..., 3) on the chart (..., 2)."""
    away = at - MIDDLE
    flat = np.linalg.norm(away[..., :2], axis=-1)
    out = away[..., :2] * (np.arctan2(flat, away[..., 2]) / np.maximum(flat, 1e-9))[..., None]
    return np.round(out, 9)  # the last digit depends on where arrays lie in memory, and differs from run to run


@lru_cache(maxsize=1)
def _skull() -> tuple[Delaunay, np.ndarray]:
    """The chart of the head without its ears, and which vertices of the head it spans."""
    at = head_surface(1)[1]
    outside = (np.hypot(at[:, 0], at[:, 1] - MIDDLE[1]) > 0.045) | (at[:, 2] > 1.62)
    index = np.flatnonzero((at[:, 2] > 1.46) & ~on_ear(at) & outside)
    return Delaunay(chart(at[index])), index


def _on_head(places: np.ndarray) -> sparse.csr_matrix:
    """Rows that take values of the head's vertices to places (N, 2) on the chart."""
    mesh, index = _skull()
    simplex = mesh.find_simplex(places)
    turn = mesh.transform[simplex]
    share = np.einsum("nij,nj->ni", turn[:, :2], places - turn[:, 2])
    share = np.nan_to_num(np.column_stack([share, 1 - share.sum(1)]))
    ends = np.arange(len(places) + 1) * 3
    shape = (len(places), len(head_surface(1)[1]))
    return sparse.csr_matrix((share.ravel(), index[mesh.simplices[simplex]].ravel(), ends), shape=shape)


def _span(hair: Hair, start: np.ndarray, ray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where hair begins and ends (N,) along lines on the chart. Args: start, ray: (N, 2)."""
    reach = np.linspace(0.0, 2.8, 281)
    way = start[:, None] + reach[:, None] * ray[:, None]
    at = _on_head(way.reshape(-1, 2)) @ head_surface(1)[1]
    grows = hairline(hair, at).reshape(way.shape[:2]) > 0
    first = np.argmax(grows, 1)
    last = np.argmax(~grows & (np.arange(len(reach)) > first[:, None]), 1)
    return reach[first], reach[last]


@lru_cache(maxsize=64)
def _flow(hair: Hair) -> Flow:
    turn = 2 * np.pi * (np.arange(COLUMNS) + 0.5) / COLUMNS
    side, ahead = np.where(turn < np.pi, 1.0, -1.0), np.minimum(turn, 2 * np.pi - turn) / np.pi
    middle = np.array(WHORL[hair.tie])
    ray = np.stack([np.sin(turn), -np.cos(turn)], 1)
    bend = np.zeros((COLUMNS, 2))
    if hair.part_x is not None:
        middle = np.array([hair.part_x / 0.085, middle[1]])
    root = np.tile(middle, (COLUMNS, 1))
    first, last = _span(hair, root, ray)
    root, tip = root + first[:, None] * ray, root + last[:, None] * ray
    if hair.part_x is not None:
        _, front = _span(hair, middle[None], np.array([[0.0, -1.0]]))
        root = middle + front * [0.0, -1.0] * (1 - step(ahead, 0.0, 0.6))[:, None]
    falls = np.full(COLUMNS, hair.hang_m is not None)
    if hair.hang_m is not None:
        falls = ahead > (0.29 if hair.fringe_m else -1.0)
        azimuth = np.pi * ahead if hair.fringe_m else BEFORE_EAR + (np.pi - BEFORE_EAR) * ahead
        hanging = LOW * np.stack([side * np.sin(azimuth), -np.cos(azimuth)], 1)
        tip = np.where(falls[:, None], hanging, tip)
        if not hair.fringe_m:  # the foremost follow the hairline
            bend = 0.07 * (1 - ahead[:, None]) ** 2 * np.stack([0.2 * side, np.ones(COLUMNS)], 1)
    return Flow(root, tip, bend, falls, ahead)


def _locks(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which lock each strand is of (COLUMNS,), and its place across the lock, -1 where it begins to 1."""
    starts = np.cumsum(np.append(0, random.choice([3, 4, 5, 6], COLUMNS // 3)))
    starts = starts[starts < COLUMNS - 2]
    lock = np.searchsorted(starts, np.arange(COLUMNS), side="right") - 1
    wide = np.diff(np.append(starts, COLUMNS))[lock]
    return lock, 2 * (np.arange(COLUMNS) - starts[lock]) / wide - 1


def sheet(hair: Hair, hat: Hat | None, head: np.ndarray, cloth: np.ndarray, gloss: float, variant: int) -> Sheet:
    """Hair on a head.

    Args:
        head: (H, 3) the vertices of `head_surface(1)` on this body. cloth: (M, 3) on which hanging hair lies.
        gloss: strength of the light on it. variant: of its locks.
    """
    flow, random = _flow(hair), np.random.Generator(np.random.PCG64(variant))
    lock, across = _locks(random)
    ridge = 1 - across**2
    lift, longer, tint = (random.normal(0, 1, lock[-1] + 1)[lock] for _ in range(3))
    longer_m = hair.jag_m * (np.clip(longer, -1.5, 1.5) + 1.2 * (ridge - 1))
    place, along, left = _over_skull(hair, flow, longer_m, random.uniform(-1, 1))
    rows = _on_head(place.reshape(-1, 2))
    piece, at_all = head_surface(1)
    shape = (ROWS, COLUMNS, 3)
    at, skin, out = ((rows @ v).reshape(shape) for v in (at_all, head, normals(head, piece.faces)))
    smooth, relief = _stand(hair, flow, at, along, left), _relief(hair, at, along, ridge, lift, random)
    stand = np.maximum(smooth + relief * np.clip(smooth / 0.006, 0, 1), 0.0009)
    shown = np.ones(stand.shape, bool)
    if hat is not None:
        under = hat_inside(hat, at)
        stand = np.minimum(stand, HAIR_UNDER_HAT_M + 0.5 * np.clip(-0.005 - under, 0, None))
        shown = under < 0.014
    vertices, level = skin + out * stand[..., None], at[..., 2]
    ends = ~flow.falls & (hair.fringe_m < 0.02)
    thin = 0.65 * np.exp(-left / (0.004 + 0.5 * hair.fade_m * (flow.ahead > 0.25))) * ends
    band = np.exp(-(((np.linalg.norm(place, axis=2) - 0.78 - 0.06 * tint) / 0.15) ** 2))
    if flow.falls.any():
        top = skin[-1] + out[-1] * np.minimum(smooth, stand.max(1, keepdims=True))[-1, :, None]
        hung, more = _hang(hair, flow, top, at[-1, :, 2], longer_m, head, cloth, random, relief[-1])
        vertices, level = np.concatenate([vertices, hung]), np.concatenate([level, more])
        steps = np.linalg.norm(np.diff(vertices[ROWS - 1 :], axis=0), axis=2)
        along = np.concatenate([along, along[-1] + np.cumsum(steps, 0)])
        shown = np.concatenate([shown, np.tile(flow.falls, (len(hung), 1))])
        thin = np.concatenate([thin, np.zeros(hung.shape[:2])])
        band = np.concatenate([band, 0.6 * np.exp(-(((along[ROWS:] - 0.27 - 0.02 * tint) / 0.035) ** 2))])
    shade = _shade(hair, ridge, tint, along, relief) * (1 + gloss * band)
    closed = not flow.falls[0]
    made = Sheet(vertices, shade, along, level, thin, shown, closed)
    return made if closed else _with_edges(made, skin, out)


def _over_skull(hair: Hair, flow: Flow, longer_m: np.ndarray, sweep: float) -> tuple[np.ndarray, ...]:
    """Strands on the chart (ROWS, COLUMNS, 2), and metres from their roots and to their tips (ROWS, COLUMNS)."""
    t = 1 - (1 - np.linspace(0, 1, ROWS)[:, None, None]) ** 1.3
    straight = flow.tip - flow.root
    reach = np.linalg.norm(straight, axis=1, keepdims=True)
    grown = np.where(flow.falls, 0, longer_m)[:, None] / RADIUS_M
    tip = flow.tip + straight / (reach + 1e-9) * np.clip(grown, -0.5 * reach, None)
    place = (1 - t) ** 2 * flow.root + 2 * t * (1 - t) * ((flow.root + tip) / 2 + flow.bend) + t**2 * tip
    if hair.part_x is None and not hair.tie:  # turns round the whorl
        away = place - np.array(WHORL[""])
        turn = 0.9 * np.exp(-((np.linalg.norm(away, axis=2) / 0.45) ** 2))
        cos, sin = np.cos(turn), np.sin(turn)
        spun = np.stack([cos * away[..., 0] - sin * away[..., 1], sin * away[..., 0] + cos * away[..., 1]], -1)
        place = np.array(WHORL[""]) + spun
    place[..., 0] += (
        hair.sweep * np.sign(sweep) * (0.5 + 0.5 * abs(sweep)) * t[..., 0] ** 2 * np.exp(-((flow.ahead / 0.25) ** 2))
    )
    length = RADIUS_M * np.linalg.norm(tip - flow.root, axis=1)
    return place, t[..., 0] * length, (1 - t[..., 0]) * length


def _stand(hair: Hair, flow: Flow, at: np.ndarray, along: np.ndarray, left: np.ndarray) -> np.ndarray:
    """How far hair stands off the skin (ROWS, COLUMNS), metres."""
    _, back, up = units(at)
    thick = hair.side_m + (hair.crown_m - hair.side_m) * np.clip((up - 0.1) / 0.6, 0, 1)
    thick = thick + hair.quiff_m * np.exp(-(((back + 0.62) / 0.35) ** 2)) * np.clip((up - 0.45) / 0.3, 0, 1)
    if hair.part_x is not None:
        thick = thick * (1 + 0.1 * np.exp(-(((along - 0.022) / 0.018) ** 2)) - 0.6 * np.exp(-((along / 0.005) ** 2)))
    if not hair.top:
        thick = thick * (1 - np.exp(-along / 0.012))
    fade = 0.003 + 0.3 * thick + hair.fade_m * step(flow.ahead, 0.15, 0.35)
    free = 1 - 0.75 * np.exp(-flow.ahead / 0.06) * (hair.fringe_m == 0)  # flat at the face
    return thick * np.where(flow.falls, free, 1 - np.exp(-left / fade))


def _relief(
    hair: Hair, at: np.ndarray, along: np.ndarray, ridge: np.ndarray, lift: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Locks or curls (ROWS, COLUMNS), metres."""
    if hair.curl < 0.9:
        return hair.rough_m * (1.6 * (ridge - 0.6) + 0.5 * lift) * np.clip(along / 0.05, 0, 1)
    a, b = random.uniform(0, 2 * np.pi, (2, 3))
    x, y, z = np.moveaxis(at, -1, 0)
    broad = np.sin(190 * x + a[0]) * np.sin(180 * y + a[1]) * np.sin(190 * z + a[2])
    fine = np.sin(390 * x + 150 * z + b[0]) * np.sin(370 * y - 120 * x + b[1]) * np.sin(380 * z + 140 * y + b[2])
    return hair.rough_m * (1.3 * broad + 0.9 * fine)


def _shade(hair: Hair, ridge: np.ndarray, tint: np.ndarray, along: np.ndarray, relief: np.ndarray) -> np.ndarray:
    """How light strands are (R, COLUMNS): dark between locks and at the roots."""
    if hair.curl > 0.9:
        return 0.85 + 0.35 * np.clip(relief / max(hair.rough_m, 1e-4), -1, 1)
    deep = 0.45 if hair.rough_m > 0.001 else 0.1
    start = np.clip(along / 0.05, 0, 1)
    return (1 - start * deep * (1 - ridge) ** 1.5) * (1 + 0.09 * np.clip(tint, -2, 2)) * (0.82 + 0.18 * start)


def _hang(
    hair: Hair,
    flow: Flow,
    top: np.ndarray,
    top_level: np.ndarray,
    longer_m: np.ndarray,
    head: np.ndarray,
    cloth: np.ndarray,
    random: np.random.Generator,
    relief: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """What hangs from the ends of strands on the skull (COLUMNS, 3): vertices (R, COLUMNS, 3) and their heights on the
    template (R, COLUMNS).

    It falls straight, behind the shoulders or, at the front, before them, and lies on what is there.
    """
    assert hair.hang_m is not None
    at = head_surface(1)[1]
    scale = np.ptp(head[:, 2]) / np.ptp(at[:, 2])
    rows = max(6, int((top_level.mean() - hair.hang_m) / (0.029 if hair.curl else 0.037)))
    share = np.linspace(0, 1, rows + 1)[1:, None]
    level = top_level + (hair.hang_m - longer_m - top_level) * share
    z = top[:, 2] + (level - top_level) * scale
    neck = head[np.abs(head[:, 0]) < 0.04 * scale]
    side = np.sign(top[:, 0])
    left, right = random.random(2)
    before = (flow.ahead < BEFORE_SHOULDER) & (np.where(side > 0, left, right) < 0.35)
    short = hair.hang_m > SHOULDER_M
    low = step(-level, -1.52, -1.30)
    x = top[:, 0] * (1 - 0.22 * low)
    x += (side * (0.045 + 0.080 * flow.ahead / BEFORE_SHOULDER) * scale - x) * before * low * (not short)
    over_ear = np.exp(-(((level - 1.565) / 0.05) ** 2)) * np.exp(-(((flow.ahead - 0.2) / 0.2) ** 2))
    x += side * 0.010 * over_ear * (before | short)
    off, give = 0.009 + 0.7 * hair.side_m, 0.02 if short else np.inf
    y = np.empty(x.shape)
    for front, mine, points in ((-1.0, before, cloth), (1.0, ~before, np.concatenate([neck, cloth]))):
        if mine.any():
            y[:, mine] = front * _lie(x[:, mine], z[:, mine], front * top[mine, 1], points * [1, front, 1], off, give)
    wave = 0.013 * hair.curl * step(-level, -1.58, -1.48)
    phase = 2 * np.pi * z / 0.10 + random.uniform(0, 1.2) + 0.35 * longer_m / hair.jag_m
    away = np.stack([x, y - top[:, 1].mean()], -1)
    away /= np.linalg.norm(away, axis=2, keepdims=True) + 1e-9
    swell = relief + 0.6 * wave * np.sin(phase)
    inwards = 0.012 * share**4 * (hair.hang_m > 1.42)
    flat = np.stack([x, y], -1) + away * (swell - inwards)[..., None]
    flat += np.stack([-away[..., 1], away[..., 0]], -1) * (wave * np.cos(phase))[..., None]
    return np.concatenate([flat, z[..., None]], axis=2), level


def _lie(x: np.ndarray, z: np.ndarray, start: np.ndarray, points: np.ndarray, off: float, give: float) -> np.ndarray:
    """How far back (R, K) strands hang that lie on points (N, 3): they fall in towards the neck, and begin to give way
    above what holds them off. Args: start: (K,) at their upper ends. give: metres, at most.
    """
    near = points[(np.abs(points[:, 0]) < WIDE_M) & (points[:, 2] > z.min() - 0.03)]
    corner = np.array([-WIDE_M, z.min() - 0.03])
    i, j = ((near[:, [0, 2]] - corner) / CELL_M).astype(int).T
    grid = np.full(
        (int(2 * WIDE_M / CELL_M) + 2, int((max(near[:, 2].max(), z.max()) - corner[1]) / CELL_M) + 3), -np.inf
    )
    np.maximum.at(grid, (i, j), near[:, 1])
    grid = maximum_filter(grid, 3)
    i = ((x - corner[0]) / CELL_M).astype(int).clip(0, grid.shape[0] - 1)
    need = grid[i, ((z - corner[1]) / CELL_M).astype(int).clip(0, grid.shape[1] - 1)] + off
    need = np.minimum(need, start + give)
    for k in range(len(z) - 2, -1, -1):
        need[k] = np.maximum(need[k], need[k + 1] - 1.6 * (z[k] - z[k + 1]))
    y, last, above = np.empty(z.shape), start, z[0] + (z[0] - z[1])
    for k in range(len(z)):
        last = np.maximum(need[k], last - 0.30 * np.clip(last / 0.06, 0, 1) * (above - z[k]))
        y[k], above = last, z[k]
    y = gaussian_filter1d(gaussian_filter1d(np.vstack([start, y]), 1.0, axis=0, mode="nearest"), 1.0, axis=1)[1:]
    return np.maximum(y, need - 0.003)


def _with_edges(made: Sheet, skin: np.ndarray, out: np.ndarray) -> Sheet:
    """A sheet whose first and last strand turn in, to the skin where they lie on it: no edge is sharp."""
    inner = []
    for k, beside in ((0, 3), (-1, -4)):
        edge = made.vertices[:, k].copy()
        edge[:ROWS] = skin[:, k] + 0.0005 * out[:, k]
        inward = 0.6 * (made.vertices[ROWS:, beside] - made.vertices[ROWS:, k])
        edge[ROWS:] += inward - np.sign(edge[ROWS:, :1]) * [0.012, 0.0, 0.0]
        inner.append(edge[:, None])

    def wider(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values[:, :1], values, values[:, -1:]], axis=1)

    shade, thin = wider(made.shade), wider(made.thin)
    shade[:, [0, -1]] *= 0.5
    thin[:ROWS, [0, -1]] = 0.5
    vertices = np.concatenate([inner[0], made.vertices, inner[1]], axis=1)
    return Sheet(vertices, shade, wider(made.along), wider(made.level), thin, wider(made.shown), False)
