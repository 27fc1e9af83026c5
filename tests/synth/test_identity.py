"""Who exists in a world: the same people again, and no two alike."""

import json
from itertools import combinations

import numpy as np
import pytest

from synth.person.colours import ciede2000, hex_colour, lab
from synth.person.identity import appearance, identities


def looks(world: str = "demo-src", wardrobe: str = "mixed", count: int = 60, seed: int = 0) -> list[dict]:
    return list(identities(world, wardrobe, count, seed))


def test_a_longer_list_begins_with_the_same_people() -> None:
    many = looks()
    assert looks() == many
    for count in (1, 7, 33):
        assert looks(count=count) == many[:count]
    assert [look["pid"] for look in many] == [*range(60)]


def test_worlds_and_seeds_share_nobody() -> None:
    def bare(people: list[dict]) -> set[str]:
        return {json.dumps({k: v for k, v in look.items() if k not in ("world", "pid")}) for look in people}

    first = bare(looks())
    assert len(first) == 60
    assert not first & bare(looks("demo-tgt"))
    assert not first & bare(looks(seed=1))  # 0 is a seed like any other


def alike(a: dict, b: dict) -> bool:
    """Whether two agree in garments, patterns, hair or hat, what they carry, and both colours that are seen."""
    for slot in ("top", "outer", "bottom"):
        kinds = [(look[slot]["kind"], look[slot]["pattern"]) if look[slot] else None for look in (a, b)]
        if kinds[0] != kinds[1]:
            return False
    heads = [look["hat"]["kind"] if look["hat"] else look["hair"]["kind"] for look in (a, b)]
    bags = [look["bag"]["kind"] if look["bag"] else None for look in (a, b)]
    if heads[0] != heads[1] or bags[0] != bags[1]:
        return False
    pairs = [(a["outer"] or a["top"], b["outer"] or b["top"]), (a["bottom"] or a["top"], b["bottom"] or b["top"])]
    return all(ciede2000(*(lab(hex_colour(g["colour"])) for g in pair)) < 10 for pair in pairs)


def test_no_two_are_alike() -> None:
    people = looks(count=250)
    assert not [(a["pid"], b["pid"]) for a, b in combinations(people, 2) if alike(a, b)]
    assert alike(people[0], people[0])  # the rule can be met


def test_lookalikes_share_clothes_and_nothing_else() -> None:
    people = list(identities("demo-src", "mixed", 250, 0, lookalikes=0.4))
    pairs = [(people[look["like"]], look) for look in people if look["like"] is not None]
    assert 35 < len(pairs) < 65 and len({pid for a, b in pairs for pid in (a["pid"], b["pid"])}) == 2 * len(pairs)
    for a, b in pairs:
        assert a["pid"] < b["pid"] and a["sex"] == b["sex"]
        for slot in ("top", "outer", "bottom"):
            assert bool(a[slot]) == bool(b[slot])
            assert not a[slot] or all(a[slot][name] == b[slot][name] for name in ("kind", "pattern", "colour"))
        assert a["shape"] != b["shape"] and a["face"] != b["face"]
    assert np.mean([a["hair"] != b["hair"] and a["shoes"] != b["shoes"] for a, b in pairs]) > 0.8
    declared = {(a["pid"], b["pid"]) for a, b in pairs}
    assert not [p for p in combinations(people, 2) if alike(*p) and (p[0]["pid"], p[1]["pid"]) not in declared]
    assert list(identities("demo-src", "mixed", 40, 0, lookalikes=0.4)) == people[:40]
    assert all(look["like"] is None for look in looks())


def test_variations_change_what_is_worn_and_not_who_wears_it() -> None:
    people = list(identities("demo-src", "mixed", 30, 0, variations=4))
    every = [appearance(look, k) for look in people for k in range(4)]
    assert not [pair for pair in combinations(every, 2) if alike(*pair)]
    for look in people:
        assert len(look["variations"]) == 3 and appearance(look, 0) is look
        for k in (1, 2, 3):
            other = appearance(look, k)
            for name in ("pid", "sex", "shape", "gait", "face", "skin_tone", "eyes"):
                assert other[name] == look[name]
            assert other["hair"]["colour"] == look["hair"]["colour"]
            assert {name: other[name] for name in ("top", "bottom")} != {name: look[name] for name in ("top", "bottom")}
    assert list(identities("demo-src", "mixed", 9, 0, variations=4)) == people[:9]
    assert all(look["variations"] == [] for look in looks())


SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425
50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669
50 2.4900 -0.0010 50 -2.4900 0.0009 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0011 7.2195
50 -0.0010 2.4900 50 0.0009 -2.4900 4.8045
50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030
50 2.5 0 58 24 15 19.4535
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


def test_colour_differences_are_those_of_the_published_pairs() -> None:
    """Of Sharma, Wu and Dalal, 2005, table 1."""
    rows = np.array([row.split() for row in SHARMA.strip().splitlines()], float)
    assert np.allclose(ciede2000(rows[:, :3], rows[:, 3:6]), rows[:, 6], atol=5e-5)
    assert np.allclose(ciede2000(rows[:, 3:6], rows[:, :3]), rows[:, 6], atol=5e-5)
    assert np.allclose(lab(np.array([[1, 1, 1], [1, 0, 0]])), [[100, 0, 0], [53.24, 80.09, 67.20]], atol=0.02)


def test_bodies_are_plausible() -> None:
    people = looks(count=400)
    tall = {group: [p["shape"]["height_m"] for p in people if (p["age_group"] == "child") == group] for group in (0, 1)}
    assert 1.4 < min(tall[0]) and max(tall[0]) < 2.05 and 1.62 < np.mean(tall[0]) < 1.76
    assert 1.15 < min(tall[1]) and max(tall[1]) < 1.85
    men, women = ([p["shape"]["height_m"] for p in people if p["sex"] == s] for s in ("male", "female"))
    assert 0.4 < len(men) / len(people) < 0.6 and np.mean(men) - np.mean(women) > 0.06
    ages = {"child": (10, 14), "young": (17, 30), "middle": (31, 55), "old": (56, 80)}
    assert {p["age_group"] for p in people} == {*ages}
    assert all(ages[p["age_group"]][0] <= p["shape"]["age_years"] <= ages[p["age_group"]][1] for p in people)
    tones = np.bincount([p["skin_tone"] for p in people], minlength=11)
    assert tones[0] == 0 and tones[1:].min() > 20 and len(tones) == 11  # even over the ten of the Monk scale


def test_a_look_is_plain_json() -> None:
    for look in looks(count=30):
        assert json.loads(json.dumps(look, allow_nan=False)) == look


def test_wardrobes_differ_and_an_unknown_one_is_refused() -> None:
    worn = {
        wardrobe: {p[slot]["kind"] for p in looks(wardrobe=wardrobe) for slot in ("top", "outer") if p[slot]}
        for wardrobe in ("summer", "winter")
    }
    assert "polo" in worn["summer"] - worn["winter"] and {"parka", "puffer"} <= worn["winter"] - worn["summer"]
    with pytest.raises(ValueError, match="'tropical', wanted one of"):
        looks(wardrobe="tropical")
