"""CAP's losses against slow references in float64, and what its stage draws and when it begins."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.manifest import Crops
from tests.train.test_ice import cosine, sizes, temperatures
from tests.train.test_losses import assert_agree, draw
from tests.train.test_recipes import arguments
from tests.train.worlds import draw_worlds
from train import cap, ice
from train.cap import CAP, ByCamera
from train.parts import losses
from train.parts.preparation import Job, pretrain
from train.parts.proxies import Proxies

LIMITS = settings(max_examples=20, deadline=None)


def by_camera(values: list[tuple[int, float]]) -> float:
    """The sum over cameras of the means."""
    cameras = {camera for camera, _ in values}
    return sum(float(np.mean([value for other, value in values if other == camera])) for camera in cameras)


@LIMITS
@given(sizes, st.integers(1, 3), st.integers(1, 6), temperatures)
def test_losses(size: tuple[int, int, int, int], cameras: int, nearest: int, tau: float) -> None:
    """Within cameras and between them, as the paper has them."""
    features, label = draw(*size)
    random = np.random.default_rng(size[3] + 1)
    camid, memory = random.integers(0, cameras, len(label)), random.normal(size=features.shape)
    _, label = np.unique(label, return_inverse=True)
    proxies = Proxies.of(torch.tensor(memory), torch.tensor(label), torch.tensor(camid))
    pairs = sorted({*zip(label, camid)})
    means = {p: np.mean([m for m, *of in zip(memory, label, camid) if tuple(of) == p], 0) for p in pairs}

    def likeness(one: np.ndarray, p: tuple[int, int]) -> float:
        return math.exp(cosine(one, means[p]) / tau)

    def within(f: np.ndarray) -> float:
        found = []
        for one, a, c in zip(f, label, camid):
            found.append((c, -math.log(likeness(one, (a, c)) / sum(likeness(one, p) for p in pairs if p[1] == c))))
        return by_camera(found)

    def between(f: np.ndarray) -> float:
        found = []
        for one, a, c in zip(f, label, camid):
            positives = [p for p in pairs if p[0] == a and p[1] != c]
            others = sorted((likeness(one, p) for p in pairs if p[0] != a), reverse=True)[:nearest]
            below = sum(likeness(one, p) for p in positives) + sum(others)
            found.append((c, -sum(math.log(likeness(one, p) / below) for p in positives) / max(len(positives), 1)))
        return by_camera(found)

    own, camera = torch.tensor(label), torch.tensor(camid)
    index, among = proxies.index(own, camera), camera[:, None] == proxies.camera[None, :]
    assert [pairs[i] for i in index] == [*zip(label, camid)]
    loss = losses.proxy_cross_entropy(features, proxies.cameras, index, among, tau)
    assert_agree(losses.mean_by_group(loss, camera), features, within)
    signs = proxies.cross_camera(own, camera)
    loss = losses.proxy_association(features, proxies.cameras, *signs, nearest, tau)
    assert_agree(losses.mean_by_group(loss, camera), features, between)


def test_index_of_what_is_not_there() -> None:
    proxies = Proxies.of(torch.randn(4, 2), torch.tensor([0, 0, 1, -1]), torch.tensor([3, 5, 5, 3]))
    assert proxies.index(torch.tensor([0, 0, 1, 1, -1, 0, 7]), torch.tensor([3, 5, 5, 3, 3, 9, 3])).tolist() == [
        0, 1, 2, -1, -1, -1, -1,
    ]  # fmt: skip
    assert Proxies.none(2, "cpu").index(torch.tensor([0]), torch.tensor([0])).tolist() == [-1]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_worlds(tmp_path_factory.mktemp("cap"))


def test_batches_are_of_proxies_and_cameras_meet_later(data: Path, tmp_path: Path) -> None:
    settings = {"backbone": "timm:test_resnet", "init": "none", "pool": "avg", "height": 32, "width": 16}
    settings |= {"batch": 8, "per_identity": 2, "min_samples": 2, "k1": 8, "k2": 3, "eps": 0.6, "between_after": 1}
    chosen = CAP(tgt="tgt", data_root=data, runs=tmp_path, device="cpu", **settings)  # type: ignore[arg-type]  # by name
    job = Job.of(chosen, needs_source=False)
    stage = ByCamera(chosen, pretrain(job), job.target("tgt"), None, job.machine)
    for epoch, terms in ((0, ["within_cameras"]), (1, ["within_cameras", "between_cameras"])):
        stage.begin_epoch(epoch)
        stage.feed(epoch, 0)
        assert [*stage.loss()[1]] == terms
        pairs = [*zip(stage.label[stage.index], stage.target.camid[stage.index])]
        assert all(pairs[i] == pairs[i + 1] for i in range(0, 8, 2)) and len({*pairs}) == 4
    changed = CAP(**cap.ABLATIONS["w/o inter-camera"])
    assert changed.between_weight == 0


def test_cameras_are_wanted(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Crops, "camid", property(lambda self: np.full(len(self), -1)))
    for recipe in (cap, ice):
        with pytest.raises(SystemExit):
            recipe.main(arguments(recipe, data, tmp_path, unsupervised=True))
        assert "pictures of two known cameras at least" in capsys.readouterr().err
