"""SMCR's losses of a step as its equations have them: in float64, written out, from the features that the nets gave."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.opening import open_dataset
from datasets.unlabelled import unlabelled
from tests.train.worlds import draw_worlds
from train import smcr
from train.parts import backbones, data, translation
from train.parts.learning import Machine
from train.smcr import SMCR, Refinement

ALPHA, BETA, TAU, LAMBDA = 0.3, 0.2, 0.1, 0.9


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Refinement:
    root = draw_worlds(tmp_path_factory.mktemp("equations"))
    source, target = (open_dataset(name, root).split("train") for name in ("src", "tgt"))
    own, other = data.labelled(source, 32, 16), unlabelled(target)
    bright = data.Labelled(data.Images.of_array(255 - own.images.kept), own.label, own.camid)
    chosen = SMCR(
        alpha=ALPHA, beta=BETA, temperature=TAU, ema=LAMBDA, epochs=2, steps=3, batch=12, k1=8, k2=3, min_samples=2,
        eps=0.5, lr=1e-2, height=32, width=16,
    )  # fmt: skip
    encoder = backbones.build(backbones.EncoderSpec("timm:test_resnet", 32, 16, "avg"), "none", 0)
    images = data.Unlabelled(data.Images(other, 32, 16), other.camid, other.frame)
    made = Refinement(chosen, encoder, (bright, own), images, None, Machine())
    made.begin_epoch(0)
    made.feed(0, 0)
    made.step(0, 0)  # now nets and slow means differ
    return made


def cross_entropy(features: np.ndarray, classes: np.ndarray, label: np.ndarray) -> float:
    """Eq. 4, 5 and 9, 10: the mean over source and target of -log of the softmax of <f, y> / tau over all classes."""
    logits = features @ classes.T / TAU
    return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(label)), label]))


def collaborative(mine: np.ndarray, theirs: np.ndarray, label: np.ndarray) -> float:
    """Eq. 13 to 15, two-term: hardest positive and negative of the student, softmax over their distances."""
    terms = []
    for i in range(len(label)):
        apart = np.linalg.norm(mine - mine[i], axis=1)
        positives = [j for j in range(len(label)) if label[j] == label[i] and j != i]
        negatives = [j for j in range(len(label)) if label[j] != label[i]]
        if positives and negatives:
            pair = max(positives, key=lambda j: apart[j]), min(negatives, key=lambda j: apart[j])
            own, taught = (np.exp([np.linalg.norm(x[i] - x[j]) for j in pair]) for x in (mine, theirs))
            terms.append(-np.sum(taught / taught.sum() * np.log(own / own.sum())))
    return float(np.mean(terms))


def test_the_loss_of_a_step(stage: Refinement, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eq. 12 and 17, with each branch held by the slow mean of the other, not by its own."""
    gave: list[tuple[torch.nn.Module, torch.Tensor]] = []
    indices: list[np.ndarray] = []
    features, following = Machine.features, data.Feed.__next__

    def note(self: Machine, encoder: backbones.Encoder, pictures: torch.Tensor, domain: int = 0) -> torch.Tensor:
        found = features(self, encoder, pictures, domain)
        gave.append((encoder, found.detach()))
        return found

    def took(self: data.Feed) -> tuple[list[torch.Tensor], torch.Tensor]:
        given = following(self)
        indices.append(given[1].numpy())
        return given

    monkeypatch.setattr(Machine, "features", note)
    monkeypatch.setattr(data.Feed, "__next__", took)
    entries = {name: branch.memory.entries.double().numpy().copy() for name, branch in stage.branches.items()}
    loss, terms = stage.loss()
    joint, held = [], []
    for k, (name, other) in enumerate((("dthr", "rihr"), ("rihr", "dthr"))):
        branch, (source, target, taught) = stage.branches[name], gave[3 * k : 3 * k + 3]
        assert source[0] is branch.encoder and target[0] is branch.encoder
        assert taught[0] is stage.branches[other].teacher
        own, index = indices[2 * k : 2 * k + 2]
        memory, people = entries[name], branch.memory.sources
        label = branch.memory.label.numpy()
        clusters = [memory[people:][label == one].mean(0) for one in range(label.max() + 1)]  # the mean similarity
        classes = np.concatenate([memory[:people], clusters])
        seen = np.concatenate([source[1].double().numpy(), target[1].double().numpy()])
        of = np.concatenate([stage.sources[name].label[own], people + label[index]])
        joint.append(cross_entropy(seen, classes, of))
        held.append(collaborative(target[1].double().numpy(), taught[1].double().numpy(), label[index]))
        assert terms[f"{name}_joint"].item() == pytest.approx(joint[-1], rel=1e-5)
        assert terms[f"{name}_collaborative"].item() == pytest.approx(held[-1], rel=1e-5)
    l_col = ALPHA * held[0] + (1 - ALPHA) * held[1]
    wanted = BETA * l_col + 2 * (1 - BETA) * (ALPHA * joint[0] + (1 - ALPHA) * joint[1])
    assert loss.item() == pytest.approx(wanted, rel=1e-5)


def test_the_slow_means_of_a_step(stage: Refinement) -> None:
    """Eq. 11, with the net as it is after the step."""
    before = {name: branch.teacher.neck.norms[1].weight.clone() for name, branch in stage.branches.items()}
    stage.feed(0, 0)
    stage.step(0, 0)
    for name, branch in stage.branches.items():
        new = branch.encoder.neck.norms[1].weight.detach()
        wanted = LAMBDA * before[name] + (1 - LAMBDA) * new
        torch.testing.assert_close(branch.teacher.neck.norms[1].weight, wanted, atol=1e-6, rtol=0)
        assert not torch.equal(new, before[name])


def test_translated_pictures_keep_their_identities(tmp_path: Path) -> None:
    """Eq. 1; and eq. 2's weights: a term's share of the loss is its weight."""
    pictures = data.Images.of_array(np.random.default_rng(0).integers(0, 255, (6, 32, 16, 3), np.uint8))
    own = data.Labelled(pictures, np.array([0, 0, 1, 1, 2, 2]), np.zeros(6, np.int64))
    terms = []
    for cycle, identity, cross_entropy in ((1.0, 1.0, 1.0), (10.0, 5.0, 0.5)):
        spec = translation.TranslationSpec(
            "espgan", 1, 1, 4, width=4, blocks=1, cycle=cycle, identity=identity, cross_entropy=cross_entropy,
            embedding="timm:test_resnet",
        )  # fmt: skip
        stage = translation.Translation("t", spec, own, pictures, 0, Machine())
        stage.begin_epoch(0)
        stage.feed(0, 0)
        terms.append(stage.step(0, 0))
    weights = {"adversarial": 1, "cycle": 10, "identity": 5, "cross_entropy": 0.5}
    for name, weight in weights.items():
        assert float(terms[1][name]) == pytest.approx(weight * float(terms[0][name]), rel=1e-5), name
    made = translation.build(tmp_path, stage)
    assert made["pictures"] == len(own.label) == len(translation.read_pictures(tmp_path))


def test_fused_rows_weigh_by_alpha() -> None:
    """Eq. 16."""
    rows = smcr.rows(SMCR(alpha=ALPHA))
    assert rows["SMCR (fused)"] == {"dthr": ALPHA, "rihr": 1 - ALPHA}
    assert rows["SMCR (fused), EMA"] == {"dthr_ema": ALPHA, "rihr_ema": 1 - ALPHA}
