"""What comes before a recipe's own work: data by name, synthetic pretraining, translated sources, each made once.

Recipes on the same data with the same settings here share the outcome in runs/stages, so they start from one model.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from datasets.manifest import Dataset
from datasets.opening import open_dataset
from datasets.unlabelled import image_order, unlabelled
from opengspr import UserError, command, loop, ranks
from opengspr.files import output_folder
from opengspr.randomness import seed_of
from train.parts import backbones, report, run, settings, translating
from train.parts.backbones import Encoder, EncoderSpec
from train.parts.data import Augmentation, Images, Labelled, Unlabelled, labelled
from train.parts.learning import Machine
from train.parts.supervised import Supervised, SupervisedSpec


@dataclass(frozen=True, kw_only=True)
class Adaptation(translating.Translating, settings.Run):
    """Flags of every recipe that goes from a labelled source to an unlabelled target."""

    syn: str | None = None
    """Synthetic dataset for pretraining: a name or a path; none = the source alone."""
    init: str = "imagenet"
    """Weights to begin with: imagenet, synthetic, none, or a file."""
    pool: Literal["gem", "avg"] = "gem"
    """Pooling of the last map: generalised mean, or the plain mean."""
    weight_decay: float = 5e-4
    erase: float = 0.5
    """Share of the pictures in which a rectangle is erased."""
    jitter: float = 0.0
    """Strength of colour jitter (deviation of the logarithm of brightness); the papers have none."""
    blur: float = 0.0
    """Share of the pictures that are blurred."""
    accumulate: int = 1
    """Batches whose gradients make one update."""
    pretrain_on: Literal["translated+source", "synthetic"] = "translated+source"
    """Images of stage 1; `synthetic` = untranslated and alone."""
    pretrain_epochs: int = 80
    pretrain_steps: int = 200
    pretrain_batch: int = 64
    pretrain_per_identity: int = 4
    """Images of an identity in a batch of pretraining."""
    pretrain_lr: float = 3.5e-4

    @property
    def machine(self) -> Machine:
        """What all of it runs on."""
        return replace(super().machine, accumulate=self.accumulate)

    @property
    def encoder_spec(self) -> EncoderSpec:
        """What encoder is built."""
        return EncoderSpec(self.backbone, self.height, self.width, self.pool)

    @property
    def augmentation(self) -> Augmentation:
        """Of the pictures that an encoder learns from."""
        return Augmentation(self.erase, self.jitter, self.blur)

    @property
    def pretraining(self) -> SupervisedSpec:
        """How stage 1 learns."""
        return SupervisedSpec(
            self.pretrain_epochs, self.pretrain_steps, self.pretrain_batch, self.pretrain_per_identity,
            self.pretrain_lr, self.weight_decay, augmentation=self.augmentation,
        )  # fmt: skip


SMALL_TARGET = 5000  # training crops below which `--budget auto` is small
SMALL: dict[str, Any] = translating.SMALL | {  # what the small budget changes here; a recipe adds its own
    "init": "synthetic", "pool": "avg", "pretrain_epochs": 20, "pretrain_steps": 80, "pretrain_lr": 1e-2, "jitter": 0.2,
}  # fmt: skip

Recipe = TypeVar("Recipe", bound=translating.Translating)


def start(
    kind: type[Recipe],
    small: Mapping[str, Any],
    ablations: Mapping[str, Mapping[str, Any]],
    work: Callable[[Recipe], None],
    args: Sequence[str] | None = None,
) -> None:
    """A recipe's command: reads the flags, settles the settings, works.

    Args:
        kind: the recipe's settings.
        small: what the small budget changes.
        ablations: settings by the paper's names of rows.
        work: the recipe.
        args: the command line; by default this process's own.
    """
    args = sys.argv[1:] if args is None else list(args)

    def is_small(chosen: Recipe) -> bool:
        crops = len(open_dataset(chosen.tgt, chosen.data_root).split("train")) if chosen.tgt else 0
        if crops < SMALL_TARGET:
            print(f"--budget auto: small, since the target has {crops} training crops, fewer than {SMALL_TARGET}")
        return crops < SMALL_TARGET

    def begin(first: Recipe) -> None:
        work(settings.resolve(first, args, small, ablations, is_small))

    ranks.begin()
    command(kind, begin, args)


@dataclass
class Job:
    """A run's settings and data, and what its stages leave for the report: sheets, and folders in their order."""

    chosen: Adaptation
    data: Mapping[str, Dataset]
    machine: Machine
    sheets: list[report.Sheet] = field(default_factory=list)
    stages: list[Path] = field(default_factory=list)

    @classmethod
    def of(cls, chosen: Adaptation, needs_source: bool = True) -> "Job":
        """Opens the data.

        Args:
            needs_source: whether the recipe can't do without `--src`.

        Raises:
            UserError: a dataset is not named, not there, or not one.
        """
        for flag in ("src", "tgt") if needs_source else ("tgt",):
            if not getattr(chosen, flag):
                raise UserError(f"--{flag}: wanted the name of a dataset")
        names = {flag: getattr(chosen, flag) for flag in ("syn", "src", "tgt") if getattr(chosen, flag)}
        data = {flag: open_dataset(name, chosen.data_root) for flag, name in names.items()}
        return cls(chosen, data, chosen.machine)

    @property
    def device(self) -> str:
        """cpu or cuda."""
        return self.machine.device

    @property
    def pair(self) -> list[str]:
        """Names of source and target; of the target alone without a source."""
        return [self.data[name].name for name in ("src", "tgt") if name in self.data]

    @contextmanager
    def folder(self, method: str) -> Iterator[Path | None]:
        """The run's folder, held for this process; None where the run is finished, which it says."""
        chosen = self.chosen
        contents = settings.of_the_result(chosen) | {"data": {name: one.fingerprint for name, one in self.data.items()}}

        def choose() -> tuple[Path, bool]:
            output_folder(chosen.runs)
            pair = "2".join(self.pair)
            folder = run.choose_folder(chosen.runs, method, pair, chosen.seed, contents, chosen.again)
            return folder, run.result_of(folder) is not None

        folder, finished = ranks.by_first(choose)
        if finished:
            print(f"finished earlier (--again runs it anew); report: {folder / 'report.html'}")
            yield None
            return
        with run.opened(folder, contents, self.device, chosen.force):
            yield folder

    def source(self, name: str) -> Labelled:
        """Training crops with identities, of syn or src."""
        return labelled(self.data[name].split("train"), self.chosen.height, self.chosen.width)

    def source_if_any(self) -> Labelled | None:
        """The labelled source's, where there is one."""
        return self.source("src") if "src" in self.data else None

    def require_cameras(self, remedy: str) -> None:
        """Says what to do where the target's pictures are not of several known cameras.

        Raises:
            UserError: they are not.
        """
        cameras = np.unique(self.data["tgt"].split("train").camid)
        if (cameras >= 0).sum() < 2:
            raise UserError(f"--tgt {self.chosen.tgt}: pictures of two known cameras at least are wanted{remedy}")

    def target(self, name: str) -> Unlabelled:
        """Training crops without identities."""
        crops = unlabelled(self.data[name].split("train"))
        return Unlabelled(Images(crops, self.chosen.height, self.chosen.width), crops.camid, crops.frame)

    def identities(self, name: str) -> np.ndarray:
        """Identities of `target`'s pictures in their order, (N,) from 0: for supervised rows of papers' tables only.

        Raises:
            UserError: nobody knows who they are.
        """
        crops = self.data[name].split("train")
        if (crops.pid < 0).any():
            raise UserError(f"--{name} {self.data[name].name}: crops without identities (pid -1)")
        _, label = np.unique(crops.pid[image_order(crops)], return_inverse=True)
        return label.astype(np.int64)


def translate(job: Job, own: str, other: str) -> Labelled:
    """Crops of `own` in the style of `other`: stage 2, and half of stage 1."""
    found = translating.translate(job.chosen, job.data[own], job.data[other], job.machine)
    title = f"{job.data[own].name} translated into the style of {job.data[other].name}"
    job.sheets.append(report.sheet(title, found.before.images, found.after.images))
    job.stages.append(found.folder)
    return found.after


def pretrain(job: Job, name: str = "pretrain") -> Encoder:
    """Stage 1: supervised on translated synthetic images and the source, half and half; on what of these there is. With
    neither, the encoder as `--init` has it.

    Args:
        job: whose data and settings.
        name: of the stage; another name is another draw of random weights, batches and augmentation.
    """
    chosen = job.chosen
    used = [name for name in ("syn", "src") if name in job.data]
    if used == ["syn", "src"] and chosen.pretrain_on == "synthetic":
        used = ["syn"]
    encoder_spec = chosen.encoder_spec
    draw = seed_of(chosen.seed, name)
    if not used:
        return backbones.build(encoder_spec, chosen.init, draw)
    sets = [translate(job, "syn", "src") if name == "syn" and len(used) > 1 else job.source(name) for name in used]
    spec = chosen.pretraining
    shaping = ("seed", "backbone", "init", "pool", "height", "width", "pretrain_on", "amp", "accumulate")
    contents = asdict(spec) | {name: getattr(chosen, name) for name in shaping}
    contents |= {name: value for name in ("branches", "pyramid") if (value := getattr(encoder_spec, name))}
    contents["data"] = [job.data[name].fingerprint for name in used]
    contents["translated"] = str(job.stages[-1].name) if job.stages else None

    def build(folder: Path) -> Mapping[str, Any]:
        encoder = backbones.build(encoder_spec, chosen.init, draw)
        cost = loop.run(Supervised(name, spec, encoder, sets, chosen.seed, job.machine), folder, chosen.watched)
        if ranks.first():
            encoder.save(folder / "encoder.safetensors")
        return {"image_steps": spec.epochs * spec.steps * spec.batch, "cost": cost}

    job.stages.append(run.shared_stage(chosen.runs, name, contents, job.device, build))
    return backbones.load(job.stages[-1] / "encoder.safetensors")
