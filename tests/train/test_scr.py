"""train.scr: the pyramid's parts and losses against float64 references, and sequences as they are retrieved."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.opening import open_dataset
from datasets.splits import sequences
from opengspr import UserError
from opengspr.randomness import rng
from tests.train.worlds import draw_worlds, flags
from train import evaluate, scr
from train.parts import backbones, data, tracklets
from train.parts.backbones import EncoderSpec
from train.parts.evaluation import Truth
from train.parts.learning import Machine
from train.parts.pooling import Level, Pyramid, levels
from train.parts.supervised import Supervised
from train.scr import ABLATIONS, SCR

SPEC = EncoderSpec("resnet18", 64, 32, pyramid="p1+p2(s2c2)+p3(s3c3)")
TINY = ["--backbone", "timm:test_resnet", "--height", "64", "--pyramid", "p1+p2(s2c2)"]


def thirds(size: int, parts: int) -> list[list[int]]:
    """As many lists of neighbours; where they cannot be equal the first ones have one more."""
    sizes = [size // parts + (i < size % parts) for i in range(parts)]
    return [[*range(sum(sizes[:i]), sum(sizes[: i + 1]))] for i in range(parts)]


def test_the_papers_sizes() -> None:
    """13 vectors of 256 numbers; a third of 2,048 channels is 683, 683 and 682."""
    pyramid = Pyramid(2048, levels(SCR().pyramid))
    assert [unit.in_features for unit in pyramid.units] == [2048, *[2048] * 3, 1024, 1024, *[2048] * 4, 683, 683, 682]
    assert pyramid.whole == [0, 1, 6] and pyramid(torch.rand(2, 3 * 2048, 12, 6)).shape == (2, 3328)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 2, 3]), st.sampled_from([0, 2, 3])), min_size=1, max_size=3),
    st.integers(3, 9), st.integers(1, 4), st.integers(4, 9), st.integers(0, 99),
)  # fmt: skip
def test_a_pyramids_parts(cuts: list[tuple[int, int]], height: int, width: int, channels: int, seed: int) -> None:
    """Against loops over channels: maxima of wholes, strips from top to bottom, groups; each by its matrix."""
    torch.manual_seed(seed)
    pyramid = Pyramid(channels, [Level(*cut) for cut in cuts]).double()
    maps = torch.randn(2, len(cuts) * channels, height, width, dtype=torch.float64)
    wanted, unit = [], iter(pyramid.units)
    for k, (strips, groups) in enumerate(cuts):
        own = maps[:, k * channels : (k + 1) * channels].numpy()
        cells = [own]
        cells += [own[:, :, rows] for rows in thirds(height, strips)]
        cells += [own[:, channel] for channel in thirds(channels, groups)]
        for cell in cells:
            strongest = np.array([[channel.max() for channel in picture] for picture in cell])
            wanted.append(strongest @ next(unit).weight.detach().numpy().T)
    np.testing.assert_allclose(pyramid(maps).detach().numpy(), np.concatenate(wanted, 1), atol=1e-12)


@pytest.mark.parametrize("text", ["", "p", "p1+", "p2(s1)", "p2()", "p1,p2", "p2(c2s2)", "s2c2"])
def test_bad_pyramids_are_one_line(text: str) -> None:
    with pytest.raises(UserError, match="wanted levels with"):
        levels(text)


def test_more_strips_than_rows_are_one_line() -> None:
    with pytest.raises(UserError, match="3 strips of a map of 2 rows"):
        backbones.build(replace(SPEC, height=32, width=16), "none", 0)(torch.rand(2, 3, 32, 16))


@pytest.mark.parametrize("backbone", ["resnet18", "ibn_resnet18", "mobilenetv3_small_050", "timm:test_resnet"])
def test_levels_begin_alike_and_share_nothing(backbone: str, tmp_path: Path) -> None:
    """All after the first block of the last stage but one is there three times, and is what the plain body has."""
    spec = replace(SPEC, backbone=backbone, pool="avg", height=96)
    encoder = backbones.build(spec, "none", 3).eval()
    plain = backbones.build(replace(spec, pyramid=""), "none", 3).eval()
    x = torch.rand(2, 3, 96, 32)
    maps = encoder.body(x)
    for own in maps.chunk(3, 1):
        torch.testing.assert_close(own, plain.body(x))
    ends = [{id(weight) for weight in end.parameters()} for end in encoder.body.ends]
    trunk = {id(weight) for weight in encoder.body.trunk.parameters()}
    assert all(not one & other for i, one in enumerate(ends) for other in (*ends[:i], trunk))
    encoder.save(tmp_path / "encoder.safetensors")
    again = backbones.load(tmp_path / "encoder.safetensors").eval()
    assert torch.equal(again.features(x), encoder.features(x)) and again.whole == [0, 1, 6]


def test_what_is_copied_is_what_comes_after_conv4_1() -> None:
    """ResNet-50: five of layer 3's six blocks, and layer 4, whose first stride is 1."""
    encoder = backbones.build(replace(SPEC, backbone="resnet50"), "none", 0)
    trunk, end = encoder.body.trunk, encoder.body.ends[0]
    assert len(trunk.layer3) == 1 and len(end) == 5 + 3
    assert {block.conv2.stride for block in end} == {(1, 1)} and encoder.channels == 13 * 256


@pytest.mark.parametrize("row", ["p1+p2(s2c2)+p3(s3c3)", "w/o L_triplet", "lambda = 3"])
def test_the_loss(row: str) -> None:
    """Eq. 3.1-3.3 in float64 from the parts: cross-entropy of all 13, triplet loss of the 3 wholes."""
    chosen = SCR(**{"backbone": "resnet18", "height": 64, "width": 32, "pretrain_batch": 12, **ABLATIONS[row]})
    assert chosen.pretraining.augmentation == data.Augmentation(erase=0.0, shift=False)
    pictures = data.Images.of_array(rng(1).integers(0, 255, (24, 64, 32, 3), np.uint8))
    known = data.Labelled(pictures, np.arange(24) // 4, np.zeros(24, np.int64))
    encoder = backbones.build(chosen.encoder_spec, "none", 0)
    stage = Supervised("pretrain", chosen.pretraining, encoder, [known], 0, Machine())
    saw = []
    encoder.neck.register_forward_hook(lambda module, got, out: saw.append([got[0].detach(), out.detach()]))
    stage.feed(0, 0)
    loss, terms = stage.loss()
    (pooled, neck), label = (one.double() for one in saw[0]), known.label[stage_index(stage)]
    guessed, apart = [], []
    for k, classifier in enumerate(stage.classifiers):
        logits = neck[:, 256 * k : 256 * (k + 1)].numpy() @ classifier.weight.detach().double().numpy().T
        guessed.append(np.mean([np.log(np.exp(one).sum()) - one[own] for one, own in zip(logits, label)]))
    for k in (0, 1, 6):
        f = pooled[:, 256 * k : 256 * (k + 1)].numpy()
        hinges = []
        for a in range(12):
            distance = np.sqrt(((f - f[a]) ** 2).sum(1))
            hinges.append(max(0, distance[label == label[a]].max() - distance[label != label[a]].min() + 1.2))
        apart.append(np.mean(hinges))
    wanted = chosen.ce * np.mean(guessed) + chosen.triplet * np.mean(apart)
    assert float(loss.detach()) == pytest.approx(wanted, rel=1e-5) and ("triplet" in terms) == bool(chosen.triplet)


def stage_index(stage: Supervised) -> np.ndarray:
    """Pictures of the first batch that a stage drew."""
    stage.feed(0, 0)
    return next(stage.feeds[0])[1].numpy()


def test_the_rate_falls_after_epochs_300_and_400() -> None:
    spec = SCR().pretraining
    stage = object.__new__(Supervised)
    stage.spec, stage.epochs, stage.steps = spec, 500, 94
    rates = {epoch: spec.lr * stage._rate(epoch * 94) for epoch in (0, 299, 300, 399, 400, 499)}
    assert [*rates.values()] == pytest.approx([2e-4, 2e-4, 2e-5, 2e-5, 2e-6, 2e-6])


@pytest.mark.parametrize("row", ABLATIONS)
def test_ablations_name_real_settings(row: str) -> None:
    chosen = SCR(**ABLATIONS[row])
    assert levels(chosen.pyramid) and {name: getattr(chosen, name) for name in ABLATIONS[row]} == ABLATIONS[row]


@pytest.mark.parametrize("groups", [1, 3])
def test_pooled_sequences(groups: int) -> None:
    """Means of the frames, or of beginning, middle and end, which stay in their order."""
    features = torch.from_numpy(rng(0).normal(size=(4 * 15, 7)))
    found = tracklets.pooled(features, groups)
    for i, own in enumerate(features.numpy().reshape(4, 15, 7)):
        wanted = np.concatenate([own[g * 15 // groups : (g + 1) * 15 // groups].mean(0) for g in range(groups)])
        np.testing.assert_allclose(found[i].numpy(), wanted / np.linalg.norm(wanted), atol=1e-12)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_worlds(tmp_path_factory.mktemp("scr"), tracklet=9)


@pytest.mark.parametrize("at_random", [False, True])
def test_frames_of_sequences(at_random: bool, worlds: Path) -> None:
    """15 of each, of its own, in the order of time; a long sequence has none twice, a short one all of its frames."""
    crops = open_dataset("src", worlds).crops
    long = crops.take(np.tile(np.arange(len(crops)), 3)).replaced("frame", np.arange(3 * len(crops))[::-1])
    for some, once in ((crops, False), (long, True)):
        frames, sequence = tracklets.sample(some, at_random, 5), sequences(some.column)
        assert frames.shape == (len(np.unique(sequence)), 15)
        for own in frames:
            members = np.flatnonzero(sequence == sequence[own[0]])
            assert set(own) <= set(members) and (np.diff(some.frame[own]) >= 0).all()
            assert len(set(own)) == 15 if once else at_random or set(own) == set(members)
        assert (tracklets.sample(some, at_random, 5) == frames).all()
        assert (tracklets.sample(some, at_random, 6) == frames).all() == (not at_random)


def test_a_run_and_its_sequences(worlds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trained once; pictures, then sequences by four ways, by the recipe and by train.evaluate alike."""
    given = flags(worlds, tmp_path)
    pairs = [pair for pair in zip(given[::2], given[1::2]) if pair[0].removeprefix("--") in KNOWN - {"syn", "backbone"}]
    same = [word for pair in pairs for word in pair if pair[0] not in ("--height", "--tgt")]
    scored = {}
    for way in ("", "TP(E)", "TPP(R)"):
        scr.main([*same, *TINY, "--tgt", "src", "--video", way])
    assert len([*tmp_path.glob("stages/pretrain-*")]) == 1
    for result in sorted(tmp_path.glob("scr/src2src/*/result.json")):
        way = (result.parent / "config.yaml").read_text().split("video: ")[1].splitlines()[0].strip("'\"")
        figures = json.loads(result.read_text())["figures"]
        assert list(figures) == ["SCR"]
        capsys.readouterr()
        evaluate.main([str(result.parent), "--data", "src", "--data-root", str(worlds), "--video", way])
        assert f"{figures['SCR']['mAP']:.1f}" in capsys.readouterr().out
        scored[way] = figures["SCR"]
    assert len(scored) == 3


def test_a_sequence_is_scored_once(worlds: Path) -> None:
    """Queries and gallery count sequences, and no sequence is in both."""
    dataset = open_dataset("tgt", worlds)
    pictures, whole = Truth(dataset, 64, 32), tracklets.Tracklets(dataset, 64, 32, "TPP(E)")
    for split in ("query", "gallery"):
        assert len(whole.crops[split]) == len(np.unique(sequences(pictures.crops[split].column)))
        assert len(whole.crops[split]) * 9 == len(pictures.crops[split])
    encoder = backbones.build(replace(SPEC, backbone="timm:test_resnet", pyramid="p2(s2)"), "none", 0)
    query, gallery = whole.features(encoder)
    assert query.shape == (len(whole.crops["query"]), 3 * 3 * 256) and len(gallery) == len(whole.crops["gallery"])


def test_no_sequences_are_one_line(tmp_path: Path) -> None:
    dataset = open_dataset("tgt", draw_worlds(tmp_path))
    with pytest.raises(UserError, match="tgt has no sequences; wanted several crops of a tracklet"):
        tracklets.Tracklets(dataset, 64, 32, "TP(E)")


KNOWN = {name.replace("_", "-") for name in SCR.__dataclass_fields__}
