"""ABMT: ends that differ, each taught by the other; the loss of a step against a float64 reference; slow means."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengspr import UserError
from tests.train.worlds import draw_worlds
from train import abmt
from train.abmt import ABMT, AsymmetricTeaching
from train.look import attention
from train.parts import backbones
from train.parts.backbones import EncoderSpec
from train.parts.data import to_tensor
from train.parts.preparation import Job, pretrain

SPEC = EncoderSpec("mobilenetv3_small_050", 32, 16, "avg", branches="avg,max+1")


@pytest.mark.parametrize(
    ("backbone", "blocks"), [("mobilenetv3_small_050", 4), ("ibn_resnet18", 2), ("timm:test_resnet", 1)]
)
def test_ends_differ_in_depth_and_pooling(backbone: str, blocks: int) -> None:
    more = "" if blocks == 1 else "+1"
    encoder = backbones.build(replace(SPEC, backbone=backbone, branches=f"avg,max{more}"), "none", 0).eval()
    first, second = encoder.body.get_submodule("ends").children()
    assert [len([*end.children()]) for end in (first, second)] == [blocks, blocks + bool(more)]
    pictures = torch.randn(3, 3, 32, 16)
    shared = encoder.body.get_submodule("trunk")(pictures)
    average, largest = encoder.parts(encoder.pooled(pictures))
    torch.testing.assert_close(average, first(shared).mean((2, 3)))
    torch.testing.assert_close(largest, second(shared).amax((2, 3)))
    assert average.shape == largest.shape == (3, encoder.width) and encoder.channels == 2 * encoder.width


def test_ends_are_the_body_s_own_weights(tmp_path: Path) -> None:
    """Also those of a file; without further blocks an end is the unbranched net; a branched net's file says so."""
    plain = backbones.build(replace(SPEC, branches=""), "none", 3).eval()
    plain.save(tmp_path / "plain.safetensors")
    encoder = backbones.build(replace(SPEC, branches="max,avg"), str(tmp_path / "plain.safetensors"), 0).eval()
    pictures = torch.randn(2, 3, 32, 16)
    torch.testing.assert_close(encoder.parts(encoder.pooled(pictures))[1], plain.pooled(pictures))
    encoder.save(tmp_path / "ends.safetensors")
    again = backbones.load(tmp_path / "ends.safetensors").eval()
    assert again.spec == encoder.spec and torch.equal(again.features(pictures), encoder.features(pictures))
    heat = attention(again, np.zeros((2, 32, 16, 3), np.uint8), F.normalize(torch.randn(2, again.channels)))
    assert heat.shape == (2, 32, 16)


@pytest.mark.parametrize(
    ("backbone", "branches", "said"),
    [
        ("resnet18", "mean", "wanted gem, avg or max"),
        ("resnet18", "avg,", "wanted gem, avg or max"),
        ("timm:test_resnet", "avg,max+1", "last stage has no block to be repeated"),
        ("timm:test_vit", "avg,max", "no branches can be made of it"),
    ],
)
def test_bad_branches_are_one_line(backbone: str, branches: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        backbones.build(EncoderSpec(backbone, 160, 160, "avg", branches=branches), "none", 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_worlds(tmp_path_factory.mktemp("abmt"))


def stage_of(data: Path, runs: Path, **changed: object) -> AsymmetricTeaching:
    """A stage at the beginning of its first epoch, whose teacher and slow classifiers are not the student's."""
    settings = {"backbone": "mobilenetv3_small_050", "init": "none", "pool": "avg", "height": 32, "width": 16}
    settings |= {"batch": 12, "min_samples": 2, "k1": 8, "k2": 3, "eps": 0.7, "steps": 2, "epochs": 4}
    chosen = ABMT(tgt="tgt", data_root=data, runs=runs, device="cpu", **(settings | changed))  # type: ignore[arg-type]  # by name
    job = Job.of(chosen, needs_source=False)
    stage = AsymmetricTeaching(chosen, pretrain(job), job.target("tgt"), None, job.machine, source=None)
    stage.begin_epoch(0)
    other = backbones.build(chosen.encoder_spec, "none", 9).train()
    for module in other.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0  # they know the pictures at once
    torch.manual_seed(0)
    with torch.no_grad():
        other(to_tensor(stage.target.images.__getitems__(np.arange(12))))
        for head in stage.heads:
            head.slow.add_(torch.randn_like(head.slow))
    stage.teacher.load_state_dict(other.state_dict())
    for net in (stage.encoder, stage.teacher):
        net.neck.eps = 1e-12  # what comes of random weights varies little
    stage.feed(0, 0)
    return stage


def reference(stage: AsymmetricTeaching, views: list[Tensor], label: Tensor, cross: bool) -> float:
    """Eq. 4.8 from the nets' features in float64, pair by pair."""
    student, teacher = copy.deepcopy(stage.encoder), copy.deepcopy(stage.teacher)

    def ends(net: backbones.Encoder, pictures: Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
        pooled, neck = (one.detach().double() for one in net(pictures))
        found = zip(net.parts(pooled), net.parts(neck))
        return [(F.normalize(a).numpy(), b.numpy()) for a, b in found]

    mine, theirs = ends(student, views[0]), ends(teacher, views[-1])
    chosen, total, y = stage.chosen, 0.0, label.numpy()

    def softmax(z: np.ndarray) -> np.ndarray:
        e = np.exp(z - z.max())
        return e / e.sum()

    for k, head in enumerate(stage.heads):
        by = 1 - k if cross else k
        own, slow = head.weight.detach().double().numpy(), stage.heads[by].slow.double().numpy()
        hard = soft = triplet = 0.0
        count = 0
        for i in range(len(y)):
            p, q = softmax(own @ mine[k][1][i]), softmax(slow @ theirs[by][1][i])
            smooth = 0.1 / len(p) + 0.9 * (np.arange(len(p)) == y[i])
            hard -= float(smooth @ np.log(p)) / len(y)
            soft -= float(q @ np.log(p)) / len(y)
            f, g = mine[k][0], theirs[by][0]
            far = max((j for j in range(len(y)) if y[j] == y[i] and j != i), key=lambda j: np.linalg.norm(f[i] - f[j]))
            near = min((j for j in range(len(y)) if y[j] != y[i]), key=lambda j: np.linalg.norm(f[i] - f[j]))
            a, b = (softmax(np.array([np.linalg.norm(h[i] - h[j]) for j in (far, near)])) for h in (f, g))
            triplet -= float(b @ np.log(a))
            count += 1
        total += chosen.ce * hard + chosen.soft_ce * soft + chosen.soft_triplet * triplet / count
    return total


@pytest.mark.parametrize("cross", [True, False])
@pytest.mark.parametrize("two_views", [False, True])
def test_the_loss_of_a_step(cross: bool, two_views: bool, data: Path, tmp_path: Path) -> None:
    stage = stage_of(data, tmp_path, cross_branch=cross, two_views=two_views)
    batch = stage.next_batch()
    stage.next_batch = lambda: batch  # type: ignore[method-assign]  # the same pictures for both
    loss, terms = stage.loss()
    found = float(loss.detach())
    wanted, swapped = (reference(stage, *batch, way) for way in (cross, not cross))
    assert found == pytest.approx(wanted, abs=1e-5) and abs(found - swapped) > 1e-2
    assert found == pytest.approx(sum(float(term.detach()) for term in terms.values()), rel=1e-6)
    assert len(batch[0]) == 1 + two_views
    loss.backward()
    assert all(weight.grad is None for weight in stage.teacher.parameters())


def test_slow_means_of_a_step(data: Path, tmp_path: Path) -> None:
    """Eq. 4.3 to 1e-6, of the net and of its classifiers."""
    stage = stage_of(data, tmp_path, ema=0.9)
    before = [one.detach().clone() for one in (*stage.teacher.parameters(), *(head.slow for head in stage.heads))]
    stage.step(0, 0)
    slow = (*stage.teacher.parameters(), *(head.slow for head in stage.heads))
    new = (*stage.encoder.parameters(), *(head.weight for head in stage.heads))
    for old, mean, moved in zip(before, slow, new, strict=True):
        torch.testing.assert_close(mean, 0.9 * old + 0.1 * moved, atol=1e-6, rtol=1e-6)


def test_classifiers_begin_as_the_means_of_their_end(data: Path, tmp_path: Path) -> None:
    stage = stage_of(data, tmp_path)
    features = stage.seen_as(stage.target.images)
    label = torch.from_numpy(stage.label)
    stage.begin_clusters(features, label, 1.0)
    for head, own in zip(stage.heads, stage.encoder.parts(features)):
        unit = F.normalize(own)
        means = torch.stack([unit[label == cluster].mean(0) for cluster in range(int(label.max()) + 1)])
        torch.testing.assert_close(head.weight.detach(), F.normalize(means), atol=1e-5, rtol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("row", [row for row, changed in abmt.ABLATIONS.items() if changed.get("epochs") != 0])
def test_rows_are_what_they_say(row: str, data: Path, tmp_path: Path) -> None:
    changed = dict(abmt.ABLATIONS[row])
    if changed.get("clusters"):
        changed["clusters"] = 4
    stage = stage_of(data, tmp_path, **changed)
    loss, _ = stage.loss()
    assert torch.isfinite(loss)
    ends = [*stage.encoder.body.get_submodule("ends").children()]
    pools = [type(next(pool.children())) for pool in stage.encoder.pool.get_submodule("pools").children()]
    wanted = 1 if row in ("MT-Baseline+K-Means", "MT-Baseline+DBSCAN") else 3 if "more branch" in row else 2
    assert len(stage.heads) == len(ends) == wanted
    if "different pooling" in row:
        assert pools == [nn.AdaptiveAvgPool2d] * 2
    if "extra bottleneck" in row:
        assert len([*ends[0].children()]) == len([*ends[1].children()])
    if "K-Means" in row:
        assert (stage.label >= 0).all() and stage.label.max() == 3
    told = stage.end_epoch(0)
    assert told["teacher and student_apart"] > 0 and ("the teacher's branches_apart" in told) == (len(ends) > 1)
