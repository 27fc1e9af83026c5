"""Finished runs side by side: means and intervals over seeds, and gains over direct transfer seed by seed.

    python -m train.report runs/ --out compared.md
    python -m train.report runs/ice/market2duke runs/smcr/market2duke --by duke

Runs of one recipe on one pair whose settings differ in the seed only are one row of the table. An interval holds the
mean with 95 % confidence (Student's t over seeds); a gain is the mean of the differences within each seed, so that what
all recipes share by a seed (pretraining) cancels. Differing settings are told apart by what differs. Minutes and memory
are those of the recipe's own stage. With `--by` models are scored once more, and a second table says for which queries
they gain.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated

import tyro
import yaml

from datasets.manifest import Dataset
from datasets.opening import open_dataset
from opengspr import UserError, command
from opengspr.files import write_whole
from train.parts import run, trained
from train.parts.adaptation import START
from train.parts.comparison import Group, Lines, compared, differing, interval, markdown
from train.parts.evaluation import Truth, score_rows
from train.parts.factors import Groups


@dataclass(frozen=True)
class Report:
    """Compares finished runs."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = (Path("runs"),)
    """Folders of runs, or with runs below them."""
    rows: bool = False
    """All rows of each run, not only direct transfer and the method's answer."""
    by: str | None = None
    """A dataset: also gains over direct transfer by view, weather, hour and what else is known of its queries."""
    out: Path | None = None
    """A Markdown file for the table."""
    data_root: Path | None = None
    """Where datasets lie, for `--by`; else $OPENGSPR_DATA, else ./data."""
    device: str = "auto"
    """For `--by`: cpu, cuda, or auto."""


def collect(folders: Sequence[Path]) -> list[Group]:
    """The finished runs at or below some folders, in groups.

    Raises:
        UserError: there is none.
    """
    groups: dict[tuple[str, str, str], Group] = {}
    for path in sorted({path for folder in folders for path in folder.rglob(run.RESULT)}):
        result = json.loads(path.read_text())
        if not result.get("figures") or not (path.parent / run.CONFIG).exists():
            continue  # a stage, or a run on a target that cannot be scored
        settings = yaml.safe_load((path.parent / run.CONFIG).read_text())
        seed = settings.pop("seed")
        method, pair = path.parts[-4], path.parts[-3]
        key = pair, method, run.short_hash(settings)
        groups.setdefault(key, Group(pair, method, settings, result["main"])).add(seed, result, path.parent)
    if not groups:
        raise UserError(f"{', '.join(map(str, folders))}: no finished run there")
    return [groups[key] for key in sorted(groups)]


def by_factor(groups: Sequence[Group], dataset: Dataset, device: str) -> Lines:
    """A table of gains over each recipe's direct transfer by what is known of a dataset's queries, its head first.

    Raises:
        UserError: no run has both, or the dataset knows nothing of its queries.
    """
    groups = [group for group in groups if START in group.figures and group.main != START]
    if not groups:
        raise UserError("--by: wanted runs that began with direct transfer")
    truth = lru_cache(partial(Truth, dataset))  # by the size of pictures, so that these are opened once
    found = [{seed: _breakdowns(group, seed, truth, device) for seed in group.folders} for group in groups]
    first = found[0]
    kinds = {(factor, kind): told for factor, of in next(iter(first.values()))[0].items() for kind, told in of.items()}
    if not kinds:
        raise UserError(f"--by {dataset.name}: nothing is known of its queries")
    names = [group.name or group.main + differing(group, groups) for group in groups]
    lines = [["by", "queries", START, *(f"gain of {name}" for name in names)]]
    for (factor, kind), (_, _, count) in kinds.items():
        begun = [start[factor][kind][0] for start, _ in first.values()]
        gains = [[end[factor][kind][0] - start[factor][kind][0] for start, end in one.values()] for one in found]
        lines.append([f"{factor}: {kind}", f"{count:,}", interval(begun), *map(interval, gains)])
    return lines


def _breakdowns(group: Group, seed: int, truth_of: Callable[[int, int], Truth], device: str) -> list[dict[str, Groups]]:
    """A run's figures by factor: of direct transfer, and of its answer. Pairs of cameras are too many."""
    folder = group.folders[seed]
    rows, _ = trained.find_rows(folder)
    rows = {name: rows[name] for name in (START, group.main)}
    encoders, size = trained.encoders_of((name for row in rows.values() for name in row), folder, device)
    truth = truth_of(*size)
    scored = score_rows(rows, encoders, truth, trained.times_of(folder))
    tables = [truth.breakdown(*scored[name]) for name in rows]
    return [{factor: of for factor, of in one.items() if factor != "cameras"} for one in tables]


def work(chosen: Report) -> None:
    """Collects, compares, prints."""
    for folder in chosen.runs:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder of runs")
    if chosen.out and not chosen.out.parent.is_dir():
        raise UserError(f"--out {chosen.out}: no such folder as {chosen.out.parent}")
    dataset = open_dataset(chosen.by, chosen.data_root) if chosen.by else None
    groups = collect(chosen.runs)
    tables = compared(groups, chosen.rows)
    if dataset:
        tables.append(by_factor(groups, dataset, run.choose_device(chosen.device)))
    text = markdown(tables)
    print(text)
    if chosen.out:
        write_whole(chosen.out, text.encode())
        print(f"written: {chosen.out}")


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    command(Report, work, args)


if __name__ == "__main__":
    main()
