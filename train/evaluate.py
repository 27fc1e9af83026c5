"""Scores a trained model, or every row of a finished run, on a dataset's query and gallery.

    python -m train.evaluate runs/smcr/demo-src2demo-tgt/s0-1a2b3c4d --data demo-tgt
    python -m train.evaluate model.safetensors --data demo-tgt

Rank-1/5/10 and mAP: for a query, gallery crops of its identity and its camera are left out; no re-ranking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from datasets.opening import open_dataset
from opengspr import command
from train.parts import factors, run, trained
from train.parts.evaluation import Truth, score_rows, table
from train.parts.tracklets import Tracklets, Way


@dataclass(frozen=True)
class Evaluate:
    """Prints mAP and Rank-1/5/10, per cent, of a finished run or of one file of weights."""

    model: Annotated[Path, tyro.conf.Positional]
    """Folder of a finished run, or a .safetensors file of an encoder."""
    data: str
    """Dataset with query and gallery: a name or a path."""
    rerank: bool = False
    """Also with k-reciprocal re-ranking."""
    by: bool = False
    """Also by view, weather, hour, size, visibility, cameras and who is asked for, as far as the dataset knows them."""
    video: Literal["", Way] = ""
    """Sequences, not pictures: TP = the mean of 15 frames, TPP = the means of their thirds; R = drawn, E = even."""
    data_root: Path | None = None
    """Where datasets lie; else $OPENGSPR_DATA, else ./data."""
    device: str = "auto"
    """cpu, cuda, or auto."""


def work(chosen: Evaluate) -> None:
    """Loads, scores, prints."""
    rows, folder = trained.find_rows(chosen.model)
    dataset = open_dataset(chosen.data, chosen.data_root)
    device = run.choose_device(chosen.device)
    encoders, size = trained.encoders_of((name for row in rows.values() for name in row), folder, device)
    truth = Tracklets(dataset, *size, chosen.video) if chosen.video else Truth(dataset, *size)
    times = trained.times_of(chosen.model)
    scored = score_rows(rows, encoders, truth, times)
    figures = {row: found.figures for row, (found, _) in scored.items()}
    if chosen.rerank:
        plain = {row: of for row, (_, of) in scored.items() if row not in times}
        figures |= {f"{row}, re-ranked": truth.score(of, rerank=True).figures for row, of in plain.items()}
    print(table(figures))
    if chosen.by:
        row = trained.main_row(chosen.model, rows)
        print(f"\n{row}, by what is known of the queries", factors.told(truth.breakdown(*scored[row])), sep="\n")
    unanswered = int((next(iter(scored.values()))[0].rank == 0).sum())
    if unanswered:
        print(f"{unanswered} queries have no match from another camera and are left out")


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    command(Evaluate, work, args)


if __name__ == "__main__":
    main()
