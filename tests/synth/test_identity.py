"""Who exists in a world: the same people again, and no two alike."""

import json
from itertools import combinations

import numpy as np
import pytest

from synth.person.identity import _alike, identities


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


def test_no_two_are_alike() -> None:
    people = looks(count=250)
    pairs = [(a["pid"], b["pid"]) for a, b in combinations(people, 2) if _alike(a, b)]
    assert not pairs
    assert _alike(people[0], people[0])  # the rule can be met


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
    tops = {wardrobe: {p["top"]["kind"] for p in looks(wardrobe=wardrobe)} for wardrobe in ("summer", "winter")}
    assert "tshirt" in tops["summer"] - tops["winter"] and "parka" in tops["winter"] - tops["summer"]
    with pytest.raises(ValueError, match="'tropical', wanted one of"):
        looks(wardrobe="tropical")
