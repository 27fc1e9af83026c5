from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.splits import assign, train_pids

crops = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=60)


@given(st.integers(0, 200), st.floats(0, 1))
def test_train_is_the_share_and_does_not_depend_on_the_order(people: int, share: float) -> None:
    train = train_pids(range(people), share, "world")
    assert len(train) == round(share * people) and set(train) <= set(range(people))
    assert (train == train_pids(reversed(range(people)), share, "world")).all()
    smaller = train_pids(range(people), share / 2, "world")
    assert set(smaller) <= set(train)


def test_worlds_deal_people_differently() -> None:
    assert set(train_pids(range(100), 0.5, "a")) != set(train_pids(range(100), 0.5, "b"))


@settings(max_examples=300)
@given(crops, st.sets(st.integers(0, 5)), st.randoms())
def test_the_rules_hold_for_any_crops(rows: list[tuple[int, int]], train: set[int], random: Random) -> None:
    pid, camid = (np.array(column, np.int64) for column in zip(*rows))
    key = np.array([f"crop{i}" for i in range(len(rows))], object)
    split = assign(pid, camid, key, np.array(sorted(train), np.int64))
    assert ((split == "train") == np.isin(pid, sorted(train))).all()
    queries = np.flatnonzero(split == "query")
    assert len(set(zip(pid[queries], camid[queries]))) == len(queries)  # at most one of a person in a camera
    for i in queries:
        assert ((split == "gallery") & (pid == pid[i]) & (camid != camid[i])).any()
    for person in set(pid) - train:
        if len(set(camid[pid == person])) > 1:
            assert (pid[queries] == person).any()  # whoever was seen by two cameras is asked for
    order = list(range(len(rows)))
    random.shuffle(order)
    assert (assign(pid[order], camid[order], key[order], np.array(sorted(train), np.int64)) == split[order]).all()


def test_one_query_per_camera_where_the_gallery_can_answer() -> None:
    pid, camid = np.zeros(9, np.int64), np.arange(9) % 3
    split = assign(pid, camid, np.array([f"k{i}" for i in range(9)], object), np.array([], np.int64))
    assert (split == "query").sum() == 3 and sorted(camid[split == "query"]) == [0, 1, 2]
