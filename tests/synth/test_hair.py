"""Hair: it covers the skin that is left out under it, ends in locks, and hangs on what is worn."""

import importlib.util

import numpy as np
import pytest

from synth.person.identity import identities

pytestmark = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the body model: anny")
if importlib.util.find_spec("anny"):
    from scipy.spatial import cKDTree

    from synth.person.body import shape_of, shape_vertices
    from synth.person.hair import hair_parts
    from synth.person.haircuts import HAIR, hairline, on_ear, roots, under_hair
    from synth.person.head import face_places
    from synth.person.parts import HAIR as LAYER
    from synth.person.person import build
    from synth.person.pieces import places, whole
    from synth.person.strands import _lie
    from synth.person.surface import Hull

LOOK = {**next(iter(identities("demo-src", "mixed", 1, 0))), "hat": None, "beard": None, "glasses": None, "mask": None}
NOISE = np.array([1.0, 2.0, 3.0])


def of(kind: str, variant: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of a haircut that faces use, and the body's skin."""
    body = shape_vertices(shape_of(LOOK))
    parts = hair_parts({**LOOK, "hair": {**LOOK["hair"], "kind": kind, "variant": variant}}, body, Hull(body).at, NOISE)
    used = [part.vertices[np.unique(part.faces)] for part in parts]
    return np.concatenate(used) if used else np.empty((0, 3)), whole("body").of(body)


def test_hair_covers_the_skin_that_is_left_out_under_it() -> None:
    for kind, hair in HAIR.items():
        hidden = under_hair(kind, None)
        if hair is None or not hair.top:
            continue
        assert hidden.sum() > 50, kind
        at = places("body").at[hidden]
        assert ((hairline(hair, at) > 0) | on_ear(at)).all() and not ((at[:, 1] < -0.09) & (at[:, 2] < 1.62)).any(), (
            kind
        )
        hair_at, skin = of(kind)
        middle = skin[hidden].mean(0)
        bare, cover = skin[hidden] - middle, hair_at - middle
        far, reach = np.linalg.norm(bare, axis=1), np.linalg.norm(cover, axis=1)
        apart, near = cKDTree(cover / reach[:, None]).query(bare / far[:, None], 6)
        assert apart[:, 0].max() < 0.2, kind
        assert (reach[near].max(1) > far).mean() > 0.99, kind
    assert not under_hair("bald", None).any() and under_hair("bald", "beanie").any()


def test_ends_of_locks_differ_and_so_do_people() -> None:
    for kind in ("long", "fringe", "bob"):
        one, other = of(kind)[0], of(kind, 1)[0]
        assert one.shape != other.shape or np.abs(one - other).max() > 0.003, kind
        low = one[one[:, 2] < one[:, 2].min() + 0.02, 2]
        assert low.std() > 0.002, kind


def test_hanging_hair_lies_on_what_is_below_it() -> None:
    """A wall behind the neck below a height: strands lie off it, and give way only shortly above."""
    x, z = np.tile(np.linspace(-0.1, 0.1, 30), (40, 1)), np.tile(np.linspace(1.6, 1.2, 40)[:, None], 30)
    across, up = (v.ravel() for v in np.mgrid[-0.15:0.15:0.01, 1.1:1.4:0.01])
    wall = np.column_stack([across, np.full(len(across), 0.12), up])
    y = _lie(x, z, np.full(30, 0.05), wall, 0.01, np.inf)
    assert (y[z < 1.4] > 0.12).all() and (y < 0.14).all()
    assert y[z > 1.5].max() < 0.06
    assert np.abs(np.diff(y, axis=0)).max() < 0.03


def test_roots_thin_out_beyond_the_hairline() -> None:
    at, hair = face_places(), HAIR["crew"]
    assert hair is not None
    inside, share = hairline(hair, at), roots(hair, at)
    assert share[inside > 0.015].min() == 1 and share[inside < -0.012].max() == 0
    assert 0.05 < share[(inside < 0) & (inside > -0.004)].mean() < 0.6


def test_hair_is_of_its_layer_and_its_colour_follows_the_look() -> None:
    dark, blond = (
        build({**LOOK, "hair": {**LOOK["hair"], "kind": "long", "colour": c}}) for c in ("#14110f", "#cdae74")
    )
    hair = dark.layer == LAYER
    assert hair.sum() > 1000 and dark.finish.colour[hair].mean() < 0.3 * blond.finish.colour[hair].mean()
