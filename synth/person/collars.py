"""Collars: cloth that goes on from a top's neck line. To add one, add a profile to PROFILES."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from synth.person.basemesh import base_mesh
from synth.person.garments import Garment, neck_line, opening, region
from synth.person.parts import Part, strip_faces
from synth.person.pieces import Places, border_loops, cut, drop_slivers, places, step
from synth.person.surface import GROUP, ROUNDS, Hull, cloth_uv, cloth_weights, lip


@dataclass(frozen=True)
class Line:
    """A neck line of K vertices.

    Attributes:
        front: (K,) 1 at the throat, 0 at the sides, -1 at the nape. aside_m: (K,) from the middle. closed: to a ring.
        end_m: (K,) along it to the nearer end of one that is not.
    """

    front: np.ndarray
    aside_m: np.ndarray
    closed: bool
    end_m: np.ndarray


Out = float | np.ndarray
Profile = Callable[[Line], list[tuple[Out, Out]]]  # (out, up) metres from the neck line, a pair for each ring


def _stand(line: Line) -> list[tuple[Out, Out]]:
    high = 0.042 - 0.012 * line.front
    return [(0, 0), (0.003, 0.5 * high), (0.001, high), (-0.006, high + 0.001), (-0.009, 0.4 * high)]


def _rib(line: Line) -> list[tuple[Out, Out]]:
    high = 1.0 if line.closed else step(line.end_m, 0.0, 0.05)
    rings = [(0.001, -0.004), (0.003, 0.004), (0.0, 0.012), (-0.005, 0.012), (-0.006, 0.0)]
    return [(out * high, up * high) for out, up in rings]


def _leaf(line: Line) -> list[tuple[Out, Out]]:
    near, front = line.aside_m, line.front
    gap = np.where(front > 0, step(near, 0.004, 0.02), 1.0) if line.closed else 1.0
    stand = 0.022 + 0.012 * (1 - front) / 2
    fall = (0.034 + 0.022 * np.exp(-(((near - 0.045) / 0.03) ** 2)) * (front > 0)) * gap
    return [
        (0, 0),
        (-0.002, stand * 0.6),
        (0.002, stand),
        (0.010, stand * 0.95),
        (0.016 + 0.25 * fall, stand - 0.5 * fall),
        (0.018 + 0.55 * fall, stand - fall),
        (0.012 + 0.5 * fall, stand - fall + 0.002),
        (0.008, stand * 0.8),
    ]


def _hood(line: Line) -> list[tuple[Out, Out]]:
    """A hood that lies on the back: up inside, over a thin rim, down as a flat pouch; hardly anything at the throat."""
    back = step(-line.front, -0.55, 0.75)
    return [
        (-0.004, -0.004),
        (0.002 + 0.006 * back, 0.014 + 0.020 * back),
        (0.006 + 0.016 * back, 0.026 + 0.036 * back),
        (0.010 + 0.024 * back, 0.026 + 0.038 * back),
        (0.013 + 0.046 * back, 0.012 + 0.018 * back),
        (0.014 + 0.066 * back, -0.006 - 0.032 * back),
        (0.011 + 0.060 * back, -0.016 - 0.084 * back),
        (0.002 + 0.030 * back, -0.022 - 0.124 * back),
    ]


PROFILES: dict[str, tuple[Profile, float | list[float]]] = {  # and the shade of the cloth, or of each ring
    "stand": (_stand, 1.0),
    "rib": (_rib, 0.92),
    "leaf": (_leaf, 0.97),
    "hood": (_hood, [0.35, 0.55, 0.85, 0.97, 0.97, 0.97, 0.97, 0.97]),
    "lapel": (_leaf, 0.97),
}


def collar_parts(
    kind: str, garment: Garment, hull: Hull, main: Part, own: Places, chain: np.ndarray, closed: bool, tile: str
) -> list[Part]:
    """A collar on the neck line of a top.

    Args:
        kind: one of PROFILES. main: the top's cloth on the body. own: the places of its vertices.
        chain, closed: its neck line (see `neck_chain`).
    """
    profile, shade = PROFILES[kind]
    parts = []
    if len(chain):
        x, y = own.at[chain, 0], own.at[chain, 1] + 0.02
        along = np.append(0, np.cumsum(np.linalg.norm(np.diff(own.at[chain], axis=0), axis=1)))
        line = Line(-y / (np.hypot(x, y) + 1e-9), np.abs(x), closed, np.minimum(along, along[-1] - along))
        parts.append(_collar(hull, main, chain, closed, profile(line), np.array(shade)))
    return parts + (_lapels(garment, hull, main, tile) if kind == "lapel" else [])


def neck_chain(garment: Garment, own: Places, loops: list[np.ndarray]) -> tuple[np.ndarray, bool]:
    """The vertices of a top's neck line in order, of its borders, and whether they close to a ring: one of `loops`."""
    best, closed = np.array([], int), False
    for loop in loops:
        at = own.at[loop]
        there = (np.abs(neck_line(garment, at)) < 0.003) & (own.on_arm[loop] < 0.35) & (at[:, 2] > 1.2)
        if there.all():
            run, ring = loop, True
        elif there.sum() < 4:
            continue
        else:
            ends = np.flatnonzero(there)
            gaps = np.diff(np.append(ends, ends[0] + len(loop)))
            widest = int(gaps.argmax())  # the way round by hem and opening
            run, ring = np.roll(loop, -ends[(widest + 1) % len(ends)])[: len(loop) - gaps[widest] + 1], False
        if len(run) > len(best):
            best, closed = run, ring
    return best, closed


def _collar(
    hull: Hull, main: Part, chain: np.ndarray, closed: bool, rings: list[tuple[Out, Out]], shade: np.ndarray
) -> Part:
    """Cloth that goes on from the neck line `chain` (K,) along rings."""
    base = main.vertices[chain]
    mesh = base_mesh()
    axis = hull.heads[mesh.bone("head")] - hull.heads[mesh.bone("neck_01")]
    axis = axis / np.linalg.norm(axis) * 0.6 + np.array([0, 0, 0.4])
    axis /= np.linalg.norm(axis)
    out = base - base.mean(0)
    out -= (out @ axis)[:, None] * axis
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    grid = [base + (o * out.T).T + (u * axis[:, None]).T for o, u in rings]
    faces = strip_faces(len(rings), len(chain), closed)
    corner = np.zeros((int(main.faces.max()) + 1, 2))
    corner[main.faces] = main.uv
    long = np.cumsum([np.zeros(len(chain)), *np.linalg.norm(np.diff(grid, axis=0), axis=2)], axis=0)
    down = 0.018 * (1 - np.cos(np.pi * long / 0.05))  # the weave goes on, to and fro
    uv = (corner[chain] - down[..., None] * [0, 1]).reshape(-1, 2)[faces]
    uv = uv[:, :1] + (uv - uv[:, :1]) * (np.ptp(uv, axis=1, keepdims=True) < 0.1)
    shades = np.repeat(np.broadcast_to(shade, len(rings)), len(chain))
    return Part(
        np.concatenate(grid),
        np.tile(main.weights[chain], (len(rings), 1)),
        faces,
        uv,
        shades[:, None] * np.ones(3),
        main.roughness,
        main.layer,
    )


def _lapels(garment: Garment, hull: Hull, main: Part, tile: str) -> list[Part]:
    """Cloth that is turned back along the opening, up to the collar."""
    p = places(GROUP, ROUNDS)
    z = p.at[:, 2]
    inside = region(garment, p)
    edge = opening(garment, p.at) if garment.open_m is not None else np.where(p.at[:, 1] < 0, np.abs(p.at[:, 0]), 1.0)
    width = 0.062 * step(z, 1.17, 1.36) * (1 - 0.25 * step(z, 1.38, 1.42))
    field = np.minimum(np.minimum(width - edge, inside), np.where(p.at[:, 1] < 0.0, 1.43 - z, -1))
    piece = drop_slivers(cut(hull.faces, field), p.at)
    if not len(piece.faces):
        return []
    lifted = hull.at + hull.normals * 0.006
    own = piece.places(p)
    part = Part(
        piece.of(lifted),
        piece.of(cloth_weights()),
        piece.faces,
        cloth_uv(garment, tile, own, piece.faces),
        np.full((len(own.at), 3), 0.93),
        main.roughness,
        main.layer,
    )
    return [part, *(lip(part, loop, piece.of(hull.normals)) for loop in border_loops(piece.faces))]
