"""The frame of every recipe that adapts an encoder to a target: pretraining, its own stage, figures, report."""

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import nn
from tqdm import tqdm

from opengspr import loop, ranks
from train.parts import backbones, preparation, report, run
from train.parts.backbones import Encoder
from train.parts.clustering import Distance
from train.parts.data import Unlabelled
from train.parts.evaluation import NONE, Rows, Truth, score_rows, table, truth_of
from train.parts.learning import Learning, Machine
from train.parts.preparation import Job, pretrain
from train.parts.pseudo_labels import Clustered
from train.parts.temporal import Transitions
from train.parts.trained import TIMES

START = "direct transfer"  # the row of the pretrained encoder as it is


@dataclass(frozen=True, kw_only=True)
class Schedule(preparation.Adaptation):
    """Flags of recipes that adapt an encoder in epochs of steps."""

    epochs: int = 50
    steps: int = 400
    batch: int = 64
    """Images of a domain that a net sees in a step."""
    lr: float = 3.5e-4
    lr_drop_every: int = 20
    """Epochs between tenfold drops of the rate; 0 = none."""
    evaluate_every: int = 0
    """Epochs between looks at the target's test figures, for curves; 0 = at the end only. Nothing is chosen by them."""

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch."""
        return self.lr * (0.1 ** (epoch // self.lr_drop_every) if self.lr_drop_every else 1)


@dataclass(frozen=True, kw_only=True)
class Clustering(Schedule):
    """The same for recipes that label the target by clustering it anew each epoch."""

    per_identity: int = 4
    """Images of an identity or a cluster in a batch."""
    eps: float = 0.6
    """Radius of DBSCAN; 0 = set once, at the first clustering, by a rule without labels."""
    k1: int = 30
    """Nearest images among which k-reciprocal neighbours are looked for."""
    k2: int = 6
    """Nearest images over whose neighbourhoods an image's is averaged."""
    by_camera: bool = False
    """CA-Jaccard (Chen et al. 2024): neighbours of the same camera and of others apart, by the four numbers below."""
    k1_intra: int = 5
    k1_inter: int = 20
    k2_intra: int = 2
    k2_inter: int = 4
    search: Literal["auto", "exact", "faiss"] = "auto"
    """How neighbours are found: all compared; by an index that misses some; or by an index from 200,000 images on."""
    min_samples: int = 4

    @property
    def distance(self) -> Distance:
        """Of clustering."""
        return Distance(**{field.name: getattr(self, field.name) for field in fields(Distance)})


@dataclass(frozen=True, kw_only=True)
class WarmedUp(Clustering):
    """The same for recipes whose rate rises first."""

    warmup: int = 10
    """Epochs in which the rate rises."""

    def rate(self, epoch: int) -> float:
        """With the rise."""
        return super().rate(epoch) * min(1.0, (epoch + 1) / max(1, self.warmup))


# A recipe adds its `steps`: as many as make some 13,440 image-steps an epoch, so that all learn from as much.
SCHEDULE: dict[str, Any] = preparation.SMALL | {
    "epochs": 12, "batch": 32, "lr_drop_every": 8, "evaluate_every": 2,
}  # fmt: skip
SMALL: dict[str, Any] = SCHEDULE | {
    # A few hundred images: neighbour lists about as long as an identity has images. Chosen by trials on drawn figures
    # and on the demo's worlds of seeds 0 and 1; others are the test.
    "eps": 0.0, "k1": 10, "k2": 3,
}  # fmt: skip


class AdaptingStage(Learning):
    """A stage that learns from a target and leaves encoders.

    Args:
        chosen: settings.
        rows: of the recipe's table.
        target: pictures and cameras.
        truth: for figures and diagnosis only; None = neither.
        machine: what it runs on.
    """

    name = "adaptation"

    def __init__(self, chosen: Schedule, rows: Rows, target: Unlabelled, truth: Truth | None, machine: Machine) -> None:
        self.seed, self.epochs, self.steps = chosen.seed, chosen.epochs, chosen.steps
        self.chosen, self.rows, self.target, self.truth = chosen, rows, target, truth
        self.machine, self.device, self.augmentation = machine, machine.device, chosen.augmentation

    @property
    def times(self) -> Mapping[str, Transitions]:
        """By the rows that are ranked by them, too."""
        return NONE

    @abstractmethod
    def encoders(self) -> dict[str, Encoder]:
        """By the name of their weights file."""

    def nets(self) -> Iterable[nn.Module]:
        """The encoders."""
        return self.encoders().values()

    def sheets(self) -> Sequence[report.Sheet]:
        """Pictures for the report."""
        return []

    def told(self, found: Clustered, epoch: int, name: str = "target") -> dict[str, float]:
        """What is logged of a clustering, with a diagnosis by the truth that training never sees. Prints warnings."""
        if ranks.first():
            for warning in found.warnings:
                tqdm.write(f"warning: {name}, epoch {epoch + 1}: {warning}")
        values: dict[str, float] = {"clusters": found.found, "dropped": found.dropped, "eps": found.eps}
        values["alone"] = int(np.sum(found.label < 0))
        if self.truth:
            values |= self.truth.diagnose(found.label)
        return {f"{name}_{key}": value for key, value in values.items()}

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """mAP of each row after every so many epochs, for the curves. Nothing is chosen by it."""
        super().end_epoch(epoch)
        every = self.chosen.evaluate_every
        if self.truth is None or not every or (epoch + 1) % every:
            return {}
        scored = score_rows(self.rows, self.encoders(), self.truth, self.times)
        return {f"{row} mAP": one.figures["mAP"] for row, (one, _) in scored.items()}


@dataclass(frozen=True)
class Recipe:
    """What a recipe adds to the frame.

    Attributes:
        name: of the method, as in its command. title: as its paper has it.
        rows: of the result table, beside that of the encoder as it begins: which encoders each fuses, by which share.
            Without `build` there is the pretrained encoder only, `direct`, and its row only if there is no other.
        main: the row that is the method's answer.
        note: what a reader of the table has to know of the rows.
        build: the stage, from the pretrained encoder; None = there is none.
        begin: makes the encoder that it begins with. begun: the name of its row.
    """

    name: str
    title: str
    rows: Rows
    main: str
    note: str
    build: Callable[[Encoder, Truth | None], AdaptingStage] | None
    begin: Callable[[Job], Encoder] = pretrain
    begun: str = START


def adapt(job: Job, recipe: Recipe, truth: Truth | None = None) -> None:
    """A whole run; the last line printed says where its report is. Figures are by `truth`, or on single pictures."""
    with job.folder(recipe.name) as folder:
        if folder:
            truth = truth or truth_of(job.data["tgt"], job.chosen.height, job.chosen.width)
            encoder, cost, times = recipe.begin(job), {}, NONE
            _save(folder, {"direct": encoder})  # now: a stage may train this very net
            if recipe.build:
                stage = recipe.build(encoder, truth)
                cost = loop.run(stage, folder, job.chosen.watched)
                job.stages.append(folder)
                _save(folder, stage.encoders())
                times = stage.times
                job.sheets += stage.sheets()
            ranks.wait()
            _finish(job, recipe, truth, folder, cost, times)


def _save(folder: Path, encoders: Mapping[str, Encoder]) -> None:
    """Weights by their names, once for all ranks."""
    if ranks.first():
        for name, one in encoders.items():
            one.save(folder / f"{name}.safetensors")


def _finish(
    job: Job,
    recipe: Recipe,
    truth: Truth | None,
    folder: Path,
    cost: Mapping[str, float],
    times: Mapping[str, Transitions],
) -> None:
    """Scores every row on the target, if that can be done, writes the report and, last, the result."""
    begun: Rows = {recipe.begun: {"direct": 1.0}}  # the encoder as it began
    rows = {**(begun if recipe.build or not recipe.rows else {}), **recipe.rows}
    files = {name for shares in rows.values() for name in shares}
    encoders = {name: backbones.load(folder / f"{name}.safetensors").to(job.device) for name in files}
    scored = score_rows(rows, encoders, truth, times) if truth else {}
    if not ranks.first():
        return
    figures = {row: dict(one.figures) for row, (one, _) in scored.items()}
    title = f"{recipe.title}, {' to '.join(job.pair)}"
    notes = [f"Seed {job.chosen.seed}. Last epoch, no re-ranking. {recipe.note}".strip()]
    histories = [stage / "metrics.jsonl" for stage in job.stages]
    costs = {one.name: dict((run.result_of(one) or {}).get("cost", {})) for one in job.stages if one != folder}
    if cost:
        costs[recipe.name] = dict(cost)
    embed = job.chosen.embed_pictures or all(one.ours for one in job.data.values())
    page = report.write(folder, title, scored, recipe.main, truth, job.sheets, histories, costs, notes, embed)
    result = {"rows": rows, "figures": figures, "main": recipe.main, "image_steps": _image_steps(job, folder)}
    answering = [encoders[name] for name in rows[recipe.main]]
    weights = sum(weight.numel() for one in answering for weight in one.parameters())
    result |= {"cost": costs, "parameters": weights}
    if truth:
        result["feature"] = scored[recipe.main][1][0].shape[1]
    for one in times.values():  # rows that have any have the same
        one.save(folder / TIMES)
        result["timed"] = [*times]
    run.finish(folder, result)
    print(f"{table(figures) if figures else report.UNSCORED}\n\nreport: {page}")


def _image_steps(job: Job, folder: Path) -> int:
    """What the recipe's own stage passed through its nets; see `learning.Machine`."""
    history = folder / "metrics.jsonl"
    lines = map(json.loads, history.read_text().splitlines() if history.exists() else ())
    return round(sum(line.get("image_steps", 0) for line in lines) * getattr(job.chosen, "steps", 0))
