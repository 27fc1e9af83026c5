"""Runs recipes on pairs of datasets with several seeds, and writes one table of them.

    python -m train.benchmark --methods udap,spcl,smcr --pairs market:duke,duke:market --syn gspr --seeds 3
    python -m train.benchmark --ablations smcr --pairs campus-summer:campus-winter --syn mini-gspr --budget small

Each run is the recipe's own command in a process of its own, so a run that was finished before is not run again, one
that was cut off goes on, and nothing counts twice. A run that ends in an error is said at the end, with where its
output is; the others go on. The table is that of train.report; with `--ablations` a row for each of the paper's, beside
what it prints (train/published.csv).
"""

import csv
import importlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from tqdm import tqdm

from datasets.manifest import Dataset
from datasets.opening import open_dataset
from opengspr import UserError, command
from opengspr.files import output_folder, write_whole
from train.parts import run, trained
from train.parts.comparison import UNSEEN, Group, Lines, compared, html, markdown, raw
from train.parts.evaluation import Truth, score_rows

METHODS = (
    "source", "udap", "spcl", "mmt", "abmt", "act", "cluster_contrast", "cap", "ice", "jvtc", "mmcl", "rae", "dien",
    "gcl", "smcr", "scr",
)  # fmt: skip
STOPPED = tuple(code for one in (signal.SIGINT, signal.SIGTERM) for code in (-one, 128 + one))
PUBLISHED = Path(__file__).with_name("published.csv")


@dataclass(frozen=True)
class Benchmark:
    """Compares recipes on pairs of datasets, or the rows of a recipe's ablation tables."""

    pairs: str = ""
    """SOURCE:TARGET,SOURCE:TARGET ... by names or paths of datasets; :TARGET has no source."""
    methods: str = "all"
    """Names of recipes with commas between, or all."""
    ablations: str | None = None
    """A recipe whose rows of its paper's tables are compared, instead of recipes."""
    rows: str | None = None
    """Of `--ablations`: only these, with semicolons between."""
    syn: str | None = None
    """Synthetic dataset for pretraining."""
    seeds: int = 3
    """How many: 0, 1, 2 ..."""
    unseen: str = ""
    """Datasets that nobody learnt from, with commas between: each run's model is scored on them, too."""
    budget: Literal["auto", "small", "paper"] = "auto"
    """Settings to start from, as in every recipe."""
    config: Path | None = None
    """A YAML file of settings for all runs."""
    runs: Path = Path("runs")
    """Where run folders are made and found."""
    out: Path = Path("results")
    """Folder for the table and what the runs print."""
    data_root: Path | None = None
    """Where datasets lie; else $OPENGSPR_DATA, else ./data."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""


@dataclass(frozen=True)
class Job:
    """One run."""

    pair: str
    method: str
    row: str | None
    seed: int

    @property
    def title(self) -> str:
        """Of its table."""
        source, target = self.pair.split(":")
        return f"{source} to {target}" if source else f"{target} alone"

    @property
    def name(self) -> str:
        """For its log."""
        parts = (self.method, *filter(None, self.pair.split(":")), *([self.row] if self.row else []), f"s{self.seed}")
        return re.sub("[^A-Za-z0-9.=-]+", "_", "-".join(Path(part).name for part in parts))


def jobs_of(chosen: Benchmark) -> list[Job]:
    """All runs, seed by seed, so that a grid that is cut off has whole seeds.

    Raises:
        UserError: unknown names, or nothing to run.
    """
    pairs = [pair for pair in chosen.pairs.split(",") if pair]
    if not pairs or any(len(pair.split(":")) != 2 or pair.endswith(":") for pair in pairs):
        raise UserError(f"--pairs {chosen.pairs}: wanted SOURCE:TARGET or :TARGET, several with commas between")
    if chosen.seeds < 1:
        raise UserError(f"--seeds {chosen.seeds}: wanted at least 1")
    if chosen.ablations:
        rows = list(_recipe(chosen.ablations).ABLATIONS)
        wanted = rows if chosen.rows is None else [row.strip() for row in chosen.rows.split(";")]
        if unknown := [row for row in wanted if row not in rows]:
            raise UserError(f"--rows {unknown[0]}: wanted of: {'; '.join(rows)}")
        which: list[tuple[str, str | None]] = [(chosen.ablations, row) for row in wanted]
    else:
        methods = METHODS if chosen.methods == "all" else chosen.methods.split(",")
        which = [(method, None) for method in methods if _recipe(method)]
    return [Job(pair, *one, seed) for seed in range(chosen.seeds) for pair in pairs for one in which]


def _recipe(method: str) -> Any:
    if method not in METHODS:
        raise UserError(f"{method}: wanted of: {', '.join(METHODS)}")
    return importlib.import_module(f"train.{method}")


def words(chosen: Benchmark, job: Job) -> list[str]:
    """The command line of a run. What a row sets is not given by a flag as well: flags would win."""
    source, target = job.pair.split(":")
    row = _recipe(job.method).ABLATIONS[job.row] if job.row else {}
    flags: dict[str, Any] = {
        "src": source or None, "tgt": target, "syn": chosen.syn, "seed": job.seed, "budget": chosen.budget,
        "ablation": job.row, "config": chosen.config, "runs": chosen.runs, "data-root": chosen.data_root,
        "device": chosen.device,
    }  # fmt: skip
    return [
        word
        for name, value in flags.items()
        if value is not None and name not in row
        for word in (f"--{name}", str(value))
    ]


def carry_out(chosen: Benchmark, job: Job) -> Path | str:
    """Runs one; returns its folder, or its last line where it failed."""
    log = chosen.out / "logs" / f"{job.name}.log"
    line = [sys.executable, "-m", f"train.{job.method}", *words(chosen, job)]
    with open(log, "w") as file:
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True,  # so a Ctrl-C reaches it through us only
        )  # fmt: skip
        try:
            process.wait()
        except (KeyboardInterrupt, SystemExit):  # told to stop: the run saves where it is, unless we are told again
            process.terminate()
            try:
                process.wait()
            finally:
                process.kill()
            raise
    if process.returncode in STOPPED:
        raise KeyboardInterrupt  # it was told by somebody else
    printed = log.read_text()
    found = re.findall(r"report: (\S.*)$", printed, re.MULTILINE)
    if process.returncode == 0 and found:
        return Path(found[-1]).parent
    last = [line for line in printed.splitlines() if line.strip()]
    return f"{last[-1] if last else 'no output'} ({log})"


def groups_of(done: Sequence[tuple[Job, Path]]) -> Iterator[Group]:
    """The runs as the table takes them: a group for all seeds of a pair and a recipe, or a row of a recipe."""
    found: dict[tuple[str, str, str | None], Group] = {}
    for job, folder in done:
        result = json.loads((folder / run.RESULT).read_text())
        settings = yaml.safe_load((folder / run.CONFIG).read_text())
        reads = getattr(_recipe(job.method), "ROW_OF", {})
        main = reads.get(job.row, result["main"])
        group = Group(job.title, job.method, settings, main, job.row or "")
        group = found.setdefault((job.pair, job.method, job.row), group)
        for path in sorted(folder.glob("unseen-*.json")):
            told = json.loads(path.read_text())
            for row, figures in result["figures"].items():
                figures[UNSEEN + told["name"]] = told["figures"][row]["mAP"]
        group.add(job.seed, result, folder)
    yield from found.values()


def score_unseen(folder: Path, datasets: Sequence[Dataset], device: str) -> None:
    """Scores a finished run's rows on other datasets, once each, and keeps the figures beside its result."""
    for dataset in datasets:
        path = folder / f"unseen-{dataset.name}.json"
        if path.exists() and json.loads(path.read_text())["data"] == dataset.fingerprint:
            continue
        rows, _ = trained.find_rows(folder)
        encoders, size = trained.encoders_of((name for row in rows.values() for name in row), folder, device)
        scored = score_rows(rows, encoders, Truth(dataset, *size))
        figures = {row: dict(found.figures) for row, (found, _) in scored.items()}
        told = {"name": dataset.name, "data": dataset.fingerprint, "figures": figures}
        write_whole(path, json.dumps(told).encode())


def published(method: str, row: str) -> str:
    """What the paper prints for a row: where from and to, mAP and Rank-1."""
    with open(PUBLISHED, newline="") as file:
        lines: list[Mapping[str, str]] = [*csv.DictReader(file)]
    mine = [line for line in lines if line["method"] == method and line["variant"] == row]
    pairs = (" to ".join(filter(None, (one["source"], one["target"]))) for one in mine)
    return "; ".join(f"{pair}: {one['mAP']} / {one['rank1']}" for pair, one in zip(pairs, mine, strict=True))


def beside(tables: Sequence[Lines], method: str) -> list[Lines]:
    """The tables of an ablation with a column of what the paper prints."""
    return [
        [[*head, "paper: mAP / Rank-1"], *([*line, published(method, line[0])] for line in lines)]
        for head, *lines in tables
    ]


def work(chosen: Benchmark) -> None:
    """Runs all, writes the table after each seed."""
    jobs = jobs_of(chosen)
    output_folder(chosen.out / "logs", parents=True)
    unseen = [open_dataset(name, chosen.data_root) for name in chosen.unseen.split(",") if name]
    done: list[tuple[Job, Path]] = []
    failed: list[str] = []
    with tqdm(jobs, unit="run", disable=None) as bar:
        for number, job in enumerate(bar, 1):
            bar.set_postfix_str(job.name)
            outcome = carry_out(chosen, job)
            if isinstance(outcome, Path):
                score_unseen(outcome, unseen, run.choose_device(chosen.device))
                done.append((job, outcome))
            else:
                failed.append(f"{job.name}: {outcome}")
            if done and (number == len(jobs) or jobs[number].seed != job.seed):
                text = write(chosen, [*groups_of(done)])
    if done:
        print(f"{text}\ntable: {chosen.out / 'table.md'}")
    if failed:
        raise UserError("not run:\n" + "\n".join(failed))


def write(chosen: Benchmark, groups: Sequence[Group]) -> str:
    """The table as Markdown, returned, and as a page, and every figure as CSV."""
    tables = compared(groups)
    tables = beside(tables, chosen.ablations) if chosen.ablations else tables
    text = markdown(tables)
    title = f"Rows of {chosen.ablations}" if chosen.ablations else "Recipes side by side"
    for name, content in (("table.md", text), ("table.html", html(tables, title)), ("runs.csv", raw(groups))):
        write_whole(chosen.out / name, content.encode())
    return text


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    command(Benchmark, work, args)


if __name__ == "__main__":
    main()
