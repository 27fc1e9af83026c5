"""What a viewpoint sees of a place: rays against triangles (numpy)."""

from dataclasses import dataclass

import numpy as np

from opengspr.randomness import rng
from scenes.mesh import Made, Mesh
from scenes.places import FRAME, Place, Viewpoint, build_place, camera_matrices, inside, project

BREAST_M, HEAD_M = 1.1, 1.8
NEAR_M = 0.5  # nothing nearer to a lens
CLOSE = 0.5  # of the way to a walker in the middle: what is closer hides much
GROUND_M = 0.15  # kerbs and mats are ground
DRAWS = 3  # of a place's small shapes, such as which shop has a blind
LEAVES = ("leaves", "foliage")
PAIRS = 4_000_000  # of rays and triangles at a time


@dataclass(frozen=True)
class Sight:
    """How good a viewpoint is.

    Attributes:
        region_share: of the region that is in the frame, and free at breast height. middle_free: a walker in the
            region's middle is wholly in the frame with nothing before them. enclosed: the camera is inside an object.
        near_m: to the nearest thing in the frame, inf beyond half the way to that walker. close_share: of the frame
        that things nearer than that hide; the ground does not count.
    """

    region_share: float
    middle_free: bool
    enclosed: bool
    near_m: float
    close_share: float


def triangles(made: Made) -> np.ndarray:
    """Corners (T, 3, 3) of all meshes that cannot be seen through."""
    return np.concatenate([one.vertices[one.faces] for one in made if isinstance(one, Mesh) and one.clear < 0.5])


def whatever_is_drawn(place: Place) -> np.ndarray:
    """Corners (T, 3, 3) of a place in several draws of its small shapes at once; the leaves of one."""
    first, *others = (build_place(place, rng(0, "check", place.name, k)) for k in range(DRAWS))
    more = [one for made in others for one in made if isinstance(one, Mesh) and one.surface not in LEAVES]
    corners = triangles([*first, *more])
    _, once = np.unique(corners.round(3).reshape(-1, 9), axis=0, return_index=True)
    return corners[np.sort(once)]


def hits(start: np.ndarray, rays: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays from one point first meet triangles.

    Args:
        start: (3,). rays: (N, 3), not normalised. corners: (T, 3, 3).

    Returns:
        how far along (N,), in lengths of the ray, inf where nothing is met; whether what is met is seen from behind
        (N,).
    """
    far, behind = np.full(len(rays), np.inf), np.zeros(len(rays), bool)
    middle = corners.mean(1) - start
    radius = np.linalg.norm(corners - start - middle[:, None], axis=2).max(1)
    square = (middle**2).sum(1)
    step = max(1, PAIRS // len(corners))
    for first in range(0, len(rays), step):
        some = rays[first : first + step]
        unit = some / np.linalg.norm(some, axis=1, keepdims=True)
        along = unit @ middle.T
        i, k = np.nonzero((square - along**2 < radius**2) & (along > -radius))
        t, back = _meet(start, some[i], corners[k])
        order = np.lexsort((t, i))
        i, t, back = i[order], t[order], back[order]
        ray, nearest = np.unique(i, return_index=True)
        far[first + ray], behind[first + ray] = t[nearest], back[nearest]
    return far, behind & np.isfinite(far)


def _meet(start: np.ndarray, rays: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far along each ray (P, 3) meets its triangle (P, 3, 3), or inf, and whether from behind.

    Moeller and Trumbore, Fast, Minimum Storage Ray/Triangle Intersection, 1997.
    """
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    across = np.cross(rays, ac)
    det = (ab * across).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        from_a = start - a
        u = (from_a * across).sum(1) / det
        q = np.cross(from_a, ab)
        v = (q * rays).sum(1) / det
        t = (ac * q).sum(1) / det
        good = (np.abs(det) > 1e-12) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-6)
    return np.where(good, t, np.inf), det < 0


def sight(place: Place, view: Viewpoint, corners: np.ndarray, least: float = 0.0) -> Sight | None:
    """How good a viewpoint of a place is; None, sooner, where it shows a smaller share of the region than `least`, or
    not the middle.

    Args:
        corners: (T, 3, 3) of the place's meshes.
    """
    at, camera = np.array(view.at), camera_matrices(view)
    feet = region_points(place)
    framed = _framed(feet, camera) & _framed(feet + [0, 0, HEAD_M], camera)
    middle = walker_points(place)
    middle_free = bool(_framed(middle, camera).all() and (hits(at, middle - at, corners)[0] >= 1).all())
    if least and not (middle_free and framed.mean() >= least):
        return None
    free = framed.copy()
    free[framed] = hits(at, (feet + [0, 0, BREAST_M] - at)[framed], corners)[0] >= 1
    if least and free.mean() < least:
        return None
    met, behind = hits(at, _ALL_ROUND, corners)
    rays = _through(camera, 48, 27)
    reach = CLOSE * np.linalg.norm(middle.mean(0) - at)
    centre = corners.mean(1, keepdims=True)
    radius = np.linalg.norm(corners - centre, axis=2).max(1)
    close = corners[np.linalg.norm(centre[:, 0] - at, axis=1) - radius < reach]
    far = hits(at, rays, close)[0] if len(close) else np.full(len(rays), np.inf)
    return Sight(
        region_share=float(free.mean()),
        middle_free=middle_free,
        enclosed=bool(behind.sum() > 0.5 * np.isfinite(met).sum() > 0),
        near_m=float(far.min()),
        close_share=float(((far < reach) & (at[2] + far * rays[:, 2] > GROUND_M)).mean()),
    )


def _through(camera: tuple[np.ndarray, np.ndarray, np.ndarray], columns: int, rows: int) -> np.ndarray:
    """Unit rays (columns * rows, 3) through evenly spaced points of the frame."""
    k, r, _ = camera
    x, y = np.meshgrid(*((np.arange(n) + 0.5) / n * side for n, side in zip((columns, rows), FRAME, strict=True)))
    rays = np.column_stack([x.ravel(), y.ravel(), np.ones(x.size)]) @ np.linalg.inv(k).T @ r
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def _framed(points: np.ndarray, camera: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Which points (N, 3) are in the frame."""
    pixels, depth = project(points, camera)
    return (depth > 1) & (pixels >= 0).all(1) & (pixels < FRAME).all(1)


def region_points(place: Place, pitch: float = 0.75) -> np.ndarray:
    """Points (N, 3) on the ground all over a place's region."""
    region = np.array(place.region)
    low, high = region.min(0), region.max(0)
    x, y = (np.linspace(a, b, max(3, round((b - a) / pitch))) for a, b in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    within = grid[inside(grid, region)]
    return np.column_stack([within, np.zeros(len(within))])


def walker_points(place: Place) -> np.ndarray:
    """Points (9, 3) on somebody who stands in the middle of the region."""
    x, y = middle_of(place)
    return np.array([(x + dx, y + dy, z) for z in (0.25, BREAST_M, 1.65) for dx, dy in ((-0.2, 0), (0.2, 0), (0, 0.2))])


def middle_of(place: Place) -> np.ndarray:
    """The region's centre of mass (2,)."""
    return region_points(place)[:, :2].mean(0)


def _all_round() -> np.ndarray:
    """Directions (K, 3), evenly all round."""
    k = np.arange(32) + 0.5
    z = 1 - 2 * k / 32
    r, turn = np.sqrt(1 - z**2), np.pi * (1 + 5**0.5) * k
    return np.column_stack([r * np.cos(turn), r * np.sin(turn), z])


_ALL_ROUND = _all_round()
