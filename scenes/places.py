"""Places: one YAML file each in `scenes/places/`, read, checked and built from set pieces."""

import difflib
import inspect
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import yaml

from opengspr import UserError
from scenes.setpieces import SET_PIECES, Mesh

FOLDER = Path(__file__).parent / "places"
FRAME = (1920, 1080)
SENSOR_MM = 36.0


@dataclass(frozen=True)
class Viewpoint:
    """A camera: `at` and `look` (3,) metres, focal length for a 36 mm wide sensor."""

    at: tuple[float, float, float]
    look: tuple[float, float, float]
    focal_mm: float


@dataclass(frozen=True)
class Place:
    """Attributes: region, the walkable polygon (P, 2) m; routes, polylines inside it; pieces, set pieces as the YAML
    has them; lamps, indoor light
    as (x, y, z, watts); walkers, fewest and most at a time."""

    name: str
    indoors: bool
    region: tuple
    routes: tuple
    viewpoints: tuple[Viewpoint, ...]
    pieces: tuple
    lamps: tuple
    walkers: tuple[int, int]


def place_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _refuse(path: Path, what: str) -> UserError:
    return UserError(f"{path.name}: {what}")


def _check_keys(path: Path, where: str, got: dict, known: list[str]) -> None:
    for key in got:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            raise _refuse(
                path,
                f"{where}: unknown key {key!r}"
                + (f", did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"),
            )


@lru_cache(maxsize=64)
def load_place(name: str) -> Place:
    """Reads `scenes/places/NAME.yaml`. Raises ValueError naming the file and the key that is wrong."""
    path = FOLDER / f"{name}.yaml"
    if name not in place_names():
        raise UserError(f"place: got {name!r}, wanted one of {', '.join(place_names())}")
    raw = yaml.safe_load(path.read_text())
    wanted = ["indoors", "region", "routes", "viewpoints", "pieces", "lamps", "walkers"]
    _check_keys(path, "place", raw, wanted)
    for key in ("region", "routes", "viewpoints", "pieces"):
        if not raw.get(key):
            raise _refuse(path, f"{key} is missing")
    for piece in raw["pieces"]:
        kind = piece.get("kind")
        if kind not in SET_PIECES:
            raise _refuse(path, f"unknown set piece {kind!r}; known: {', '.join(SET_PIECES)}")
        _check_keys(
            path, kind, piece, ["kind", "at", "turn", *list(inspect.signature(SET_PIECES[kind]).parameters)[1:]]
        )
    viewpoints = []
    for k, view in enumerate(raw["viewpoints"]):
        _check_keys(path, f"viewpoint {k}", view, ["at", "look", "focal_mm"])
        viewpoints.append(Viewpoint(tuple(view["at"]), tuple(view["look"]), float(view["focal_mm"])))
    region = np.array(raw["region"], float)
    for k, route in enumerate(raw["routes"]):
        if not all(inside(np.array(point, float), region) for point in route):
            raise _refuse(path, f"route {k} leaves the region")
    return Place(
        name=name,
        indoors=bool(raw.get("indoors", False)),
        region=tuple(map(tuple, raw["region"])),
        routes=tuple(tuple(map(tuple, route)) for route in raw["routes"]),
        viewpoints=tuple(viewpoints),
        pieces=tuple(raw["pieces"]),
        lamps=tuple(map(tuple, raw.get("lamps", ()))),
        walkers=tuple(raw.get("walkers", (4, 7))),
    )


def inside(point: np.ndarray, polygon: np.ndarray) -> bool:
    """Whether a point (2,) lies in or on a polygon (P, 2), by the even-odd rule."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    along = np.sum((point - a) * (b - a), axis=1) / np.maximum(np.sum((b - a) ** 2, axis=1), 1e-12)
    nearest = a + np.clip(along, 0, 1)[:, None] * (b - a)
    if np.min(np.sum((nearest - point) ** 2, axis=1)) < 1e-12:
        return True
    crosses = (a[:, 1] > point[1]) != (b[:, 1] > point[1])
    rise = np.where(crosses, b[:, 1] - a[:, 1], 1.0)
    x = a[:, 0] + (point[1] - a[:, 1]) / rise * (b[:, 0] - a[:, 0])
    return bool(np.sum(crosses & (point[0] < x)) % 2)


def build_place(place: Place, random: np.random.Generator) -> list[Mesh]:
    """The meshes of a place, in its own coordinates. The generator decides colours, patterns and small shapes, so one
    place can look
    different from world to world."""
    out = []
    for piece in place.pieces:
        numbers = {k: v for k, v in piece.items() if k not in ("kind", "at", "turn")}
        for mesh in SET_PIECES[piece["kind"]](random, **numbers):
            out.append(mesh.placed(np.array(piece.get("at", (0.0, 0.0)), float), float(piece.get("turn", 0.0))))
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
