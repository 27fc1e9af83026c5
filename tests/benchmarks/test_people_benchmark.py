"""The people's benchmark counts what it says."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.people import PIXELS, _same, nearest, poke_through
from synth.person.identity import identities
from synth.person.person import build, pose, stance

LOOKS = [*identities("gspr", "winter", 30, 0)]


def test_the_nearest_face_of_overlapping_triangles() -> None:
    """A tilted triangle before a large one: each pixel's face and depth by the planes' own equations."""
    pixels = np.array([[10, 10], [200, 20], [30, 250], [60, 60], [120, 60], [60, 120]], float)
    depth = np.array([5, 5, 5, 1, 3, 2], float)
    face, near = nearest(pixels, depth, np.array([[0, 1, 2], [3, 4, 5]]))
    y, x = np.mgrid[0:PIXELS, 0:PIXELS] + 0.5
    small = (x >= 60) & (y >= 60) & (x + y <= 180)
    assert (face[small] == 1).all() and face[100, 100] == 0 and face[300, 300] == -1
    assert np.allclose(near[small], (1 + 2 * (x - 60) / 60 + (y - 60) / 60)[small])
    assert (near[face == 0] == pytest.approx(5)) and np.isinf(near[face < 0]).all()


def test_the_same_look_twice_is_counted() -> None:
    assert _same(LOOKS) == 0
    assert _same([*LOOKS, LOOKS[3], LOOKS[3]]) == 3


@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the body model: anny")
def test_clothes_that_fail_are_counted() -> None:
    """A person passes; pushed out by five centimetres, what is covered shows; a pricked garment shows holes."""
    look = next(
        look for look in LOOKS if look["outer"] and look["outer"]["kind"] in ("jacket", "coat", "puffer", "parka")
    )
    person = build(look)
    vertices, _ = pose(person, stance(look, "walk", 0.2))
    bad, cloth = poke_through(person, vertices)
    assert bad <= 0.003 * cloth and cloth > 5000
    out = vertices.copy()
    out[person.covered, 1] -= 0.05
    assert poke_through(person, out)[0] > bad + 0.003 * cloth
    thin = replace(
        person, faces=person.faces[person.layer[person.faces[:, 0]] == person.layer[person.layer < 90].max()]
    )
    pricked = replace(thin, faces=np.delete(thin.faces, np.arange(0, len(thin.faces), 60), axis=0))
    assert poke_through(pricked, vertices)[0] > poke_through(thin, vertices)[0] + 5
