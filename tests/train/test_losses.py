"""Losses against slow references written from their equations, in float64: values and gradients."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from train.parts import losses

LIMITS = settings(max_examples=20, deadline=None)
sizes = st.tuples(st.integers(2, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 10_000))  # N, D, labels, seed


def draw(n: int, d: int, labels: int, seed: int) -> tuple[Tensor, np.ndarray]:
    """Features that need a gradient, and labels."""
    random = np.random.default_rng(seed)
    return torch.tensor(random.normal(size=(n, d)), requires_grad=True), random.integers(0, labels, n)


def gradient_by_differences(loss: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Central differences."""
    found, step = np.zeros_like(at), 1e-6
    for i in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[i] += step
        down[i] -= step
        found[i] = (loss(up) - loss(down)) / (2 * step)
    return found


def assert_agree(loss: Tensor, features: Tensor, reference: Callable[[np.ndarray], float]) -> None:
    """Value and gradient."""
    (found,) = torch.autograd.grad(loss, features)
    at = features.detach().numpy()
    assert float(loss.detach()) == pytest.approx(reference(at), rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(found.numpy(), gradient_by_differences(reference, at), rtol=2e-4, atol=2e-5)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return math.sqrt(max(sum((x - y) ** 2 for x, y in zip(a, b)), 1e-12))


def hardest(f: np.ndarray, label: np.ndarray, i: int) -> tuple[int, int] | None:
    """Farthest of the same label, nearest of another; None where either is missing."""
    same = [j for j in range(len(f)) if j != i and label[j] == label[i]]
    other = [j for j in range(len(f)) if label[j] != label[i]]
    if not same or not other:
        return None
    return max(same, key=lambda j: distance(f[i], f[j])), min(other, key=lambda j: distance(f[i], f[j]))


@LIMITS
@given(sizes, st.sampled_from([0.0, 0.1, 0.5]))
def test_cross_entropy(size: tuple[int, int, int, int], smoothing: float) -> None:
    n, d, _, seed = size
    logits, _ = draw(n, d + 1, 1, seed)
    target = np.random.default_rng(seed).integers(0, d + 1, n)

    def reference(z: np.ndarray) -> float:
        total = 0.0
        for row, y in zip(z, target):
            p = np.exp(row) / np.exp(row).sum()
            q = [(1 - smoothing) * (c == y) + smoothing / (d + 1) for c in range(d + 1)]
            total -= sum(q[c] * math.log(p[c]) for c in range(d + 1))
        return total / n

    assert_agree(losses.cross_entropy(logits, torch.from_numpy(target), smoothing), logits, reference)


@LIMITS
@given(sizes, st.sampled_from([0.0, 0.3, 2.0]))
def test_triplet_hinge(size: tuple[int, int, int, int], margin: float) -> None:
    features, label = draw(*size)

    def reference(f: np.ndarray) -> float:
        terms = []
        for i in range(len(f)):
            if pair := hardest(f, label, i):
                terms.append(max(0.0, distance(f[i], f[pair[0]]) - distance(f[i], f[pair[1]]) + margin))
        return sum(terms) / len(terms) if terms else 0.0

    assert_agree(losses.triplet_hinge(features, torch.from_numpy(label), margin), features, reference)


@LIMITS
@given(sizes)
def test_soft_softmax_triplet(size: tuple[int, int, int, int]) -> None:
    features, label = draw(*size)
    teacher = torch.tensor(np.random.default_rng(size[3] + 1).normal(size=(size[0], 3)), requires_grad=True)
    told = teacher.detach().numpy()

    def reference(f: np.ndarray) -> float:
        terms = []
        for i in range(len(f)):
            if pair := hardest(f, label, i):
                mine, theirs = ([math.exp(distance(x[i], x[j])) for j in pair] for x in (f, told))
                s, t = ([e / sum(pair_of) for e in pair_of] for pair_of in (mine, theirs))
                terms.append(-sum(t[k] * math.log(s[k]) for k in (0, 1)))
        return sum(terms) / len(terms) if terms else 0.0

    loss = losses.soft_softmax_triplet(features, teacher, torch.from_numpy(label))
    assert_agree(loss, features, reference)
    assert (
        torch.autograd.grad(
            losses.soft_softmax_triplet(features, teacher, torch.from_numpy(label)), teacher, allow_unused=True
        )[0]
        is None
    )


@LIMITS
@given(sizes, st.sampled_from([0.05, 1.0]))
def test_memory_contrastive(size: tuple[int, int, int, int], temperature: float) -> None:
    n, d, classes, seed = size
    features, target = draw(n, d, classes, seed)
    features = torch.nn.functional.normalize(features.detach(), dim=1).requires_grad_()
    entries = np.random.default_rng(seed + 1).normal(size=(classes, d))

    def reference(f: np.ndarray) -> float:
        total = 0.0
        for row, y in zip(f, target):
            logits = [sum(a * b for a, b in zip(row, entry)) / temperature for entry in entries]
            top = max(logits)
            total -= logits[y] - top - math.log(sum(math.exp(one - top) for one in logits))
        return total / n

    found = losses.memory_contrastive(features, torch.from_numpy(entries), torch.from_numpy(target), temperature)
    assert_agree(found, features, reference)


@LIMITS
@given(sizes, st.booleans())
def test_siamese_contrastive(size: tuple[int, int, int, int], same: bool) -> None:
    left, _ = draw(*size)
    right = np.random.default_rng(size[3] + 1).normal(size=left.shape)

    def reference(f: np.ndarray) -> float:
        apart = [distance(a, b) for a, b in zip(f, right)]
        return sum(x**2 if same else max(0.0, 2 - x) ** 2 for x in apart) / len(apart)

    assert_agree(losses.siamese_contrastive(left, torch.from_numpy(right), same), left, reference)


def test_least_squares() -> None:
    verdict = torch.tensor([0.0, 1.0, 3.0])
    assert float(losses.least_squares(verdict, True)) == pytest.approx((1 + 0 + 4) / 3)
    assert float(losses.least_squares(verdict, False)) == pytest.approx((0 + 1 + 9) / 3)


def test_no_pairs_give_zero_and_a_gradient() -> None:
    features = torch.randn(4, 3, requires_grad=True)
    for label in (torch.arange(4), torch.zeros(4, dtype=torch.int64)):
        for loss in (losses.triplet_hinge(features, label), losses.soft_softmax_triplet(features, features, label)):
            (found,) = torch.autograd.grad(loss, features)
            assert float(loss.detach()) == 0 and not found.any()


def test_identical_features_have_a_finite_gradient() -> None:
    features = torch.ones(4, 3, requires_grad=True)
    loss = losses.triplet_hinge(features, torch.tensor([0, 0, 1, 1]))
    assert torch.isfinite(torch.autograd.grad(loss, features)[0]).all()


@LIMITS
@given(sizes)
def test_soft_cross_entropy(size: tuple[int, int, int, int]) -> None:
    n, d, _, seed = size
    logits, _ = draw(n, d + 1, 1, seed)
    taught = np.random.default_rng(seed + 1).normal(size=(n, d + 1))

    def reference(z: np.ndarray) -> float:
        total = 0.0
        for row, other in zip(z, taught):
            p, q = np.exp(other) / np.exp(other).sum(), np.exp(row) / np.exp(row).sum()
            total -= sum(p[c] * math.log(q[c]) for c in range(d + 1))
        return total / n

    given_taught = torch.tensor(taught, requires_grad=True)
    loss = losses.soft_cross_entropy(logits, given_taught)
    assert_agree(loss, logits, reference)
    again = losses.soft_cross_entropy(logits, given_taught)
    assert torch.autograd.grad(again, given_taught, allow_unused=True) == (None,)  # the other net is not taught by it


@LIMITS
@given(sizes)
def test_softmax_triplet(size: tuple[int, int, int, int]) -> None:
    features, label = draw(*size)

    def reference(f: np.ndarray) -> float:
        terms = []
        for i in range(len(f)):
            if pair := hardest(f, label, i):
                far, near = (math.exp(distance(f[i], f[j])) for j in pair)
                terms.append(-math.log(near / (far + near)))
        return sum(terms) / len(terms) if terms else 0.0

    assert_agree(losses.softmax_triplet(features, torch.from_numpy(label)), features, reference)
