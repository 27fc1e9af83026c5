"""What a person is made of before it becomes one mesh: parts with their own texture coordinates, colour and layer."""

from dataclasses import dataclass

import numpy as np

from synth.person.basemesh import base_mesh
from synth.person.colours import linear
from synth.person.textures import white_uv

SKIN, HAIR, PROP = 0, 90, 100  # layers; garments count from 1 outwards


@dataclass
class Part:
    """N vertices, F triangles of one thing, unposed.

    Attributes:
        vertices: (N, 3) metres. weights: (N, B) of the bones. faces: (F, 3).
        uv: (F, 3, 2) corners in the atlas. colour: (N, 3) linear, multiplies the texture.
        layer: outer garments have higher numbers. covered: (N,) whether an outer garment covers it.
        clearance_m: (N,) how far off the legs it is kept in every pose, 0 where it is not.
    """

    vertices: np.ndarray
    weights: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    colour: np.ndarray
    roughness: float
    layer: int
    covered: np.ndarray | None = None
    clearance_m: np.ndarray | None = None


def tinted(
    vertices: np.ndarray,
    weights: np.ndarray,
    faces: np.ndarray,
    colour: np.ndarray,
    roughness: float,
    layer: int = PROP,
) -> Part:
    """A part without a pattern. Args: colour: (3,) or (N, 3) sRGB."""
    uv = np.broadcast_to(white_uv(), (*faces.shape, 2))
    return Part(vertices, weights, faces, uv, np.broadcast_to(linear(colour), vertices.shape), roughness, layer)


def rigid(vertices: np.ndarray, faces: np.ndarray, bone: str, colour: np.ndarray, roughness: float) -> Part:
    """A prop that moves with one bone."""
    weights = np.zeros((len(vertices), len(base_mesh().bones)))
    weights[:, base_mesh().bone(bone)] = 1
    return tinted(vertices, weights, faces, colour, roughness)


def strip_faces(rows: int, columns: int, closed: bool) -> np.ndarray:
    """Triangles of a grid of rows of vertices, each row closed to a ring or not."""
    across = columns if closed else columns - 1
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(across), indexing="ij")
    a, b = (i * columns + j).ravel(), (i * columns + (j + 1) % columns).ravel()
    return np.concatenate([np.stack([a, b, a + columns], 1), np.stack([b, b + columns, a + columns], 1)])


def tube(path: np.ndarray, radius: np.ndarray, sides: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """A tube along a path (K, 3) with radii (K,): vertices and faces."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, [1.0, 0.0, 0.0])
    bad = np.linalg.norm(side, axis=1) < 0.2
    side[bad] = np.cross(along[bad], [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(along, side)
    phi = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.cos(phi)[None, :, None] * side[:, None] + np.sin(phi)[None, :, None] * other[:, None]
    return (path[:, None] + ring * radius[:, None, None]).reshape(-1, 3), strip_faces(len(path), sides, True)
