import gc
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa

from datasets.manifest import Crops
from datasets.opening import open_dataset
from datasets.unlabelled import image_order, unlabelled


def renamed(crops: Crops, pid: np.ndarray) -> Crops:
    return crops.replaced("pid", pid)


def test_no_identity_is_reachable(shared_data: Path) -> None:
    crops = open_dataset("little", shared_data).split("train")
    pid = crops.pid + 123_456_789
    found = unlabelled(renamed(crops, pid))
    del crops  # so that only `found` could still lead to a label
    seen, todo = set(), [found]
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, ModuleType | type):
            continue
        seen.add(id(thing))
        assert not isinstance(thing, pa.Table | pa.ChunkedArray | pa.Array | Crops)
        assert not (isinstance(thing, np.ndarray) and np.isin(pid, thing).any())
        todo += gc.get_referents(thing)
        todo += [thing.base] if isinstance(thing, np.ndarray) and thing.base is not None else []
    assert len(seen) > 5 and not hasattr(found, "pid") and not hasattr(found, "column")


def test_order_comes_from_the_pictures_alone(shared_data: Path) -> None:
    crops = open_dataset("little", shared_data).split("train")
    random = np.random.default_rng(0)
    shuffled = random.permutation(len(crops))
    first, second = unlabelled(crops), unlabelled(renamed(crops, random.permutation(crops.pid)).take(shuffled))
    assert [first.read(i) for i in range(len(first))] == [second.read(i) for i in range(len(second))]
    assert (first.camid == second.camid).all() and (first.frame == second.frame).all()
    assert [first.read(i) for i in range(len(first))] != [crops.read(i) for i in range(len(crops))]


def test_image_order_leads_back_to_the_labels(shared_data: Path) -> None:
    crops = open_dataset("little", shared_data).split("train")
    order, found = image_order(crops), unlabelled(crops)
    assert sorted(order) == list(range(len(crops)))
    assert [crops.read(i) for i in order] == [found.read(i) for i in range(len(found))]
    assert (crops.camid[order] == found.camid).all()
    assert found.image(0).shape == crops.image(order[0]).shape
