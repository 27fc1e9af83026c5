"""MMCL: its loss and its positives against slow references in float64, and what its stage does."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.test_losses import assert_agree, draw
from tests.train.test_recipes import arguments
from tests.train.worlds import draw_worlds
from train import mmcl
from train.mmcl import MMCL, ROWS, MultiLabel
from train.parts import losses, multi_label
from train.parts.preparation import Job, pretrain

LIMITS = settings(max_examples=30, deadline=None)


@LIMITS
@given(st.integers(1, 6), st.integers(2, 30), st.floats(0, 5), st.floats(0.01, 1), st.integers(0, 10_000))
def test_the_loss(pictures: int, count: int, weight: float, share: float, seed: int) -> None:
    """Classes to 1, the most similar of the others to -1; of these a share, of pictures that are all classes none."""
    random = np.random.default_rng(seed)
    positive = random.random((pictures, count)) < random.uniform(0, 1)
    positive[:, 0] = True
    similarity, _ = draw(pictures, count, 1, seed)

    def reference(s: np.ndarray) -> float:
        found = []
        for row, mine in zip(s, positive):
            others = sorted(row[~mine], reverse=True)
            hard = others[: max(1, int(share * len(others)))]
            away = sum((1 + one) ** 2 for one in hard) / len(hard) if hard else 0.0
            found.append(weight * sum((1 - one) ** 2 for one in row[mine]) / mine.sum() + away)
        return float(np.mean(found))

    loss = losses.multi_label(similarity, torch.from_numpy(positive), weight, share)
    assert_agree(loss, similarity, reference)


@LIMITS
@given(st.integers(2, 40), st.integers(1, 6), st.floats(-0.5, 0.95), st.integers(0, 10_000))
def test_positives(count: int, size: int, threshold: float, seed: int) -> None:
    """Down the list, while the one asked has the picture among as many of its own nearest."""
    entries = F.normalize(torch.from_numpy(np.random.default_rng(seed).normal(size=(count, size))), dim=1)
    similarity = (entries @ entries.T).numpy()
    np.fill_diagonal(similarity, 9)
    lists = [np.argsort(-row, kind="stable") for row in similarity]
    index = torch.from_numpy(np.random.default_rng(seed + 1).integers(0, count, 5))
    found = multi_label.positives(entries, index, threshold)
    for row, i in zip(found.numpy(), index.tolist()):
        candidates = [j for j in lists[i] if similarity[i, j] > threshold]
        wanted = []
        for j in candidates:
            nearer = sum(similarity[j, n] > similarity[j, i] for n in range(count))
            if nearer >= len(candidates):
                break
            wanted.append(j)
        assert sorted(wanted) == np.flatnonzero(row).tolist() and row[i]


def test_labels_are_those_who_take_each_other_for_one() -> None:
    """Groups far apart, one of them a single picture, and none of whom nothing is alike."""
    entries = torch.eye(6)[[0, 0, 0, 2, 3, 3]] + 0.01 * torch.from_numpy(np.random.default_rng(0).normal(size=(6, 6)))
    found = multi_label.labelled(F.normalize(entries.float(), dim=1), 0.6)
    assert found.label.tolist() == [0, 0, 0, -1, 1, 1] and found.found == 2
    alone = multi_label.labelled(torch.eye(4), 0.6)
    assert alone.label.tolist() == [-1] * 4 and alone.found == 0


def test_one_pair_makes_no_label_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four who all take each other for one, twice; one of the first and one of the last do, too."""
    companion = torch.block_diag(torch.ones(4, 4), torch.ones(4, 4)).bool()
    companion[3, 4] = companion[4, 3] = True
    companion[0, 7] = True  # who is not answered
    monkeypatch.setattr(multi_label, "positives", lambda entries, index, threshold: companion[index])
    assert multi_label.labelled(torch.eye(8), 0.6).label.tolist() == [0] * 4 + [1] * 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_worlds(tmp_path_factory.mktemp("mmcl"))


def test_classes_and_momentum_by_the_epoch(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone at first; then with others; the memory moves all the way in the first epoch, by 0.4 in the last."""
    kept: list[MultiLabel] = []
    first = MultiLabel.__init__
    monkeypatch.setattr(MultiLabel, "__init__", lambda self, *given: (kept.append(self), first(self, *given))[1])
    seen: list[tuple[float, int]] = []
    loss = losses.multi_label

    def watched(similarity: torch.Tensor, positive: torch.Tensor, *more: float) -> torch.Tensor:
        seen.append((kept[-1].memory.momentum, int(positive.sum(1).max())))
        return loss(similarity, positive, *more)

    monkeypatch.setattr(losses, "multi_label", watched)
    mmcl.main([*arguments(mmcl, data, tmp_path), "--threshold", "0.2"])
    assert [momentum for momentum, _ in seen] == pytest.approx([0.0] * 3 + [0.3] * 3 + [0.6] * 3)
    assert {most for _, most in seen[:3]} == {1} and max(most for _, most in seen[3:]) > 1


def test_a_picture_moves_its_own_entry(data: Path, tmp_path: Path) -> None:
    net = {"backbone": "timm:test_resnet", "height": 32, "width": 16, "init": "none"}
    small = {"pretrain_epochs": 1, "pretrain_steps": 1, "batch": 8}
    chosen = MMCL(src="src", tgt="tgt", data_root=data, runs=tmp_path, **net, **small)
    job = Job.of(chosen)
    stage = MultiLabel(chosen, ROWS, pretrain(job), job.source("src"), job.target("tgt"), None, job.machine)
    stage.begin_epoch(0)
    stage.feed(0, 0)
    before = stage.memory.entries.clone()
    loss, terms = stage.loss()
    assert {*terms} == {"multi_label", "cross_entropy"} and loss.requires_grad
    stage.remember()
    index, features = stage.passed
    torch.testing.assert_close(stage.memory.entries[index], features)
    rest = torch.ones(len(before), dtype=torch.bool)
    rest[index] = False
    assert torch.equal(stage.memory.entries[rest], before[rest])
