"""How a stage learns: batches of an update, ranks, arithmetic, what is written of it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from opengspr import loop
from opengspr.watching import Watched
from tests.train.worlds import VIEWS, draw_worlds, drawn_meshes, flags
from train import udap
from train.parts import backbones
from train.parts.learning import Learning, Machine


class Line(Learning):
    """Fits a line: batch n pulls the weight towards n."""

    name, seed, epochs, steps = "line", 0, 1, 2

    def __init__(self, accumulate: int) -> None:
        self.machine, self.weight = Machine(accumulate=accumulate), nn.Parameter(torch.zeros(()))
        self.optimizer, self.at, self.remembered, self.followed = torch.optim.SGD([self.weight], 1.0), 0, 0, 0

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        self.at += 1
        loss = (self.weight - self.at).pow(2) / 2
        return loss, {"loss": loss}

    def remember(self) -> None:
        self.remembered += 1

    def follow(self) -> None:
        self.followed += 1

    def nets(self) -> list[nn.Module]:
        return []

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.optimizer]


def test_an_update_takes_the_mean_gradient_of_its_batches() -> None:
    stage = Line(accumulate=4)
    told = stage.step(0, 0)
    assert stage.weight == (1 + 2 + 3 + 4) / 4 and stage.remembered == 4 and stage.followed == 1
    assert told["loss"] == (1 + 4 + 9 + 16) / 8
    one_by_one = Line(accumulate=1)
    one_by_one.step(0, 0)
    assert one_by_one.weight == 1 and one_by_one.batches == 2 and stage.batches == 8


def test_bf16_is_for_nets_and_losses_are_float32() -> None:
    encoder = backbones.build(backbones.EncoderSpec("timm:test_resnet", 32, 16), "none", 0)
    pictures, seen = torch.randn(8, 3, 32, 16), []
    encoder.body.register_forward_hook(lambda *of: seen.append(of[2].dtype))
    for machine in (Machine(), Machine.of("cpu", "bf16"), Machine.of("cpu", "auto")):
        pooled, neck = machine.seen(encoder, pictures)
        assert pooled.dtype == neck.dtype == torch.float32
    assert seen == [torch.float32, torch.bfloat16, torch.float32]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_worlds(tmp_path_factory.mktemp("learning"))


def arguments(data: Path, runs: Path, *more: str) -> list[str]:
    """Without --syn and translators; flags that come later hold."""
    given = flags(data, runs)
    pairs = zip(given[::2], given[1::2], strict=True)
    return [word for pair in pairs if pair[0] != "--syn" and "--gan" not in pair[0] for word in pair] + [*more]


def weights(runs: Path) -> dict[str, Tensor]:
    """All that runs of all recipes left, by recipe, encoder and name."""
    found = {}
    for result in runs.glob("*/*/*/result.json"):
        for path in result.parent.glob("*.safetensors"):
            method = result.relative_to(runs).parts[0]
            found |= {f"{method}/{path.stem}/{name}": value for name, value in load_file(path).items()}
    assert found
    return found


@pytest.mark.long
def test_curves_and_profile_are_written_where_asked_for(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    runs = tmp_path / "runs"
    udap.main(arguments(data, runs, "--tensorboard", "--profile", "--steps", "9"))
    (folder,) = runs.glob("udap/*/*")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    events = EventAccumulator(str(folder / "tensorboard" / "adaptation"))
    events.Reload()
    curve = {one.step: one.value for one in events.Scalars("triplet")}
    assert curve == pytest.approx({line["epoch"]: line["triplet"] for line in lines if "triplet" in line}, abs=1e-5)
    told = (folder / "profile-adaptation.txt").read_text()
    assert all(
        part in told for part in ("27 steps", "before epochs: ", "gradients: ", "waiting for pictures: ", "update: ")
    )
    assert json.loads((folder / "profile-adaptation.json").read_text())["traceEvents"]
    udap.main(arguments(data, tmp_path / "plain", "--steps", "9"))
    assert not [*(tmp_path / "plain").rglob("tensorboard")] + [*(tmp_path / "plain").rglob("profile*")]
    looked_at = weights(runs)
    same = [torch.equal(value, looked_at[name]) for name, value in weights(tmp_path / "plain").items()]
    assert all(same), "looking changed what was learnt"


def test_tensorboard_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match="package tensorboard is missing"):
        loop.Watch(Watched(tensorboard=True), "stage", tmp_path, 0)


ONE_THREAD = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}  # sums are rounded as their parts fall


def torchrun(module: str, args: list[str], ranks: int = 2) -> subprocess.Popen[str]:
    """Several processes at one run, on this machine's CPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ["torch.distributed.run", f"--nproc-per-node={ranks}", f"--master-port={port}", "-m", module, *args]
    return subprocess.Popen(
        [sys.executable, "-m", *launch], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ONE_THREAD
    )


WITHOUT_STATISTICS = ["--backbone", "timm:test_efficientnet_gn"]


@pytest.mark.long
def test_two_ranks_are_one_process(data: Path, tmp_path: Path) -> None:
    """On a net without batch statistics, each recipe; of the processes one prints and writes."""
    recipes = "spcl,udap,cluster_contrast,mmt,abmt,act,cap,ice,jvtc,mmcl,rae,dien,gcl,smcr,scr"
    for name in ("one", "two"):
        drawn_meshes(data, tmp_path / name)
    args = [recipes, *flags(data, tmp_path / "two")[2:], *VIEWS, *WITHOUT_STATISTICS]
    both = torchrun("tests.train.with_sgd", args)
    out, err = both.communicate(timeout=300)
    assert both.returncode == 0, err
    assert out.count("report: ") == len(recipes.split(","))
    args = [recipes, *flags(data, tmp_path / "one")[2:], *VIEWS, *WITHOUT_STATISTICS]
    command = [sys.executable, "-m", "tests.train.with_sgd", *args]
    subprocess.run(command, check=True, capture_output=True, env=ONE_THREAD)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys() and len({name.partition("/")[0] for name in one}) == len(recipes.split(","))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.long
def test_ranks_are_stopped_and_go_on(data: Path, tmp_path: Path) -> None:
    """To the bit, from the last epoch's end; nothing but a statement is printed by the stopped ones."""
    more = ["--epochs", "4", "--steps", "20"]
    uncut = torchrun("train.spcl", arguments(data, tmp_path / "uncut", *more))
    assert uncut.wait(300) == 0
    cut = torchrun("train.spcl", arguments(data, tmp_path / "cut", *more))
    until(lambda: [*(tmp_path / "cut").glob("spcl/*/*/adaptation.state.pt")])
    cut.send_signal(signal.SIGTERM)
    _, err = cut.communicate(timeout=120)
    assert cut.returncode != 0 and err.count("stopping; the same command goes on") == 1 and "[rank" not in err, err
    again = torchrun("train.spcl", arguments(data, tmp_path / "cut", *more))
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0 and "goes on at epoch" in out, err
    went_on = weights(tmp_path / "cut")
    assert all(torch.equal(value, went_on[name]) for name, value in weights(tmp_path / "uncut").items())


def until(there: Callable[[], object]) -> None:
    """Waits for something to be there."""
    end = time.monotonic() + 120
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.long
def test_a_batch_that_cannot_be_dealt_is_said(data: Path, tmp_path: Path) -> None:
    odd = torchrun("train.udap", arguments(data, tmp_path / "runs", "--pretrain-batch", "15"))
    _, err = odd.communicate(timeout=120)
    assert odd.returncode != 0
    assert err.count("error: a batch of 15 pictures for 2 processes: wanted a multiple of 2") == 1
