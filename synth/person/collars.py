"""Collars: cloth that goes on from a top's neck line. To add one, add a function to COLLARS."""

import numpy as np

from synth.person.basemesh import base_mesh
from synth.person.garments import Garment, neck_line, opening, region
from synth.person.parts import Part, strip_faces
from synth.person.pieces import Places, border_loops, cut, drop_slivers, places, step
from synth.person.surface import GROUP, ROUNDS, Hull, cloth_uv, cloth_weights, lip


def _neck_chain(garment: Garment, own: Places, faces: np.ndarray) -> tuple[np.ndarray, bool]:
    """The vertices of a top's neck line in order, and whether they close to a ring."""
    best, closed = np.array([], int), False
    for loop in border_loops(faces):
        at = own.at[loop]
        there = (np.abs(neck_line(garment, at)) < 0.003) & (own.on_arm[loop] < 0.35) & (at[:, 2] > 1.2)
        if there.all():
            run, ring = loop, True
        elif there.sum() < 4:
            continue
        else:
            start = int(np.flatnonzero(~there)[0])
            turned, there = np.roll(loop, -start), np.roll(there, -start)
            run, ring = turned[there], False
        if len(run) > len(best):
            best, closed = run, ring
    return best, closed


def _collar(
    hull: Hull, main: Part, chain: np.ndarray, closed: bool, rings: list[tuple[np.ndarray, np.ndarray]], shade: float
) -> Part:
    """Cloth that goes on from the neck line. Args: rings: (out, up) metres from the neck line, each (K,)."""
    base = main.vertices[chain]
    mesh = base_mesh()
    axis = hull.heads[mesh.bone("head")] - hull.heads[mesh.bone("neck_01")]
    axis = axis / np.linalg.norm(axis) * 0.6 + np.array([0, 0, 0.4])
    axis /= np.linalg.norm(axis)
    out = base - base.mean(0)
    out -= (out @ axis)[:, None] * axis
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    grid = [base + o[:, None] * out + u[:, None] * axis for o, u in rings]
    faces = strip_faces(len(rings), len(chain), closed)
    corner = np.zeros((int(main.faces.max()) + 1, 2))
    corner[main.faces] = main.uv
    uv = np.tile(corner[chain], (len(rings), 1))[faces]
    uv = uv[:, :1] + (uv - uv[:, :1]) * (np.ptp(uv, axis=1, keepdims=True) < 0.1)
    colour = np.full((len(rings) * len(chain), 3), shade)
    return Part(
        np.concatenate(grid),
        np.tile(main.weights[chain], (len(rings), 1)),
        faces,
        uv,
        colour,
        main.roughness,
        main.layer,
    )


def _front(own: Places, chain: np.ndarray) -> np.ndarray:
    """1 at the throat, 0 at the sides, -1 at the nape (K,)."""
    at = own.at[chain]
    x, y = at[:, 0], at[:, 1] + 0.02
    return -y / (np.hypot(x, y) + 1e-9)


def _stand(garment: Garment, hull: Hull, main: Part, own: Places, tile: str) -> list[Part]:
    chain, closed = _neck_chain(garment, own, main.faces)
    if not len(chain):
        return []
    one = np.ones(len(chain))
    high = 0.042 - 0.012 * _front(own, chain)
    rings = [
        (0 * one, 0 * one),
        (0.003 * one, 0.5 * high),
        (0.001 * one, high),
        (-0.006 * one, high + 0.001),
        (-0.009 * one, 0.4 * high),
    ]
    return [_collar(hull, main, chain, closed, rings, 1.0)]


def _rib(garment: Garment, hull: Hull, main: Part, own: Places, tile: str) -> list[Part]:
    chain, closed = _neck_chain(garment, own, main.faces)
    if not len(chain):
        return []
    one = np.ones(len(chain))
    rings = [
        (0.001 * one, -0.004 * one),
        (0.003 * one, 0.004 * one),
        (0.0 * one, 0.012 * one),
        (-0.005 * one, 0.012 * one),
        (-0.006 * one, 0.0 * one),
    ]
    return [_collar(hull, main, chain, closed, rings, 0.92)]


def _leaf(garment: Garment, hull: Hull, main: Part, own: Places, tile: str) -> list[Part]:
    chain, closed = _neck_chain(garment, own, main.faces)
    if not len(chain):
        return []
    front = _front(own, chain)
    one = np.ones(len(chain))
    near = np.abs(own.at[chain, 0])
    gap = np.where(front > 0, step(near, 0.004, 0.02), 1.0) if closed else one
    stand = 0.022 + 0.012 * (1 - front) / 2
    fall = (0.034 + 0.022 * np.exp(-(((near - 0.045) / 0.03) ** 2)) * (front > 0)) * gap
    rings = [
        (0 * one, 0 * one),
        (-0.002 * one, stand * 0.6),
        (0.002 * one, stand),
        (0.010 * one, stand * 0.95),
        (0.016 + 0.25 * fall, stand - 0.5 * fall),
        (0.018 + 0.55 * fall, stand - fall),
        (0.012 + 0.5 * fall, stand - fall + 0.002),
        (0.008 * one, stand * 0.8),
    ]
    return [_collar(hull, main, chain, closed, rings, 0.97)]


def _hood(garment: Garment, hull: Hull, main: Part, own: Places, tile: str) -> list[Part]:
    """A hood that lies on the back."""
    chain, closed = _neck_chain(garment, own, main.faces)
    if not len(chain):
        return []
    back = step(-_front(own, chain), -0.55, 0.75)
    one = np.ones(len(chain))
    rings = [
        (-0.004 * one, -0.004 * one),
        (0.006 + 0.012 * back, 0.018 + 0.022 * back),
        (0.016 + 0.040 * back, 0.022 + 0.040 * back),
        (0.026 + 0.080 * back, 0.010 + 0.020 * back),
        (0.028 + 0.095 * back, -0.010 - 0.030 * back),
        (0.018 + 0.070 * back, -0.020 - 0.085 * back),
        (0.004 + 0.035 * back, -0.022 - 0.110 * back),
    ]
    return [_collar(hull, main, chain, closed, rings, 0.97)]


def _lapel(garment: Garment, hull: Hull, main: Part, own: Places, tile: str) -> list[Part]:
    """A collar at the back of the neck that runs into lapels along the opening."""
    parts = _leaf(garment, hull, main, own, tile)
    p = places(GROUP, ROUNDS)
    z = p.at[:, 2]
    inside = region(garment, p)
    edge = opening(garment, p.at) if garment.open_m is not None else np.where(p.at[:, 1] < 0, np.abs(p.at[:, 0]), 1.0)
    width = 0.062 * step(z, 1.17, 1.36) * (1 - 0.25 * step(z, 1.38, 1.42))
    field = np.minimum(np.minimum(width - edge, inside), np.where(p.at[:, 1] < 0.0, 1.43 - z, -1))
    piece = drop_slivers(cut(hull.faces, field), p.at)
    if len(piece.faces):
        lifted = hull.at + hull.normals * 0.006
        places_ = Places(piece.of(p.at), piece.of(p.arm_m), piece.of(p.on_arm), piece.of(p.on_leg))
        part = Part(
            piece.of(lifted),
            piece.of(cloth_weights()),
            piece.faces,
            cloth_uv(garment, tile, places_, piece.faces),
            np.full((len(places_.at), 3), 0.93),
            main.roughness,
            main.layer,
        )
        parts += [part, *(lip(part, loop, piece.of(hull.normals)) for loop in border_loops(piece.faces))]
    return parts


COLLARS = {"stand": _stand, "rib": _rib, "leaf": _leaf, "hood": _hood, "lapel": _lapel}
