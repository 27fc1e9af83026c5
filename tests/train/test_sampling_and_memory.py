"""The sampler's rules, the instance memory and the mean teacher."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opengspr.randomness import rng, seed_of
from train.parts import backbones, sampling
from train.parts.memory import InstanceMemory, class_means

labels = st.lists(st.integers(-1, 5), min_size=1, max_size=40).map(np.array)


@settings(deadline=None)
@given(labels, st.integers(1, 6), st.integers(1, 8), st.integers(0, 99))
def test_batches(label: np.ndarray, per_identity: int, count: int, seed: int) -> None:
    size = per_identity * 3
    drawn = sampling.batches(label, size, per_identity, count, rng(seed))
    assert [len(one) for one in drawn] == [size] * count
    again = sampling.batches(label, size, per_identity, count, rng(seed))
    np.testing.assert_array_equal(drawn, again)
    flat = np.concatenate(drawn)
    position = 0
    while position < len(flat):  # dealt by identity: K of one cluster, or one image that stands alone
        first = label[flat[position]]
        width = 1 if first < 0 else per_identity
        group = flat[position : position + width]
        assert (label[group] == first).all()
        if len(group) == width and (label == first).sum() >= width and first >= 0:
            assert len(set(group)) == width, "an image twice although the identity has enough"
        position += width


def test_every_identity_comes_before_any_comes_again() -> None:
    label = np.array([0, 0, 1, 1, 1, -1, -1, 2, 2])
    flat = np.concatenate(sampling.batches(label, 8, 2, 50, rng(0)))[: 8 * 50]
    assert sorted(flat[:8].tolist())[-1] <= 8
    for round_start in range(0, 392, 8):  # three clusters by two, two alone by one
        images = flat[round_start : round_start + 8]
        assert sorted(label[images]) == [-1, -1, 0, 0, 1, 1, 2, 2] and {5, 6} <= set(images)


def test_cameras_are_spread() -> None:
    label, camid = np.zeros(12, np.int64), np.array([0] * 9 + [1, 2, 3])
    for batch in sampling.batches(label, 4, 4, 20, rng(1), camid):
        assert sorted(camid[batch]) == [0, 1, 2, 3]


def test_bad_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        sampling.batches(np.empty(0, np.int64), 4, 2, 1, rng(0))
    with pytest.raises(ValueError, match="per_identity"):
        sampling.batches(np.zeros(4, np.int64), 4, 5, 1, rng(0))


def test_seed_zero_is_a_seed_and_keys_differ() -> None:
    assert seed_of(0) == seed_of(0) != seed_of(1)
    assert len({seed_of(1, 23), seed_of(12, 3), seed_of("1", "2", "3")}) == 3


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(0, 99), st.sampled_from([0.0, 0.2, 0.9]))
def test_memory_moves_one_by_one(index: list[int], seed: int, momentum: float) -> None:
    random = np.random.default_rng(seed)
    start, features = (torch.tensor(random.normal(size=(n, 5))) for n in (7, len(index)))
    features = torch.nn.functional.normalize(features, dim=1)
    memory = InstanceMemory(start[:3], start[3:], momentum)
    expected = [row / np.linalg.norm(row) for row in start.numpy()]
    for entry, feature in zip(index, features.numpy()):
        moved = momentum * expected[entry] + (1 - momentum) * feature
        expected[entry] = moved / np.linalg.norm(moved)
    memory.update(torch.tensor(index), features)
    np.testing.assert_allclose(memory.entries.numpy(), expected, atol=1e-12)


def test_a_clusters_logit_is_the_mean_similarity() -> None:
    memory = InstanceMemory(torch.randn(2, 4), torch.randn(5, 4))
    memory.assign(torch.tensor([0, 1, 0, 2, 0]))
    feature = torch.randn(4)
    logits = memory.classes() @ feature
    alike = memory.entries @ feature
    expected = [alike[0], alike[1], alike[[2, 4, 6]].mean(), alike[3], alike[5]]
    torch.testing.assert_close(logits, torch.stack(expected))


def test_class_means() -> None:
    means = class_means(torch.tensor([[1.0], [3.0], [10.0]]), torch.tensor([0, 0, 1]), 2)
    assert means.tolist() == [[2.0], [10.0]]


def test_mean_teacher_averages_everything_that_floats() -> None:
    student = backbones.build(backbones.EncoderSpec("timm:test_resnet", 64, 32), "none", 0)
    teacher = backbones.mean_teacher(student)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    student.train()(torch.randn(4, 3, 64, 32))  # moves running statistics
    with torch.no_grad():
        for weight in student.parameters():
            weight.add_(1)
    backbones.update_mean(teacher, student, 0.9)
    for name, value in teacher.state_dict().items():
        new = student.state_dict()[name]
        wanted = 0.9 * before[name] + 0.1 * new if value.is_floating_point() else new
        torch.testing.assert_close(value, wanted)
    assert not teacher.training and not any(weight.requires_grad for weight in teacher.parameters())
