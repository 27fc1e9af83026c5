"""train.benchmark: which runs, by which commands; each once; a table; what failed is said."""

import csv
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.train.worlds import TINY, draw_world, draw_worlds
from train import benchmark, evaluate
from train.benchmark import Benchmark, Job


def test_every_recipe_is_known() -> None:
    commands = {path.stem for path in Path(benchmark.__file__).parent.glob("*.py") if "ABLATIONS" in path.read_text()}
    assert commands - {"benchmark"} == set(benchmark.METHODS)


def test_seed_by_seed() -> None:
    jobs = benchmark.jobs_of(Benchmark(pairs="a:b,c:d", methods="udap,spcl", seeds=2))
    assert [job.seed for job in jobs] == [0] * 4 + [1] * 4
    assert [(job.pair, job.method) for job in jobs[:4]] == [
        ("a:b", "udap"), ("a:b", "spcl"), ("c:d", "udap"), ("c:d", "spcl"),
    ]  # fmt: skip
    assert len(benchmark.jobs_of(Benchmark(pairs="a:b", seeds=1))) == len(benchmark.METHODS)
    assert len({job.name for job in jobs}) == 8


@pytest.mark.parametrize("method", benchmark.METHODS)
def test_a_row_s_settings_are_not_given_as_flags(method: str) -> None:
    chosen = Benchmark(pairs="a:b", syn="mine", ablations=method)
    for row, changed in importlib.import_module(f"train.{method}").ABLATIONS.items():
        words = benchmark.words(chosen, Job("a:b", method, row, 0))
        assert words[words.index("--ablation") + 1] == row
        assert not {f"--{name}" for name in changed} & {*words}
        assert {"--src", "--tgt", "--syn"} <= {*words, *(f"--{name}" for name in changed)}
    assert "--ablation" not in benchmark.words(chosen, Job("a:b", "smcr", None, 0))


def test_a_target_alone() -> None:
    (job,) = benchmark.jobs_of(Benchmark(pairs=":b", methods="ice", seeds=1))
    words = benchmark.words(Benchmark(), job)
    assert "--src" not in words and words[words.index("--tgt") + 1] == "b"
    assert (job.title, job.name) == ("b alone", "ice-b-s0")
    assert Job("a:b", "ice", None, 0).title == "a to b"


def test_what_is_published() -> None:
    assert benchmark.published("smcr", "SMCR (w/o syn)") == "duke to market: 81.8 / 91.9"
    assert benchmark.published("smcr", "alpha=0.5") == ""
    assert benchmark.published("scr", "TPP(E)") == "mars: 81.3 / 87.3"


@pytest.mark.parametrize("method", ["abmt", "gcl", "ice", "scr"])
def test_rows_are_the_thesis_own(method: str) -> None:
    """Its tables of ablations and ours have the same rows; truth labels are in a table of results."""
    with open(benchmark.PUBLISHED, newline="") as file:
        printed = {one["variant"] for one in csv.DictReader(file) if one["method"] == method and one["rank1"]}
    rows = {*importlib.import_module(f"train.{method}").ABLATIONS}
    assert rows <= printed and printed - rows <= {"", "aware", "agnostic", "JVTC host", "JVTC+ host", "MMCL host"}
    assert benchmark.beside([[["a2b", "seeds", "mAP"], ["RIHR (ind)", "1", "2.0"]]], "smcr") == [
        [["a2b", "seeds", "mAP", "paper: mAP / Rank-1"], ["RIHR (ind)", "1", "2.0", "duke to market: 80.6 / 92.0"]]
    ]


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--pairs", "market"], "wanted SOURCE:TARGET"),
        (["--pairs", "market:"], "wanted SOURCE:TARGET"),
        ([], "wanted SOURCE:TARGET"),
        (["--pairs", "a:b", "--methods", "smrc"], "smrc: wanted of: source, udap"),
        (["--pairs", "a:b", "--seeds", "0"], "--seeds 0"),
        (["--pairs", "a:b", "--ablations", "smcr", "--rows", "DTHR"], "--rows DTHR: wanted of: Baseline"),
    ],
)
def test_bad_input_is_one_line(flags: list[str], wanted: str, tmp_path: Path, fails: Callable[..., str]) -> None:
    assert wanted in fails(benchmark.main, [*flags, "--out", str(tmp_path)])
    assert [*tmp_path.iterdir()] == []


def arguments(folder: Path, **changed: object) -> list[str]:
    """A grid of one pair and one seed of runs that take seconds."""
    data = draw_worlds(folder / "data")
    flags = {word.removeprefix("--").replace("-", "_"): value for word, value in zip(TINY[::2], TINY[1::2])}
    settings = {name: int(value) if value.isdigit() else value for name, value in flags.items() if name != "budget"}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(settings | changed))
    given = ["--pairs", "src:tgt", "--syn", "syn", "--seeds", "1", "--budget", "small"]
    given += ["--config", str(folder / "tiny.yaml"), "--data-root", str(data)]
    return given + ["--runs", str(folder / "runs"), "--out", str(folder / "out")]


@pytest.mark.long
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_grid_that_is_stopped_goes_on(told: signal.Signals, tmp_path: Path) -> None:
    """The run under way saves where it is; the same command ends it."""
    command = [sys.executable, "-m", "train.benchmark", *arguments(tmp_path, epochs=400), "--methods", "udap"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ)
    while not list((tmp_path / "runs").glob("udap/*/*/adaptation.state.pt")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    process.send_signal(told)
    process.communicate(timeout=60)
    assert process.returncode in (128 + told, 130)
    log = tmp_path / "out" / "logs" / "udap-src-tgt-s0.log"
    assert "goes on from there" in log.read_text()
    (run,) = (tmp_path / "runs").glob("udap/*/*")
    assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if str(run.parents[2]) in one.read_text()]
    assert not (run / "result.json").exists()


@pytest.mark.long
def test_runs_and_rows(tmp_path: Path, fails: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    """Real runs: one run for two rows of its report, one that can't be; the second time nothing is run again."""
    given = arguments(tmp_path)
    draw_world(tmp_path / "data", "syn-test", 6, 0.8, train=0.5)
    rows = ["--ablations", "smcr", "--rows", "Baseline; DTHR (ind); RIHR (ind); SMCR (GSPR)"]
    for _ in range(2):
        said = fails(benchmark.main, [*given, *rows])
        assert "smcr-src-tgt-SMCR_GSPR_-s0" in said and "gspr" in said and "Traceback" not in said
        lines = (tmp_path / "out" / "table.md").read_text().splitlines()
        names = [line.strip("| ").split(" | ")[0] for line in lines]
        starts = ["direct transfer", "direct transfer (Baseline)"]
        assert names[0] == "src to tgt" and names[2:] == [*starts, "Baseline", "DTHR (ind)", "RIHR (ind)"]
        assert lines[-1].endswith("duke to market: 80.6 / 92.0 |")
        assert len([*(tmp_path / "runs").glob("smcr/*/*/result.json")]) == 2
    logs = {path.name: path.read_text() for path in (tmp_path / "out" / "logs").iterdir()}
    assert len(logs) == 4 and "finished earlier" in logs["smcr-src-tgt-DTHR_ind_-s0.log"]
    benchmark.main([*given, "--methods", "udap", "--unseen", "syn-test"])
    table = (tmp_path / "out" / "table.md").read_text()
    assert "| UDAP | 1 |" in table and "| mAP on syn-test |" in table
    (path,) = (tmp_path / "runs").glob("udap/*/*/unseen-syn-test.json")
    figures = json.loads(path.read_text())["figures"]["UDAP"]
    evaluate.main([str(path.parent), "--data", "syn-test", "--data-root", str(tmp_path / "data")])
    assert f"{figures['mAP']:.1f}" in capsys.readouterr().out
    with open(tmp_path / "out" / "runs.csv", newline="") as file:
        lines = [*csv.DictReader(file)]
    (line,) = [one for one in lines if one["row"] == "UDAP"]
    assert (
        float(line["mAP on syn-test"]) == round(figures["mAP"], 2)
        and int(line["feature"]) > 0
        and int(line["parameters"]) > 0
    )
    assert "<td>UDAP</td>" in (tmp_path / "out" / "table.html").read_text()
