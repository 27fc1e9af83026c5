"""Places: what viewpoints see, what is refused, what set pieces and surfaces are made of."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from opengspr import UserError
from opengspr.randomness import rng
from scenes import check, places
from scenes.mesh import Lamp, Mesh, bar, box, prism, tube
from scenes.places import Viewpoint, build_place, load_place, place_names
from scenes.setpieces import SET_PIECES
from scenes.sight import hits, middle_of, sight, triangles, whatever_is_drawn
from scenes.sky import WEATHERS, light
from scenes.surfaces import METRES, SURFACES


@pytest.mark.parametrize("name", ["plaza", "mall", "alley"])
@pytest.mark.long
def test_places_have_no_faults(name: str) -> None:
    """All of them are looked at by `make check`."""
    assert check.faults(load_place(name)) == []


def test_there_are_the_places_of_both_presets() -> None:
    assert len(place_names()) == 35
    indoors = sum(load_place(name).indoors for name in place_names())
    assert indoors == 12


@pytest.mark.parametrize("name", SET_PIECES)
def test_set_pieces_are_whole(name: str) -> None:
    made = SET_PIECES[name](np.random.default_rng(0))
    meshes = [one for one in made if isinstance(one, Mesh)]
    assert meshes and all(np.isfinite(lamp.at).all() and lamp.watts > 0 for lamp in made if isinstance(lamp, Lamp))
    for mesh in meshes:
        assert mesh.surface in SURFACES
        assert np.isfinite(mesh.vertices).all() and 0 <= mesh.faces.min() and mesh.faces.max() < len(mesh.vertices)
        assert mesh.uv.shape == (len(mesh.faces), 3, 2) and np.isfinite(mesh.uv).all()
        low = -0.6 if name in ("cliff", "horizon", "mound", "quay") else -0.2
        assert mesh.vertices[:, 2].min() > low or name in ("awning", "boat", "quay"), "under the ground"


@pytest.mark.parametrize("name", SURFACES)
def test_surfaces_repeat_without_an_edge(name: str) -> None:
    painted = SURFACES[name](np.random.default_rng(0))
    assert painted.dtype == np.uint8 and painted.ndim == 3 and painted.shape[2] in (3, 4) and METRES[name] > 0
    assert np.array_equal(painted, SURFACES[name](np.random.default_rng(0)))
    assert not np.array_equal(painted, SURFACES[name](np.random.default_rng(1))) or name in ("ceiling", "corrugated")
    assert 8 < painted[..., :3].mean() < 245


def test_shapes_face_outwards() -> None:
    """The volume that a closed shape's faces enclose is its own, and not negative."""

    def volume(mesh: Mesh) -> float:
        a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
        return float((a * np.cross(b, c)).sum() / 6)

    square = [(0.0, 0.0), (1.0, 0.0), (1.0, 2.0), (0.0, 2.0)]
    assert volume(box((1, 2, 3), "paint", (5, 5, 0.5))) == pytest.approx(6)
    for axis in "xyz":
        assert volume(prism(square, 1.0, 4.0, "paint", axis)) == pytest.approx(6), axis
    cone = tube([(0, 0.0), (0, 1.0), (3, 0.0)], "paint", sides=256)
    assert volume(cone) == pytest.approx(np.pi, rel=0.01)
    for line in ([(0, 0, 0), (0, 0, 2)], [(0, 0, 0), (2, 0, 0)], [(0, 0, 0), (0, 2, 0)]):
        shell = bar(line, 0.1, sides=64)
        radial = shell.vertices[shell.faces].mean(1) - np.array(line).mean(0)
        a, b, c = shell.vertices[shell.faces].transpose(1, 0, 2)
        assert ((np.cross(b - a, c - a) * radial).sum(1) > 0).mean() > 0.99, line


def test_rays_meet_what_is_nearest() -> None:
    """Against boxes, of which it is known where a ray meets them."""
    random = np.random.default_rng(0)
    corners = triangles([box((2, 2, 2), "paint", (0, 5, -1)), box((2, 2, 2), "paint", (0, 9, -1))])
    ends = np.column_stack([random.uniform(-3, 3, 200), np.full(200, 20.0), random.uniform(-3, 3, 200)])
    met, behind = hits(np.zeros(3), ends, corners)
    x, z = (np.abs(ends[:, k]) / 20 for k in (0, 2))
    face = (x * 4 <= 1) & (z * 4 <= 1)
    assert np.allclose(met[face] * 20, 4) and not behind.any()
    assert np.isinf(met[(x * 6 > 1) & (x * 8 > 1) | (z * 8 > 1) & (z * 6 > 1)]).all()
    inside, back = hits(np.array([0.0, 5.0, 0.0]), np.eye(3), corners)
    assert np.allclose(inside, 1) and back.all()


@pytest.mark.long
def test_a_viewpoint_inside_a_wall_or_before_one_is_found() -> None:
    place = load_place("plaza")
    views = list(place.viewpoints)
    wall = {"kind": "pillar", "at": [9.0, -9.0], "width": 2.0, "height": 6.0}
    views[3] = Viewpoint((9.0, -9.0, 2.5), (0.0, 0.0, 0.9), 24.0)
    views[5] = Viewpoint((0.0, -3.0, 2.5), (0.0, 0.0, 0.9), 50.0)
    views[7] = Viewpoint((0.0, -12.0, 9.0), (0.0, 0.0, 0.9), 28.0)
    said = check.faults(replace(place, viewpoints=tuple(views), pieces=(*place.pieces, wall)))
    assert any(line.startswith("viewpoint 3: inside an object") for line in said)
    assert any(line.startswith("viewpoint 5: ") for line in said)
    assert any(line.startswith("viewpoint 7: 9.0 m high") for line in said)
    assert [line for line in check.faults(replace(place, pieces=place.pieces[:3])) if line.startswith("pieces")]


def test_what_stands_before_a_camera_is_found() -> None:
    """A post across the frame, which hides little of the region; not the same post behind the middle, nor a mat."""
    place = load_place("mall")
    view = place.viewpoints[0]
    middle, at = middle_of(place), np.array(view.at[:2])
    before, beyond = (tuple((at + share * (middle - at) + [0.35, 0]).tolist()) for share in (0.3, 1.6))
    before_it = [{"kind": "pillar", "at": before, "height": 4.0, "width": 0.2}]
    harmless = [{"kind": "strip", "at": before, "surface": "carpet", "width": 3, "depth": 3}]
    harmless += [{"kind": "pillar", "at": beyond, "height": 4.0, "width": 0.2}]
    for pieces, found in ((before_it, True), (harmless, False)):
        changed = replace(place, pieces=(*place.pieces, *pieces))
        seen = sight(changed, view, whatever_is_drawn(changed))
        assert seen and seen.middle_free and (seen.close_share > check.CLOSE_SHARE) == found, seen


def test_what_a_draw_may_bring_is_looked_at() -> None:
    """Which shops have blinds is drawn; the shapes of all draws are there once."""
    place = load_place("walking_street")
    one, all_ = triangles(build_place(place, rng(0, "check", place.name, 0))), whatever_is_drawn(place)
    assert len(one) < len(all_) < 1.5 * len(one)
    rows = {tuple(row) for row in all_.round(3).reshape(-1, 9)}
    assert len(rows) == len(all_) and all(tuple(row) in rows for row in one.round(3).reshape(-1, 9))


@pytest.mark.long
def test_viewpoints_lie_all_round() -> None:
    place = load_place("plaza")
    assert check.widest_gap_deg(place) < check.GAP_DEG
    one_side = replace(place, viewpoints=place.viewpoints[:6] * 2)
    assert check.widest_gap_deg(one_side) > 150
    assert any("degrees without one" in line for line in check.faults(one_side))


def test_proposed_viewpoints_pass() -> None:
    place = load_place("mall")
    views = check.propose(place, 1)
    corners = whatever_is_drawn(place)
    assert len(views) == 12
    for view in views:
        seen = sight(place, view, corners)
        assert seen is not None and seen.middle_free and not seen.enclosed and seen.region_share >= 0.6
        assert seen.close_share <= check.CLOSE_SHARE
    round_ = np.arctan2(*np.array([view.at[:2] for view in views]).T)
    assert np.diff(np.sort(round_)).max() < np.deg2rad(60)


def test_weathers_light_the_day_and_lamps_the_night() -> None:
    random = np.random.default_rng(0)
    for weather in WEATHERS:
        noon, evening, night = (light(weather, hour, random) for hour in (12, 17, 23))
        assert noon.irradiance > evening.irradiance > night.irradiance > 0, weather
        assert (noon.dark, night.dark) == (0, 1) and (noon.air > night.air).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pieces": [{"kind": "castle"}]}, "unknown set piece 'castle'"),
        ({"pieces": [{"kind": "bench", "widht": 2}]}, "did you mean 'width'"),
        ({"routes": [[[0, 0], [99, 0]]]}, "route 0 leaves the region"),
        ({"viewpoint": []}, "did you mean 'viewpoints'"),
        ({"region": None}, "region is None, wanted list"),
        ({"region": [[0, 0], [1, "x"]]}, "region is .*, wanted any number x 2 numbers"),
        (
            {"viewpoints": [{"at": [0, 0], "look": [0, 0, 1], "focal_mm": 30}]},
            "viewpoint 0: at is .*, wanted 3 numbers",
        ),
        ({"region": [[-5, -5], [5, 5], [5, -5], [-5, 5]]}, "region crosses itself"),
        ({"walkers": [5, 2]}, "wanted the fewest and the most"),
        ({"walkers": [4.5, 7]}, "wanted the fewest and the most"),
        ({"routes": []}, "routes is empty"),
        ({"pieces": [{"kind": ["bench"]}]}, "unknown set piece"),
    ],
)
def test_bad_places_are_refused(tmp_path, monkeypatch, change: dict, said: str) -> None:
    raw = yaml.safe_load((places.FOLDER / "plaza.yaml").read_text())
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump({**raw, **change}))
    monkeypatch.setattr(places, "FOLDER", tmp_path)
    load_place.cache_clear()
    with pytest.raises(UserError, match=said):
        load_place("odd")
    load_place.cache_clear()


@pytest.mark.parametrize("kind", ["fence", "horizon"])
def test_a_style_that_is_not_there_names_the_file(kind: str) -> None:
    place = replace(load_place("plaza"), pieces=[{"kind": kind, "style": "gothic"}])
    with pytest.raises(UserError, match=rf"plaza\.yaml: {kind}: style: got 'gothic', wanted"):
        build_place(place, np.random.default_rng(0))


def test_unknown_place_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="mall, market"):
        load_place("moon")
