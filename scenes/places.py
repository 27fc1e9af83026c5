"""Places: one YAML file each in `scenes/places/`, read, checked and built from set pieces."""

import inspect
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from opengspr import UserError
from opengspr.config import NUMBER, check, numbers, read_yaml
from scenes.mesh import Made, shifted
from scenes.setpieces import SET_PIECES

FOLDER = Path(__file__).parent / "places"
FRAME = (1920, 1080)
SENSOR_MM = 36.0
NEEDED = {"region": list, "routes": list, "viewpoints": list, "pieces": list}
OPTIONAL = {"indoors": bool, "lamps": list, "walkers": list, "about": str}


@dataclass(frozen=True)
class Viewpoint:
    """A camera: `at` and `look` (3,) metres, focal length for a 36 mm wide sensor."""

    at: tuple[float, float, float]
    look: tuple[float, float, float]
    focal_mm: float


@dataclass(frozen=True)
class Place:
    """Attributes: region, the walkable polygon (P, 2) m; routes, polylines inside it; pieces, set pieces as the YAML
    has them; lamps, light that always shines, as (x, y, z, watts); walkers, fewest and most at a time; about, what it
    shows.
    """

    name: str
    indoors: bool
    region: tuple
    routes: tuple
    viewpoints: tuple[Viewpoint, ...]
    pieces: tuple
    lamps: tuple
    walkers: tuple[int, int]
    about: str = ""


def place_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@lru_cache(maxsize=64)
def load_place(name: str) -> Place:
    """Reads `scenes/places/NAME.yaml`. Raises UserError naming the file and what is wrong in it."""
    path = FOLDER / f"{name}.yaml"
    if name not in place_names():
        raise UserError(f"place: got {name!r}, wanted one of {', '.join(place_names())}")
    raw = read_yaml(path)
    check(path, "place", raw, NEEDED, OPTIONAL)
    for key in NEEDED:
        if not raw[key]:
            raise UserError(f"{path}: {key} is empty")
    region = numbers(path, "region", raw["region"], -1, 2)
    if len(region) < 3 or crosses_itself(region):
        raise UserError(f"{path}: region crosses itself, or has fewer than three corners")
    routes = [numbers(path, f"route {k}", route, -1, 2) for k, route in enumerate(raw["routes"])]
    for k, route in enumerate(routes):
        if len(route) < 2 or not inside(route, region).all():
            raise UserError(f"{path}: route {k} leaves the region, or is a point")
    viewpoints = []
    for k, view in enumerate(raw["viewpoints"]):
        check(path, f"viewpoint {k}", view, {"at": list, "look": list, "focal_mm": NUMBER}, {})
        at, look = (numbers(path, f"viewpoint {k}: {key}", view[key], 3) for key in ("at", "look"))
        viewpoints.append(Viewpoint(tuple(at.tolist()), tuple(look.tolist()), float(view["focal_mm"])))
    for piece in raw["pieces"]:
        kind = piece.get("kind") if isinstance(piece, dict) else piece
        if not isinstance(kind, str) or kind not in SET_PIECES:
            raise UserError(f"{path}: unknown set piece {kind!r}; known: {', '.join(SET_PIECES)}")
        names = ["kind", "at", "turn", *list(inspect.signature(SET_PIECES[kind]).parameters)[1:]]
        check(path, kind, piece, {}, dict.fromkeys(names, object))
    lamps = numbers(path, "lamps", raw["lamps"], -1, 4).tolist() if raw.get("lamps") else []
    walkers = raw.get("walkers", [4, 7])
    check_walkers(path, walkers)
    return Place(
        name=name,
        indoors=raw.get("indoors", False),
        region=tuple(map(tuple, region.tolist())),
        routes=tuple(tuple(map(tuple, route.tolist())) for route in routes),
        viewpoints=tuple(viewpoints),
        pieces=tuple(raw["pieces"]),
        lamps=tuple(map(tuple, lamps)),
        walkers=tuple(walkers),
        about=raw.get("about", ""),
    )


def check_walkers(path: Path, walkers: list) -> None:
    """Refuses what is not the fewest and the most people at a time."""
    good = len(walkers) == 2 and all(type(n) is int for n in walkers) and 1 <= walkers[0] <= walkers[1]
    if not good:
        raise UserError(f"{path}: walkers is {walkers}, wanted the fewest and the most at a time")


def crosses_itself(polygon: np.ndarray) -> bool:
    """Whether two edges of a polygon (P, 2) that are not neighbours meet."""

    def turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
        return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    edges = list(zip(polygon, np.roll(polygon, -1, axis=0), strict=True))
    return any(
        turn(a, b, c) * turn(a, b, d) <= 0 and turn(c, d, a) * turn(c, d, b) <= 0
        for i, (a, b) in enumerate(edges)
        for j, (c, d) in enumerate(edges)
        if j > i + 1 and (i, j) != (0, len(edges) - 1)
    )


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which points (..., 2) lie in or on a polygon (P, 2), by the even-odd rule."""
    p, a, b = points[..., None, :], polygon, np.roll(polygon, -1, axis=0)
    along = ((p - a) * (b - a)).sum(-1) / np.maximum(((b - a) ** 2).sum(-1), 1e-12)
    nearest = a + np.clip(along, 0, 1)[..., None] * (b - a)
    on = ((nearest - p) ** 2).sum(-1).min(-1) < 1e-12
    rise = np.where(a[:, 1] == b[:, 1], 1.0, b[:, 1] - a[:, 1])
    x = a[:, 0] + (p[..., 1] - a[:, 1]) / rise * (b - a)[:, 0]
    right = ((a[:, 1] > p[..., 1]) != (b[:, 1] > p[..., 1])) & (p[..., 0] < x)
    return on | (right.sum(-1) % 2 == 1)


def build_place(place: Place, random: np.random.Generator) -> Made:
    """The meshes and lamps of a place, in its own coordinates. The generator decides colours, patterns and small
    shapes, so one place can look different from world to world.

    Raises:
        UserError: a piece is not made so; the message names the place's file.
    """
    out: Made = []
    for piece in place.pieces:
        numbers = {k: v for k, v in piece.items() if k not in ("kind", "at", "turn")}
        try:
            made = SET_PIECES[piece["kind"]](random, **numbers)
        except ValueError as error:
            raise UserError(f"{FOLDER / place.name}.yaml: {piece['kind']}: {error}") from error
        out += shifted(made, tuple(piece.get("at", (0.0, 0.0))), float(piece.get("turn", 0.0)))
    return out


def camera_matrices(view: Viewpoint) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """K (3, 3), R (3, 3), t (3,) of x = K (R X + t), pixels of the 1920 x 1080 frame; x right, y down, z forwards."""
    at, look = np.array(view.at), np.array(view.look)
    forward = (look - at) / np.linalg.norm(look - at)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    f = view.focal_mm / SENSOR_MM * FRAME[0]
    return np.array([[f, 0, FRAME[0] / 2], [0, f, FRAME[1] / 2], [0, 0, 1]]), rotation, -rotation @ at


def project(points: np.ndarray, matrices: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Frame pixels (N, 2) and depths (N,) in metres of points (N, 3)."""
    k, r, t = matrices
    seen = points @ r.T + t
    depth = seen[:, 2]
    safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
    return seen[:, :2] / safe[:, None] * [k[0, 0], k[1, 1]] + k[:2, 2], depth
