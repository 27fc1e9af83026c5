"""What is worn before the face (numpy): glasses and masks."""

import numpy as np

from synth.person.basemesh import base_mesh
from synth.person.colours import hex_colour
from synth.person.headwear import head_surface
from synth.person.parts import HAIR, Part, rigid, tinted, tube
from synth.person.pieces import cut, drop_slivers, neighbours, normals


def glasses_parts(look: dict, body: np.ndarray) -> list[Part]:
    """Frames and lenses before the eyes of a body (V, 3)."""
    mesh = base_mesh()
    colour = hex_colour(look["colour"])
    parts, centres = [], []
    phi = np.linspace(0, 2 * np.pi, 17)
    for side, s in (("l", 1), ("r", -1)):
        eye = body[np.unique(mesh.faces[f"helper-{side}-eye"])]
        centre = np.array([eye[:, 0].mean(), eye[:, 1].min() - 0.012, eye[:, 2].mean() - 0.002])
        centres.append(centre)
        half, high = (0.026, 0.020) if not look["dark"] else (0.029, 0.023)
        power = 0.7
        shape = np.stack(
            [
                np.sign(np.cos(phi)) * np.abs(np.cos(phi)) ** power * half,
                0.004 * np.cos(phi) ** 2,
                np.sign(np.sin(phi)) * np.abs(np.sin(phi)) ** power * high,
            ],
            1,
        )
        vertices, faces = tube(centre + shape, np.full(len(phi), 0.0018), 5)
        parts.append(rigid(vertices, faces, "head", colour, 0.3))
        temple = centre + np.array([s * half, 0.004, 0.008])
        ear = np.array([s * (abs(centre[0]) + half + 0.016), centre[1] + 0.115, centre[2] + 0.010])
        t = np.linspace(0, 1, 5)[:, None]
        vertices, faces = tube(
            temple + (ear - temple) * t + np.array([s * 0.006, 0, 0]) * np.sin(np.pi * t), np.full(5, 0.0018), 5
        )
        parts.append(rigid(vertices, faces, "head", colour, 0.3))
        if look["dark"]:
            lens = np.concatenate([[centre], centre + shape])
            fan = np.stack([np.zeros(16, int), np.arange(1, 17), np.arange(2, 18)], 1)
            parts.append(rigid(lens, fan, "head", np.array([0.05, 0.05, 0.06]), 0.1))
    bridge = np.stack(
        [
            centres[0] - [0.024, 0, -0.004],
            (centres[0] + centres[1]) / 2 + [0, -0.003, 0.007],
            centres[1] + [0.024, 0, 0.004],
        ]
    )
    vertices, faces = tube(bridge, np.full(3, 0.0018), 5)
    parts.append(rigid(vertices, faces, "head", colour, 0.3))
    return parts


def mask_parts(look: dict, head: np.ndarray, at: np.ndarray) -> list[Part]:
    """A mask over mouth and nose, with loops round the ears; head, at: the head's vertices (V, 3), as it is and on the
    template.
    """
    piece, _ = head_surface(0)
    x, y, z = np.abs(at[:, 0]), at[:, 1], at[:, 2]
    high = 1.572 - 0.25 * np.maximum(x - 0.015, 0)
    inside = np.minimum(np.minimum(high - z, z - 1.474 - 0.30 * np.maximum(x - 0.02, 0)), (-0.048 - y) * 0.8)
    patch = drop_slivers(cut(piece.faces, inside), at)
    rest, where = patch.of(head), patch.of(at)
    mean, _ = neighbours(patch.faces, len(rest))
    moved = rest
    for _ in range(8):
        moved = 0.4 * moved + 0.6 * (mean @ moved)
    out = normals(moved, patch.faces)
    off = np.maximum(0.006 - ((moved - rest) * out).sum(1), 0)
    for _ in range(3):
        off = np.maximum(off, mean @ off)
    moved = moved + out * off[:, None]
    weights = _on_head(len(where))
    part = tinted(moved, weights, patch.faces, hex_colour(look["colour"]), 0.9, HAIR + 1)
    loops = []
    for s in (1, -1):
        edge = moved[np.argmax(where[:, 0] * s)]
        ear = head[np.argmin(np.linalg.norm(at - [s * 0.078, -0.005, 1.585], axis=1))] + [s * 0.004, 0, 0]
        t = np.linspace(0, 1, 6)[:, None]
        vertices, faces = tube(
            edge + (ear - edge) * t + np.array([s * 0.006, 0, 0]) * np.sin(np.pi * t), np.full(6, 0.0014), 5
        )
        loops.append(rigid(vertices, faces, "head", hex_colour(look["colour"]) * 0.95, 0.9))
    return [part, *loops]


def _on_head(count: int) -> np.ndarray:
    """Skin weights (count, B) of what moves with the head."""
    weights = np.zeros((count, len(base_mesh().bones)))
    weights[:, base_mesh().bone("head")] = 1
    return weights
