"""GCL: its equations against plain ones in float64, what learns and what does not, which pictures it compares."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from opengspr.command import UserError
from opengspr.randomness import rng
from tests.train.test_recipes import arguments
from tests.train.worlds import draw_worlds, drawn_meshes
from train import gcl, source
from train.parts import backbones, losses, view_learning, views
from train.parts.data import Images, Unlabelled, signed, standardised, to_tensor
from train.parts.learning import Machine
from train.parts.memory import InstanceMemory
from train.parts.view_learning import ViewLearning, Views, ViewSchedule

HEIGHT, WIDTH, COUNT = 32, 16, 24
SPEC = views.ViewSpec(width=4, judge_width=4, picture=3.0, feature=2.0)


def encoder(seed: int = 0) -> backbones.Encoder:
    made = backbones.build(backbones.EncoderSpec("timm:test_resnet", HEIGHT, WIDTH, "avg"), "none", seed)
    return made.eval()


def pictures(count: int = COUNT, seed: int = 0) -> Images:
    return Images.of_array(np.random.default_rng(seed).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8))


@pytest.fixture
def generator() -> Views:
    torch.manual_seed(0)
    return Views(views.ViewNets(SPEC, encoder(), HEIGHT), pictures(8 * COUNT, 1), Machine())


def test_view_invariance_is_a_softmax_over_one_positive_and_its_negatives() -> None:
    """Eq. 5.6 to 5.8 written out, forward and gradient; what is masked is not there."""
    random = np.random.default_rng(0)
    positive = torch.tensor(random.uniform(-1, 1, 6), requires_grad=True)
    negative = torch.tensor(random.uniform(-1, 1, (6, 9)), requires_grad=True)
    there = torch.tensor(random.random((6, 9)) < 0.7)
    found = losses.view_invariant(positive, negative.masked_fill(~there, -torch.inf), 0.3)
    wanted = torch.zeros(())
    for i in range(6):
        total = sum(torch.exp(negative[i, k] / 0.3) for k in range(9) if there[i, k])
        wanted = wanted + torch.log(1 + total / torch.exp(positive[i] / 0.3)) / 6
    torch.testing.assert_close(found, wanted)
    for mine, its in zip(*(torch.autograd.grad(one, (positive, negative)) for one in (found, wanted))):
        torch.testing.assert_close(mine, its)


def test_adaptive_norms_take_scale_and_bias_from_the_identity() -> None:
    """Channel by channel: zero mean and unit deviation, then what is given; beside a shortcut."""
    torch.manual_seed(1)
    block = views._Adaptive(3).double()
    x, by = torch.randn(2, 3, 5, 4).double(), torch.randn(2, 2, 2, 3, 1, 1).double()
    inside = x
    for k in range(2):
        maps = block.convolutions[k](inside)
        new = torch.empty_like(maps)
        for b in range(2):
            for c in range(3):
                one = maps[b, c]
                even = (one - one.mean()) / (one.var(unbiased=False) + 1e-5).sqrt()
                new[b, c] = even * (1 + by[b, k, 0, c]) + by[b, k, 1, c]
        inside = new.relu() if k == 0 else new
    torch.testing.assert_close(block(x, by), x + inside)


def test_codes_have_the_sizes_of_the_thesis() -> None:
    """E_str 32 channels at half the size, f_id four parts from head to feet, G back to the size."""
    structure = views.StructureEncoder(32)(torch.zeros(1, 3, 64, 32))
    assert structure.shape == (1, 32, 32, 16)
    assert sum(isinstance(one, views.Residual) for one in structure_layers()) == 4
    assert views.ViewDecoder(32, 7)(torch.zeros(1, 7, 4, 1), structure).shape == (1, 3, 64, 32)
    assert views.PatchJudges(8, 256).scales == [1, 2, 4] and views.PatchJudges(8, 128).scales == [1, 2]
    net = encoder()
    given = to_tensor(pictures(2).__getitems__([0, 1]))
    seen = views.look(net, given)
    maps = net.map(given, -1)
    for part in range(4):
        rows = slice(part * maps.shape[2] // 4, -(-(part + 1) * maps.shape[2] // 4))
        torch.testing.assert_close(seen.identity[:, :, part, 0], maps[:, :, rows].mean((2, 3)))
    torch.testing.assert_close(seen.feature, net.features(given, -1))


def structure_layers() -> Iterator[torch.nn.Module]:
    yield from views.StructureEncoder(32)


def test_generation_is_eq_5_1_to_5_4(generator: Views) -> None:
    """Written out from the nets themselves, in float64, with the gradients of E_id, E_str and G."""
    nets, net = copy.deepcopy(generator.nets).double(), encoder().double()
    x = to_tensor(pictures(3).__getitems__(np.arange(3))).double()
    old, new = (torch.from_numpy(np.random.default_rng(s).uniform(-1, 1, (3, 3, HEIGHT, WIDTH))) for s in (1, 2))
    moved = [*net.body.parameters(), *nets.structure.parameters(), *nets.decoder.parameters()]
    seen = views.look(net, x)
    made = nets.made(net, seen, old, new)
    terms = nets.generative(net, signed(x), seen, made)

    f_id = views.look(net, x).identity
    kept, turned = nets.decoder(f_id, nets.structure(old)), nets.decoder(f_id, nets.structure(new))
    back = views.look(net, standardised(turned)).identity
    cycled = nets.decoder(back, nets.structure(old))
    again = views.look(net, standardised(cycled)).identity
    real, target = (x * to_std(x) + to_mean(x)) * 2 - 1, f_id.detach()
    wanted = {
        "picture": 3.0 * ((real - kept).abs().mean() + (real - cycled).abs().mean()),
        "feature": 2.0 * ((target - back).abs().mean() + (target - again).abs().mean()),
        "adversarial": sum(
            torch.stack([((judged - 1) ** 2).mean() for judged in nets.judges(one)]).mean()
            for one in (kept, turned, cycled)
        ),
    }
    assert {*terms} == {*wanted}
    for name, its in wanted.items():
        torch.testing.assert_close(terms[name], its)
        grads = (torch.autograd.grad(one, moved, retain_graph=True, allow_unused=True) for one in (terms[name], its))
        for mine, other in zip(*grads):
            torch.testing.assert_close(mine, other)
    judged = sum(
        torch.stack([((a - 1) ** 2).mean() for a in nets.judges(real)]).mean()
        + torch.stack([(b**2).mean() for b in nets.judges(one)]).mean()
        for one in (kept, turned, cycled)
    )
    found = nets.judged(real, made)
    torch.testing.assert_close(found, judged)
    assert not [g for g in torch.autograd.grad(found, moved, allow_unused=True) if g is not None]


def to_std(x: Tensor) -> Tensor:
    return torch.tensor([0.229, 0.224, 0.225]).to(x).view(3, 1, 1)


def to_mean(x: Tensor) -> Tensor:
    return torch.tensor([0.485, 0.456, 0.406]).to(x).view(3, 1, 1)


def test_makers_terms_move_no_judge_and_the_judges_nobody_else(generator: Views) -> None:
    net, index = encoder(), torch.arange(4)
    x = to_tensor(pictures().__getitems__(index.numpy()))
    _, _, terms = generator.terms(net, x, index, rng(0))
    judges = [*generator.nets.judges.parameters()]
    made = sum(term for name, term in terms.items() if name != "judges")
    assert all(grad is None for grad in torch.autograd.grad(made, judges, retain_graph=True, allow_unused=True))
    assert all(grad is not None for grad in torch.autograd.grad(terms["judges"], judges))


def test_new_structures_are_never_the_old_ones(generator: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[np.ndarray] = []
    take = generator.structure

    def note(index: np.ndarray, view: np.ndarray) -> Tensor:
        asked.append(view)
        return take(index, view)

    monkeypatch.setattr(generator, "structure", note)
    index = torch.arange(COUNT)
    for draw in range(8):
        generator.terms(encoder(), to_tensor(pictures().__getitems__(index.numpy())), index, rng(draw))
    assert all((view == 0).all() for view in asked[::2])
    assert set(np.concatenate(asked[1::2])) == set(range(1, 8))


def test_the_generator_s_own_stage_leaves_the_identity_encoder_alone(generator: Views, tmp_path: Path) -> None:
    net = encoder()
    before = copy.deepcopy(net.state_dict()), copy.deepcopy(generator.nets.state_dict())
    stage = ViewLearning(ViewSchedule(1, 2, 4, 1e-3), 0, net, generator, pictures())
    stage.begin_epoch(0)
    stage.feed(0, 0)
    for step in range(2):
        stage.step(0, step)
    assert {"structure_swapped_apart", "identity_swapped_apart"} <= {*stage.end_epoch(0)}
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[0][name], atol=0, rtol=0)
    moved = [name for name, value in generator.nets.state_dict().items() if not torch.equal(value, before[1][name])]
    assert {name.partition(".")[0] for name in moved} == {"structure", "decoder", "judges"}


def joint(generator: Views | None, label: np.ndarray | None = None, **given: object) -> gcl.Joint:
    """The joint stage on drawn pictures, in the middle of an epoch."""
    chosen = gcl.GCL(batch=8, steps=2, epochs=1, generate=generator is not None, **given)  # type: ignore[arg-type]  # as from flags
    images, none = pictures(), np.zeros(COUNT, np.int64)
    stage = gcl.Joint(chosen, encoder(), generator, Unlabelled(images, none, none), None, Machine())
    stage.seen_as(images)
    stage.memory.assign(torch.from_numpy(np.arange(COUNT) // 4 if label is None else label))
    stage.feed(0, 0)
    return stage


def test_norms_keep_statistics_of_pictures_and_of_nothing_made(generator: Views) -> None:
    """A step leaves those that the pictures alone leave; weights move."""
    stage = joint(generator, lr=0.1)
    net, other = stage.encoder, copy.deepcopy(stage.encoder).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    stage.step(0, 0)
    views.look(other, to_tensor(stage.target.images.__getitems__(stage.index.numpy())))
    running = [name for name in before if "running" in name]
    assert running and not any(torch.equal(before[name], net.state_dict()[name]) for name in running)
    for name in running:
        torch.testing.assert_close(net.state_dict()[name], other.state_dict()[name])
    assert any(not torch.equal(weight, before[name]) for name, weight in net.named_parameters())


@pytest.mark.parametrize("contrast", [1, 2, 3])
def test_contrast_is_with_the_view(generator: Views, contrast: int) -> None:
    """L_vi, L'_vi, L''_vi from cosines by hand: negatives always against the view."""
    stage = joint(generator, contrast=contrast, temperature=0.2)
    stage.index = torch.arange(8)
    random = np.random.default_rng(5)
    f, new = (torch.nn.functional.normalize(torch.from_numpy(random.normal(size=(8, 64))), dim=1) for _ in range(2))
    stage.memory = InstanceMemory(f[:0], torch.from_numpy(random.normal(size=(COUNT, 64))))
    stage.memory.assign(torch.arange(COUNT) // 4)
    found = stage._contrast(f, new)
    positive, negative = stage._drawn(rng(stage.seed, "contrast", *stage.at))
    k = stage.memory.entries
    pairs = {"L_vi": (f, k[positive]), "L'_vi": (new, f), "L''_vi": (new, k[positive])}
    assert [*found] == [*pairs][:contrast]
    for name, loss in found.items():
        one, other = pairs[name]
        each = []
        for i in range(8):
            against = sum(torch.exp(new[i] @ k[n] / 0.2) for n in range(COUNT) if negative[i, n])
            each.append(torch.log(1 + against / torch.exp(one[i] @ other[i] / 0.2)))
        torch.testing.assert_close(loss, torch.stack(each).mean())


def test_without_views_the_picture_itself_is_compared() -> None:
    stage = joint(None, contrast=1, temperature=0.2)
    stage.index = torch.arange(8)
    f = stage.memory.entries[:8]
    (loss,) = stage._contrast(f, None).values()
    positive, negative = stage._drawn(rng(stage.seed, "contrast", *stage.at))
    k = stage.memory.entries
    each = [
        torch.log(
            1 + sum(torch.exp((f[i] @ k[n] - f[i] @ k[positive[i]]) / 0.2) for n in range(COUNT) if negative[i, n])
        )
        for i in range(8)
    ]
    torch.testing.assert_close(loss, torch.stack(each).mean())


def test_positives_are_of_the_cluster_and_negatives_of_others() -> None:
    """Never the picture itself unless it stands alone; K negatives where there are as many, each as often."""
    label = np.array([0] * 3 + [1] * 5 + [2] + [3] + [4] * 14)
    stage = joint(None, label, negatives=6)
    stage.index = torch.arange(COUNT)
    seen, count = [set[int]() for _ in range(COUNT)], torch.zeros(COUNT, COUNT)
    for draw in range(300):
        positive, negative = stage._drawn(rng(draw))
        assert (negative.sum(1) == 6).all()
        assert not (negative & torch.from_numpy(label[:, None] == label)).any()
        count += negative
        for i, other in enumerate(positive.tolist()):
            seen[i].add(other)
    for i in range(COUNT):
        others = set(np.flatnonzero(label == label[i])) - {i}
        assert seen[i] == (others or {i})
        far = torch.from_numpy(label != label[i])
        share = count[i][far] / 300
        assert (share - 6 / far.sum()).abs().max() < 0.15
    stage = joint(None, label, negatives=8192)
    stage.index = torch.arange(4)
    _, every = stage._drawn(rng(0))
    assert torch.equal(every, torch.from_numpy(label[:4, None] != label))


def test_each_picture_moves_its_own_memory() -> None:
    """Eq. 5.5, alpha 0.2, of unit norm again."""
    stage = joint(None)
    before = stage.memory.entries.clone()
    stage.loss()
    stage.remember()
    for i in range(COUNT):
        moved = [stage.feature[b] for b in range(8) if stage.index[b] == i]
        wanted = before[i]
        for feature in moved:
            wanted = torch.nn.functional.normalize(0.2 * wanted + 0.8 * feature.detach(), dim=0)
        torch.testing.assert_close(stage.memory.entries[i], wanted)


def test_swaps_are_told_apart(generator: Views) -> None:
    """A decoder that makes nothing of the structure leaves nothing to it, and the other way round."""
    net, images = encoder(), pictures()

    class OnlyIdentity(torch.nn.Module):
        def forward(self, identity: Tensor, structure: Tensor) -> Tensor:
            return identity.mean((1, 2, 3)).view(-1, 1, 1, 1).expand(-1, 3, HEIGHT, WIDTH).tanh()

    class OnlyStructure(torch.nn.Module):
        def forward(self, identity: Tensor, structure: Tensor) -> Tensor:
            return structure.mean((1, 2, 3)).view(-1, 1, 1, 1).expand(-1, 3, HEIGHT, WIDTH).tanh()

    told = {}
    for kind in (OnlyIdentity, OnlyStructure):
        generator.nets.decoder = kind()  # type: ignore[assignment]  # stands for the decoder
        told[kind] = generator.swapped(net, images)
    assert {*told[OnlyIdentity]} == {"structure_swapped_apart", "identity_swapped_apart"}
    seen = views.look(net, to_tensor(images.__getitems__(np.arange(COUNT))))
    made = views.look(net, standardised(OnlyIdentity()(seen.identity, seen.identity)))
    wanted = float((made.feature - seen.feature).detach().norm(dim=1).mean())
    assert told[OnlyIdentity]["structure_swapped_apart"] == pytest.approx(wanted, rel=1e-4)


def test_pairs_are_of_one_cluster_each_picture_beside_the_next() -> None:
    label = np.array([3, 0, 3, 1, 0, 3, 2])
    pairs = view_learning.pairs_within(label, 10, np.random.default_rng(0))
    assert pairs.shape == (2, 3) and (label[pairs[0]] == label[pairs[1]]).all() and (pairs[0] != pairs[1]).all()
    assert view_learning.pairs_within(label, 2, np.random.default_rng(0)).shape == (2, 2)
    assert view_learning.pairs_within(np.arange(4), 2, np.random.default_rng(0)).shape == (2, 0)


def test_similarity_is_of_pairs_from_one_cluster(generator: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures alike by two; new views, one for each picture, as a decoder without structure makes them."""
    net, images = encoder(), pictures()
    assert images.kept is not None
    images.kept[1::2] = images.kept[::2]
    label, draws = np.arange(COUNT) // 2, np.random.default_rng
    told = generator.similarity(net, images, label, draws(0))
    assert told["pictures_similarity"] == pytest.approx(1) and told["views_similarity"] < 0.99
    generator.nets.decoder = PlainDecoder()  # type: ignore[assignment]  # stands for the decoder
    assert generator.similarity(net, images, label, draws(0))["views_similarity"] == pytest.approx(1)
    other = generator.similarity(net, images, np.roll(label, 1), draws(0))
    assert other["pictures_similarity"] < 0.9
    assert generator.similarity(net, images, np.arange(COUNT), draws(0)) == {}
    seen = []
    monkeypatch.setattr(
        generator, "structure", lambda index, view: seen.append(view) or torch.zeros(len(index), 3, HEIGHT, WIDTH)
    )
    assert generator.shown(net, images, np.arange(COUNT), draws(0)).shape == (COUNT, HEIGHT, WIDTH, 3)
    assert min(map(min, seen)) >= 1  # never as they stand


class PlainDecoder(torch.nn.Module):
    """Makes a picture of nothing but the identity."""

    def forward(self, identity: Tensor, structure: Tensor) -> Tensor:
        grey = identity.mean((1, 2, 3)).view(-1, 1, 1, 1).expand(-1, 3, HEIGHT, WIDTH)
        return (grey * torch.linspace(-9, 9, WIDTH)).tanh()


@pytest.mark.parametrize("there", [False, True])
def test_realism_is_told_or_what_it_lacks(generator: Views, there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Images, Images]] = []
    monkeypatch.setattr(view_learning.fid, "missing", lambda: "" if there else "weights")
    monkeypatch.setattr(view_learning.fid, "fid", lambda *sets: given.append(sets[:2]) or 12.34)
    note = generator.sheets(encoder(), pictures(), 0)[0].note
    if there:
        real, made = given[0]
        assert note.endswith("12.3") and (real.__getitems__([0]) == pictures().__getitems__([0])).all()
        assert len(real) == len(made) == COUNT and not (made.__getitems__([0]) == real.__getitems__([0])).all()
    else:
        assert "not measured, wanted weights" in note and not given


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_worlds(tmp_path_factory.mktemp("gcl"))


@pytest.mark.long
@pytest.mark.parametrize("row", gcl.ABLATIONS)
def test_every_row_runs(row: str, data: Path, tmp_path: Path) -> None:
    drawn_meshes(data, tmp_path)
    args = [*arguments(gcl, data, tmp_path, unsupervised=True), "--ablation", row]
    if row == "Baseline":
        where = args.index("--epochs")
        args = args[:where] + args[where + 2 :]
    gcl.main(args)
    (result,) = (json.loads(path.read_text()) for path in tmp_path.glob("gcl/tgt/*/result.json"))
    figures = result["figures"]
    if row == "Baseline":
        assert figures["GCL"] == figures["direct transfer"]
    made = {path.name.partition("-")[0] for path in tmp_path.glob("stages/*")}
    assert ("views" in made) == ("gan" in row and "woGAN" not in row)


def test_it_begins_as_another_run_left_off(
    data: Path, tmp_path: Path, fails: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    drawn_meshes(data, tmp_path)
    source.main(arguments(source, data, tmp_path))
    (warm,) = (path.parent for path in tmp_path.glob("source/*/*/result.json"))
    args = arguments(gcl, data, tmp_path, unsupervised=True)
    gcl.main([*args, "--init-from", str(warm)])
    (folder,) = (path.parent for path in tmp_path.glob("gcl/tgt/*/result.json"))
    result = json.loads((folder / "result.json").read_text())
    before = json.loads((warm / "result.json").read_text())["figures"]["direct transfer"]
    assert result["figures"]["warm-up"] == before
    assert "From the first picture&#x27;s identity" in (folder / "report.html").read_text()
    other = [word if word != "32" else "64" for word in args]
    assert "wanted --height 32 --width 16" in fails(gcl.main, [*other, "--init-from", str(warm)])


def test_bad_input_gets_one_line(data: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    args = arguments(gcl, data, tmp_path, unsupervised=True)
    assert "train.mesh --capture NAME --predict tgt" in fails(gcl.main, args)
    assert "--contrast 2: wanted" in fails(gcl.main, [*args, "--no-generate", "--contrast", "2"])
    assert "--augment: changed pictures" in fails(gcl.main, [*args, "--augment"])
    one = drawn_meshes(data, tmp_path)
    (one.parent.parent / "s1").mkdir()
    (one.parent.parent / "s1" / one.name).write_bytes(one.read_bytes())
    assert "--meshes: wanted one of" in fails(gcl.main, args)
    other = drawn_meshes(draw_worlds(tmp_path / "other"), tmp_path / "others", of="src")
    assert "not of these crops" in fails(gcl.main, [*args, "--meshes", str(other)])
    with pytest.raises(UserError, match="fuses several"):
        chosen = gcl.GCL(init_from=fused_run(tmp_path / "fused"))
        gcl.begun(SimpleNamespace(device="cpu"), chosen)  # type: ignore[arg-type]  # a job's device is all it needs


def fused_run(folder: Path) -> Path:
    folder.mkdir()
    result = {"rows": {"both": {"one": 0.5, "other": 0.5}}, "main": "both", "figures": {}}
    (folder / "result.json").write_text(json.dumps(result))
    return folder
