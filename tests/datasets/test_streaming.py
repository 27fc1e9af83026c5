"""Streams: every crop once, whoever reads."""

from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from datasets import streaming
from datasets.manifest import Crops
from datasets.opening import open_dataset
from datasets.streaming import Stream
from tests.datasets.test_readers import MARKET, plant


@pytest.fixture
def crops(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Crops:
    monkeypatch.setattr(streaming, "PIECE", 5)
    return open_dataset("little", shared_data).crops


def seen(stream: Stream, workers: int = 0) -> list[bytes]:
    return [np.asarray(image).tobytes() for image, _, _ in DataLoader(stream, batch_size=None, num_workers=workers)]


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_every_crop_comes_once(crops: Crops, workers: int) -> None:
    everyone = sorted(crops.image(i).tobytes() for i in range(len(crops)))
    assert sorted(seen(Stream(crops), workers)) == everyone
    parts = [seen(Stream(crops, rank=rank, ranks=4), workers) for rank in range(4)]
    assert {len(part) for part in parts} == {9} and sorted(one for part in parts for one in part) == everyone


def test_ranks_are_even_and_leave_out_others_each_time(crops: Crops) -> None:
    streams = [Stream(crops, rank=rank, ranks=5) for rank in range(5)]
    left = []
    for epoch in range(4):
        for stream in streams:
            stream.set_epoch(epoch)
        dealt = np.concatenate([stream.order() for stream in streams])
        assert len(dealt) == len(set(dealt.tolist())) == 35
        left += [*set(range(36)) - set(dealt.tolist())]
    assert len(set(left)) > 1


def test_the_order_is_the_seed_s_and_the_epoch_s(crops: Crops) -> None:
    first, again, other = Stream(crops), Stream(crops), Stream(crops, seed=1)
    assert (first.order() == again.order()).all() and (first.order() != other.order()).any()
    again.set_epoch(1)
    assert (first.order() != again.order()).any()
    place = crops.column("offset")[first.order()]
    near = np.abs(np.argsort(np.argsort(place)).reshape(-1)[:5] - np.argsort(np.argsort(place))[:5].mean())
    assert near.max() <= 4, "a piece lies together"


def test_labels_go_with_their_pictures(crops: Crops) -> None:
    known = {crops.image(i).tobytes(): (crops.pid[i], crops.camid[i]) for i in range(len(crops))}
    for image, pid, camid in Stream(crops):
        assert known[image.tobytes()] == (pid, camid)
    shrunk = Stream(crops, transform=lambda image: image[::2])
    assert next(iter(shrunk))[0].shape[0] < 100


def test_others_datasets_are_streamed_too(tmp_path: Path) -> None:
    plant(tmp_path / "market", *MARKET)
    assert len(seen(Stream(open_dataset("market", tmp_path).crops))) == 5
