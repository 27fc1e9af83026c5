"""Finished runs side by side: means and intervals over seeds, and gains over direct transfer seed by seed.

    python -m train.report runs/ --out compared.md

Runs of one recipe on one pair whose settings differ in the seed only are one row of the table. An interval holds the
mean with 95 % confidence (Student's t over seeds); a gain is the mean of the differences within each seed, so that what
all recipes share by a seed (pretraining) cancels. Differing settings are told apart by what differs. Minutes and memory
are those of the recipe's own stage.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
import yaml

from opengspr import UserError, command
from opengspr.files import write_whole
from train.parts import run
from train.parts.comparison import Group, compared, markdown


@dataclass(frozen=True)
class Report:
    """Compares finished runs."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = (Path("runs"),)
    """Folders of runs, or with runs below them."""
    rows: bool = False
    """All rows of each run, not only direct transfer and the method's answer."""
    out: Path | None = None
    """A Markdown file for the table."""


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
        groups.setdefault(key, Group(pair, method, settings, result["main"])).add(seed, result)
    if not groups:
        raise UserError(f"{', '.join(map(str, folders))}: no finished run there")
    return [groups[key] for key in sorted(groups)]


def work(chosen: Report) -> None:
    """Collects, compares, prints."""
    for folder in chosen.runs:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder of runs")
    if chosen.out and not chosen.out.parent.is_dir():
        raise UserError(f"--out {chosen.out}: no such folder as {chosen.out.parent}")
    text = markdown(compared(collect(chosen.runs), chosen.rows))
    print(text)
    if chosen.out:
        write_whole(chosen.out, text.encode())
        print(f"written: {chosen.out}")


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    command(Report, work, args)


if __name__ == "__main__":
    main()
