"""Every viewpoint of every place sees its region, with nothing in the way of the middle."""

import numpy as np
import pytest

from opengspr import UserError
from scenes import places
from scenes.places import FRAME, build_place, camera_matrices, inside, load_place, place_names, project
from scenes.setpieces import SET_PIECES
from scenes.sky import WEATHERS, light
from scenes.surfaces import SURFACES


def blocked(start: np.ndarray, ends: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Which segments from `start` (3,) to `ends` (N, 3) cross one of the triangles (T, 3, 3)."""
    a, ab, ac = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    out = []
    for end in ends:
        ray = end - start
        across = np.cross(ray, ac)
        det = np.sum(ab * across, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            from_a = start - a
            u = np.sum(from_a * across, axis=1) / det
            q = np.cross(from_a, ab)
            v = q @ ray / det
            t = np.sum(ac * q, axis=1) / det
            out.append(bool(((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-6) & (t < 1 - 1e-6)).any()))
    return np.array(out)


@pytest.mark.parametrize("name", place_names())
def test_viewpoints_see_their_region(name: str) -> None:
    place = load_place(name)
    triangles = np.concatenate([mesh.vertices[mesh.faces] for mesh in build_place(place, np.random.default_rng(0))])
    region = np.array(place.region)
    x, y = np.meshgrid(*[np.linspace(*region[:, k][[region[:, k].argmin(), region[:, k].argmax()]], 7) for k in (0, 1)])
    feet = np.array([(*p, 0.0) for p in np.stack([x.ravel(), y.ravel()], 1) if inside(p, region)])
    assert len(place.viewpoints) == 12
    for k, view in enumerate(place.viewpoints):
        low, depth = project(feet, camera_matrices(view))
        high, _ = project(feet + [0, 0, 1.8], camera_matrices(view))
        seen = (depth > 1) & (np.minimum(low, high) > 0).all(1) & (np.maximum(low, high) < FRAME).all(1)
        free = ~blocked(np.array(view.at), feet + [0, 0, 1.1], triangles)
        assert (seen & free).mean() >= 0.6, f"{name} viewpoint {k} sees {(seen & free).mean():.2f} of the region"
        middle = np.append(region.mean(0), 1.1)[None]
        assert not blocked(np.array(view.at), middle, triangles)[0], (
            f"{name} viewpoint {k}: something before the middle"
        )


def test_places_use_every_kind_of_light_and_surface() -> None:
    random = np.random.default_rng(0)
    for name, maker in SET_PIECES.items():
        for mesh in maker(random):
            assert mesh.surface in SURFACES, name
            assert np.isfinite(mesh.vertices).all() and mesh.faces.max() < len(mesh.vertices), name
    for weather in WEATHERS:
        noon, evening = (light(weather, hour, random).irradiance for hour in (12, 18))
        assert noon > evening > 0


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
    import yaml

    raw = yaml.safe_load((places.FOLDER / "plaza.yaml").read_text())
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump({**raw, **change}))
    monkeypatch.setattr(places, "FOLDER", tmp_path)
    load_place.cache_clear()
    with pytest.raises(UserError, match=said):
        load_place("odd")
    load_place.cache_clear()


def test_unknown_place_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="mall, plaza"):
        load_place("moon")
