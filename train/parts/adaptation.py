"""The frame of every recipe that adapts an encoder to a target: pretraining, its own stage, figures, report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from opengspr import loop
from train.parts import backbones, preparation, report, run
from train.parts.backbones import Encoder
from train.parts.evaluation import Rows, Truth, score_rows, table
from train.parts.preparation import Job, pretrain
from train.parts.pseudo_labels import Clustered

DIRECT: Rows = {"direct transfer": {"direct": 1.0}}  # the row of the pretrained encoder as it is


@dataclass(frozen=True, kw_only=True)
class Clustering(preparation.Adaptation):
    """Flags of recipes that label the target by clustering it anew each epoch."""

    epochs: int = 50
    steps: int = 400
    batch: int = 64
    """Images of a domain that a net sees in a step."""
    per_identity: int = 4
    """Of them, images of an identity or a cluster."""
    lr: float = 3.5e-4
    lr_drop_every: int = 20
    """Epochs between tenfold drops of the rate; 0 = none."""
    eps: float = 0.6
    """Radius of DBSCAN; 0 = set once, at the first clustering, by a rule without labels."""
    k1: int = 30
    k2: int = 6
    min_samples: int = 4
    evaluate_every: int = 0
    """Epochs between looks at the target's test figures, for curves; 0 = at the end only. Nothing is chosen by them."""

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch."""
        return self.lr * (0.1 ** (epoch // self.lr_drop_every) if self.lr_drop_every else 1)


SMALL: dict[str, Any] = preparation.SMALL | {
    # A few hundred images: neighbour lists about as long as an identity has images. Chosen by trials on drawn figures
    # and on the demo's worlds of seeds 0 and 1; others are the test.
    "epochs": 12, "steps": 30, "batch": 32, "lr": 1e-3, "lr_drop_every": 8, "eps": 0.0, "k1": 10, "k2": 3,
    "evaluate_every": 2,
}  # fmt: skip


class AdaptingStage(loop.Stage, Protocol):
    """A stage that leaves encoders."""

    def encoders(self) -> dict[str, Encoder]:
        """By the name of their weights file."""


@dataclass(frozen=True)
class Recipe:
    """What a recipe adds to the frame.

    Attributes:
        name: of the method, as in its command. title: as its paper has it.
        rows: of the result table, beside direct transfer: which encoders each fuses, by which share.
        main: the row that is the method's answer.
        note: what a reader of the table has to know of the rows.
        build: the stage, from the pretrained encoder; None = there is none.
    """

    name: str
    title: str
    rows: Rows
    main: str
    note: str
    build: Callable[[Encoder, Truth], AdaptingStage] | None


def adapt(job: Job, recipe: Recipe) -> None:
    """A whole run; the last line printed says where its report is."""
    with job.folder(recipe.name) as folder:
        if folder:
            truth = Truth(job.data["tgt"], job.chosen.height, job.chosen.width)
            encoder = pretrain(job)
            encoder.save(folder / "direct.safetensors")
            if recipe.build:
                stage = recipe.build(encoder, truth)
                loop.run(stage, folder)
                job.stages.append(folder)
                for name, one in stage.encoders().items():
                    one.save(folder / f"{name}.safetensors")
            _finish(job, recipe, truth, folder)


def _finish(job: Job, recipe: Recipe, truth: Truth, folder: Path) -> None:
    """Scores every row on the target, writes the report and, last, the result."""
    rows = {**DIRECT, **recipe.rows}
    files = {name for shares in rows.values() for name in shares}
    encoders = {name: backbones.load(folder / f"{name}.safetensors").to(job.device) for name in files}
    scored = score_rows(rows, encoders, truth)
    figures = {row: dict(one.figures) for row, (one, _) in scored.items()}
    title = f"{recipe.title}, {' to '.join(job.pair)}"
    notes = [f"Seed {job.chosen.seed}. Last epoch, no re-ranking. {recipe.note}".strip()]
    histories = [stage / "metrics.jsonl" for stage in job.stages]
    page = report.write(folder, title, scored, recipe.main, truth, job.sheets, histories, notes)
    run.finish(folder, {"rows": rows, "figures": figures, "main": recipe.main})
    print(f"{table(figures)}\n\nreport: {page}")


def looked_at(truth: Truth | None, every: int, epoch: int, rows: Rows, stage: AdaptingStage) -> Mapping[str, float]:
    """mAP of each row after every so many epochs (0 = never), for curves. Nothing is chosen by it."""
    if truth is None or not every or (epoch + 1) % every:
        return {}
    return {f"{row} mAP": one.figures["mAP"] for row, (one, _) in score_rows(rows, stage.encoders(), truth).items()}


def told(found: Clustered, truth: Truth | None, name: str = "target") -> dict[str, float]:
    """What is logged of a clustering; the purity is a diagnosis that training never sees."""
    values: dict[str, float] = {"clusters": found.found, "dropped": found.dropped, "eps": found.eps}
    values["alone"] = int(np.sum(found.label < 0))
    if truth:
        values["purity"] = truth.diagnose(found.label)
    return {f"{name}_{key}": value for key, value in values.items()}
