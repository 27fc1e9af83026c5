"""JVTC: times between cameras against the definition, its two losses in float64, and what it ranks by."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from datasets.writer import checksums
from tests.train.worlds import draw_worlds, flags
from train import evaluate, jvtc
from train.parts import hosts, losses, temporal
from train.parts.clustering import Distance, nearest
from train.parts.temporal import WIDTH, Times, Transitions

SMOOTHING = 300


def some(people: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label, camera and frame of people who walk from camera to camera, two pictures each, and some in no cluster."""
    random = np.random.default_rng(seed)
    label = np.repeat(np.arange(people), 6)
    camid = np.tile([3, 3, 5, 5, 9, 9], people)
    start = np.repeat(random.integers(0, 20_000, people), 6)
    frame = start + np.tile([0, 40, 3000, 3040, 7000, 7040], people) + random.integers(-50, 50, len(label))
    label[random.random(len(label)) < 0.1] = -1
    _, label[label >= 0] = np.unique(label[label >= 0], return_inverse=True)
    return label, camid, frame


def reference(label: np.ndarray, camid: np.ndarray, frame: np.ndarray, smoothing: int) -> dict[tuple[int, int], dict]:
    """The smoothed, normalised histograms by pair of cameras, from the definition, over bins of any number."""
    found: dict[tuple[int, int], dict[int, float]] = {}
    for who in range(label.max() + 1):
        for a in np.unique(camid):
            for b in np.unique(camid):
                mine, theirs = (frame[(label == who) & (camid == one)].astype(float) for one in (a, b))
                if not len(mine) or not len(theirs) or (a == b and len(mine) < 2):
                    continue
                seen = theirs.mean() - mine.mean() if a != b else None
                each = [seen] if seen is not None else [sign * d for d in mine - mine.mean() for sign in (1, -1)]
                for one in each:
                    bin_ = int(np.round(one / WIDTH)) if a != b else int(np.sign(one)) * int(np.round(abs(one) / WIDTH))
                    of_pair = found.setdefault((int(a), int(b)), {})
                    of_pair[bin_] = of_pair.get(bin_, 0) + 1
    sigma = smoothing / WIDTH
    offsets = np.arange(-int(3 * sigma + 0.5), int(3 * sigma + 0.5) + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    smooth: dict[tuple[int, int], dict[int, float]] = {}
    for pair, counts in found.items():
        spread: dict[int, float] = {}
        for bin_, count in counts.items():
            for offset, weight in zip(offsets.tolist(), kernel):
                spread[bin_ + offset] = spread.get(bin_ + offset, 0.0) + count * weight
        smooth[pair] = spread
    return smooth


def test_times_between_cameras_are_those_of_the_definition() -> None:
    label, camid, frame = some()
    found, wanted = Transitions.of(label, camid, frame, SMOOTHING), reference(label, camid, frame, SMOOTHING)
    bins = found.probable.shape[2] // 2
    assert found.camera.tolist() == [3, 5, 9]
    np.testing.assert_allclose(found.probable.sum(2), 1, atol=1e-5)
    for i, a in enumerate(found.camera.tolist()):
        for k, b in enumerate(found.camera.tolist()):
            inside = {bin_: value for bin_, value in wanted[a, b].items() if abs(bin_) <= bins}
            total = sum(inside.values())
            for bin_ in range(-bins, bins + 1):
                assert found.probable[i, k, bin_ + bins] == pytest.approx(inside.get(bin_, 0) / total, abs=1e-6)
            np.testing.assert_allclose(found.probable[i, k], found.probable[k, i, ::-1], atol=1e-6)
    assert abs(found.probable[0, 1].argmax() - bins - 30) <= 2 and abs(found.probable[1, 2].argmax() - bins - 40) <= 2


def test_joint_similarity_is_the_product_of_two_logistic_functions() -> None:
    label, camid, frame = some()
    times, random = Transitions.of(label, camid, frame, SMOOTHING), np.random.default_rng(1)
    mine = Times(np.array([3, 9, 4, 3]), np.array([1000, 9000, 1000, 10**9]))  # no camera 4, no such time
    others = Times(camid, frame)
    cosine = random.uniform(-1, 1, (4, len(label))).astype(np.float32)
    joint = cosine.copy()
    times.change(mine, others)(joint, slice(0, 4))
    bins = times.probable.shape[2] // 2
    for i in range(4):
        for j in range(0, len(label), 7):
            h, d = 0.0, int(np.round((frame[j] - mine.frame[i]) / WIDTH))
            if mine.camid[i] != 4 and abs(d) <= bins:
                a, b = (times.camera.tolist().index(one) for one in (mine.camid[i], camid[j]))
                h = float(times.probable[a, b, d + bins])
            v = float(cosine[i, j])
            wanted = 1 / (1 + np.exp(-5 * v)) / (1 + 2 * np.exp(-5 * h))
            assert joint[i, j] == pytest.approx(wanted, rel=1e-5)


def test_without_times_neighbours_are_those_by_looks() -> None:
    """Cameras without a common person: the temporal factor is the same for all, so the order is the cosines'."""
    random = np.random.default_rng(0)
    features = random.normal(size=(50, 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    times = Times(np.arange(50) % 3, np.arange(50))
    empty = Transitions.of(np.full(50, -1), times.camid, times.frame, SMOOTHING)
    lists, cosines = empty.nearest(features, times, 10)
    wanted, values = nearest(features, 10)
    assert (lists == wanted).all()
    np.testing.assert_allclose(cosines, values, atol=1e-6)


def test_times_tell_look_alikes_apart() -> None:
    """Two people share each look; nearer neighbours are of the same person when times count, too."""
    _, camid, frame = some(people=24, seed=3)
    who = np.repeat(np.arange(24), 6)
    random = np.random.default_rng(0)
    centre = random.normal(size=(24, 32)) + 3 * random.normal(size=(12, 32))[np.arange(24) // 2]
    features = (centre[who] + 1.5 * random.normal(size=(len(who), 32))).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    known = Transitions.of(who, camid, frame, SMOOTHING)
    times = Times(camid, frame)
    by_looks, by_both = (
        (who[lists[:, 1:6]] == who[:, None]).mean()
        for lists, _ in (nearest(features, 6), known.nearest(features, times, 6))
    )
    assert by_looks < 0.8 and by_both > by_looks + 0.02


def test_hosts_have_one_signature() -> None:
    random = np.random.default_rng(0)
    who = np.repeat(np.arange(12), 6)
    features = (random.normal(size=(12, 64))[who] + 0.1 * random.normal(size=(72, 64))).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    camid, frame = np.arange(72) % 3, np.arange(72) * 10
    for name in get_args(hosts.Host):
        found = hosts.host(name, Distance(k1=5, k2=2))(features, camid, frame)
        pairs = {(a, b) for a, b in zip(found.label.tolist(), who.tolist()) if a >= 0}
        assert len(pairs) == 12 == found.found and (found.label >= 0).mean() > 0.9, name
    still = hosts.host("jvtc", Distance(k1=5, k2=2))(features, camid, np.zeros(72, np.int64))
    assert (still.label == hosts.host("cluster", Distance(k1=5, k2=2))(features, camid, frame).label).all()


def test_local_loss_is_a_softmax_over_the_batch_s_pictures() -> None:
    views = torch.nn.functional.normalize(torch.randn(5, 4, 7, dtype=torch.float64), dim=2).requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    means = views.mean(1)
    classes = means / means.norm(dim=1, keepdim=True)
    for i in range(5):
        for k in range(4):
            scores = torch.stack([views[i, k] @ classes[j] / 0.1 for j in range(5)])
            total = total - (scores[i].exp() / scores.exp().sum()).log() / 20
    given = losses.self_classification(views, 0.1)
    torch.testing.assert_close(given, total)
    torch.testing.assert_close(torch.autograd.grad(given, views)[0], torch.autograd.grad(total, views)[0])


def test_global_loss_is_the_mean_over_the_class() -> None:
    logits = torch.randn(6, 20, dtype=torch.float64, requires_grad=True)
    same = torch.rand(6, 20) < 0.2
    same[:, 3] = True
    total = torch.zeros((), dtype=torch.float64)
    for i in range(6):
        probability = logits[i].exp() / logits[i].exp().sum()
        members = [j for j in range(20) if same[i, j]]
        total = total - sum(probability[j].log() for j in members) / len(members) / 6
    given = losses.multi_class(logits, same)
    torch.testing.assert_close(given, total)
    torch.testing.assert_close(torch.autograd.grad(given, logits)[0], torch.autograd.grad(total, logits)[0])


def learn(data: Path, runs: Path) -> None:
    """A run without a source, of two epochs: by looks, by both."""
    known = {f"--{name.replace('_', '-')}" for name in jvtc.JVTC.__dataclass_fields__}
    given = flags(data, runs)
    args = [word for pair in zip(given[::2], given[1::2]) if pair[0] in known - {"--syn", "--src"} for word in pair]
    jvtc.main([*args, "--epochs", "2", "--visual-from", "0", "--joint-from", "1"])


def test_a_target_without_frames_is_told_so_and_has_no_second_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = draw_worlds(tmp_path / "data")
    root = data / "tgt"
    table = pq.read_table(root / "manifest.parquet")
    place = table.column_names.index("frame")
    zeros = np.zeros(len(table), np.int64)
    table = table.set_column(place, table.schema.field("frame"), [zeros])
    pq.write_table(table, root / "manifest.parquet")
    (root / "SHA256SUMS").write_text(checksums(root))
    learn(data, tmp_path / "runs")
    assert "no frames" in capsys.readouterr().out
    (result,) = tmp_path.glob("runs/jvtc/*/*/result.json")
    told = json.loads(result.read_text())
    assert "JVTC+" not in told["figures"] and "timed" not in told


def test_the_second_row_is_ranked_by_times_and_evaluated_again_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = draw_worlds(tmp_path / "data")
    joined: list[int] = []
    join = temporal.Transitions.join

    def note(self: Transitions, similarity: np.ndarray, *times: Times) -> None:
        joined.append(len(similarity))
        join(self, similarity, *times)

    learn(data, tmp_path / "runs")
    (result,) = tmp_path.glob("runs/jvtc/*/*/result.json")
    told = json.loads(result.read_text())
    assert told["timed"] == ["JVTC+"] and (result.parent / "times.npz").is_file()
    monkeypatch.setattr(temporal.Transitions, "join", note)
    capsys.readouterr()
    evaluate.main([str(result.parent), "--data", "tgt", "--data-root", str(data), "--rerank"])
    lines = capsys.readouterr().out.splitlines()
    assert joined and any(line.startswith("JVTC+ ") for line in lines)
    assert not any(line.startswith("JVTC+, re-ranked") for line in lines)
