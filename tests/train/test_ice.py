"""ICE's losses against slow references in float64, its proxies, and what its stage shows to whom."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.train.test_losses import assert_agree, draw
from tests.train.test_recipes import arguments
from tests.train.worlds import draw_worlds
from train import ice
from train.ice import ICE, InterInstance
from train.parts import losses
from train.parts.data import to_tensor
from train.parts.preparation import Job, pretrain
from train.parts.proxies import Proxies

LIMITS = settings(max_examples=20, deadline=None)
sizes = st.tuples(st.integers(2, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 10_000))  # N, D, labels, seed
temperatures = st.sampled_from([0.07, 0.4, 1.0])


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / max(np.linalg.norm(a), 1e-12) / max(np.linalg.norm(b), 1e-12))


@LIMITS
@given(sizes, st.integers(0, 3), st.integers(1, 6), temperatures)
def test_cross_camera_loss(size: tuple[int, int, int, int], cameras: int, nearest: int, tau: float) -> None:
    """Eq. 6.7 with proxies of eq. 6.6, from the features of images of some cameras, one of them unknown (-1)."""
    n, d, _, seed = size
    features, label = draw(*size)
    random = np.random.default_rng(seed + 1)
    camid, memory = random.integers(-1, cameras, n), random.normal(size=(n, d))
    _, label = np.unique(label, return_inverse=True)
    proxies = Proxies.of(torch.tensor(memory), torch.tensor(label), torch.tensor(camid))

    def reference(f: np.ndarray) -> float:
        pairs = sorted({(a, c) for a, c in zip(label, camid) if c >= 0})
        means = {p: np.mean([m for m, a, c in zip(memory, label, camid) if (a, c) == p], 0) for p in pairs}
        total = 0.0
        for one, a, c in zip(f, label, camid):
            positives = [p for p in pairs if p[0] == a and p[1] != c and c >= 0]
            others = sorted((cosine(one, means[p]) for p in pairs if p[0] != a), reverse=True)[:nearest]
            for p in positives:
                own = math.exp(cosine(one, means[p]) / tau)
                total -= math.log(own / (own + sum(math.exp(s / tau) for s in others))) / len(positives)
        return total / len(f)

    signs = proxies.cross_camera(torch.tensor(label), torch.tensor(camid))
    assert_agree(losses.nearest_contrastive(features, proxies.cameras, *signs, nearest, tau), features, reference)


@LIMITS
@given(sizes, temperatures, st.booleans())
def test_hard_instance_loss(size: tuple[int, int, int, int], tau: float, all_negatives: bool) -> None:
    """Eq. 6.9, and its other form of Table 6.2."""
    features, label = draw(*size)
    slow = np.random.default_rng(size[3] + 1).normal(size=features.shape)

    def reference(f: np.ndarray) -> float:
        total = 0.0
        for one, a in zip(f, label):
            similar = [(cosine(one, m), b == a) for m, b in zip(slow, label)]
            hardest = min(s for s, same in similar if same)
            others = [s for s, same in similar if not same]
            others = others if all_negatives else sorted(others)[-1:]
            own = math.exp(hardest / tau)
            total -= math.log(own / (own + sum(math.exp(s / tau) for s in others)))
        return total / len(f)

    loss = losses.hard_instance(features, torch.tensor(slow), torch.from_numpy(label), tau, all_negatives)
    assert_agree(loss, features, reference)


@LIMITS
@given(sizes, temperatures, st.booleans())
def test_consistency_loss(size: tuple[int, int, int, int], tau: float, squared: bool) -> None:
    """Eq. 6.10-6.12 with Q as the target; nothing reaches the momentum encoder."""
    features, _ = draw(*size)
    random = np.random.default_rng(size[3] + 1)
    slow, plain = (torch.tensor(random.normal(size=features.shape), requires_grad=True) for _ in range(2))

    def softmax(values: list[float]) -> np.ndarray:
        found = np.exp(np.array(values) / tau)
        return found / found.sum()

    def reference(f: np.ndarray) -> float:
        m, w = slow.detach().numpy(), plain.detach().numpy()
        total = 0.0
        for one, anchor in zip(f, w):
            p, q = softmax([cosine(one, other) for other in m]), softmax([cosine(anchor, other) for other in w])
            total += float(((p - q) ** 2).mean() if squared else (q * np.log(q / p)).sum())
        return total / len(f)

    def loss() -> Tensor:
        return losses.instance_consistency(features, slow, plain, tau, squared)

    assert_agree(loss(), features, reference)
    assert torch.autograd.grad(loss(), (slow, plain), allow_unused=True) == (None, None)


def test_proxies_are_means() -> None:
    """Also of clusters with cameras that are absent, empty or unevenly numbered; images in no cluster count nowhere."""
    features = torch.randn(7, 4)
    label, camid = torch.tensor([0, 0, 1, -1, 1, 2, 0]), torch.tensor([9, 2, 2, 9, 2, -1, 9])
    proxies = Proxies.of(features, label, camid)
    clusters = [features[[0, 1, 6]].mean(0), features[[2, 4]].mean(0), features[5]]
    torch.testing.assert_close(proxies.clusters, torch.stack(clusters))
    assert list(zip(proxies.cluster.tolist(), proxies.camera.tolist())) == [(0, 2), (0, 9), (1, 2)]
    torch.testing.assert_close(
        proxies.cameras, torch.stack([features[1], features[[0, 6]].mean(0), features[[2, 4]].mean(0)])
    )
    positive, negative = proxies.cross_camera(torch.tensor([0, 1, 2, 0]), torch.tensor([9, 2, -1, -1]))
    assert positive.tolist() == [[True, False, False], [False] * 3, [False] * 3, [False] * 3]
    assert negative.tolist() == [[False, False, True], [True, True, False], [True] * 3, [False, False, True]]
    again = Proxies.from_state(proxies.state_dict(), "cpu")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in proxies.state_dict().items())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_worlds(tmp_path_factory.mktemp("ice"))


def stage_of(data: Path, runs: Path, **changed: object) -> InterInstance:
    """A stage at the beginning of its first epoch, from random weights."""
    settings = {"backbone": "timm:test_resnet", "init": "none", "pool": "avg", "height": 32, "width": 16, "batch": 12}
    settings |= {"min_samples": 2, "k1": 8, "k2": 3, "eps": 0.6, "steps": 2, "epochs": 4}
    chosen = ICE(tgt="tgt", data_root=data, runs=runs, device="cpu", **(settings | changed))  # type: ignore[arg-type]  # by name
    job = Job.of(chosen, needs_source=False)
    stage = InterInstance(chosen, pretrain(job), job.identities("tgt"), job.target("tgt"), None, job.machine)
    stage.begin_epoch(0)
    stage.feed(0, 0)
    return stage


def test_who_sees_what(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder and its slow mean see different changed pictures, the targets' similarities are of unchanged ones."""
    stage = stage_of(data, tmp_path)
    seen: list[tuple[bool, Tensor]] = []
    pooled = type(stage.encoder).pooled

    def note(self: object, x: Tensor, domain: int = 0) -> Tensor:
        seen.append((self is stage.teacher, x))
        return pooled(self, x, domain)  # type: ignore[arg-type]  # an encoder

    monkeypatch.setattr(type(stage.encoder), "pooled", note)
    loss, terms = stage.loss()
    assert [slow for slow, _ in seen] == [False, True, True]
    (_, strong), (_, again), (_, plain) = seen
    images = stage.target.images.__getitems__(stage.index.numpy())
    assert torch.equal(plain, to_tensor(images)) and not torch.equal(strong, again) and not torch.equal(strong, plain)
    assert [*terms] == ["agnostic", "cross_camera", "hard_instance", "soft_instance"]
    loss.backward()
    assert all(weight.grad is None for weight in stage.teacher.parameters())
    assert all(weight.grad is not None for weight in stage.encoder.body.parameters())


def test_the_slow_mean_of_a_step(data: Path, tmp_path: Path) -> None:
    """Eq. 6.2 to 1e-6."""
    stage = stage_of(data, tmp_path, ema=0.9)
    before = [weight.detach().clone() for weight in stage.teacher.parameters()]
    stage.step(0, 0)
    for old, slow, new in zip(before, stage.teacher.parameters(), stage.encoder.parameters()):
        torch.testing.assert_close(slow, 0.9 * old + 0.1 * new, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("row", "terms"),
    [
        ("aware baseline", ["agnostic", "cross_camera"]),
        ("agnostic baseline", ["agnostic"]),
        ("agnostic + h_ins", ["agnostic", "hard_instance"]),
        ("aware + s_ins", ["agnostic", "cross_camera", "soft_instance"]),
    ],
)
def test_rows_leave_out_what_they_say(row: str, terms: list[str], data: Path, tmp_path: Path) -> None:
    assert [*stage_of(data, tmp_path, **ice.ABLATIONS[row]).loss()[1]] == terms


def test_the_rate_rises() -> None:
    assert [ICE(lr=1.0, warmup=4).rate(epoch) for epoch in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert ICE(lr=1.0, warmup=0).rate(0) == 1.0


@pytest.mark.long
def test_truth_labels_are_said(data: Path, tmp_path: Path) -> None:
    ice.main([*arguments(ice, data, tmp_path, unsupervised=True), "--ablation", "truth labels"])
    (page,) = tmp_path.glob("ice/*/*/report.html")
    assert "not comparable with the other methods" in page.read_text()
    lines = [line for line in (page.parent / "metrics.jsonl").read_text().splitlines() if "purity" in line]
    assert all('"target_purity": 1.0' in line and '"target_alone": 0.0' in line for line in lines)


@pytest.mark.long
def test_soft_alone_is_warned_of(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ice.main([*arguments(ice, data, tmp_path, unsupervised=True), "--ablation", "agnostic + s_ins"])
    assert "warning: soft consistency alone" in capsys.readouterr().out
