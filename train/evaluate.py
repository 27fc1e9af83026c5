"""Scores a trained model, or every row of a finished run, on a dataset's query and gallery.

    python -m train.evaluate runs/smcr/demo-src2demo-tgt/s0-1a2b3c4d --data demo-tgt
    python -m train.evaluate model.safetensors --data demo-tgt

Rank-1/5/10 and mAP: for a query, gallery crops of its identity and its camera are left out; no re-ranking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from datasets.opening import open_dataset
from opengspr import UserError, command
from train.parts import backbones, factors, run
from train.parts.evaluation import Rows, Truth, score_rows, table


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
    data_root: Path | None = None
    """Where datasets lie; else $OPENGSPR_DATA, else ./data."""
    device: str = "auto"
    """cpu, cuda, or auto."""


def find_rows(model: Path) -> tuple[Rows, Path]:
    """The table's rows, by names of weights files, and the folder with these files.

    Raises:
        UserError: neither a finished run nor a file of weights.
    """
    if model.is_file():
        if model.suffix != ".safetensors":
            raise UserError(f"{model}: wanted a file of weights that ends in .safetensors, or a run's folder")
        return {model.stem: {model.stem: 1.0}}, model.parent
    if not model.is_dir():
        raise UserError(f"{model}: no such run or file; wanted a run's folder or a .safetensors file")
    result = run.result_of(model)
    if result is None:
        raise UserError(f"{model}: no finished run: it has no {run.RESULT}; the command that began it goes on with it")
    return result["rows"], model


def main_row(model: Path, rows: Rows) -> str:
    """The row that is the method's answer; of a file the only one."""
    result = run.result_of(model) if model.is_dir() else None
    return result["main"] if result else next(iter(rows))


def work(chosen: Evaluate) -> None:
    """Loads, scores, prints."""
    rows, folder = find_rows(chosen.model)
    dataset = open_dataset(chosen.data, chosen.data_root)
    device = run.choose_device(chosen.device)
    names = {name for row in rows.values() for name in row}
    encoders = {name: backbones.load(folder / f"{name}.safetensors").to(device) for name in names}
    sizes = {(encoder.spec.height, encoder.spec.width) for encoder in encoders.values()}
    if len(sizes) > 1:
        raise UserError(f"{folder}: encoders of different input sizes {sorted(sizes)}; wanted one")
    truth = Truth(dataset, *sizes.pop())
    scored = score_rows(rows, encoders, truth)
    figures = {row: found.figures for row, (found, _) in scored.items()}
    if chosen.rerank:
        figures |= {f"{row}, re-ranked": truth.score(of, rerank=True).figures for row, (_, of) in scored.items()}
    print(table(figures))
    if chosen.by:
        row = main_row(chosen.model, rows)
        print(f"\n{row}, by what is known of the queries", factors.told(truth.breakdown(*scored[row])), sep="\n")
    unanswered = int((next(iter(scored.values()))[0].rank == 0).sum())
    if unanswered:
        print(f"{unanswered} queries have no match from another camera and are left out")


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    command(Evaluate, work, args)


if __name__ == "__main__":
    main()
