"""SMCR as a user meets it: a whole run, cut off and resumed, refused, on data whose identities are dealt anew."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch

from datasets import export
from datasets.known import MARKET
from datasets.opening import open_dataset
from tests.train.worlds import TINY, draw_worlds, flags, permute_train_pids, rendered_worlds
from train import evaluate, smcr
from train.parts import losses
from train.smcr import ABLATIONS, SMCR

ENCODERS = ("direct", "dthr", "rihr", "dthr_ema", "rihr_ema")


def only_run(runs: Path) -> Path:
    """The folder of the one run there is."""
    (folder,) = [path for path in runs.glob("smcr/*/*") if path.is_dir()]
    return folder


def weights(runs: Path) -> dict[str, bytes]:
    """The run's encoders, and what stages 1 and 2 left."""
    found = {name: (only_run(runs) / f"{name}.safetensors").read_bytes() for name in ENCODERS}
    stages = sorted(runs.glob("stages/*/translated.npy"))
    return found | {path.parent.name.rpartition("-")[0]: path.read_bytes() for path in stages}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data and runs after one whole run."""
    top = tmp_path_factory.mktemp("smcr")
    data, runs = draw_worlds(top / "data"), top / "runs"
    smcr.main(flags(data, runs))
    return data, runs


def test_a_run_leaves_what_it_says(done: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    data, runs = done
    folder = only_run(runs)
    result = json.loads((folder / "result.json").read_text())
    assert list(result["figures"]) == [
        "direct transfer", "DTHR", "RIHR", "SMCR (fused)", "DTHR, EMA", "RIHR, EMA", "SMCR (fused), EMA",
    ]  # fmt: skip
    page = (folder / "report.html").read_text()
    assert all(text in page for text in ("SMCR (fused)", "direct transfer", "<svg", "data:image/jpeg", "Settings"))
    assert "http://" not in page and "https://" not in page and "<script" not in page
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 1, 2, 2, 3, 3]
    smcr.main(flags(data, runs))
    assert "finished earlier" in capsys.readouterr().out and only_run(runs) == folder
    evaluate.main([str(folder), "--data", "tgt", "--data-root", str(data)])
    out = capsys.readouterr().out
    for row, figures in result["figures"].items():
        (line,) = [line for line in out.splitlines() if line.startswith(f"{row}  ")]
        assert line.split()[-4:] == [f"{figures[name]:.1f}" for name in ("mAP", "rank1", "rank5", "rank10")]


@pytest.mark.long
def test_gspr_market_and_duke_in_their_true_layouts(tmp_path: Path) -> None:
    """The command that the paper's users give, on rendered people in folders such as they have."""
    data = rendered_worlds(tmp_path / "data")
    (data / "syn").rename(data / "gspr")
    export.main(export.Settings(str(data / "src"), data / "Market-1501-v15.09.15", market_safe=True))
    shutil.rmtree(data / "src")
    people = open_dataset(data / "tgt")
    for split, folder in MARKET.items():
        crops, root = people.split(split), data / "DukeMTMC-reID" / folder
        root.mkdir(parents=True)
        for i, (pid, camid, frame) in enumerate(zip(crops.pid, crops.camid, crops.frame, strict=True)):
            (root / f"{pid:04d}_c{camid + 1}_f{10_000 * i + frame:07d}.jpg").write_bytes(crops.read(i))
    shutil.rmtree(data / "tgt")
    runs = ["--data-root", str(data), "--runs", str(tmp_path / "runs")]
    smcr.main(["--syn", "gspr", "--src", "market", "--tgt", "duke", *runs, *TINY])
    folder = only_run(tmp_path / "runs")
    assert folder.parent.name == "market2duke"
    page, result = (folder / "report.html").read_text(), json.loads((folder / "result.json").read_text())
    assert all(f"{one} translated into the style of" in page for one in ("gspr", "market"))
    assert all(0 < figures["mAP"] <= 100 for figures in result["figures"].values())
    links = [unquote(link) for link in re.findall('<img alt="" src="([^"]*)"', page)]
    assert len(links) > 50 and all((folder / link).is_file() for link in links), "no photograph is inside the page"
    assert any("query" in link for link in links) and any(link.startswith("pictures/") for link in links)
    costs = {name.rpartition("-")[0] or name: cost for name, cost in result["cost"].items()}
    assert sorted(costs) == ["pretrain", "smcr", "translate-gspr-to-market", "translate-market-to-duke"]
    assert all(cost["seconds"] > 0 and cost["peak_mib"] > 0 for cost in costs.values())


@pytest.mark.long
def test_target_identities_change_no_weight(tmp_path: Path) -> None:
    """On rendered people: the same to the bit whoever the target's training crops are said to show."""
    data = rendered_worlds(tmp_path / "data")
    smcr.main(flags(data, tmp_path / "true"))
    permute_train_pids(data / "tgt")
    smcr.main(flags(data, tmp_path / "permuted"))
    assert weights(tmp_path / "true") == weights(tmp_path / "permuted")
    first = [json.loads((only_run(tmp_path / runs) / "result.json").read_text()) for runs in ("true", "permuted")]
    assert first[0]["figures"] == first[1]["figures"]


def begin(data: Path, runs: Path) -> subprocess.Popen[str]:
    """A run in another process."""
    command = [sys.executable, "-m", "train.smcr", *flags(data, runs)]
    env = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)


def wait_for(path: Callable[[], list[Path]], process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Returns once a file that `path` looks for is there."""
    end = time.monotonic() + seconds
    while not path():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.002)


MOMENTS = [  # a file whose appearance says that a stage is under way
    "stages/translate-syn-to-src-*/*.state.pt",
    "stages/pretrain-*/*.state.pt",
    "stages/translate-src-to-tgt-*/config.yaml",
    "smcr/*/*/refinement.state.pt",
    "smcr/*/*/refinement.state.pt.previous",
]


@pytest.mark.slow
def test_killed_in_every_stage(done: tuple[Path, Path], tmp_path: Path) -> None:
    """kill -9 five times, each time further on, then the same command: it ends as if uncut."""
    runs = tmp_path / "runs"
    for moment in MOMENTS:
        process = begin(done[0], runs)
        wait_for(lambda moment=moment: list(runs.glob(moment)), process)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL and not list(runs.glob("smcr/*/*/result.json"))
    process = begin(done[0], runs)
    out, _ = process.communicate()
    assert process.returncode == 0 and "stale lock" in out and "goes on at epoch" in out
    assert weights(runs) == weights(done[1])
    metrics = (only_run(folder) / "metrics.jsonl" for folder in (runs, done[1]))
    assert len({path.read_text() for path in metrics}) == 1


@pytest.mark.slow
def test_sigterm_saves_and_resumes(done: tuple[Path, Path], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    process = begin(done[0], runs)
    wait_for(lambda: list(runs.glob("stages/pretrain-*/config.yaml")), process)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    smcr.main(flags(done[0], runs))
    assert weights(runs) == weights(done[1])


class Cut(Exception):
    """Stands for a power cut."""


@pytest.mark.parametrize("at", [2, 4, 8])
@pytest.mark.long
def test_a_refinement_cut_anywhere_goes_on_to_the_bit(
    done: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """In this process and with stages 1 and 2 done: step `at` of 9 is cut off or gets a signal."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "stages").symlink_to(done[1] / "stages")
    step, count = smcr.Refinement.step, iter(range(100))

    def cut(self: smcr.Refinement, *where: int) -> object:
        if next(count) == at:
            if at != 4:
                raise Cut
            os.kill(os.getpid(), signal.SIGTERM)  # seen after the step, in mid-epoch
        return step(self, *where)

    monkeypatch.setattr(smcr.Refinement, "step", cut)
    with pytest.raises((Cut, SystemExit)):
        smcr.main(flags(done[0], tmp_path / "runs"))
    monkeypatch.undo()
    smcr.main(flags(done[0], tmp_path / "runs"))
    assert weights(tmp_path / "runs") == weights(done[1])
    metrics = (only_run(folder) / "metrics.jsonl" for folder in (tmp_path / "runs", done[1]))
    assert len({path.read_text() for path in metrics}) == 1


def test_nan_stops_and_keeps_the_last_good_state(
    done: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "stages").symlink_to(done[1] / "stages")
    real, count = losses.memory_contrastive, iter(range(100))
    monkeypatch.setattr(losses, "memory_contrastive", lambda *a: real(*a) * (torch.nan if next(count) == 9 else 1))
    line = fails(smcr.main, flags(done[0], tmp_path / "runs"))
    assert "not finite at epoch 2" in line
    assert "losses" in json.loads((only_run(tmp_path / "runs") / "non_finite.json").read_text())["what"]
    monkeypatch.undo()
    smcr.main(flags(done[0], tmp_path / "runs"))
    assert weights(tmp_path / "runs") == weights(done[1])


@pytest.mark.long
def test_nothing_to_cluster_is_survived(done: tuple[Path, Path], tmp_path: Path) -> None:
    for eps in ("0.03", "0.97"):  # no cluster at all; one cluster
        smcr.main([*flags(done[0], tmp_path / "runs"), "--eps", eps, "--epochs", "1", "--syn", "syn"])
    for result in (tmp_path / "runs").glob("smcr/*/*/result.json"):
        assert 0 < json.loads(result.read_text())["figures"]["SMCR (fused)"]["mAP"] <= 100


@pytest.mark.long
def test_other_data_are_refused_in_a_begun_folder(
    done: tuple[Path, Path], tmp_path: Path, fails: Callable[..., str]
) -> None:
    runs = tmp_path / "runs"
    smcr.main(flags(done[0], runs))
    folder = only_run(runs)
    (folder / "result.json").unlink()
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("epochs: 3", "epochs: 4"))
    assert "epochs: 4 -> 3" in fails(smcr.main, flags(done[0], runs))
    smcr.main([*flags(done[0], runs), "--force"])
    assert (folder / "result.json").exists()


def test_again_stands_beside(done: tuple[Path, Path], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for extra in ([], ["--again"]):
        smcr.main([*flags(done[0], runs), "--epochs", "0", "--pretrain-epochs", "1", "--pretrain-steps", "1", *extra])
    first, second = sorted(runs.glob("smcr/*/*"))
    assert second.name == f"{first.name}-2" and (second / "report.html").exists()


@pytest.mark.parametrize("row", list(ABLATIONS))
def test_ablations_name_real_settings(row: str) -> None:
    settings = SMCR(**ABLATIONS[row])
    assert {name: getattr(settings, name) for name in ABLATIONS[row]} == ABLATIONS[row]


def test_bad_input_is_one_line(done: tuple[Path, Path], tmp_path: Path, fails: Callable[..., str]) -> None:
    data, _ = done
    usual = ["--data-root", str(data), "--runs", str(tmp_path / "runs")]
    (data / "captures" / "drawn").mkdir(parents=True, exist_ok=True)
    (data / "captures" / "drawn" / "capture.json").write_text("{}")
    (tmp_path / "file").write_text("")
    for args, wanted in (
        (["--src", "src"], "--tgt: wanted"),
        (["--src", "src", "--tgt", "nowhere"], "no dataset 'nowhere'"),
        (["--src", "src", "--tgt", "drawn"], "rendered but not labelled"),
        (["--src", "src", "--tgt", str(tmp_path)], "not a dataset"),
        (["--src", "src", "--tgt", "tgt", "--ablation", "nonsense"], "DTHR (ind)"),
        (["--src", "src", "--tgt", "tgt", "--config", str(tmp_path / "none.yaml")], "No such file"),
        (["--src", "src", "--tgt", "tgt", "--backbone", "resnet99"], "resnet18"),
        (["--src", "src", "--tgt", "tgt", "--init", "nowhere.pt"], "no such file"),
        (["--src", "src", "--tgt", "tgt", "--device", "tpu"], "wanted auto, cpu or cuda"),
        (["--src", "src", "--tgt", "tgt", "--runs", str(tmp_path / "file" / "runs")], "file"),
    ):
        assert wanted in fails(smcr.main, [*usual, *args]), args
    for model, wanted in (
        (tmp_path, "no finished run"),
        (tmp_path / "no", "no such run"),
        (tmp_path / "file", "ends in"),
    ):
        assert wanted in fails(evaluate.main, [str(model), "--data", "tgt", "--data-root", str(data)])


@pytest.mark.long
def test_import_needs_no_blender_and_help_is_quick() -> None:
    code = "import sys; sys.modules['bpy'] = None; import train.smcr, train.evaluate"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    shown = subprocess.run([sys.executable, "-m", "train.smcr", "--help"], capture_output=True, text=True)
    assert shown.returncode == 0 and "--tgt" in shown.stdout
