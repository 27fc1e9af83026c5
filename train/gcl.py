"""GCL: joint generative and contrastive learning (thesis chapter 5; Chen et al., CVPR 2021): `gcl` in published.csv.

    python -m train.mesh --capture gspr --predict market              # the bodies in market's crops
    python -m train.gcl --tgt market --init-from runs/jvtc/... --meshes runs/mesh/.../market.meshes.safetensors

Idea: the same person, shown from where no camera stood, is a view by which to learn what does not depend on views. The
body in a picture is turned by 45 to 315 degrees; a decoder shows the picture's identity in the turned body's structure;
and the identity encoder, which both modules share, learns that the shown view, the picture and another picture of the
cluster are one person. It begins as another recipe left it, learns nothing while the decoder learns, then both learn.

Generation, eq. 5.1-5.4: parts/views.py. Contrast, eq. 5.5-5.8: a memory of all pictures, DBSCAN on it each epoch, and
against the view (without generation: against the picture) 8192 memories of other clusters.

What is ours, where the thesis is silent: the feature f is the one that the warm-up was trained by, where the thesis
puts a new layer of 512 units; pictures in no cluster are clusters of one; batch norms of the identity encoder see
pictures and what is made apart, and keep statistics of pictures only; targets of eq. 5.2 are detached; bodies are ours
(train.mesh), each turned about its own axis and coloured by place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from datasets.manifest import Dataset
from opengspr import UserError
from opengspr.checkpoint import Stateful
from opengspr.randomness import rng
from train.parts import adaptation, backbones, drawing, losses, preparation, pseudo_labels, report, trained
from train.parts.backbones import Encoder
from train.parts.data import Images
from train.parts.evaluation import Truth, extract
from train.parts.learning import sgd
from train.parts.memory import InstanceMemory
from train.parts.mesh_net import Meshes
from train.parts.on_clusters import OnClusters
from train.parts.preparation import Job
from train.parts.translation import BETAS
from train.parts.view_learning import AS_THEY_ARE, Views, ViewSchedule, one_by_one, warmed_up
from train.parts.views import ViewSpec, look

ROWS = {"GCL": {"gcl": 1.0}}
POSITIVES = ("L_vi", "L'_vi", "L''_vi")  # in the order in which Table 5.3 adds them


@dataclass(frozen=True, kw_only=True)
class GCL(adaptation.Clustering):
    """Views of people from new sides, and contrast with them."""

    pool: Literal["gem", "avg"] = "avg"
    """Pooling of the last map: generalised mean, or the plain mean."""
    init_from: Path | None = None
    """A finished run, or its weights: the warm-up. Else what `--syn`, `--src` and `--init` make."""
    meshes: Path | None = None
    """The bodies in the target's crops, of train.mesh --predict; by default the one file of them below `--runs`."""
    draw_by: drawing.By = "auto"
    """What draws the structures: egl or osmesa (pyrender), torch, or the first that works."""
    generate: bool = True
    """Whether views are made; else contrast alone."""
    contrast: int = 3
    """Which losses of eq. 5.6 to 5.8: the first, the first two, all three; 0 = none. Without views there is one."""
    augment: bool = False
    """Traditional augmentation: flips, shifts, erased rectangles, jitter; without views only."""
    epochs: int = 20
    steps: int = 800
    batch: int = 16
    lr: float = 3.5e-4
    """Of the identity encoder, by gradient descent with momentum."""
    lr_views: float = 1e-4
    """Of structure encoder, decoder and judges, by Adam."""
    lr_drop_every: int = 10
    views_epochs: int = 40
    """Of the generative module alone."""
    views_steps: int = 800
    structure_width: int = 32
    """Channels of the structure code."""
    judge_width: int = 64
    """Of the judges' first layer."""
    picture: float = 5.0
    """lambda_img of eq. 5.4."""
    feature: float = 5.0
    """lambda_feat of eq. 5.4."""
    eps: float = 0.0
    """Radius of DBSCAN; 0 = set at each clustering by a rule without labels."""
    rho: float = 2e-3
    """Share of all pairs in that rule."""
    momentum: float = 0.2
    """alpha of eq. 5.5."""
    negatives: int = 8192
    """K: memories of other clusters that each picture is compared with; fewer where there are fewer."""
    temperature: float = 0.04

    @property
    def view_spec(self) -> ViewSpec:
        """Of the generative module."""
        return ViewSpec(self.structure_width, self.judge_width, self.picture, self.feature)


SMALL = adaptation.SMALL | {
    "batch": 16, "steps": 93, "lr": 3.5e-4, "lr_views": 1e-3, "views_epochs": 10, "views_steps": 120,
    "structure_width": 16, "judge_width": 16, "feature": 100.0,
}  # fmt: skip

ABLATIONS: dict[str, dict[str, Any]] = {  # thesis Table 5.3
    "Baseline": {"epochs": 0, "generate": False, "contrast": 1},
    "+ L_gan": {"contrast": 0},
    "+ L_vi^woGAN": {"generate": False, "contrast": 1},
    "+ L_vi^woGAN + TDA": {"generate": False, "contrast": 1, "augment": True},
    "+ L_gan + L_vi": {"contrast": 1},
    "+ L_gan + L_vi + L'_vi": {"contrast": 2},
    "+ L_gan + L_vi + L'_vi + L''_vi": {},
}


class Joint(OnClusters):
    """GCL's joint stage.

    Args:
        chosen: settings.
        encoder: what it begins with.
        generator: the generative module, warmed up; None = contrast alone.
        others: of `AdaptingStage`.
    """

    chosen: GCL

    def __init__(self, chosen: GCL, encoder: Encoder, generator: Views | None, *others: Any) -> None:
        super().__init__(chosen, ROWS, *others)
        self.generator, self.rho = generator, chosen.rho
        self.augmentation = chosen.augmentation if chosen.augment else AS_THEY_ARE
        self.encoder = encoder.to(self.device).requires_grad_(True)
        self.slow = sgd(encoder.parameters(), chosen.lr, chosen.weight_decay)
        moved = [*self.made_nets().parameters()] or [nn.Parameter(torch.zeros(1))]
        self.fast = torch.optim.Adam(moved, chosen.lr_views, betas=BETAS)
        nothing = torch.zeros(0, encoder.channels, device=self.device)
        self.memory = InstanceMemory(nothing, nothing, chosen.momentum)
        self.at = (0, 0)

    def made_nets(self) -> nn.Module:
        """E_str, G and D."""
        return self.generator.nets if self.generator else nn.Module()

    def seen_as(self, images: Images) -> Tensor:
        """The memory, which begins as the warm-up's features."""
        if not len(self.memory.entries):
            features = extract(self.encoder, images)
            self.memory = InstanceMemory(features[:0], features, self.chosen.momentum)
        return self.memory.entries

    def begin_clusters(self, features: Tensor, label: Tensor, rate: float) -> None:
        """Rates; the clusters, each picture in none being one of its own."""
        drop = rate / self.chosen.lr
        for optimizer, own in ((self.slow, self.chosen.lr), (self.fast, self.chosen.lr_views)):
            for group in optimizer.param_groups:
                group["lr"] = own * drop
        self.eps = self.chosen.eps  # settled anew at each clustering
        self.memory.assign(torch.from_numpy(pseudo_labels.classes(label.cpu().numpy())).to(self.device))

    def feed(self, epoch: int, step: int) -> None:
        """Pictures, one after the other."""
        drawn = one_by_one(self, epoch, len(self.target.images), self.chosen.batch)
        self.given = self.opened(self.target.images, drawn, step, self.seed, "augment", epoch)

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update."""
        self.at = epoch, step
        self.encoder.train()
        return super().step(epoch, step)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 5.9, and the judges' own."""
        (pictures,), self.index = next(self.given)
        chosen, terms, new = self.chosen, dict[str, Tensor](), None
        if self.generator:
            draws = rng(self.seed, self.name, *self.at)
            seen, made, terms = self.generator.terms(self.encoder, pictures, self.index, draws)
            new = made.seen.feature
        else:
            with self.machine.casting():
                seen = look(self.encoder, pictures)
        self.feature = seen.feature
        self.machine.passed["image_steps"] += (9 if self.generator else 3) * len(self.index)
        if chosen.contrast:
            terms |= self._contrast(self.feature, new)
        return torch.stack([*terms.values()]).sum(), terms

    def _contrast(self, feature: Tensor, new: Tensor | None) -> dict[str, Tensor]:
        """Eq. 5.6-5.8 of the pictures' features and the views', (B, D) each."""
        memory, draws = self.memory.entries, rng(self.seed, "contrast", *self.at)
        positive, negative = self._drawn(draws)
        positive = memory[positive]
        against = (feature if new is None else new) @ memory.T
        against = against.masked_fill(~negative, -torch.inf)
        pairs = [(feature, positive)] if new is None else [(feature, positive), (new, feature), (new, positive)]
        return {
            name: losses.view_invariant((one * other).sum(1), against, self.chosen.temperature)
            for name, (one, other) in zip(POSITIVES[: self.chosen.contrast], pairs)
        }

    def _drawn(self, draws: np.random.Generator) -> tuple[Tensor, Tensor]:
        """For each picture of the batch another of its cluster, itself where there is none, (B,); and K pictures of
        other clusters, as a mask (B, N)."""
        label = self.memory.label
        same = label[self.index][:, None] == label
        luck = torch.from_numpy(draws.random(same.shape, np.float32)).to(self.device)
        own = torch.zeros_like(same).scatter_(1, self.index[:, None], True)
        positive = (luck + (same & ~own).float() * 2 + (same & own).float()).argmax(1)
        count = self.chosen.negatives
        if count >= same.shape[1]:
            return positive, ~same
        kept = luck.masked_fill(same, -1).topk(count, 1).indices
        return positive, torch.zeros_like(same).scatter_(1, kept, True) & ~same

    def remember(self) -> None:
        """Each picture moves its own entry, eq. 5.5."""
        self.memory.update(self.index, self.feature.detach())

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Tells what identity and structure do to the features of what is made, and how alike its pictures are."""
        told = dict(super().end_epoch(epoch))
        if self.generator:
            images, label = self.target.images, self.memory.label.cpu().numpy()
            told |= self.generator.swapped(self.encoder, images)
            told |= self.generator.similarity(self.encoder, images, label, rng(self.seed, "similarity", epoch))
        return told

    def sheets(self) -> Sequence[report.Sheet]:
        """New views, swaps and ways from one identity to another."""
        return self.generator.sheets(self.encoder, self.target.images, self.seed) if self.generator else []

    def nets(self) -> Iterable[nn.Module]:
        """All."""
        return [self.encoder, self.made_nets()]

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Of the identity encoder, of the others."""
        return [self.slow, self.fast] if self.generator else [self.slow]

    def encoders(self) -> dict[str, Encoder]:
        """The one."""
        return {"gcl": self.encoder}

    def held(self) -> dict[str, Stateful]:
        """With all nets and optimizers."""
        own: dict[str, Stateful] = {"encoder": self.encoder, "views": self.made_nets()}
        return super().held() | own | {"slow": self.slow, "fast": self.fast}

    def state_dict(self) -> dict[str, Any]:
        """With the memory."""
        return super().state_dict() | {"entries": self.memory.entries, "classes": self.memory.label}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        super().load_state_dict(state)
        self.memory.entries = state["entries"].to(self.device)
        self.memory.assign(state["classes"].to(self.device))


def begun(job: Job, chosen: GCL) -> Encoder:
    """The warm-up.

    Raises:
        UserError: not one encoder of the pictures' size.
    """
    if chosen.init_from is None:
        return preparation.pretrain(job)
    rows, folder = trained.find_rows(chosen.init_from)
    names = [*rows[trained.main_row(chosen.init_from, rows)]]
    if len(names) > 1:
        files = ", ".join(f"{name}.safetensors" for name in names)
        raise UserError(f"--init-from {chosen.init_from}: its answer fuses several encoders; wanted one of {files}")
    encoder = backbones.load(folder / f"{names[0]}.safetensors").to(job.device)
    size = encoder.spec.height, encoder.spec.width
    if size != (chosen.height, chosen.width):
        raise UserError(
            f"--init-from {chosen.init_from}: wanted --height {size[0]} --width {size[1]}, as it was trained"
        )
    return encoder


def meshes_of(chosen: GCL, target: Dataset) -> Meshes:
    """The target's bodies.

    Raises:
        UserError: their file is not named, and there is none, or several; or it is not of these crops.
    """
    path = chosen.meshes
    if path is None:
        found = sorted(chosen.runs.glob(f"mesh/*/*/{target.name}.meshes.safetensors"))
        if len(found) != 1:
            those = ", ".join(map(str, found)) or f"those of python -m train.mesh --capture NAME --predict {chosen.tgt}"
            raise UserError(f"--meshes: wanted {'one of ' if found else ''}{those}")
        path = found[0]
    meshes = Meshes.load(path)
    if meshes.notes.get("data") != target.fingerprint:
        raise UserError(f"--meshes {path}: not of these crops of {chosen.tgt}; train.mesh --predict makes them anew")
    return meshes


def work(chosen: GCL) -> None:
    """A whole run."""
    if not 0 <= chosen.contrast <= len(POSITIVES) or (not chosen.generate and chosen.contrast > 1):
        raise UserError(f"--contrast {chosen.contrast}: wanted 0 to {len(POSITIVES)}, without views 0 or 1")
    if chosen.generate and chosen.augment:
        raise UserError("--augment: changed pictures would not fit their bodies; wanted --no-generate beside it")
    job = Job.of(chosen, needs_source=False)
    meshes = meshes_of(chosen, job.data["tgt"]) if chosen.generate else None  # now, before hours of pretraining
    painter = drawing.painter(meshes.model, chosen.draw_by) if meshes else None

    def learning(encoder: Encoder, truth: Truth | None) -> Joint:
        target, generator = job.target("tgt"), None
        if meshes and painter:
            schedule = ViewSchedule(chosen.views_epochs, chosen.views_steps, chosen.batch, chosen.lr_views)
            generator = warmed_up(job, chosen.view_spec, schedule, encoder, target.images, meshes, painter)
        return Joint(chosen, encoder, generator, target, truth, job.machine)

    start = "warm-up" if chosen.init_from else adaptation.START
    recipe = adaptation.Recipe("gcl", "GCL", ROWS, "GCL", "", learning, lambda job: begun(job, chosen), start)
    adaptation.adapt(job, recipe)


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(GCL, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
