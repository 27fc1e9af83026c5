"""ACT: who hands what to whom, what a loss counts, and which labels outliers get."""

import numpy as np
import pytest
import torch
from torch import Tensor

from train import act
from train.parts import losses


class Given(act.CoTeaching):
    """A stage whose nets' features are given."""

    def __init__(self, main: Tensor, collaborator: Tensor, label: Tensor, clustered: int, share: float) -> None:
        self.chosen, self.share, self.count = act.ACT(margin=0.5), share, clustered
        self.seen_by, self.of = {0: main, 1: collaborator}, label
        self.pair = [0, 1]  # type: ignore[list-item]  # names in place of nets
        self.others = iter([([torch.zeros(0)], torch.arange(clustered, len(label)))])  # type: ignore[assignment]  # in place of a feed
        self.assumed = label

    def next_batch(self) -> tuple[list[Tensor], Tensor]:
        return [torch.zeros(0)], self.of[: self.count]

    def _seen(self, encoder: object, pictures: Tensor, more: Tensor) -> Tensor:
        return self.seen_by[encoder]  # type: ignore[index]  # one of the names


def each(features: np.ndarray, label: np.ndarray, margin: float) -> list[float]:
    """Batch-hard losses of anchors that have a pair, infinity for others."""
    found = []
    for i, one in enumerate(features):
        far = [
            float(np.linalg.norm(one - other)) for j, other in enumerate(features) if label[j] == label[i] and j != i
        ]
        near = [float(np.linalg.norm(one - other)) for j, other in enumerate(features) if label[j] != label[i]]
        found.append(max(0.0, max(far) - min(near) + margin) if far and near else np.inf)
    return found


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_each_net_learns_from_what_the_other_finds_easy(share: float) -> None:
    """And the main net from all clusters; against the definition in float64, value and gradient."""
    random = np.random.default_rng(0)
    nets = [torch.tensor(random.normal(size=(24, 5)), requires_grad=True) for _ in range(2)]
    label = torch.tensor(np.concatenate([np.repeat(np.arange(4), 4), np.repeat(np.arange(4), 2)]))
    stage = Given(*nets, label, 16, share)
    total, terms = stage.loss()
    main, other = (one.detach().numpy() for one in nets)
    known = label.numpy()

    def easy(features: np.ndarray, label: np.ndarray) -> list[int]:
        losses_of = each(features, label, 0.5)
        return sorted(range(len(label)), key=lambda i: (losses_of[i], i))[: round(share * len(label))]

    pure = easy(main[:16], known[:16])
    diverse = [*range(16), *(16 + i for i in easy(other[16:], known[16:]))]
    for name, features, chosen in (("main", main, diverse), ("collaborator", other, pure)):
        found = [one for one in each(features[chosen], known[chosen], 0.5) if np.isfinite(one)]
        assert float(terms[f"triplet_{name}"].detach()) == pytest.approx(np.mean(found) if found else 0.0)
    total.backward()
    for one, chosen in zip(nets, (diverse, pure)):
        untouched = np.setdiff1d(np.arange(24), chosen)
        assert one.grad is not None and not one.grad[untouched].any()


def test_anchors_without_a_pair_are_never_handed_over_first() -> None:
    features, label = torch.randn(6, 3), torch.tensor([0, 0, 1, 1, 2, 3])
    found = losses.triplet_each(features, label)
    assert found[:4].isfinite().all() and found[4:].isinf().all()
    torch.testing.assert_close(losses.triplet_hinge(features, label), found[:4].mean())


def test_outliers_get_the_nearest_clustered_picture_s_label() -> None:
    features = torch.nn.functional.normalize(torch.randn(2500, 4), dim=1)
    label = torch.randint(-1, 5, (2500,))
    stage = object.__new__(act.CoTeaching)
    stage.adams = []
    stage.begin_clusters(features, label, 1e-3)
    inside = torch.nonzero(label >= 0).squeeze(1)
    for i in range(0, 2500, 50):
        nearest = inside[(features[inside] @ features[i]).argmax()]
        assert stage.assumed[i] == (label[i] if label[i] >= 0 else label[nearest])


def test_the_share_handed_over_grows_to_all() -> None:
    stage = object.__new__(act.CoTeaching)
    stage.chosen, stage.epochs = act.ACT(), 10
    shares = [stage.handed_over(epoch) for epoch in range(10)]
    assert shares[0] == pytest.approx(0.28) and shares[-1] == 1.0 and np.allclose(np.diff(shares), 0.08)
