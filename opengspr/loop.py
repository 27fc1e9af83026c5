"""The loop under every stage: steps, a progress bar, checkpoints at epoch ends and on a signal, a stop at NaN."""

import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from opengspr import checkpoint, ranks
from opengspr.command import UserError
from opengspr.files import write_whole
from opengspr.randomness import seed_of
from opengspr.watching import UNWATCHED, Watch, Watched, forget_peaks, peaks

CHECK_EVERY = 10  # steps between two looks at the losses, each of which waits for the device


class Stage(Protocol):
    """Work in epochs of steps. What it draws depends on (seed, epoch, step) only, so it can be taken up anywhere."""

    name: str
    seed: int
    epochs: int
    steps: int

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Work before an epoch (clustering); its outcome is part of `state_dict`. Returns what to log."""

    def feed(self, epoch: int, step: int) -> None:
        """Opens the epoch's stream of batches at this step."""

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update. Returns losses, detached scalars."""

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Work after an epoch that changes nothing (figures). Returns what to log."""

    def state_dict(self) -> dict[str, Any]:
        """All that the coming steps depend on: tensors, numbers, strings, lists and dicts."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""


class NonFinite(UserError):
    """A loss or a weight became NaN or infinite."""


class Stopped(SystemExit):
    """A signal asked for the end; the state is saved, of several ranks that of the last epoch. The exit status says
    which signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)


def run(stage: Stage, folder: Path, watched: Watched = UNWATCHED) -> dict[str, float]:
    """Runs a stage to its end, from its last checkpoint in `folder` if there is one.

    Args:
        stage: the work.
        folder: for checkpoints and metrics.jsonl.
        watched: what else is written there.

    Returns:
        what it took, in however many goes: `seconds`, and `watching.peaks`.

    Raises:
        NonFinite: stops; the last good checkpoint stays and `non_finite.json` says what led to it.
        Stopped: after SIGTERM or SIGINT, with the state saved at the step that was under way.
    """
    keeper = _Keeper(stage, folder)
    epoch, step = keeper.resume()
    watch = keeper.watch = Watch(watched, stage.name, folder, epoch)
    total, alone = stage.epochs * stage.steps, ranks.count() == 1
    own = () if alone else (ranks.me(),)
    with (
        _signals() as caught,
        tqdm(
            total=total,
            initial=epoch * stage.steps + step,
            desc=stage.name,
            disable=None if ranks.first() else True,
            unit="step",
        ) as bar,
    ):
        for epoch in range(epoch, stage.epochs):  # noqa: B020  # begins where the state left off
            if step == 0:
                with watch.timed("before epochs"):
                    found = stage.begin_epoch(epoch)
                keeper.log(epoch, found)
            stage.feed(epoch, step)
            for step in range(step, stage.steps):  # noqa: B020  # likewise
                torch.manual_seed(seed_of(stage.seed, stage.name, epoch, step, *own))
                with watch.timed("steps"):
                    keeper.add(epoch, step, stage.step(epoch, step))
                watch.stepped()
                bar.update()
                if caught and alone:
                    keeper.save(epoch, step + 1)
                    raise Stopped(caught[0])
                if not alone and step % CHECK_EVERY == 0 and ranks.anyone(bool(caught)):
                    raise Stopped(caught[0] if caught else signal.SIGTERM)  # norms' statistics differ in an epoch
            bar.set_postfix(keeper.means(), refresh=False)
            keeper.check(epoch, stage.steps - 1)
            with watch.timed("after epochs"):
                figures = stage.end_epoch(epoch)
            keeper.log(epoch, keeper.means() | dict(figures))
            step = 0
            with watch.timed("checkpoints"):
                keeper.save(epoch + 1, 0)
            if ranks.anyone(bool(caught)):
                raise Stopped(caught[0] if caught else signal.SIGTERM)
    watch.close()
    return keeper.cost()


class _Keeper:
    """A stage's sums of losses, its metrics.jsonl and its checkpoints."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self.folder = stage, folder
        self.state, self.metrics = folder / f"{stage.name}.state.pt", folder / "metrics.jsonl"
        self.sums: dict[str, Tensor] = {}
        self.count, self.seconds, self.since = 0, 0.0, time.monotonic()
        self.peaks: dict[str, float] = {}
        forget_peaks()
        self.lines: list[str] = []
        self.watch: Watch

    def resume(self) -> tuple[int, int]:
        """Takes up the last state; returns the epoch and the step to go on with."""
        state = checkpoint.load_state(self.state)
        if state is None:
            self._rewrite_metrics()
            return 0, 0
        self.stage.load_state_dict(state["stage"])
        self.sums, self.count, self.seconds, self.lines = (state[k] for k in ("sums", "count", "seconds", "lines"))
        self.peaks = state.get("peaks", {})
        self._rewrite_metrics()
        epoch, step = state["epoch"], state["step"]
        if epoch < self.stage.epochs:
            print(
                f"{self.stage.name}: goes on at epoch {epoch + 1} of {self.stage.epochs}, step {step + 1}", flush=True
            )
        return epoch, step

    def add(self, epoch: int, step: int, losses: Mapping[str, Tensor]) -> None:
        """Adds a step's losses to the epoch's sums and looks at them now and then."""
        for name, loss in losses.items():
            value = loss.detach().double()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count += 1
        if step % CHECK_EVERY == 0:
            self.check(epoch, step)

    def means(self) -> dict[str, float]:
        """Mean losses of the epoch so far."""
        return {name: float(value) / max(1, self.count) for name, value in self.sums.items()}

    def check(self, epoch: int, step: int) -> None:
        """Stops at a loss that is not finite."""
        bad = {name: str(value) for name, value in self.means().items() if not abs(value) < float("inf")}
        if bad:
            self._stop(epoch, step, f"losses {bad}")

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Adds a line to metrics.jsonl; what a resumed run repeats is first cut off."""
        if values:
            self.watch.log(epoch, values)
            rounded = {name: round(float(value), 6) for name, value in values.items() if value == value}
            self.lines.append(json.dumps({"stage": self.stage.name, "epoch": epoch + 1} | rounded))
            if not ranks.first():
                return
            with open(self.metrics, "a") as file:
                file.write(self.lines[-1] + "\n")

    def save(self, epoch: int, step: int) -> None:
        """Writes a checkpoint, unless something in it is not finite."""
        if step == 0:
            self.sums, self.count = {}, 0
        else:
            self.check(epoch, step - 1)
        state = self.stage.state_dict()
        bad = checkpoint.first_non_finite(state)
        if bad:
            self._stop(*((epoch, step - 1) if step else (epoch - 1, self.stage.steps - 1)), bad)
        self.cost()
        own = {name: getattr(self, name) for name in ("sums", "count", "seconds", "lines", "peaks")}
        if ranks.first():
            checkpoint.save_state(self.state, {"stage": state, "epoch": epoch, "step": step} | own)
        ranks.wait()

    def cost(self) -> dict[str, float]:
        """Time and memory so far, that of earlier goes included."""
        now = time.monotonic()
        self.seconds, self.since = self.seconds + now - self.since, now
        for name, value in peaks().items():
            self.peaks[name] = max(value, self.peaks.get(name, 0.0))
        return {"seconds": round(self.seconds, 1)} | self.peaks

    def _stop(self, epoch: int, step: int, what: str) -> None:
        notes = {
            "stage": self.stage.name,
            "epoch": epoch + 1,
            "step": step + 1,
            "what": what,
            "epochs_so_far": self.lines[-5:],
        }
        if ranks.first():
            write_whole(self.folder / "non_finite.json", json.dumps(notes, indent=1).encode())
        raise NonFinite(
            f"{self.stage.name}: not finite at epoch {epoch + 1}, step {step + 1}: {what}; the last good state stays "
            f"at {self.state}, what led to it is in {self.folder / 'non_finite.json'}; a lower --lr may help"
        )

    def _rewrite_metrics(self) -> None:
        """Brings this stage's lines in metrics.jsonl to what the state knows."""
        if not ranks.first():
            return
        lines = self.metrics.read_text().splitlines() if self.metrics.exists() else []
        others = [line for line in lines if f'"stage": "{self.stage.name}"' not in line]
        write_whole(self.metrics, "".join(line + "\n" for line in others + self.lines).encode())


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM instead of ending at once; a second one ends at once. Main thread only."""
    caught: list[int] = []

    def note(signum: int, _frame: object) -> None:
        caught.append(signum)
        if len(caught) > 1:
            raise KeyboardInterrupt
        if ranks.first():
            print("stopping; the same command goes on from there", file=sys.stderr, flush=True)

    before = {signum: signal.signal(signum, note) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
