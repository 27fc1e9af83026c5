"""Run folders: named by what shapes the result, one writer, resumable, finished when result.json stands."""

import ctypes
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from opengspr import UserError, ranks
from opengspr.files import Busy, one_writer, output_folder, write_whole
from opengspr.version import made_with

RESULT, CONFIG, ENVIRONMENT = "result.json", "config.yaml", "env.json"
MMAP_MAX, TRIM_THRESHOLD = -4, -1  # parameters of mallopt, malloc.h
WAIT_S = 2.0  # between looks at what another run makes


def short_hash(values: Mapping[str, Any]) -> str:
    """Eight hex digits that depend on every value, not on the order of keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:8]


def choose_folder(runs: Path, method: str, pair: str, seed: int, contents: Mapping[str, Any], again: bool) -> Path:
    """The folder of this very run: `runs/METHOD/PAIR/s{seed}-{hash8}`, with `-2`, `-3` ... after `--again`.

    Args:
        runs, method, pair, seed: the names.
        contents: resolved settings and fingerprints of the data: what the hash covers.
        again: begin a new folder where the newest is finished; an unfinished one is gone on with.
    """
    first = runs / method / pair / f"s{seed}-{short_hash(contents)}"
    number = 1
    while _numbered(first, number + 1).exists():
        number += 1
    newest = _numbered(first, number)
    return _numbered(first, number + 1) if again and (newest / RESULT).exists() else newest


def _numbered(folder: Path, number: int) -> Path:
    return folder if number == 1 else folder.with_name(f"{folder.name}-{number}")


@contextmanager
def opened(folder: Path, contents: Mapping[str, Any], device: str, force: bool = False) -> Iterator[Path]:
    """Holds a run or stage folder for this process, with config.yaml and env.json written.

    Args:
        folder: is made where it does not exist.
        contents: as for `choose_folder`.
        device: cpu or cuda.
        force: go on although the folder holds something else.

    Raises:
        UserError: another writer is at it; or it was begun with other settings, data or device (shows which).
    """
    if not ranks.first():  # the first holds it for all
        ranks.wait()
        yield folder
        return
    output_folder(folder, parents=True)
    with one_writer(folder):
        environment = _environment(device)
        if (folder / CONFIG).exists():
            began = yaml.safe_load((folder / CONFIG).read_text()) or {}
            now = yaml.safe_load(yaml.safe_dump(dict(contents)))
            differing = _difference(began, now)
            if (folder / ENVIRONMENT).exists():
                old = json.loads((folder / ENVIRONMENT).read_text())
                began_on = {"device": old.get("device"), "processes": old.get("processes", 1)}
                differing += _difference(began_on, {"device": device, "processes": ranks.count()})
                for line in _difference(
                    {k: old.get(k) for k in ("torch", "threads", "cpu")}, environment, only_old=True
                ):
                    print(f"note: {folder} was begun with other software or hardware, bits may differ: {line}")
            if differing and not force:
                raise UserError(
                    f"{folder}: was begun with something else: {'; '.join(differing)}; --force goes on all the same"
                )
        write_whole(folder / CONFIG, yaml.safe_dump(dict(contents), sort_keys=False).encode())
        write_whole(folder / ENVIRONMENT, json.dumps(environment, indent=1).encode())
        ranks.wait()
        yield folder


def _difference(old: Mapping[str, Any], new: Mapping[str, Any], only_old: bool = False) -> list[str]:
    """`key: old -> new` for every key that differs."""
    keys = old if only_old else {**old, **new}
    return [f"{key}: {old.get(key)} -> {new.get(key)}" for key in keys if old.get(key) != new.get(key)]


def _environment(device: str) -> dict[str, Any]:
    """What the numbers were made with."""
    return {
        **made_with(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device,
        "processes": ranks.count(),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "command": sys.argv,
    }


def choose_device(wanted: str) -> str:
    """cpu or cuda, with torch told to be deterministic.

    Raises:
        UserError: an unknown device, or no GPU is there.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise UserError(f"--device {wanted}: wanted auto, cpu or cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no GPU here; wanted --device cpu or auto")
    torch.use_deterministic_algorithms(True, warn_only=True)
    _keep_freed_memory()
    return "cpu" if wanted == "cpu" or not torch.cuda.is_available() else "cuda"


def _keep_freed_memory() -> None:
    """Has glibc keep what tensors free for the next ones: else every step gets its pages anew, wiped, from the system,
    which took a tenth to a half of the time of steps on a CPU.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # other C libraries have none
        for parameter, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1)):
            libc.mallopt(parameter, value)


def finish(folder: Path, result: Mapping[str, Any]) -> None:
    """Marks a folder as finished; the last thing written."""
    write_whole(folder / RESULT, json.dumps(result, indent=1).encode())


def result_of(folder: Path) -> dict[str, Any] | None:
    """The result of a finished folder, None while it is unfinished."""
    path = folder / RESULT
    return dict(json.loads(path.read_text())) if path.exists() else None


def shared_stage(
    runs: Path, name: str, contents: Mapping[str, Any], device: str, build: Callable[[Path], Mapping[str, Any]]
) -> Path:
    """A stage that several runs share: `runs/stages/NAME-{hash8}`, built once; who comes meanwhile waits for it.

    Args:
        runs, name: where.
        contents: what shapes it: settings and fingerprints of the data.
        device: cpu or cuda.
        build: makes the stage's files in the folder it is given, resuming what is there; returns the result to keep.

    Returns:
        the finished folder.
    """
    folder, waits = runs / "stages" / f"{name}-{short_hash(contents)}", False
    if ranks.by_first(lambda: result_of(folder)) is not None:
        print(f"{name}: finished earlier, in {folder}", flush=True)
        return folder
    while ranks.by_first(lambda: result_of(folder)) is None:
        try:
            with opened(folder, contents, device):
                if ranks.by_first(lambda: result_of(folder)) is None:  # else it was finished as we came
                    result = build(folder)
                    if ranks.first():
                        finish(folder, result)
                    ranks.wait()
        except Busy:
            if ranks.count() > 1:  # the others are at it already
                raise
            if not waits:
                print(f"{name}: another run makes it, in {folder}; waiting", flush=True)
            waits = True
            time.sleep(WAIT_S)
    return folder
