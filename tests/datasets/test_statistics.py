"""What datasets.statistics counts and draws."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import statistics
from datasets.opening import open_dataset
from opengspr.command import UserError
from tests.datasets.test_readers import MARKET, plant


def test_counts_are_the_manifest_s(shared_data: Path, tmp_path: Path) -> None:
    crops = open_dataset("little", shared_data).crops
    tables = statistics.counted(crops)
    assert tables["weather"] == dict(Counter(crops.column("weather").tolist()))
    assert tables["split"] == dict(Counter(crops.column("split").tolist()))
    assert sum(tables["height of the crop, pixels"].values()) == sum(tables["hour"].values()) == len(crops)
    assert tables["hour"]["12-14"] == len(crops) and tables["people, by how many crops they have"]["6"] == 6
    statistics.main(statistics.Settings("little", tmp_path, "train", shared_data))
    assert json.loads((tmp_path / "statistics.json").read_text())["split"] == {"train": 18}
    with Image.open(tmp_path / "statistics.png") as picture:
        assert min(picture.size) > 600 and len(np.unique(np.asarray(picture.convert("L")))) > 20


def test_values_fall_into_their_bins() -> None:
    binned = statistics._binned(np.array([0, 9.9, 10, 20, 35, 99, -1]), np.arange(0, 41, 10))
    assert binned == {"0-10": 2, "10-20": 1, "20-30": 1, "30-40": 2}
    assert statistics._binned(np.array([-1.0]), np.arange(3)) == {}


def test_what_people_wear_is_counted(shared_data: Path) -> None:
    crops = open_dataset("little", shared_data).crops
    worn = [{"upper": "coat", "hat": "cap", "beard": "yes"}, {"upper": "hoodie"}] * (len(crops) // 2)
    texts = [json.dumps(one) for one in worn[1:]] + ["walk.mp4 at 0:03"]
    dressed = crops.replaced("attributes", np.array(texts))
    half = len(crops) // 2
    tables = statistics._attributes(dressed)
    assert tables["upper"] == {"hoodie": half, "coat": half - 1} and tables["hat"] == {"none": half, "cap": half - 1}
    assert tables["with"]["beard"] == half - 1 and "bag" not in tables


def test_of_others_datasets_what_is_known(tmp_path: Path) -> None:
    plant(tmp_path / "market", *MARKET)
    tables = statistics.counted(open_dataset("market", tmp_path).crops)
    assert tables["height over width"]["2-2.5"] == 5 and tables["camera"] == {"0": 3, "5": 1, "2": 1}
    assert not {"hour", "weather", "sex", "upper"} & {*tables}
    with pytest.raises(UserError, match="--split trian: wanted all, train"):
        statistics.main(statistics.Settings("market", tmp_path / "s", "trian", tmp_path))
