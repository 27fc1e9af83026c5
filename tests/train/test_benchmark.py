"""train.benchmark: which runs, by which commands; each once; a table; what failed is said."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.train.worlds import TINY, draw_worlds
from train import benchmark, smcr
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


def test_a_row_s_settings_are_not_given_as_flags() -> None:
    chosen = Benchmark(pairs="a:b", syn="mine", ablations="smcr")
    for row, changed in smcr.ABLATIONS.items():
        words = benchmark.words(chosen, Job("a:b", "smcr", row, 0))
        assert words[words.index("--ablation") + 1] == row
        assert ("--syn" in words) == ("syn" not in changed)
    assert "--ablation" not in benchmark.words(chosen, Job("a:b", "smcr", None, 0))


def test_what_is_published() -> None:
    assert benchmark.published("smcr", "SMCR (w/o syn)") == "duke to market: 81.8 / 91.9"
    assert benchmark.published("smcr", "alpha=0.5") == ""
    table = "| a2b | seeds | mAP |\n|---|---|---|\n| RIHR (ind) | 1 | 2.0 |\n"
    assert benchmark.beside(table, "smcr").splitlines() == [
        "| a2b | seeds | mAP | paper: mAP / Rank-1 |",
        "|---|---|---| --- |",
        "| RIHR (ind) | 1 | 2.0 | duke to market: 80.6 / 92.0 |",
    ]


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--pairs", "market"], "wanted SOURCE:TARGET"),
        ([], "wanted SOURCE:TARGET"),
        (["--pairs", "a:b", "--methods", "smrc"], "smrc: wanted of: source, udap"),
        (["--pairs", "a:b", "--seeds", "0"], "--seeds 0"),
        (["--pairs", "a:b", "--ablations", "smcr", "--rows", "DTHR"], "--rows DTHR: wanted of: Baseline"),
    ],
)
def test_bad_input_is_one_line(flags: list[str], wanted: str, tmp_path: Path, fails: Callable[..., str]) -> None:
    assert wanted in fails(benchmark.main, [*flags, "--out", str(tmp_path)])
    assert [*tmp_path.iterdir()] == []


@pytest.mark.long
def test_runs_and_rows(tmp_path: Path, fails: Callable[..., str]) -> None:
    """Real runs: one run for two rows of its report, one that can't be; the second time nothing is run again."""
    data = draw_worlds(tmp_path / "data")
    flags = {word.removeprefix("--").replace("-", "_"): value for word, value in zip(TINY[::2], TINY[1::2])}
    settings = {name: int(value) if value.isdigit() else value for name, value in flags.items() if name != "budget"}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(settings))
    given = ["--pairs", "src:tgt", "--syn", "syn", "--seeds", "1", "--budget", "small"]
    given += ["--config", str(tmp_path / "tiny.yaml"), "--data-root", str(data)]
    given += ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    rows = ["--ablations", "smcr", "--rows", "Baseline; DTHR (ind); RIHR (ind); SMCR (GSPR)"]
    for _ in range(2):
        said = fails(benchmark.main, [*given, *rows])
        assert "smcr-src-tgt-SMCR_GSPR_-s0" in said and "gspr" in said and "Traceback" not in said
        lines = (tmp_path / "out" / "table.md").read_text().splitlines()
        names = [line.strip("| ").split(" | ")[0] for line in lines]
        assert names[0] == "src2tgt" and names[2:] == ["direct transfer"] * 2 + ["Baseline", "DTHR (ind)", "RIHR (ind)"]
        assert lines[-1].endswith("duke to market: 80.6 / 92.0 |")
        assert len([*(tmp_path / "runs").glob("smcr/*/*/result.json")]) == 2
    logs = {path.name: path.read_text() for path in (tmp_path / "out" / "logs").iterdir()}
    assert len(logs) == 4 and "finished earlier" in logs["smcr-src-tgt-DTHR_ind_-s0.log"]
    benchmark.main([*given, "--methods", "udap"])
    assert "| UDAP | 1 |" in (tmp_path / "out" / "table.md").read_text()
