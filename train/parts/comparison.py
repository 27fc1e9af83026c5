"""Runs side by side: means and 95 % intervals over seeds, and gains over direct transfer seed by seed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from train.parts.adaptation import START

FIGURES = {"mAP": "mAP", "rank1": "Rank-1"}


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

    def add(self, seed: int, result: Mapping[str, Any]) -> None:
        """A run's result.json."""
        self.image_steps.add(result.get("image_steps", 0))
        for row, figures in result["figures"].items():
            self.figures[row][seed] = figures
        self.costs[seed] = result.get("cost", {}).get(self.method, {})


def interval(values: Sequence[float]) -> str:
    """Mean and half the width of its 95 % interval; the value alone where there is one; empty where there is none."""
    if len(values) < 2:
        return f"{values[0]:.1f}" if len(values) else ""
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):.1f} ± {half:.1f}"


def table(groups: Sequence[Group], all_rows: bool = False) -> str:
    """A table in Markdown for each pair."""
    parts = []
    for pair in dict.fromkeys(group.pair for group in groups):
        own = [group for group in groups if group.pair == pair]
        lines = [[pair, "seeds", *FIGURES.values(), "gain in mAP", "image-steps", "minutes", "MiB"]]
        lines += [[START, *_cells(by_seed), "", "", "", ""] for by_seed in _starts(own)]
        for group in own:
            for row in group.figures if all_rows else [group.main]:
                if row != START or group.name:
                    start = group.figures.get(START, {})
                    gains = [one["mAP"] - start[seed]["mAP"] for seed, one in group.figures[row].items() if start]
                    gain = interval(gains) if gains else ""
                    steps = " ".join(f"{one:,}" for one in sorted(group.image_steps))
                    name = group.name or row + _differing(group, own)
                    lines.append([name, *_cells(group.figures[row]), gain, steps, *_spent(group)])
        text = ["| " + " | ".join(line) + " |" for line in lines]
        parts.append("\n".join([text[0], "|---" * len(lines[0]) + "|", *text[1:]]))
    return "\n\n".join(parts) + "\n"


def _cells(by_seed: Mapping[int, Mapping[str, float]]) -> list[str]:
    """How many seeds, and the figures."""
    return [str(len(by_seed)), *(interval([one[name] for one in by_seed.values()]) for name in FIGURES)]


def _spent(group: Group) -> list[str]:
    """Mean minutes of the recipe's own stage, and the most memory that it held."""
    costs = [cost for cost in group.costs.values() if cost]
    if not costs:
        return ["", ""]
    return [
        f"{np.mean([cost['seconds'] for cost in costs]) / 60:.1f}",
        f"{max(cost['peak_mib'] for cost in costs):,.0f}",
    ]


def _starts(groups: Sequence[Group]) -> list[dict[int, Mapping[str, float]]]:
    """Direct transfer by seed, once for all groups that have the same by the seeds that they share."""
    found: list[dict[int, Mapping[str, float]]] = []
    for group in groups:
        own = group.figures.get(START, {})
        if not own:  # it begins from nothing
            continue
        for other in found:
            if all(other[seed] == own[seed] for seed in own.keys() & other.keys()):
                other |= own
                break
        else:
            found.append(dict(own))
    return found


def _differing(group: Group, others: Sequence[Group]) -> str:
    """The settings by which a group differs from others of its recipe; of data of the same name, the fingerprints."""
    same = [{**one.settings, **_prints(one)} for one in others if one.method == group.method]
    mine = {**group.settings, **_prints(group)}
    keys = [key for key in mine if key != "data" and any(one.get(key, mine[key]) != mine[key] for one in same)]
    return f" ({', '.join(f'{key} {mine[key]}' for key in keys)})" if keys else ""


def _prints(group: Group) -> dict[str, str]:
    """The first digits of the data's fingerprints, by flag."""
    return {f"data of --{name}": value[:8] for name, value in group.settings.get("data", {}).items()}
