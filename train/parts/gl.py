"""Drawing by OpenGL without a screen (pyrender), in a process of its own.

The drivers that draw on a CPU carry a compiler, as do other libraries of a trainer; which of both a process loads first
may end it. So this file is all that the drawing process needs, and it imports neither torch nor anything of ours.
"""

import importlib.util
import os
import subprocess
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from typing import Any

import numpy as np

PLATFORMS = ("egl", "osmesa")
PROBE = "import pyrender; pyrender.OffscreenRenderer(8, 8)"
MARGIN = 8  # pixels round a picture to which what lies farther out is moved; no triangle is so long
LARGEST = 2048  # pixels of a side of what is drawn at once


@lru_cache
def working(wanted: str = "auto") -> str:
    """By what pyrender draws here, `egl` or `osmesa`; empty where it does not, or not by the one that is wanted."""
    if importlib.util.find_spec("pyrender") is None:
        return ""
    for name in PLATFORMS:
        if wanted in (name, "auto"):
            environment = os.environ | {"PYOPENGL_PLATFORM": name}
            if not subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True).returncode:
                return name
    return ""


class Page:
    """Many bodies of one mesh, side by side in rows and columns, in one go.

    Args:
        faces: (F, 3). colours: (V, 3) uint8.
        platform: of PLATFORMS.
    """

    def __init__(self, faces: np.ndarray, colours: np.ndarray, platform: str) -> None:
        given = faces, np.c_[colours / 255, np.ones(len(colours))].astype(np.float32), platform
        self.process = ProcessPoolExecutor(1, get_context("spawn"), _begin, given)

    def draw(self, at: np.ndarray, height: int, width: int) -> np.ndarray:
        """Pictures (N, height, width, 3) uint8 of vertices at pixels and depths (N, V, 3)."""
        cell = np.array([width, height]) + 2 * MARGIN
        columns, rows = (int(count) for count in np.maximum(1, LARGEST // cell))
        parts = range(0, len(at), columns * rows)
        pages: list[Future[np.ndarray]] = [
            self.process.submit(_draw, at[first : first + columns * rows].astype(np.float32), columns, cell)
            for first in parts
        ]
        return np.concatenate([np.zeros((0, height, width, 3), np.uint8), *(page.result() for page in pages)])


_given: tuple[np.ndarray, np.ndarray]  # in the drawing process: faces and colours
_renderer: Any = None


def _begin(faces: np.ndarray, colours: np.ndarray, platform: str) -> None:
    global _given
    os.environ["PYOPENGL_PLATFORM"] = platform  # read when pyrender is imported
    _given = faces, colours


def _draw(at: np.ndarray, columns: int, cell: np.ndarray) -> np.ndarray:
    """The pictures of a page whose cells are of so many pixels."""
    import pyrender

    global _renderer
    (faces, colours), number, rows = _given, np.arange(len(at)), -(-len(at) // columns)
    corner, size = np.stack([number % columns, number // columns], 1) * cell, np.array([columns, rows]) * cell
    flat = at[..., :2].clip(1 - MARGIN, cell - MARGIN - 1) + MARGIN + corner[:, None]
    points = np.concatenate([flat, at[..., 2:]], 2).reshape(-1, 3) * [1, -1, -1]  # y up, a camera looks along -z
    primitive = pyrender.Primitive(
        points.astype(np.float32), color_0=np.tile(colours, (len(at), 1)),
        indices=(faces + (number * len(colours))[:, None, None]).reshape(-1, 3),
        material=pyrender.MetallicRoughnessMaterial(doubleSided=True),
    )  # fmt: skip
    scene, look, depth = pyrender.Scene(bg_color=[0, 0, 0, 0]), np.eye(4), float(np.abs(at[..., 2]).max()) + 1
    look[:3, 3] = size[0] / 2, -size[1] / 2, depth
    scene.add(pyrender.Mesh([primitive]))
    scene.add(pyrender.OrthographicCamera(*size / 2, znear=0.1, zfar=2 * depth), pose=look)
    _renderer = _renderer or pyrender.OffscreenRenderer(*size)
    _renderer.viewport_width, _renderer.viewport_height = size
    page = _renderer.render(scene, pyrender.RenderFlags.FLAT | pyrender.RenderFlags.RGBA)[0]
    cells = page.reshape(rows, cell[1], columns, cell[0], 4).swapaxes(1, 2).reshape(-1, cell[1], cell[0], 4)
    inner = cells[: len(at), MARGIN:-MARGIN, MARGIN:-MARGIN]
    return np.where(inner[..., 3:] >= 128, inner[..., :3], 0).astype(np.uint8)
