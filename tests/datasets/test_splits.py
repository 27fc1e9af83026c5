from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.splits import NOBODY, Roles, assign, roles, roles_of, sequences

crops = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=60)


@given(st.integers(0, 200), st.floats(0, 1), st.floats(0, 1))
def test_roles_are_shares_and_do_not_depend_on_the_order(people: int, share: float, left: float) -> None:
    dealt = roles(range(people), share, left * (1 - share), "world", 0)
    train, distractors = set(dealt.train), set(dealt.distractors)
    assert len(train) == round(share * people) and train | distractors <= set(range(people))
    assert not train & distractors and abs(len(distractors) - left * (1 - share) * people) <= 1
    again = roles(reversed(range(people)), share, left * (1 - share), "world", 0)
    assert (dealt.train == again.train).all() and (dealt.distractors == again.distractors).all()
    assert set(roles(range(people), share / 2, 0, "world", 0).train) <= train


def test_worlds_and_seeds_deal_people_differently() -> None:
    dealt = [set(roles(range(100), 0.5, 0, *of).train) for of in (("a", 0), ("b", 0), ("a", 1))]
    assert dealt[0] != dealt[1] != dealt[2] != dealt[0]


@settings(max_examples=300)
@given(crops, st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)), st.sampled_from([-1, 1, 3]), st.randoms())
def test_the_rules_hold_for_any_crops(
    rows: list[tuple[int, int]], train: set[int], idle: set[int], tracklets: int, random: Random
) -> None:
    idle = idle - train
    dealt = Roles(np.array(sorted(train), np.int64), np.array(sorted(idle), np.int64))
    pid, camid = (np.array(column, np.int64) for column in zip(*rows))
    key = np.array([f"crop{i}" for i in range(len(rows))], object)
    number = np.arange(len(rows)) % tracklets if tracklets > 0 else np.full(len(rows), -1)
    same = np.zeros(len(rows), np.int64)
    sequence = sequences({"pid": pid, "camid": camid, "place": same, "viewpoint": same, "tracklet": number}.__getitem__)
    split = assign(pid, camid, key, sequence, dealt)
    assert all(len(set(split[sequence == one])) == 1 for one in sequence)
    assert (split[np.isin(pid, sorted(idle))] == "gallery").all()
    assert ((split == "train") == np.isin(pid, sorted(train))).all()
    queries = np.flatnonzero(split == "query")
    asked = set(sequence[queries])
    assert len(set(zip(pid[queries], camid[queries]))) == len(asked)  # at most one of a person in a camera
    assert len(set(sequence)) == (len(rows) if tracklets < 0 else len(set(zip(pid, camid, number))))
    for i in queries:
        assert ((split == "gallery") & (pid == pid[i]) & (camid != camid[i])).any()
    assert (assign(pid, camid, key, sequence, roles_of(pid, split)) == split).all()
    for person in set(pid) - train - idle:
        if len(set(camid[pid == person])) > 1:
            assert (pid[queries] == person).any()  # whoever was seen by two cameras is asked for
    order = list(range(len(rows)))
    random.shuffle(order)
    assert (assign(pid[order], camid[order], key[order], sequence[order], dealt) == split[order]).all()


def test_one_query_per_camera_where_the_gallery_can_answer() -> None:
    pid, camid = np.zeros(9, np.int64), np.arange(9) % 3
    split = assign(pid, camid, np.array([f"k{i}" for i in range(9)], object), np.arange(9), Roles(NOBODY))
    assert (split == "query").sum() == 3 and sorted(camid[split == "query"]) == [0, 1, 2]
