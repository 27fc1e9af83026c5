"""RAE's equations against plain references in float64, what each loss reaches, and inference by Algorithm 2."""

import copy
import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengspr import UserError
from tests.train.test_recipes import arguments
from tests.train.worlds import draw_worlds
from train import benchmark, rae
from train.parts import backbones, losses
from train.parts.backbones import Encoder, EncoderSpec
from train.parts.data import signed, standardised
from train.parts.evaluation import extract
from train.parts.norms import DomainNorm, work_by
from train.parts.preparation import Job, translate
from train.parts.recurrent import Bilinear, Decoder, Discriminator, Recurrent
from train.parts.translating import generator_back

SPEC = EncoderSpec("timm:test_resnet", 32, 16, "avg")


def fused_encoder(fusion: int = 8, generator: str = "") -> Encoder:
    encoder = backbones.build(SPEC, "none", 0)
    encoder.look_twice(fusion, generator)
    encoder.split_domains(2)
    return encoder.eval()


def test_factorised_bilinear_pooling_is_the_full_form() -> None:
    """Eq. 18: z_o = F_1^T W_o F_2 with W_o = sum_d Q_do U_d V_d^T, at each place."""
    pooling = Bilinear(5, 7).double()
    first, second = torch.randn(2, 3, 5, 4, 2, dtype=torch.float64)
    u, v, q = (getattr(pooling, name).weight.flatten(1) for name in "uvq")  # (d, c), (d, c), (o, d)
    full = torch.einsum("od,dc,de->oce", q, u, v)
    wanted = torch.stack(
        [
            torch.stack([first[b, :, y, x] @ w @ second[b, :, y, x] for w in full])
            for b in range(3) for y in range(4) for x in range(2)
        ]
    )  # fmt: skip
    torch.testing.assert_close(pooling(first, second).permute(0, 2, 3, 1).flatten(0, 2), wanted)


def test_gan_loss_is_that_of_the_paper_with_its_usual_signs() -> None:
    verdict = torch.randn(6, dtype=torch.float64, requires_grad=True)
    for real in (True, False):
        said = 1 / (1 + (-verdict).exp())
        wanted = -(said if real else 1 - said).log().mean()
        given = losses.non_saturating(verdict, real)
        torch.testing.assert_close(given, wanted)
        one, other = (torch.autograd.grad(value, verdict)[0] for value in (given, wanted))
        torch.testing.assert_close(one, other)


def test_pictures_go_to_signs_and_back() -> None:
    x = torch.randn(2, 3, 8, 4)
    torch.testing.assert_close(standardised(signed(x)), x, atol=1e-5, rtol=1e-5)
    white = (torch.ones(3) - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(signed(white.view(1, 3, 1, 1)), torch.ones(1, 3, 1, 1), atol=1e-5, rtol=1e-5)


def test_the_decoder_enlarges_eightfold_and_stays_in_range() -> None:
    made = Decoder(6)(10 * torch.randn(2, 6, 4, 2))
    assert made.shape == (2, 3, 32, 16) and made.abs().max() <= 1
    assert Discriminator(6)(torch.randn(5, 6, 4, 2)).shape == (5,)


def test_inference_is_algorithm_2() -> None:
    """Map, picture, map of the picture with the norms of made pictures, fused place by place, mean, neck, unit norm."""
    encoder = fused_encoder()
    for module in encoder.modules():
        if isinstance(module, DomainNorm):
            for k, norm in enumerate(module.norms):
                norm.running_mean.normal_(std=0.1 * (k + 1))
    x = torch.randn(3, 3, 32, 16)
    twice = encoder.body
    assert isinstance(twice, Recurrent)
    with torch.no_grad():
        given = encoder.features(x, -1)
        work_by(encoder, -1)
        first = twice.body(x)
        made = F.interpolate(twice.maker(first), size=(32, 16), mode="bilinear")
        work_by(twice.body, 0)
        second = twice.body(standardised(made))
        work_by(encoder, -1)
        fused = twice.fusion.q(twice.fusion.u(first) * twice.fusion.v(second)).mean((2, 3))
        torch.testing.assert_close(given, F.normalize(encoder.neck(fused), dim=1))
        work_by(encoder, 0)
        assert not torch.allclose(given, encoder.features(x, 0), atol=1e-3)


@pytest.mark.parametrize("generator", ["", "4x1-light", "4x1"])
def test_a_body_that_looks_twice_is_kept(generator: str, tmp_path: Path) -> None:
    encoder, x = fused_encoder(generator=generator), torch.randn(3, 3, 32, 16)
    encoder.save(tmp_path / "one.safetensors")
    again = backbones.load(tmp_path / "one.safetensors").eval()
    with torch.no_grad():
        torch.testing.assert_close(again.features(x, -1), encoder.features(x, -1), atol=0, rtol=0)


def test_a_generator_s_form_is_checked() -> None:
    with pytest.raises(UserError, match="WIDTHxBLOCKS"):
        fused_encoder(generator="64")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_worlds(tmp_path_factory.mktemp("rae"))


def stage_of(data: Path, runs: Path, **changed: object) -> rae.Transfer:
    """A stage that has begun its first epoch; batches of 12."""
    base = {"src": "src", "tgt": "tgt", "data_root": data, "runs": runs, "height": 32, "width": 16, "batch": 12}
    base |= {"backbone": "timm:test_resnet", "init": "none", "epochs": 2, "steps": 2, "k1": 8, "k2": 2, "fusion": 8}
    base |= {"gan_epochs": 1, "gan_steps": 2, "gan_width": 4, "gan_blocks": 1, "gan_light": True, "device": "cpu"}
    chosen = rae.RAE(**(base | changed))  # type: ignore[arg-type]  # by name
    job = Job.of(chosen)
    encoder = backbones.build(chosen.encoder_spec, "none", 0)
    labelled, translator = job.source("src"), None
    if chosen.pixel == "pre":
        labelled = translate(job, "src", "tgt")
        translator = generator_back(chosen, job.stages[-1])
    stage = rae.Transfer(chosen, encoder, labelled, translator, job.target("tgt"), None, job.machine)
    stage.begin_epoch(0)
    stage.feed(0, 0)
    return stage


def test_classifiers_begin_as_the_classes_are(data: Path, tmp_path: Path) -> None:
    """A row of the source's classifiers is the mean of the person's features, of either kind, unit norm."""
    stage = stage_of(data, tmp_path)
    images, label = stage.labelled.images, torch.from_numpy(stage.labelled.label)
    for name, net in (("classifier", stage.encoder), ("fused_classifier", stage.fused)):
        features = extract(net, images).double()
        for person in (0, 3):
            wanted = features[label == person].mean(0)
            weight = stage.parts[name].weight[person].double()
            torch.testing.assert_close(weight, wanted / wanted.norm(), atol=1e-5, rtol=1e-4)


def reached(term: Tensor, net: nn.Module) -> bool:
    """Whether a term's gradient reaches a net."""
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    found = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)
    return any(one is not None and bool(one.any()) for one in found)


def test_each_loss_reaches_what_it_should(data: Path, tmp_path: Path) -> None:
    """Pixel losses reach encoder and decoder, those of the fused feature the fusion only; a discriminator learns by its
    own loss alone, and nothing else by it."""
    stage = stage_of(data, tmp_path)
    terms, parts = stage.loss()[1], stage.parts
    nets = {"encoder": stage.encoder.body, "decoder": parts["decoder"], "fusion": parts["fusion"]}
    nets |= {"feature judge": parts["feature_judge"], "pixel judge": parts["pixel_judge"]}
    wanted = {
        "class_source": {"encoder"},
        "triplet_target": {"encoder"},
        "feature_gan": {"encoder"},
        "feature_judge": {"feature judge"},
        "reconstruction": {"encoder", "decoder"},
        "pixel_gan": {"encoder", "decoder"},
        "pixel_judge": {"pixel judge"},
        "fused_class_target": {"fusion"},
        "fused_triplet_source": {"fusion"},
    }
    for name, those in wanted.items():
        assert {net for net, one in nets.items() if reached(terms[name], one)} == those, name


def test_a_whole_step_is_the_paper_s_sum(data: Path, tmp_path: Path) -> None:
    """Eq. 2-9, 11-17 and 21-23 in float64, from the nets and this step's pictures, with their weights."""
    stage = stage_of(data, tmp_path, dropout=0.0, feature_gan=3.0, pixel_gan=2.0, triplet=0.5)
    encoder, fusing, parts = copy.deepcopy((stage.encoder, stage.fused, stage.parts))
    for net in (encoder, fusing, parts):
        net.double()
    heads = [head.weight.detach().double() for head in stage.heads]
    seen: list[tuple[Tensor, Tensor]] = []

    class Noted:
        def __init__(self, feed: object) -> None:
            self.feed = feed

        def __next__(self) -> tuple[list[Tensor], Tensor]:
            (pictures,), index = next(self.feed)  # type: ignore[call-overload]  # a Feed
            seen.append((pictures.double(), index))
            return [pictures], index

    stage.known, stage.given = Noted(stage.known), Noted(stage.given)  # type: ignore[assignment]  # they pass on feeds
    total, terms = stage.loss()
    (source, at_source), (target, at_target) = seen
    twice = fusing.body
    label = {"source": stage.label_known[at_source], "target": stage.label_of[at_target]}
    pictures = torch.cat([source, target])
    maps = encoder.map(pictures, -1)
    half = {"source": slice(0, len(source)), "target": slice(len(source), None)}

    def probability(verdict: Tensor) -> Tensor:
        return 1 / (1 + (-verdict).exp())

    wanted: dict[str, Tensor] = {}

    def identity(name: str, features: Tensor, neck: Tensor, classifiers: dict[str, Tensor]) -> None:
        for side, part in half.items():
            own, known = features[part], label[side]
            logits = neck[part] @ classifiers[side].T
            chosen = logits.exp()[torch.arange(len(known)), known] / logits.exp().sum(1)
            wanted[f"{name}class_{side}"] = -chosen.log().mean()
            each = []
            for i in range(len(own)):
                gaps = (own[i] - own).norm(dim=1)
                same = known == known[i]
                others = same & (torch.arange(len(own)) != i)
                if others.any() and (~same).any():
                    each.append(torch.relu(gaps[others].max() - gaps[~same].min() + 0.3))
            wanted[f"{name}triplet_{side}"] = 0.5 * torch.stack(each).mean()

    pooled = maps.mean((2, 3))
    classes = {"source": parts["classifier"].weight, "target": heads[0]}
    identity("", pooled, encoder.neck(pooled), classes)
    verdict = probability(parts["feature_judge"](maps))
    wanted["feature_gan"] = -3 * verdict[half["target"]].log().mean()
    wanted["feature_judge"] = -verdict[half["source"]].log().mean() - (1 - verdict[half["target"]]).log().mean()
    made = parts["decoder"](maps)
    small = F.interpolate(signed(pictures), size=made.shape[2:], mode="area")
    wanted["reconstruction"] = torch.stack([(made[part] - small[part]).pow(2).mean() for part in half.values()]).sum()
    said, real = probability(parts["pixel_judge"](made)), probability(parts["pixel_judge"](small[half["source"]]))
    wanted["pixel_gan"] = -2 * said.log().mean()
    wanted["pixel_judge"] = -real.log().mean() - (1 - said).log().mean()
    fused = twice.fused(maps, made, pictures.shape[2:]).mean((2, 3))
    classes = {"source": parts["fused_classifier"].weight, "target": heads[1]}
    identity("fused_", fused, fusing.neck(fused), classes)
    assert wanted.keys() == terms.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(terms[name].double(), value, atol=1e-5, rtol=1e-4, msg=name)
    torch.testing.assert_close(total.double(), torch.stack([*wanted.values()]).sum(), atol=1e-5, rtol=1e-4)


@pytest.mark.long
def test_a_discriminator_reaches_its_advantage_and_loses_it() -> None:
    """Maps of two domains that differ by a shift: told apart while they stay, and no longer when they learn."""
    torch.manual_seed(0)
    source, target = torch.randn(256, 4, 4, 2), torch.randn(256, 4, 4, 2) + 1.0
    maker, stage = nn.Conv2d(4, 4, 1), object.__new__(rae.Transfer)
    nn.init.dirac_(maker.weight)
    nn.init.zeros_(maker.bias)
    judge = Discriminator(4, 8)
    stage.parts = nn.ModuleDict({"toy_judge": judge})
    slow, fast = torch.optim.Adam(maker.parameters(), 1e-2), torch.optim.Adam(judge.parameters(), 1e-3)

    def right() -> float:
        with torch.no_grad():
            return float(((judge(source) > 0).float().mean() + (judge(maker(target)) < 0).float().mean()) / 2)

    for learning in (False, True):
        for _ in range(300):
            made = maker(target)
            terms = stage._deceive("toy", 1.0, made, source, made)
            torch.stack([*terms.values()]).sum().backward()
            fast.step()
            if learning:
                slow.step()
            slow.zero_grad()
            fast.zero_grad()
        if not learning:
            assert right() > 0.9
    assert right() < 0.6
    gap = (maker(target).mean((0, 2, 3)) - source.mean((0, 2, 3))).norm()
    assert gap < 0.5 < (target.mean((0, 2, 3)) - source.mean((0, 2, 3))).norm()


def test_pre_pixel_transfer_looks_at_the_translator_s_picture(data: Path, tmp_path: Path) -> None:
    stage = stage_of(data, tmp_path, pixel="pre")
    terms = stage.loss()[1]
    assert "reconstruction" not in terms and "decoder" not in stage.parts and "fused_class_source" in terms
    before = copy.deepcopy(stage.twice.maker.state_dict())
    stage.step(0, 0)
    assert all(torch.equal(value, before[name]) for name, value in stage.twice.maker.state_dict().items())
    assert not torch.equal(before["layers.0.weight"], fused_maker())


def fused_maker() -> Tensor:
    """A fresh generator's first weights."""
    body = fused_encoder(generator="4x1-light").body
    assert isinstance(body, Recurrent)
    return body.maker.state_dict()["layers.0.weight"]


def test_rows_are_those_of_the_paper_s_tables() -> None:
    with open(benchmark.PUBLISHED) as file:
        rows = {row["variant"] for row in csv.DictReader(file) if row["method"] == "rae" and row["variant"]}
    assert rows <= {*rae.ABLATIONS}, rows - {*rae.ABLATIONS}
    grids = {name for name in rae.ABLATIONS if name.startswith("lambda")}
    assert {*rae.ABLATIONS} - grids == rows


@pytest.mark.long
@pytest.mark.parametrize("row", [row for row in rae.ABLATIONS if not row.startswith("lambda")])
def test_every_row_runs(row: str, data: Path, tmp_path: Path) -> None:
    epochs = ["--epochs", "0"] if row == "direct-transfer" else []
    rae.main([*arguments(rae, data, tmp_path), "--ablation", row, *epochs])
    (result,) = tmp_path.glob("rae/*/*/result.json")
    figures = json.loads(result.read_text())["figures"]
    fused = rae.RAE(**rae.ABLATIONS[row]).fusion
    wanted = {"direct transfer"} if row == "direct-transfer" else {"direct transfer", "RAE"}
    assert {*figures} == (wanted | {"RAE, features alone"} if fused and row != "direct-transfer" else wanted)
    assert all(np.isfinite(one["mAP"]) for one in figures.values())
