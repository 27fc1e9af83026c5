"""SMCR: synthesis-based multi-domain collaborative refinement (papers: docs/methods.md; figures: published.csv, `smcr`).

    python -m train.smcr --syn gspr --src market --tgt duke

Idea: an encoder learns from synthetic people translated into the style of a labelled source, and from the source itself.
From it start two encoders that share nothing. One refines on source pictures translated into the target's style and on
the target (DTHR), the other on the untouched source and the target (RIHR); each labels the target by clustering its own
features, believes what stays together when the radius changes, contrasts with its own memory, and is held back from its
own mistakes by the other's slow mean.

Three stages, each resumable; the first two are shared by runs with the same settings (runs/stages):
    1. translate synthetic -> source, pretrain on both      2. translate source -> target      3. refine

What the paper leaves open, and what we took: cross-entropy and triplet loss in stage 1; CycleGAN's weights in eq. 2; eq. 6
as in `pseudo_labels.smcr`; eq. 14 as in `losses.soft_softmax_triplet`; for eq. 16 concatenated features; Adam, 64 + 64
images, radius 0.6, GeM, batch norms kept apart by domain, all from the code that SMCR descends from (SpCL, OpenUnReID);
memory: instance memory with cluster logits. Clustering uses the online encoders (`cluster_by`).
"""

import copy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from datasets.manifest import Dataset, open_dataset
from datasets.unlabelled import unlabelled
from opengspr import UserError, command
from opengspr.files import output_folder
from train.parts import backbones, loop, losses, pseudo_labels, report, run, sampling, settings, translation
from train.parts.backbones import Encoder, EncoderSpec
from train.parts.data import Images, Labelled, Unlabelled, augment, labelled, to_tensor
from train.parts.evaluation import Truth, extract, score_rows, table
from train.parts.memory import InstanceMemory, class_means
from train.parts.randomness import rng
from train.parts.supervised import Supervised, SupervisedSpec


@dataclass(frozen=True, kw_only=True)
class SMCR(settings.Common):
    """Adapts a person re-ID model to unlabelled cameras: synthetic pretraining, translation, collaborative refinement."""

    syn: str | None = None
    """Synthetic dataset for pretraining: a name or a path; none = the source alone."""
    src: str = ""
    """Labelled source dataset."""
    tgt: str = ""
    """Target dataset, whose training identities are never used."""
    backbone: str = "ibn_resnet50"
    """resnet18, ibn_resnet18, resnet50, ibn_resnet50, mobilenetv3_small_050, timm:NAME."""
    init: str = "imagenet"
    """Weights to begin with: imagenet, synthetic, none, or a file."""
    height: int = 256
    width: int = 128
    pretrain_on: Literal["translated+source", "synthetic"] = "translated+source"
    """Images of stage 1; `synthetic` = untranslated and alone."""
    pretrain_epochs: int = 80
    pretrain_steps: int = 200
    pretrain_batch: int = 64
    pretrain_lr: float = 3.5e-4
    translator: Literal["espgan", "spgan", "cyclegan"] = "espgan"
    gan_epochs: int = 30
    gan_steps: int = 400
    gan_batch: int = 4
    gan_width: int = 64
    gan_blocks: int = 9
    gan_light: bool = False
    """Generators for CPUs: half size, a change instead of a picture."""
    epochs: int = 50
    steps: int = 400
    batch: int = 64
    """Images of a domain that a branch sees in a step."""
    per_identity: int = 4
    lr: float = 3.5e-4
    weight_decay: float = 5e-4
    lr_drop_every: int = 20
    """Epochs of refinement between tenfold drops of the rate."""
    temperature: float = 0.05
    memory_momentum: float = 0.2
    alpha: float = 0.5
    """Weight of DTHR, eq. 12, 16, 17; RIHR has the rest."""
    beta: float = 0.01
    """Weight of the collaborative loss, eq. 17."""
    ema: float = 0.999
    """lambda of eq. 11; in the small budget 1 - 20 / iterations."""
    criterion: Literal["smcr", "spcl", "none"] = "smcr"
    cluster_by: Literal["online", "ema"] = "online"
    eps: float = 0.6
    """Radius of DBSCAN; 0 = set once, at the first clustering, by a rule without labels."""
    k1: int = 30
    k2: int = 6
    min_samples: int = 4
    evaluate_every: int = 0
    """Epochs between looks at the target's test figures, for curves; 0 = at the end only. Nothing is chosen by them."""


SMALL = {
    "backbone": "mobilenetv3_small_050", "init": "none", "height": 128, "width": 64,
    "pretrain_epochs": 8, "pretrain_steps": 50,
    "gan_epochs": 8, "gan_steps": 25, "gan_batch": 8, "gan_width": 8, "gan_blocks": 2, "gan_light": True,
    "epochs": 10, "steps": 30, "batch": 32, "lr_drop_every": 4, "ema": 1 - 20 / 300,
    "eps": 0.0, "evaluate_every": 1,
}  # fmt: skip
SMALL_TARGET = 5000  # training crops below which `--budget auto` is small

ABLATIONS: dict[str, dict[str, Any]] = {  # Table IV; DTHR and RIHR (col) are rows of every report
    "Baseline": {"syn": None, "epochs": 0},
    "DTHR (ind)": {"beta": 0.0},  # the branches then share no gradient: read the report's DTHR row
    "RIHR (ind)": {"beta": 0.0},
    "DTHR (col)": {},
    "RIHR (col)": {},
    "SMCR (w/o criteria)": {"criterion": "none"},
    "SMCR (ResNet50)": {"backbone": "resnet50"},
    "SMCR (CycleGAN)": {"translator": "cyclegan"},
    "SMCR (w/o syn)": {"syn": None},
    "SMCR (GSPR-pre)": {"pretrain_on": "synthetic"},
    "SMCR (mini-GSPR)": {"syn": "mini-gspr"},
    "SMCR (GSPR)": {"syn": "gspr"},
    **{f"beta={beta}": {"beta": beta} for beta in (0.0, 0.001, 0.01, 0.1, 0.5)},  # Fig. 5
    **{f"lambda={ema}": {"ema": ema} for ema in (0.0, 0.9, 0.99, 0.999, 0.9999)},
}


class Branch:
    """DTHR or RIHR: an encoder and its slow mean, a source, a memory, pseudo-labels. Domain 0 is the source, 1 the target."""

    def __init__(self, chosen: SMCR, encoder: Encoder, source: Labelled, device: str) -> None:
        self.chosen, self.source, self.device = chosen, source, device
        self.encoder = copy.deepcopy(encoder)
        self.encoder.split_domains(2)
        self.encoder.to(device).train()
        self.teacher = backbones.mean_teacher(self.encoder)
        empty = torch.zeros(0, encoder.channels)
        self.memory = InstanceMemory(empty, empty, chosen.memory_momentum)
        self.label = np.empty(0, np.int64)
        self.eps, self.threshold = chosen.eps, None

    def cluster(self, target: Unlabelled, first: bool) -> pseudo_labels.Clustered:
        """Labels the target by this branch's own features; fills the memory the first time."""
        chosen = self.chosen
        by = self.encoder if chosen.cluster_by == "online" else self.teacher
        features = extract(by, target.images)
        if first:
            source = class_means(extract(by, self.source.images, domain=0), torch.from_numpy(self.source.label), self.source.classes)
            self.memory = InstanceMemory(source, features, chosen.memory_momentum)
        found = pseudo_labels.refine(
            features.cpu().numpy(), chosen.criterion, self.eps, chosen.k1, chosen.k2, chosen.min_samples, self.threshold
        )
        self.label, self.eps, self.threshold = found.label, found.eps, found.threshold
        return found

    def joint(self, pictures: tuple[Tensor, Tensor], label: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Joint contrastive loss, eq. 4 and 10: one mean over source and target, against all classes of the branch.

        Args:
            pictures: of the source and of the target, (B, 3, H, W) each.
            label: classes of the source pictures, (B,).
            index: which of the target's pictures the others are, (B,).

        Returns:
            the loss and the features (2B, D), source first.
        """
        features = torch.cat([self.encoder.features(pictures[domain], domain) for domain in (0, 1)])
        classes = torch.cat([label, self.memory.sources + self.memory.label[index]])
        return losses.memory_contrastive(features, self.memory.classes(), classes, self.chosen.temperature), features

    def state_dict(self) -> dict[str, Any]:
        """All that coming steps depend on."""
        nets = {"encoder": self.encoder.state_dict(), "teacher": self.teacher.state_dict()}
        memory = {"entries": self.memory.entries, "sources": self.memory.sources, "label": torch.from_numpy(self.label)}
        return nets | memory | {"eps": self.eps, "threshold": self.threshold}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        self.encoder.load_state_dict(state["encoder"])
        self.teacher.load_state_dict(state["teacher"])
        source, target = state["entries"].to(self.device).tensor_split([state["sources"]])
        self.memory = InstanceMemory(source, target, self.chosen.memory_momentum)
        self.memory.entries = torch.cat([source, target])  # to the bit, without a second normalisation
        self.label, self.eps, self.threshold = state["label"].numpy(), state["eps"], state["threshold"]


class Refinement(loop.Stage):
    """Stage 3, for `loop.run`.

    Args:
        chosen: settings.
        encoder: from stage 1.
        sources: DTHR's translated and RIHR's original source.
        target: pictures and cameras.
        truth: for figures and diagnosis only; None = neither.
        device: cpu or cuda.
    """

    name = "refinement"

    def __init__(
        self, chosen: SMCR, encoder: Encoder, sources: Sequence[Labelled], target: Unlabelled, truth: Truth | None, device: str
    ) -> None:
        self.chosen, self.seed, self.epochs, self.steps = chosen, chosen.seed, chosen.epochs, chosen.steps
        self.target, self.truth, self.device = target, truth, device
        self.branches = {
            name: Branch(chosen, encoder, source, device) for name, source in zip(("dthr", "rihr"), sources, strict=True)
        }
        learned = [weight for branch in self.branches.values() for weight in branch.encoder.parameters()]
        self.optimizer = torch.optim.Adam(learned, chosen.lr, weight_decay=chosen.weight_decay)

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Clusters the target, once in each branch."""
        self.optimizer.param_groups[0]["lr"] = self.chosen.lr * 0.1 ** (epoch // self.chosen.lr_drop_every)
        told: dict[str, float] = {}
        for name, branch in self.branches.items():
            found = branch.cluster(self.target, first=epoch == 0)
            for warning in found.warnings:
                print(f"warning: {name}, epoch {epoch + 1}: {warning}", file=sys.stderr)
            told |= {f"{name}_clusters": found.found, f"{name}_dropped": found.dropped, f"{name}_eps": found.eps}
            told[f"{name}_alone"] = int((found.label < 0).sum())
            if self.truth:
                told[f"{name}_purity"] = self.truth.diagnose(found.label)
        return told

    def feed(self, epoch: int, step: int) -> None:
        """Per branch, a stream of its source and one of the target by its own labels."""
        self.first = step
        self.drawn: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        self.streams = {}
        size, each = self.chosen.batch, self.chosen.per_identity
        for name, branch in self.branches.items():
            branch.memory.assign(torch.from_numpy(pseudo_labels.classes(branch.label)).to(self.device))
            draws = rng(self.seed, "refinement", name, epoch)
            own = sampling.batches(branch.source.label, size, each, self.steps, draws, branch.source.camid)[step:]
            target = sampling.batches(branch.label, size, each, self.steps, draws, self.target.camid)[step:]
            self.drawn[name] = list(zip(own, target, strict=True))
            self.streams[name] = branch.source.images.stream(own), self.target.images.stream(target)

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update of both branches by eq. 17, then of their memories and means."""
        chosen, terms, seen = self.chosen, {}, {}
        for name, branch in self.branches.items():
            other = self.branches["rihr" if name == "dthr" else "dthr"]
            draws = rng(self.seed, "augment", name, epoch, step)
            source, target = (to_tensor(augment(next(stream), draws), self.device) for stream in self.streams[name])
            own, index = (torch.from_numpy(drawn).to(self.device) for drawn in self.drawn[name][step - self.first])
            label = torch.from_numpy(branch.source.label).to(self.device)[own]
            joint, features = branch.joint((source, target), label, index)
            with torch.no_grad():
                taught = other.teacher.features(target, 1)
            collaborative = losses.soft_softmax_triplet(features[len(label) :], taught, branch.memory.label[index])
            terms |= {f"{name}_joint": joint, f"{name}_collaborative": collaborative}
            seen[name] = torch.cat([label, branch.memory.sources + index]), features.detach()
        weight = {"dthr": chosen.alpha, "rihr": 1 - chosen.alpha}
        loss = sum(
            weight[name]
            * (chosen.beta * terms[f"{name}_collaborative"] + 2 * (1 - chosen.beta) * terms[f"{name}_joint"])
            for name in self.branches
        )
        assert isinstance(loss, Tensor)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        self.optimizer.step()
        for name, branch in self.branches.items():
            branch.memory.update(*seen[name])
            backbones.update_mean(branch.teacher, branch.encoder, chosen.ema)
        return {name: term.detach() for name, term in terms.items()} | {"loss": loss.detach()}

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Figures for the curves, if asked for."""
        every = self.chosen.evaluate_every
        if not self.truth or not every or (epoch + 1) % every:
            return {}
        wanted = {row: shares for row, shares in rows(self.chosen).items() if "direct" not in shares}
        scored = score_rows(wanted, self.encoders(), self.truth)
        return {f"{row} mAP": one.figures["mAP"] for row, (one, _) in scored.items()}

    def encoders(self) -> dict[str, Encoder]:
        """The four encoders by the name of their weights file."""
        online = {name: branch.encoder for name, branch in self.branches.items()}
        return online | {f"{name}_ema": branch.teacher for name, branch in self.branches.items()}

    def state_dict(self) -> dict[str, Any]:
        """Both branches and the optimizer."""
        return {name: part.state_dict() for name, part in [*self.branches.items(), ("optimizer", self.optimizer)]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        for name, part in [*self.branches.items(), ("optimizer", self.optimizer)]:
            part.load_state_dict(state[name])


def rows(chosen: SMCR) -> dict[str, dict[str, float]]:
    """Rows of the result table: which encoders each fuses, by which share; eq. 16 for the fused ones."""
    if not chosen.epochs:
        return {"direct transfer": {"direct": 1.0}}
    names = {"DTHR": {"dthr": 1.0}, "RIHR": {"rihr": 1.0}, "SMCR (fused)": {"dthr": chosen.alpha, "rihr": 1 - chosen.alpha}}
    means = {f"{row}, EMA": {f"{name}_ema": share for name, share in of.items()} for row, of in names.items()}
    return {"direct transfer": {"direct": 1.0}} | names | means


@dataclass
class Job:
    """A run's settings and data, and what its stages leave for the report."""

    chosen: SMCR
    data: Mapping[str, Dataset]
    device: str
    sheets: list[report.Sheet] = field(default_factory=list)
    stages: list[Path] = field(default_factory=list)

    def source(self, name: str) -> Labelled:
        """Training crops with identities, of syn or src."""
        return labelled(self.data[name].split("train"), self.chosen.height, self.chosen.width)

    def target(self, name: str) -> Unlabelled:
        """Training crops without identities."""
        crops = unlabelled(self.data[name].split("train"))
        return Unlabelled(Images(crops, self.chosen.height, self.chosen.width), crops.camid)


def translate(job: Job, own: str, other: str) -> Labelled:
    """Crops of `own` in the style of `other`, of which no identity is looked at; stage 2, and half of stage 1."""
    chosen, labels = job.chosen, job.source(own)
    spec = translation.TranslationSpec(
        chosen.translator, chosen.gan_epochs, chosen.gan_steps, chosen.gan_batch, width=chosen.gan_width,
        blocks=chosen.gan_blocks, light=chosen.gan_light, embedding=chosen.backbone,
    )  # fmt: skip
    contents = asdict(spec) | {"seed": chosen.seed, "size": [chosen.height, chosen.width]}
    contents["data"] = [job.data[name].fingerprint for name in (own, other)]
    name = f"translate-{own}-to-{other}"

    def build(folder: Path) -> Mapping[str, Any]:
        stage = translation.Translation(name, spec, labels, job.target(other).images, chosen.seed, job.device)
        return translation.build(folder, stage)

    folder = run.shared_stage(chosen.runs, name, contents, job.device, build)
    translated = replace(labels, images=translation.read_pictures(folder))
    title = f"{job.data[own].name} translated into the style of {job.data[other].name}"
    job.sheets.append(report.sheet(title, labels.images, translated.images))
    job.stages.append(folder)
    return translated


def pretrain(job: Job) -> Encoder:
    """Stage 1: supervised on translated synthetic images and the source, half and half."""
    chosen, alone = job.chosen, job.chosen.pretrain_on == "synthetic"
    used = [name for name in ("syn", "src") if name in job.data and not (alone and name == "src")] or ["src"]
    sets = [translate(job, "syn", "src") if name == "syn" and not alone else job.source(name) for name in used]
    spec = SupervisedSpec(
        chosen.pretrain_epochs, chosen.pretrain_steps, chosen.pretrain_batch, chosen.per_identity,
        chosen.pretrain_lr, chosen.weight_decay,
    )  # fmt: skip
    shaping = ("seed", "backbone", "init", "height", "width", "pretrain_on")
    contents = asdict(spec) | {name: getattr(chosen, name) for name in shaping}
    contents["data"] = [job.data[name].fingerprint for name in used]
    contents["translated"] = str(job.stages[-1].name) if job.stages else None

    def build(folder: Path) -> Mapping[str, Any]:
        encoder = backbones.build(EncoderSpec(chosen.backbone, chosen.height, chosen.width), chosen.init, chosen.seed)
        loop.run(Supervised("pretrain", spec, encoder, sets, chosen.seed, job.device), folder)
        encoder.save(folder / "encoder.safetensors")
        return {"image_steps": spec.epochs * spec.steps * spec.batch}

    job.stages.append(run.shared_stage(chosen.runs, "pretrain", contents, job.device, build))
    return backbones.load(job.stages[-1] / "encoder.safetensors")


def refine(job: Job, encoder: Encoder, truth: Truth, folder: Path) -> None:
    """Stage 3, after stage 2; writes the four encoders."""
    sources = translate(job, "src", "tgt"), job.source("src")
    stage = Refinement(job.chosen, encoder, sources, job.target("tgt"), truth, job.device)
    loop.run(stage, folder)
    job.stages.append(folder)
    for name, one in stage.encoders().items():
        one.save(folder / f"{name}.safetensors")


def finish(job: Job, truth: Truth, folder: Path) -> None:
    """Scores every row on the target, writes the report and, last, the result."""
    table_rows = rows(job.chosen)
    files = {name for shares in table_rows.values() for name in shares}
    encoders = {name: backbones.load(folder / f"{name}.safetensors").to(job.device) for name in files}
    scored = score_rows(table_rows, encoders, truth)
    figures = {row: dict(one.figures) for row, (one, _) in scored.items()}
    title = f"SMCR, {job.data['src'].name} to {job.data['tgt'].name}"
    main_row = "SMCR (fused)" if job.chosen.epochs else "direct transfer"
    notes = [f"Seed {job.chosen.seed}. Last epoch, no re-ranking. DTHR, RIHR: the two branches; EMA: their slow means."]
    histories = [stage / "metrics.jsonl" for stage in job.stages]
    page = report.write(folder, title, scored, main_row, truth, job.sheets, histories, notes)
    run.finish(folder, {"rows": table_rows, "figures": figures, "main": main_row})
    print(f"{table(figures)}\n\nreport: {page}")


def work(chosen: SMCR) -> None:
    """A whole run; the last line printed says where its report is."""
    for flag in ("src", "tgt"):
        if not getattr(chosen, flag):
            raise UserError(f"--{flag}: wanted the name of a dataset")
    names = {flag: getattr(chosen, flag) for flag in ("syn", "src", "tgt") if getattr(chosen, flag)}
    job = Job(chosen, {flag: open_dataset(name, chosen.data_root) for flag, name in names.items()}, run.choose_device(chosen.device))
    output_folder(chosen.runs)
    contents = settings.of_the_result(chosen) | {"data": {flag: one.fingerprint for flag, one in job.data.items()}}
    pair = f"{job.data['src'].name}2{job.data['tgt'].name}"
    folder = run.choose_folder(chosen.runs, "smcr", pair, chosen.seed, contents, chosen.again)
    if run.result_of(folder) is not None:
        print(f"finished earlier (--again runs it anew); report: {folder / 'report.html'}")
        return
    with run.opened(folder, contents, job.device, chosen.force):
        truth = Truth(job.data["tgt"], chosen.height, chosen.width)
        encoder = pretrain(job)
        encoder.save(folder / "direct.safetensors")
        if chosen.epochs:
            refine(job, encoder, truth, folder)
        finish(job, truth, folder)


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    args = sys.argv[1:] if args is None else list(args)

    def is_small(chosen: SMCR) -> bool:
        crops = len(open_dataset(chosen.tgt, chosen.data_root).split("train")) if chosen.tgt else 0
        if crops < SMALL_TARGET:
            print(f"--budget auto: small, since the target has {crops} training crops, fewer than {SMALL_TARGET}")
        return crops < SMALL_TARGET

    def start(first: SMCR) -> None:
        try:
            work(settings.resolve(first, args, SMALL, ABLATIONS, is_small))
        except loop.Stopped as stop:
            sys.exit(128 + stop.signum)

    command(SMCR, start, args)


if __name__ == "__main__":
    main()
