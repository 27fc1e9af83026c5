"""Runs side by side: means and 95 % intervals over seeds, and gains over direct transfer seed by seed."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from train.parts.adaptation import START

FIGURES = {"mAP": "mAP", "rank1": "Rank-1"}
UNSEEN = "mAP on "  # beginning of the names of figures on datasets that a run did not see
COSTS = ("image-steps", "minutes", "MiB", "weights", "numbers in a feature")
SIZES = ("parameters", "feature")
Lines = list[list[str]]  # of a table, its head first

NOTE = (
    "Per cent, means over seeds with half of the 95 % interval; gains are over direct transfer with the same seed. The "
    "last epoch's figures, without re-ranking. Minutes and memory are of the recipe's own stage."
)
STYLE = (
    ":root { color-scheme: light dark } body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem } "
    "div { overflow-x: auto; margin: 1.5rem 0 } "
    "table { border-collapse: collapse; font-variant-numeric: tabular-nums } "
    "th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap } "
    "th:first-child, td:first-child { text-align: left } p { max-width: 46rem }"
)


@dataclass
class Group:
    """Runs of one recipe on one pair that differ in their seed only: by row and seed, the figures."""

    pair: str
    method: str
    settings: Mapping[str, Any]
    main: str
    name: str = ""
    """In the table; by default the row's name, with the settings by which it differs from others of its recipe."""
    figures: dict[str, dict[int, Mapping[str, float]]] = field(default_factory=lambda: defaultdict(dict))
    image_steps: set[int] = field(default_factory=set)
    costs: dict[int, Mapping[str, float]] = field(default_factory=dict)
    sizes: dict[int, Mapping[str, int]] = field(default_factory=dict)
    """By seed, parameters of what answers, and numbers in its feature."""
    folders: dict[int, Path] = field(default_factory=dict)
    """By seed, where the run lies."""

    def add(self, seed: int, result: Mapping[str, Any], folder: Path) -> None:
        """A run's result.json, and its folder."""
        self.folders[seed] = folder
        self.image_steps.add(result.get("image_steps", 0))
        for row, figures in result["figures"].items():
            self.figures[row][seed] = figures
        self.costs[seed] = result.get("cost", {}).get(self.method, {})
        self.sizes[seed] = {name: result[name] for name in SIZES if name in result}


def interval(values: Sequence[float]) -> str:
    """Mean and half the width of its 95 % interval; the value alone where there is one; empty where there is none."""
    if len(values) < 2:
        return f"{values[0]:.1f}" if len(values) else ""
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):.1f} ± {half:.1f}"


def compared(groups: Sequence[Group], all_rows: bool = False) -> list[Lines]:
    """A table for each pair."""
    tables = []
    for pair in dict.fromkeys(group.pair for group in groups):
        own = [group for group in groups if group.pair == pair]
        told = [one for group in own for by_seed in group.figures.values() for one in by_seed.values()]
        unseen = list(dict.fromkeys(name for one in told for name in one if name.startswith(UNSEEN)))
        lines = [[pair, "seeds", *FIGURES.values(), "gain in mAP", *unseen, *COSTS]]
        blank = [""] * len(COSTS)
        lines += [[name, *_cells(one), "", *_on(unseen, one), *blank] for name, one in _starts(own)]
        for group in own:
            for row in group.figures if all_rows else [group.main]:
                if row != START or group.name:
                    start = group.figures.get(START, {})
                    gains = [one["mAP"] - start[seed]["mAP"] for seed, one in group.figures[row].items() if start]
                    gain = interval(gains) if gains else ""
                    steps = " ".join(f"{one:,}" for one in sorted(group.image_steps))
                    name = group.name or row + differing(group, own)
                    scored = [*_cells(group.figures[row]), gain, *_on(unseen, group.figures[row])]
                    lines.append([name, *scored, steps, *_spent(group), *_sized(group)])
        tables.append(_without_empty(lines))
    return tables


def _without_empty(lines: Lines) -> Lines:
    """A table without the columns that have nothing but a head."""
    kept = [k for k in range(len(lines[0])) if len(lines) == 1 or any(line[k] for line in lines[1:])]
    return [[line[k] for k in kept] for line in lines]


def markdown(tables: Sequence[Lines]) -> str:
    """Tables in Markdown."""
    parts = []
    for lines in tables:
        text = ["| " + " | ".join(line) + " |" for line in lines]
        parts.append("\n".join([text[0], "|---" * len(lines[0]) + "|", *text[1:]]))
    return "\n\n".join(parts) + "\n"


def html(tables: Sequence[Lines], title: str) -> str:
    """Tables as a page."""
    parts = []
    for head, *lines in tables:
        cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
        parts.append(f"<div><table><tr>{cells}</tr>{rows}</table></div>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"<p>{NOTE}</p>{''.join(parts)}</body></html>\n"
    )


def raw(groups: Sequence[Group]) -> str:
    """Every figure of every run to a hundredth, a line for each run and row, as CSV."""
    stream = StringIO()
    known = [*_raw(groups)]
    writer = csv.DictWriter(stream, list(dict.fromkeys(name for line in known for name in line)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(known)
    return stream.getvalue()


def _raw(groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    for group in groups:
        for row, by_seed in group.figures.items():
            for seed, figures in by_seed.items():
                line: dict[str, Any] = {"pair": group.pair, "method": group.method, "variant": group.name, "row": row}
                line |= {"seed": seed, **figures}
                if row == group.main:
                    line |= {**group.costs[seed], **group.sizes[seed]}
                yield {name: round(value, 2) if isinstance(value, float) else value for name, value in line.items()}


def _cells(by_seed: Mapping[int, Mapping[str, float]]) -> list[str]:
    """How many seeds, and the figures."""
    return [str(len(by_seed)), *(interval([one[name] for one in by_seed.values()]) for name in FIGURES)]


def _on(names: Sequence[str], by_seed: Mapping[int, Mapping[str, float]]) -> list[str]:
    """The figures on datasets that were not seen."""
    return [interval([one[name] for one in by_seed.values() if name in one]) for name in names]


def _spent(group: Group) -> list[str]:
    """Mean minutes of the recipe's own stage, and the most memory that it held."""
    costs = [cost for cost in group.costs.values() if cost]
    if not costs:
        return ["", ""]
    return [
        f"{np.mean([cost['seconds'] for cost in costs]) / 60:.1f}",
        f"{max(cost['peak_mib'] for cost in costs):,.0f}",
    ]


def _sized(group: Group) -> list[str]:
    """How large what answers is."""
    return [
        " ".join(f"{one:,}" for one in sorted({size[name] for size in group.sizes.values() if name in size}))
        for name in SIZES
    ]


def _starts(groups: Sequence[Group]) -> Iterator[tuple[str, dict[int, Mapping[str, float]]]]:
    """Direct transfer by seed, once for all groups that have the same by the seeds that they share; its name, which
    says whose it is where there are several, but for that of most groups."""
    found: list[tuple[list[str], dict[int, Mapping[str, float]]]] = []
    for group in groups:
        own = group.figures.get(START, {})
        if not own:  # it begins from nothing
            continue
        for names, other in found:
            if all(other[seed] == own[seed] for seed in own.keys() & other.keys()):
                names.append(group.name or group.main)
                other |= own
                break
        else:
            found.append(([group.name or group.main], dict(own)))
    found.sort(key=lambda one: -len(one[0]))
    for k, (names, one) in enumerate(found):
        yield START + (f" ({', '.join(dict.fromkeys(names))})" if k else ""), one


def differing(group: Group, others: Sequence[Group]) -> str:
    """The settings by which a group differs from others of its recipe; of data of the same name, the fingerprints."""
    same = [{**one.settings, **_prints(one)} for one in others if one.method == group.method]
    mine = {**group.settings, **_prints(group)}
    keys = [key for key in mine if key != "data" and any(one.get(key, mine[key]) != mine[key] for one in same)]
    return f" ({', '.join(f'{key} {mine[key]}' for key in keys)})" if keys else ""


def _prints(group: Group) -> dict[str, str]:
    """The first digits of the data's fingerprints, by flag."""
    return {f"data of --{name}": value[:8] for name, value in group.settings.get("data", {}).items()}
