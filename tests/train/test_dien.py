"""DIEN: each equation against a float64 reference, the recurrent attention, and what its stage does."""

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.train.test_losses import assert_agree, distance, draw
from tests.train.worlds import draw_worlds
from train import benchmark, dien, export
from train.dien import ABLATIONS, DIEN, DomainInvariant
from train.parts import backbones, losses
from train.parts.adversarial import DomainClassifier, reversed_gradient
from train.parts.attention import EmbeddingHead, TopDownAttention
from train.parts.backbones import EncoderSpec
from train.parts.preparation import Job, pretrain

LIMITS = settings(max_examples=20, deadline=None)
SPEC = EncoderSpec("timm:test_resnet", 64, 32, "avg")
sizes = st.tuples(st.integers(2, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 10_000))  # N, D, labels, seed


def cross_domain(f: np.ndarray, label: np.ndarray, margin: float) -> float:
    """Eq. 2's first term, anchor by anchor: a negative label is a target picture."""
    terms = []
    for a in range(len(f)):
        positive = [distance(f[a], f[p]) for p in range(len(f)) if p != a and label[p] == label[a] >= 0]
        negative = [distance(f[a], f[n]) for n in range(len(f)) if label[n] != label[a] or label[n] < 0]
        if label[a] >= 0 and positive and negative:
            terms.append(max(0.0, max(positive) - min(negative) + margin))
    return sum(terms) / len(terms) if terms else 0.0


@LIMITS
@given(sizes, st.integers(0, 4), st.sampled_from([0.0, 0.3, 2.0]))
def test_cross_domain_triplets(size: tuple[int, int, int, int], targets: int, margin: float) -> None:
    """Eq. 2; target pictures come with numbers that may be the same."""
    features, label = draw(*size)
    label[: min(targets, len(label))] = -1 - np.arange(min(targets, len(label))) // 2
    found = losses.cross_domain_triplet(features, torch.from_numpy(label), margin)
    assert_agree(found, features, lambda f: cross_domain(f, label, margin))


def test_who_is_what_in_a_triplet() -> None:
    """A target picture in an anchor's very place is its negative; far target pictures are nobody's anchors."""
    source = torch.tensor([[0.0, 0.0], [0.1, 0.0], [9.0, 9.0], [9.0, 9.1]])
    label = torch.tensor([0, 0, 1, 1, -1, -1])
    with_twin = torch.cat([source, torch.tensor([[0.0, 0.0], [50.0, 50.0]])])
    wanted = (0.1 - 0 + 0.3) + (0.1 - 0.1 + 0.3)  # of identity 0's two; identity 1 has no negative within the margin
    assert float(losses.cross_domain_triplet(with_twin, label)) == pytest.approx(wanted / 4, abs=1e-5)
    far = torch.cat([source, torch.tensor([[50.0, 50.0], [50.0, 50.0]])])
    assert float(losses.cross_domain_triplet(far, label)) == 0
    assert float(losses.triplet_hinge(far, label)) == 0  # of a pair of anchors far from all
    together = torch.tensor([0, 0, 1, 1, -1, -2])
    assert float(losses.triplet_hinge(with_twin, together)) > 0  # the target's two, apart, as they are in Base+TL


@LIMITS
@given(sizes, st.integers(1, 6))
def test_distance_of_means(size: tuple[int, int, int, int], targets: int) -> None:
    """Eq. 2's second term, of either domain."""
    source, _ = draw(*size)
    target = torch.from_numpy(np.random.default_rng(size[3] + 1).normal(size=(targets, size[1])))

    def reference(f: np.ndarray) -> float:
        return distance(f.sum(0) / len(f), target.numpy().sum(0) / targets)

    assert_agree(losses.mean_distance(source, target), source, reference)
    assert_agree(losses.mean_distance(target, source), source, reference)
    same = source.detach().requires_grad_()
    (slope,) = torch.autograd.grad(losses.mean_distance(same, same.detach()), same)
    assert not slope.any()


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_the_gradient_is_reversed(scale: float) -> None:
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    there = reversed_gradient(x, scale)
    assert torch.equal(there, x)
    (found,) = torch.autograd.grad((there.pow(3)).sum(), x)
    torch.testing.assert_close(found, -scale * 3 * x.detach() ** 2)


def test_domains_are_told_apart_and_features_are_not_told() -> None:
    """Eq. 3 and 4: the classifier's weights have the slope of its loss, the features the opposite of theirs."""
    torch.manual_seed(0)
    classifier = DomainClassifier(5).double()
    features = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    of_target = np.array([0, 1, 1, 0, 1, 0, 0])
    first, second = classifier[0], classifier[2]
    given = [one.detach().numpy() for one in (first.weight, first.bias, second.weight, second.bias)]

    def reference(f: np.ndarray, *weights: np.ndarray) -> float:
        a, b, c, d = weights
        total = 0.0
        for row, t in zip(f, of_target):
            p = 1 / (1 + math.exp(-float((np.maximum(a @ row + b, 0) @ c.T + d)[0])))
            total -= t * math.log(p) + (1 - t) * math.log(1 - p)
        return total / len(f)

    loss = F.binary_cross_entropy_with_logits(classifier(features), torch.from_numpy(of_target).double())
    at = features.detach().numpy()
    assert float(loss.detach()) == pytest.approx(reference(at, *given), rel=1e-9)
    slope, of_bias = torch.autograd.grad(loss, (features, first.bias))
    step = 1e-6
    for i in np.ndindex(at.shape):
        up = at.copy()
        up[i] += step
        assert slope[i] == pytest.approx(-(reference(up, *given) - reference(at, *given)) / step, abs=1e-5)
    for k in range(0, len(of_bias), 50):
        up = given[1].copy()
        up[k] += step
        assert of_bias[k] == pytest.approx(
            (reference(at, given[0], up, *given[2:]) - float(loss.detach())) / step, abs=1e-5
        )


def test_the_classifier_loses_its_advantage() -> None:
    """Of two clouds of features, a shift apart: told apart while they stay, no more when they learn."""
    torch.manual_seed(0)
    cloud = torch.cat([torch.randn(100, 4), torch.randn(100, 4) + torch.tensor([3.0, 3.0, 0.0, 0.0])])
    of_target = (torch.arange(200) >= 100).float()
    mapping, classifier = nn.Linear(4, 4), DomainClassifier(4)
    nn.init.eye_(mapping.weight)

    def learn(weights: list[nn.Parameter], steps: int) -> float:
        optimizer = torch.optim.SGD(weights, 0.1, 0.9)
        told = []
        for _ in range(steps):
            logits = classifier(mapping(cloud))
            F.binary_cross_entropy_with_logits(logits, of_target).backward()
            optimizer.step()
            mapping.zero_grad(), classifier.zero_grad()
            told.append(float(((logits > 0) == of_target.bool()).float().mean()))
        return float(np.mean(told[-20:]))

    assert learn([*classifier.parameters()], 100) > 0.9
    assert learn([*classifier.parameters(), *mapping.parameters()], 300) < 0.6


def head(loops: int, size: int = 6, channels: int = 5, height: int = 5, width: int = 3) -> EmbeddingHead:
    """With weights and statistics that are no beginner's, the same for any T as far as they are there."""
    torch.manual_seed(1)
    made = EmbeddingHead(channels, size, loops, height, width).double()
    torch.manual_seed(2)
    with torch.no_grad():
        for one in (made.norm.weight, made.norm.bias, made.norm.mean, made.norm.variance):
            one.copy_(torch.rand(one.shape[-1], dtype=torch.float64) + 0.5)
        if loops:
            made.norm.mean += torch.arange(loops + 1)[:, None] / 5
            made.fusion.weight += torch.rand_like(made.fusion.weight) / 5
            for one in made.attention.parameters():
                one *= 3
    return made


@pytest.mark.parametrize(("height", "width"), [(16, 8), (8, 4), (5, 3), (1, 1), (7, 9)])
def test_the_mask_is_an_outer_product(height: int, width: int) -> None:
    """Of attention to places and to channels, of any map's size, and as many layers as the paper has."""
    torch.manual_seed(0)
    attention = TopDownAttention(16, 4, height, width)
    places, channels = (one.detach() for one in attention(torch.randn(2, 16)))
    assert places.shape == (2, 1, height, width) and channels.shape == (2, 4, 1, 1)
    assert 0 < float(places.min()) < float(places.max()) < 1 or height == width == 1
    mask = places * channels
    for b in range(2):
        wanted = torch.kron(channels[b].flatten(), places[b].flatten()).reshape(4, height, width)
        torch.testing.assert_close(mask[b], wanted)
    kinds = [type(one) for one in (*attention.spatial, *attention.channel)]
    assert kinds.count(nn.ConvTranspose2d) == 3 and kinds.count(nn.Conv2d) == 2


def test_masks_accumulate() -> None:
    """Loop by loop in float64: map_t = map_{t-1} x mask of its feature; means, maxima; one's own statistics; a sum."""
    made = head(3).eval()
    maps = torch.rand(4, 5, 5, 3, dtype=torch.float64)
    seen, now, wanted = made.by_loop(maps), maps.numpy(), 0.0
    norm = made.norm
    for loop in range(4):
        pooled = np.concatenate([now.mean((2, 3)), now.max((2, 3))], 1)
        linear = pooled @ made.linear.weight.detach().numpy().T
        deviation = np.sqrt(norm.variance[loop].numpy() + 1e-5)
        standard = (linear - norm.mean[loop].numpy()) / deviation
        scaled = standard * norm.weight.detach().numpy() + norm.bias.detach().numpy()
        feature = np.where(scaled > 0, scaled, made.rectifier.weight.detach().numpy() * scaled)
        np.testing.assert_allclose(seen[loop][0].detach().numpy(), now, atol=1e-12)
        np.testing.assert_allclose(seen[loop][1].detach().numpy(), feature, atol=1e-9)
        wanted = wanted + float(made.weights[loop].detach()) * feature
        places, channels = (one.detach().numpy() for one in made.attention(torch.from_numpy(feature)))
        now = now * places * channels
    np.testing.assert_allclose(made(maps).detach().numpy(), wanted, atol=1e-9)


def test_each_loop_has_its_own_statistics() -> None:
    made = EmbeddingHead(5, 6, 2, 5, 3)
    maps = torch.rand(16, 5, 5, 3)
    with torch.no_grad():
        for _ in range(200):
            seen = made.by_loop(maps)
    for loop, (own, _) in enumerate(seen):
        linear = made.linear(torch.cat([own.mean((2, 3)), own.amax((2, 3))], 1))
        torch.testing.assert_close(made.norm.mean[loop], linear.mean(0), atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(made.norm.variance[loop], linear.var(0), atol=1e-4, rtol=1e-3)
    assert made.norm.mean[0].norm() > 2 * made.norm.mean[1].norm() > 4 * made.norm.mean[2].norm()  # masks dim
    plain = nn.BatchNorm1d(6)
    for loop in (0, 2):
        torch.testing.assert_close(made.norm(linear, loop), plain(linear))
    made.eval()
    torch.testing.assert_close(made(maps), sum(feature for _, feature in made.by_loop(maps)) / 3)


def test_without_loops_it_is_the_base_network() -> None:
    """To the bit what torch's own layers make; nothing is fused, nothing attends; more loops begin with the same."""
    base, more = head(0), head(3)
    assert not any(name.startswith(("attention", "fusion")) for name in base.state_dict())
    own = {name: value for name, value in base.state_dict().items() if name.split(".")[-1] not in ("mean", "variance")}
    assert all(torch.equal(value, more.state_dict()[name]) for name, value in own.items())
    norm = nn.BatchNorm1d(6).double()
    names = {"weight": "weight", "bias": "bias", "running_mean": "mean", "running_var": "variance"}
    norm.load_state_dict({name: getattr(base.norm, ours).detach().reshape(-1) for name, ours in names.items()}, False)
    maps = torch.rand(4, 5, 5, 3, dtype=torch.float64)
    for mode in (True, False):
        base.train(mode), norm.train(mode), more.train(mode)
        pooled = torch.cat([F.adaptive_avg_pool2d(maps, 1).flatten(1), F.adaptive_max_pool2d(maps, 1).flatten(1)], 1)
        wanted = base.rectifier(norm(base.linear(pooled)))
        assert torch.equal(base(maps), wanted) and torch.equal(more.by_loop(maps)[0][1], wanted)


@pytest.mark.parametrize("loops", [0, 1, 5])
def test_weights_are_alike_at_first(loops: int) -> None:
    made = EmbeddingHead(5, 6, loops, 5, 3)
    if loops:
        assert made.weights.tolist() == pytest.approx([1 / (loops + 1)] * (loops + 1))
    assert ("fusion.weight" in made.state_dict()) == bool(loops)


@pytest.mark.parametrize("loops", [0, 2])
def test_a_saved_encoder_sees_the_same(loops: int, tmp_path: Path) -> None:
    """The file says which head it has; the body is the pretrained one."""
    encoder = backbones.build(SPEC, "none", 3)
    body = encoder.body
    encoder.embed(16, loops)
    assert encoder.body is body and encoder.spec == replace(SPEC, embedding=16, loops=loops)
    pictures = torch.randn(6, 3, 64, 32)
    for _ in range(3):
        encoder(pictures)
    encoder.eval().save(tmp_path / "dien.safetensors")
    again = backbones.load(tmp_path / "dien.safetensors").eval()
    assert again.spec == encoder.spec and torch.equal(again.features(pictures), encoder.features(pictures))
    features = encoder.features(pictures)
    assert features.shape == (6, encoder.channels) == (6, 16) and torch.allclose(features.norm(dim=1), torch.ones(6))
    assert len(encoder.parts(features)) == 1 and [*encoder.whole] == [0]


@pytest.mark.parametrize("backbone", ["resnet18", "ibn_resnet18", "mobilenetv3_small_050", "timm:test_vit"])
def test_any_body_of_any_size(backbone: str) -> None:
    height, width = (160, 160) if "vit" in backbone else (80, 48)
    encoder = backbones.build(EncoderSpec(backbone, height, width, "avg", embedding=8, loops=1), "none", 0)
    encoder(torch.randn(2, 3, height, width))[1].sum().backward()
    assert all(weight.grad is not None for weight in encoder.neck.parameters())


@pytest.mark.parametrize("flag", ["--embedding", "--loops"])
def test_a_head_that_cannot_be_is_one_line(flag: str, fails: Callable[..., str]) -> None:
    said = fails(dien.main, ["--src", "src", "--tgt", "tgt", "--budget", "paper", flag, "-1"])
    assert f"{flag} -1" in said and "wanted at least 1 number and 0 loops" in said


@pytest.mark.long
def test_it_can_be_exported(tmp_path: Path) -> None:
    """The command itself compares onnxruntime's features with torch's."""
    encoder = backbones.build(replace(SPEC, embedding=8, loops=2), "none", 0)
    encoder(torch.randn(8, 3, 64, 32))  # some statistics
    encoder.save(tmp_path / "dien.safetensors")
    export.main([str(tmp_path / "dien.safetensors"), "--out", str(tmp_path / "dien.onnx")])
    assert (tmp_path / "dien.onnx").stat().st_size > 1000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_worlds(tmp_path_factory.mktemp("dien"))


def stage_of(data: Path, runs: Path, **changed: object) -> DomainInvariant:
    """A stage at the beginning of its first epoch, from random weights."""
    settings = {"backbone": "timm:test_resnet", "init": "none", "pool": "avg", "height": 32, "width": 16, "batch": 12}
    settings |= {"steps": 2, "epochs": 4, "pretrain_epochs": 1, "pretrain_steps": 1, "pretrain_batch": 8}
    settings |= {"embedding": 16, "dropout": 0.0}
    chosen = DIEN(src="src", tgt="tgt", data_root=data, runs=runs, device="cpu", **(settings | changed))  # type: ignore[arg-type]  # by name
    job = Job.of(chosen)
    stage = DomainInvariant(chosen, pretrain(job), job.source("src"), job.target("tgt"), None, job.machine)
    stage.begin_epoch(0)
    stage.feed(0, 0)
    return stage


def reference(stage: DomainInvariant, feature: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Eq. 1 to 3 of features (N, D) and labels (N,), negative = target, picture by picture."""
    ours = [i for i in range(len(label)) if label[i] >= 0]
    theirs = [i for i in range(len(label)) if label[i] < 0]
    weight = stage.classifier.weight.detach().double().numpy()
    identities = 0.0
    for i in ours:
        p = np.exp(weight @ feature[i])
        identities -= math.log(p[label[i]] / p.sum()) / len(ours)
    unit = feature / np.linalg.norm(feature, axis=1, keepdims=True)
    means = distance(unit[ours].mean(0), unit[theirs].mean(0)) if theirs else 0.0
    a, b, c, d = (one.detach().double().numpy() for one in stage.domains.parameters())
    domain = 0.0
    for i in range(len(label)):
        p = 1 / (1 + math.exp(-float((np.maximum(a @ feature[i] + b, 0) @ c.T + d)[0])))
        domain -= math.log(p if label[i] < 0 else 1 - p) / len(label)
    return {
        "cross_entropy": identities, "triplet": cross_domain(unit, label, stage.chosen.margin), "means": means,
        "domain": domain,
    }  # fmt: skip


def watched(stage: DomainInvariant, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor]]:
    """Pictures and features of each pass through the encoder."""
    seen: list[tuple[Tensor, Tensor]] = []
    see = type(stage.machine).seen

    def note(self: object, encoder: backbones.Encoder, pictures: Tensor) -> tuple[Tensor, Tensor]:
        found = see(self, encoder, pictures)  # type: ignore[arg-type]  # a machine
        found[1].retain_grad()
        seen.append((pictures, found[1]))
        return found

    monkeypatch.setattr(type(stage.machine), "seen", note)
    return seen


@pytest.mark.parametrize("weights", [{}, {"triplet": 0.5, "means": 0.2, "domain": 2.0, "loops": 1, "margin": 0.9}])
def test_the_loss_of_a_step(
    weights: dict[str, float], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eq. 5, of both domains' pictures in one batch; its slope reaches the features with the domains' part reversed."""
    stage = stage_of(data, tmp_path, **weights)
    seen, chosen = watched(stage, monkeypatch), stage.chosen
    loss, terms = stage.loss()
    ((pictures, features),) = seen
    stage.feed(0, 0)
    again, label = stage.next_batch()
    assert len(pictures) == 24 and torch.equal(pictures, again)
    assert (label[:12] >= 0).all() and (label[12:] < 0).all() and len(label[12:].unique()) == 12
    of = {name: reference(stage, features.detach().double().numpy(), label.numpy())[name] for name in terms}
    share = {"cross_entropy": 1.0, "triplet": chosen.triplet, "means": chosen.triplet * chosen.means}
    share["domain"] = chosen.domain
    assert of.keys() == share.keys()
    for name, term in terms.items():
        assert float(term.detach()) == pytest.approx(share[name] * of[name], rel=2e-4, abs=1e-6), name
    assert float(loss.detach()) == pytest.approx(sum(share[name] * of[name] for name in share), rel=2e-4)
    loss.backward()
    at, step = features.detach().double().numpy(), 1e-6
    for i in ((0, 3), (5, 0), (13, 7), (20, 15)):
        slope = 0.0
        for sign in (1, -1):
            moved = at.copy()
            moved[i] += sign * step
            now = reference(stage, moved, label.numpy())
            slope += sign * sum(share[name] * now[name] * (-1 if name == "domain" else 1) for name in share)
        assert features.grad is not None
        assert float(features.grad[i]) == pytest.approx(slope / (2 * step), rel=2e-2, abs=2e-4)
    every = [*stage.encoder.parameters(), *stage.classifier.parameters(), *stage.domains.parameters()]
    assert all(weight.grad is not None for weight in every)


@pytest.mark.parametrize(
    ("row", "terms", "pictures"),
    [
        ("Base", ["cross_entropy"], 12),
        ("Base+TL", ["cross_entropy", "triplet"], 24),
        ("Base+CCCDTL", ["cross_entropy", "triplet", "means"], 24),
        ("Base+DC", ["cross_entropy", "domain"], 24),
        ("Base+CCCDTL+DC+RTDA (T=2)", ["cross_entropy", "triplet", "means", "domain"], 24),
    ],
)
def test_rows_leave_out_what_they_say(
    row: str, terms: list[str], pictures: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_of(data, tmp_path, **ABLATIONS[row])
    seen = watched(stage, monkeypatch)
    assert [*stage.loss()[1]] == terms and [len(one) for one, _ in seen] == [pictures]
    assert stage.head.loops == (2 if "T=2" in row else 0)


def test_target_pictures_in_two_views(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Base+TL: half as many, each an identity with two pictures that differ; anchors of both domains."""
    stage = stage_of(data, tmp_path, **ABLATIONS["Base+TL"])
    pictures, label = stage.next_batch()
    own, one, other = label[:12], label[12:18], label[18:]
    assert (own >= 0).all() and (one < 0).all() and torch.equal(one, other) and len(one.unique()) == 6
    assert not torch.equal(pictures[12:18], pictures[18:])
    stage.feed(0, 0)
    seen = watched(stage, monkeypatch)
    _, terms = stage.loss()
    unit = F.normalize(seen[0][1].detach().double()).numpy()
    people = np.where(label.numpy() < 0, 1000 - label.numpy(), label.numpy())  # all of them identities
    assert float(terms["triplet"].detach()) == pytest.approx(cross_domain(unit, people, 0.3), rel=1e-4)


def test_rates_and_what_they_are_of(data: Path, tmp_path: Path) -> None:
    stage = stage_of(data, tmp_path, lr_drop_every=2)
    of = {id(weight): group["lr"] for group in stage.optimizer.param_groups for weight in group["params"]}
    head, learned = stage.head, (stage.encoder, stage.classifier, stage.domains)
    assert len(of) == sum(len([*one.parameters()]) for one in learned)
    for rate, modules in (
        (1e-4, [stage.encoder.body]),
        (1e-1, [head.linear, head.norm, head.rectifier, stage.classifier, stage.domains]),
        (1e-2, [head.attention, head.fusion]),
    ):
        assert {of[id(weight)] for one in modules for weight in one.parameters()} == {rate}
    stage.begin_epoch(2)
    assert [group["lr"] for group in stage.optimizer.param_groups] == pytest.approx([1e-5, 1e-2, 1e-3])


def test_the_weights_of_the_loops_are_told(data: Path, tmp_path: Path) -> None:
    """An epoch's end tells them; they move."""
    stage = stage_of(data, tmp_path, loops=2)
    first = [stage.end_epoch(0)[f"fusion_weight_{loop}"] for loop in range(3)]
    assert first == pytest.approx([1 / 3] * 3) and len(stage.end_epoch(0)) == 3
    stage.step(0, 0)
    told = stage.end_epoch(0)
    assert [*told.values()] == stage.encoder.neck.weights.tolist() != first
    assert stage_of(data, tmp_path / "base", loops=0).end_epoch(0) == {}


def test_rows_are_table_one_s() -> None:
    with open(benchmark.PUBLISHED, newline="") as file:
        printed = {one["variant"] for one in csv.DictReader(file) if one["method"] == "dien"}
    assert {*ABLATIONS} == printed
    assert DIEN() == replace(DIEN(), **ABLATIONS["Base+CCCDTL+DC+RTDA (T=3)"])
    assert (DIEN().triplet, DIEN().domain, DIEN().means) == (1.0, 0.1, 1.0) and dien.SMALL["steps"] * 192 == 13_440
