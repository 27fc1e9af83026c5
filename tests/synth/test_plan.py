"""The plan is pure and fair: everyone before every camera equally often, apart from one another, whole in the frame."""

import os
import resource
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from opengspr import UserError
from opengspr.randomness import rng
from scenes import worlds
from scenes.places import FRAME, camera_matrices, inside, load_place, project
from scenes.worlds import GROUPS, load_world, world_names, worlds_of
from synth.motion import STILL
from synth.plan import PAUSE_FRAMES, TRAVEL_FRAMES, Unit, plan_hash, units, visits
from synth.walks import APART_M, BRUSH_M, FPS, HIDDEN, SPEED_M_S

ROOT = Path(__file__).parent.parent.parent
SMALL = {name: min(load_world(name).people, 1000 // len(load_world(name).places)) for name in world_names()}


@cache
def plan(name: str, ids: int | None = None, seed: int = 0) -> tuple[Unit, ...]:
    return tuple(units(load_world(name), ids or SMALL[name], seed))


def test_random_streams_are_named_not_ordered() -> None:
    first = rng(0, "world", "stride", 3).random(4)
    rng(1).random(9)
    assert np.array_equal(rng(0, "world", "stride", 3).random(4), first)
    assert not np.array_equal(rng(0, "world", "stride", 4).random(4), first)
    assert rng("a", "bc").random() != rng("ab", "c").random()
    assert rng(0).integers(2**32) == 2786844786  # the same on every machine


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.long
def test_the_plan_is_pure(name: str) -> None:
    once = plan(name)
    np.random.seed(7)
    one, two = (units(load_world(name), SMALL[name], 0) for _ in range(2))
    assert [(a, b) for a, b in zip(one, two, strict=True)] == [(a, a) for a in once]
    assert next(units(load_world(name), SMALL[name], 1)) != once[0]
    assert len({unit.name for unit in once}) == len(once)


def test_choosing_places_changes_none_of_their_units() -> None:
    """`--scenes mall` gives the mall as the whole world has it, light and company too."""
    for name in ("demo-src", "demo-syn"):
        world = load_world(name)
        uneven = replace(world, cameras=world.cameras[1:], whole=world.cameras[1:])  # more cameras here than there
        for whole in (world, uneven):
            for place in world.places:
                alone = replace(whole, cameras=tuple(c for c in whole.cameras if c.place == place))
                assert [*units(alone, 30, 0)] == [unit for unit in units(whole, 30, 0) if unit.place == place]


def test_the_hash_is_the_same_in_every_process_and_imports_are_light() -> None:
    code = (
        "import sys, synth.render\n"
        "assert not {'bpy', 'torch', 'anny', 'OpenEXR', 'datasets'} & set(sys.modules), 'heavy imports'\n"
        "from scenes.worlds import load_world; from synth.plan import plan_hash, units\n"
        "print(plan_hash(list(units(load_world('demo-src'), 30, 0))))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == plan_hash(plan("demo-src", 30))
    assert after.ru_utime - before.ru_utime < 3
    assert len({plan_hash(plan("demo-src", *other)) for other in ((30,), (29,), (30, 1))}) == 3


@pytest.mark.parametrize("name", [name for name in SMALL if not load_world(name).per_id])
def test_everyone_is_before_every_camera_equally_often(name: str) -> None:
    world = load_world(name)
    seen: Counter[tuple] = Counter()
    for unit in plan(name):
        for instant in unit.instants:
            assert {pid for sight in instant.sights for pid in sight.pids} == {w.pid for w in instant.walkers}
            for sight in instant.sights:
                seen.update((unit.place, sight.camera.camid, sight.camera.viewpoint, pid) for pid in sight.pids)
    rounds = 1 if world.in_turn else world.instants
    everyone = {(c.place, c.camid, c.viewpoint, pid) for c in world.cameras for pid in range(SMALL[name])}
    assert seen == dict.fromkeys(everyone, rounds)


def test_a_world_may_want_so_many_pictures_of_each() -> None:
    world = load_world("labeler-frames")
    shown = Counter(p for unit in plan(world.name, 12) for i in unit.instants for sight in i.sights for p in sight.pids)
    assert world.per_id == 27 and shown == dict.fromkeys(range(12), 27)
    frames = sum(sight.full for unit in plan(world.name, 12) for i in unit.instants for sight in i.sights)
    empty = sum(len(unit.empty) for unit in plan(world.name, 12))
    assert frames > 250 and empty > 200  # what it is for


def test_gspr_is_twelve_viewpoints_of_every_place() -> None:
    world = load_world("gspr")
    assert world.people == 2369 and world.in_turn
    for place in world.places:
        cameras = [camera for camera in world.cameras if camera.place == place]
        assert [camera.viewpoint for camera in cameras] == [*range(12)]
        assert len({camera.camid for camera in cameras}) == 1  # a place is one camera, as the paper has it
    assert sum(unit.shots for unit in plan("gspr", 50)) == 50 * len(world.cameras)


@pytest.mark.parametrize("name", SMALL)
def test_walkers_are_apart_in_the_region_and_in_the_frame(name: str) -> None:
    out = walkers = cut = looks = touching = 0
    for unit in plan(name):
        place = load_place(unit.place)
        for instant in unit.instants:
            at = np.array([walker.at for walker in instant.walkers])
            apart = [float(np.linalg.norm(a - b)) for a, b in combinations(at, 2)]
            assert min(apart, default=9) > BRUSH_M[0] - 1e-4, (unit.name, instant.frame)
            touching += sum(distance < APART_M for distance in apart)
            out += int((~inside(at, np.array(place.region, float))).sum())
            walkers += len(at)
            for sight in instant.sights:
                matrices = camera_matrices(place.viewpoints[sight.camera.viewpoint])
                for height in (0.0, 1.9):
                    pixels, depth = project(np.column_stack([at, np.full(len(at), height)]), matrices)
                    cut += int(((depth <= 1) | (pixels < 0).any(1) | (pixels > FRAME).any(1)).sum())
                    looks += len(at)
    assert out <= 0.01 * walkers and cut <= 0.01 * looks, (out, walkers, cut, looks)
    wanted = load_world(name).collisions
    assert 0.4 * wanted <= touching / walkers <= 1.5 * wanted, (touching, walkers)


@pytest.mark.long
def test_few_are_hidden_by_others() -> None:
    """Behind somebody for the most part: as boxes half a metre wide, reckoned one by one."""
    hidden = seen = 0
    for unit in plan("gspr", 40):
        for instant in unit.instants:
            for sight in instant.sights:
                matrices = camera_matrices(load_place(unit.place).viewpoints[sight.camera.viewpoint])
                boxes = []
                for walker in instant.walkers:
                    ends, depth = project(np.array([[*walker.at, 0.0], [*walker.at, 1.9]]), matrices)
                    (x, low), (_, high) = ends
                    boxes.append((depth[0], x - 0.14 * (low - high), high, x + 0.14 * (low - high), low))
                for mine in boxes:
                    nearer = [box for box in boxes if box[0] < mine[0]]
                    wide = [max(0, min(mine[3], b[3]) - max(mine[1], b[1])) / (mine[3] - mine[1]) for b in nearer]
                    high_ = [max(0, min(mine[4], b[4]) - max(mine[2], b[2])) / (mine[4] - mine[2]) for b in nearer]
                    hidden += max((a * b for a, b in zip(wide, high_)), default=0) > HIDDEN
                    seen += 1
    assert 0 < hidden < 0.05 * seen, (hidden, seen)  # a tenth where nobody takes care


def test_inside_a_polygon() -> None:
    """Against an L that two rectangles make; what lies on the border is inside."""
    region = np.array([(-3, -2), (4, -2), (4, 1), (1, 1), (1, 4), (-3, 4)], float)
    points = np.random.default_rng(0).uniform(-5, 5, (5, 100, 2))
    points[0, :40] = np.round(points[0, :40])  # many of them on the border
    x, y = points[..., 0], points[..., 1]
    wanted = (x >= -3) & (x <= 4) & (y >= -2) & (y <= 1) | (x >= -3) & (x <= 1) & (y >= -2) & (y <= 4)
    assert (inside(points, region) == wanted).all() and inside(np.array([4.0, 1.0]), region)


def test_people_walk_where_they_look() -> None:
    turns = []
    for unit in plan("demo-src"):
        for a, b in combinations(unit.instants, 2):
            if a.walkers[0].pid != b.walkers[0].pid or b.frame - a.frame != 40:
                continue
            for w, v in zip(a.walkers, b.walkers, strict=True):
                step = np.subtract(v.at, w.at)
                if w.action not in STILL and 1.2 < np.hypot(*step) < 3:
                    turns.append(step @ [np.sin(w.heading_rad), -np.cos(w.heading_rad)] / np.hypot(*step))
    assert len(turns) > 20 and np.median(turns) > 0.9


@pytest.mark.parametrize(("name", "ids"), [("gspr", 300), ("demo-tgt", 300)])
def test_company_differs_between_places(name: str, ids: int) -> None:
    world = load_world(name)
    one, other = (
        {pair for visit in visits(world, load_place(place), ids, 0) for pair in combinations(sorted(visit.pids), 2)}
        for place in world.places[:2]
    )
    assert len(one & other) < 0.2 * len(one) and one


def test_people_change_between_visits_only() -> None:
    world = replace(load_world("demo-tgt"), variations=3)
    seen: dict[tuple, set[int]] = {}
    for unit in units(world, 30, 0):
        for instant in unit.instants:
            visit = tuple(sorted(w.pid for w in instant.walkers))
            for walker in instant.walkers:
                seen.setdefault((unit.place, walker.pid, visit), set()).add(walker.variation)
    assert all(len(worn) == 1 for worn in seen.values())
    assert {k for worn in seen.values() for k in worn} == {0, 1, 2}
    of_each = {pid: {k for key, worn in seen.items() if key[1] == pid for k in worn} for pid in range(30)}
    assert sum(len(worn) > 1 for worn in of_each.values()) > 10
    assert all(w.variation == 0 for unit in plan("demo-src") for i in unit.instants for w in i.walkers)


@pytest.mark.parametrize("name", SMALL)
def test_people_have_the_time_to_walk_from_place_to_place(name: str) -> None:
    world = load_world(name)
    spans: dict[int, dict[str, list[int]]] = {}
    for unit in plan(name):
        for instant in unit.instants:
            for walker in instant.walkers:
                spans.setdefault(walker.pid, {}).setdefault(unit.place, []).append(instant.frame)
    for places in spans.values():
        assert set(places) == set(world.places)
        times = sorted((min(frames), max(frames)) for frames in places.values())
        for (_, gone), (come, _) in pairwise(times):
            assert come - gone >= TRAVEL_FRAMES
        assert all(late - early < 60 * FPS for early, late in times)  # in a place, they are past within a minute


@pytest.mark.parametrize("name", SMALL)
def test_one_cast_comes_after_the_other(name: str) -> None:
    world = load_world(name)
    for place in world.places:
        casts = list(visits(world, load_place(place), SMALL[name], 0))
        low, high = world.walkers_in(load_place(place))
        assert all(b.frame - a.frame > PAUSE_FRAMES for a, b in pairwise(casts))
        assert sorted(pid for cast in casts for pid in cast.pids) == [*range(SMALL[name])]
        assert [cast.number for cast in casts] == [*range(len(casts))]
        assert max(len(cast.pids) for cast in casts) <= high
        assert sum(len(cast.pids) < low for cast in casts) <= len(world.places)  # the last of each group


def test_frames_are_of_walking_people() -> None:
    """In a sequence nobody jumps, turns on the spot or changes pace, and the gait goes with the way."""
    world = replace(load_world("demo-tgt"), tracklet=6, stride=5)
    tracklets: dict[tuple, list] = {}
    for unit in units(world, 12, 0):
        for instant in unit.instants:
            assert all(set(sight.pids) == {w.pid for w in instant.walkers} for sight in instant.sights)
            for walker in instant.walkers:
                tracklets.setdefault((unit.place, instant.tracklet, walker.pid), []).append((instant.frame, walker))
    assert len(tracklets) == 12 * 2 * 2
    for sequence in tracklets.values():
        assert [frame - sequence[0][0] for frame, _ in sequence] == [0, 5, 10, 15, 20, 25]
        for (_, before), (_, after) in pairwise(sequence):
            step = np.hypot(*np.subtract(after.at, before.at))
            if before.action in STILL:
                assert step == 0 and before == after
                continue
            assert step < 2 * SPEED_M_S * 5 / FPS + 2 * 0.9  # a corner of the route moves who walks beside it
            assert 0 < (after.phase - before.phase) % 1 < 0.5


@pytest.mark.parametrize("per_id", [1, 5, 40])
def test_a_subset_is_balanced_over_cameras(per_id: int) -> None:
    world = replace(load_world("demo-tgt"), per_id=per_id)
    whole = {shot for unit in plan("demo-tgt", 56) for shot in shots_of(unit)}
    chosen = [shot for unit in units(world, 56, 0) for shot in shots_of(unit)]
    assert set(chosen) <= whole and len(set(chosen)) == len(chosen)
    for pid in range(56):
        by_camid = Counter(camid for _, camid, _, _, who in chosen if who == pid)
        assert sum(by_camid.values()) == min(per_id, 8)
        counts = [by_camid[camid] for camid in range(4)]
        assert max(counts) - min(counts) <= 1
    if per_id == 1:
        assert len({camid for _, camid, _, _, _ in chosen}) == 4  # nobody's favourite


def shots_of(unit: Unit) -> list[tuple]:
    return [
        (unit.place, sight.camera.camid, sight.camera.viewpoint, instant.frame, pid)
        for instant in unit.instants
        for sight in instant.sights
        for pid in sight.pids
    ]


@pytest.mark.long
def test_one_frame_in_a_hundred_is_kept_whole() -> None:
    made = plan("gspr", 150)
    sights = [sight for unit in made for instant in unit.instants for sight in instant.sights]
    assert 0.007 < sum(sight.full for sight in sights) / len(sights) < 0.013
    assert 0.001 < sum(len(unit.empty) for unit in made) / len(sights) < 0.004


def test_units_have_their_size() -> None:
    for name in SMALL:
        world = load_world(name)
        shots = [unit.shots for unit in plan(name)]
        assert sum(size < world.unit_shots for size in shots) <= len(world.places)  # only a place's last is smaller
        assert max(shots) <= world.unit_shots + 7 * 12 and min(shots) > 0
        for unit in plan(name):
            frames = [instant.frame for instant in unit.instants]
            assert frames == sorted(set(frames))


@pytest.mark.parametrize("ids", [1, 2, 7, 23])
def test_any_number_of_people(ids: int) -> None:
    made = plan("demo-tgt", ids)
    assert {pid for unit in made for pid in unit.pids} == {*range(ids)}


@pytest.mark.parametrize(("shots", "weather_off", "hour_off"), [(10_000, 4.0, 2.5), (260_000, 1.0, 2.0)])
@pytest.mark.parametrize("seed", range(3))
def test_lights_keep_the_worlds_shares(seed: int, shots: int, weather_off: float, hour_off: float) -> None:
    """Of so many shots, spread over all places, the lights are the table's to within so many points."""
    world = load_world("gspr")
    raw = yaml.safe_load((worlds.FOLDER / "gspr.yaml").read_text())["lights"]
    assert sum(raw["weathers"].values()) == sum(raw["hours"]) == 100
    units = shots // world.unit_shots
    weathers, hours = Counter[str](), Counter[int]()
    for k in range(units):
        place, number = world.places[k % len(world.places)], k // len(world.places)
        weather, hour = world.light(place, number, rng(seed, world.name, "lights"), rng(seed, place, number))
        weathers[weather] += 1
        hours[int(hour // 3)] += 1
    for name, share in raw["weathers"].items():
        assert 100 * weathers[name] / units == pytest.approx(share, abs=weather_off), name
    for k, share in enumerate(raw["hours"]):
        assert 100 * hours[k] / units == pytest.approx(share, abs=hour_off), k


@pytest.mark.long
def test_few_units_have_many_lights() -> None:
    units = [unit for unit in plan("gspr", 60) if unit.place == "plaza"]
    assert len({unit.weather for unit in units}) >= min(3, len(units))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"peeple": 3}, "world: unknown key 'peeple'; did you mean 'people'"),
        ({"people": "many"}, "people is 'many', wanted a number"),
        ({"people": 0}, "people is 0, wanted at least 1"),
        ({"wardrobe": None}, "wardrobe is None, wanted str"),
        ({"split": {"train": "half"}}, "split: train is 'half', wanted a number"),
        ({"split": {}}, "split: train is missing"),
        ({"split": {"train": 0.8, "distractors": 0.3}}, "split is .*, wanted shares from 0 to 1 of the people"),
        ({"split": {"train": -0.1}}, "split is .*, wanted shares"),
        ({"collisions": 2}, "collisions is 2, wanted a share"),
        ({"lookalikes": -1}, "lookalikes is -1, wanted a share"),
        ({"lights": []}, "lights is empty"),
        ({"lights": [{"weather": "hail", "hour": 9}]}, "unknown weather 'hail'; known: extra sunny"),
        ({"lights": [{"weather": "clear", "hour": 24}]}, "wanted an hour from 0.5 to 23.5"),
        ({"lights": ["clear"]}, "light: got 'clear', wanted keys and values"),
        ({"lights": 3}, "lights is 3, wanted list or dict"),
        ({"lights": {"weathers": {"clear": 1}}}, "lights: hours is missing"),
        ({"lights": {"weathers": {"clear": 1}, "hours": [1, 2]}}, "lights: hours is .*, wanted 8 numbers"),
        ({"lights": {"weathers": {"hail": 1}, "hours": [1] * 8}}, "unknown weather 'hail'"),
        ({"lights": {"weathers": {"clear": -1}, "hours": [1] * 8}}, "wanted shares of 0 and more"),
        ({"lights": {"weathers": {}, "hours": [1] * 8}}, "wanted shares of 0 and more"),
        ({"cameras": [{"place": "moon", "viewpoint": 1}]}, "camera 0: no place 'moon'; known: alley"),
        ({"cameras": [{"place": "plaza", "viewpoint": 12}]}, "plaza has no viewpoint 12, only 0 to 11"),
        ({"cameras": [{"place": "plaza", "viewpoints": [3, -1]}]}, "plaza has no viewpoint -1"),
        ({"cameras": [{"place": "plaza"}]}, "wanted either viewpoint or viewpoints"),
        ({"cameras": [{"place": "plaza", "viewpoint": 1, "traits": {"warmth": "hot"}}]}, "warmth is 'hot'"),
    ],
)
def test_bad_worlds_are_refused(tmp_path: Path, monkeypatch, change: dict[str, Any], said: str) -> None:
    raw = yaml.safe_load((worlds.FOLDER / "demo-src.yaml").read_text())
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump({**raw, **change}))
    monkeypatch.setattr(worlds, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=said) as error:
        load_world("odd")
    assert str(error.value).startswith(f"{tmp_path / 'odd.yaml'}: ")


def test_text_that_is_no_world_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(worlds, "FOLDER", tmp_path)
    for text in ("[1", "- a", "", "people: 3"):
        (tmp_path / "odd.yaml").write_text(text)
        with pytest.raises(UserError, match=r"odd\.yaml: "):
            load_world("odd")


def test_a_plan_refuses_what_its_world_cannot_have() -> None:
    world = load_world("demo-src")
    camera = replace(world.cameras[0], traits={"warmht": 1})
    with pytest.raises(UserError, match="no camera trait 'warmht'; known: exposure_ev"):
        next(units(replace(world, cameras=(camera,)), 3, 0))
    with pytest.raises(UserError, match="no viewpoint 99"):
        next(units(replace(world, cameras=(replace(camera, traits={}, viewpoint=99),)), 3, 0))
    with pytest.raises(UserError, match="--ids: got 0"):
        next(units(world, 0, 0))


def test_presets_name_worlds_that_load() -> None:
    for group, members in GROUPS.items():
        assert worlds_of(group) == members
        assert all(load_world(name).name == name for name in members)
    with pytest.raises(UserError, match="--preset: got 'mars', wanted one of demo, "):
        worlds_of("mars")
