"""Turns captures into datasets of crops: `python -m labeler.label data/captures/demo-tgt`.

A backend finds the people in each picture; the capture's truth says who they are; rules decide which crops are kept.
The same command goes on where it was cut off.
"""

import shlex
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tqdm import tqdm
from tyro.conf import Positional, arg

from datasets.pictures import DatasetError
from datasets.splits import roles
from datasets.writer import DatasetWriter
from labeler.crops import Rules, label_shot
from labeler.detection import Backend, truth
from opengspr.command import UserError, command, data_root
from opengspr.files import one_writer, output_folder, parse_object
from synth.capture import Capture, CaptureError, open_capture, read_unit

BACKENDS: dict[str, Backend] = {"truth": truth}
LICENCE = "CC-BY-4.0"
UNIT_BYTES = 192 << 20  # of units in one shard of the dataset, whose crops then come to about 64 MB
DAMAGED = "damaged"
MOST_DAMAGED = 0.01  # share of the shots


@dataclass(frozen=True)
class Settings:
    """Labels captures: cuts every person out of their pictures into a dataset."""

    captures: Positional[tuple[Path, ...]]
    """Folders that synth.render wrote."""
    out: Path | None = None
    """The dataset's folder, for one capture; by default the data root's folder of the capture's name."""
    backend: str = "truth"
    """Who finds the people: truth (the renderer's own masks)."""
    rules: Annotated[Rules, arg(name="")] = field(default_factory=Rules)
    partial: bool = False
    """Also label a capture that is not rendered to its end."""
    on_bad: Literal["stop", "skip"] = "stop"
    """Damaged pictures: stop at the first, or skip and count them (and stop past 1 %)."""
    data_root: Path | None = None
    """Where captures and datasets lie; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Settings) -> None:
    jobs = [(capture, _out(settings, capture)) for capture in map(open_capture, settings.captures)]
    if not jobs:
        raise UserError("no capture named: wanted folders that synth.render wrote")
    if not 0 <= settings.rules.padding <= 1:
        raise UserError(f"--padding {settings.rules.padding}: wanted a share from 0 to 1")
    if settings.backend not in BACKENDS:
        raise UserError(f"--backend {settings.backend}: no such backend; there is {', '.join(BACKENDS)}")
    if settings.out and len(jobs) > 1:
        raise UserError(f"--out {settings.out}: for one capture only, got {len(jobs)}")
    if len({out for _, out in jobs}) < len(jobs):
        raise UserError("two captures of the same name: label them one by one, each with its own --out")
    for capture, _ in jobs:
        _units(capture, settings.partial)
    for capture, out in jobs:
        with one_writer(output_folder(out, parents=not settings.out)):
            print(f"{out}: {label_capture(capture, out, settings)}")
    outs = [out for _, out in jobs]
    print(f"done: {', '.join(map(str, outs))}; train: python -m train.smcr {_train_flags(settings, outs)}")


def label_capture(capture: Capture, out: Path, settings: Settings) -> str:
    """Labels what is missing of one capture; the caller holds the output folder.

    Returns:
        one line that says what there is now.
    """
    units = _units(capture, settings.partial)
    labeler = {"backend": settings.backend, **asdict(settings.rules)}
    writer = DatasetWriter(out, {"capture": capture.info, "units": len(units), "labeler": labeler})
    if writer.finished:
        return "already whole, nothing to do"
    people = {row["pid"]: row for row in capture.people.drop_columns("look").to_pylist()}
    for pid, look in zip(people, capture.people["look"].to_pylist(), strict=True):
        people[pid]["like"] = _like(capture, look)
    shards = _shards(units)
    missing = [shard for shard in range(len(shards)) if not writer.has(shard)]
    if len(missing) < len(shards):
        print(f"{out}: going on, {len(shards) - len(missing)} of {len(shards)} shards are there")
    shots = capture.info["shots"]
    total = shots * sum(len(shards[shard]) for shard in missing) // max(1, capture.info["units"])
    with tqdm(total=total, desc=str(out), unit="shot", disable=None) as bar:
        for shard in missing:
            drops: Counter[str] = Counter()
            writer.add(shard, _crops(shards[shard], settings, people, drops, bar), drops)
            if (damaged := writer.drops()[DAMAGED]) > MOST_DAMAGED * shots:
                raise UserError(f"{capture.path}: {damaged} damaged shots, more than 1 % of {shots}")
    return _finish(writer, capture)


def _like(capture: Capture, look: str) -> int:
    """The pid of whose clothes somebody shares, -1 for nobody's."""
    like = parse_object(look.encode(), f"{capture.path / 'people.parquet'}: a look", CaptureError).get("like")
    return like if isinstance(like, int) else -1


def _crops(
    units: list[Path], settings: Settings, people: dict[int, dict[str, Any]], drops: Counter[str], bar: tqdm
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The kept crops of some units, streamed; counts the others in `drops`."""
    for unit in units:
        for shot in read_unit(unit):
            bar.update()
            try:
                crop = label_shot(shot, BACKENDS[settings.backend], settings.rules, people)
            except (CaptureError, DatasetError) as error:
                if settings.on_bad == "stop":
                    raise UserError(f"{unit}: {error}") from error
                crop = DAMAGED
            if isinstance(crop, str):
                drops[crop] += 1
            else:
                yield crop


def _finish(writer: DatasetWriter, capture: Capture) -> str:
    if not writer.rows():
        drops = _listed(writer.drops())
        shutil.rmtree(writer.root / "parts")
        shutil.rmtree(writer.root / "shards")
        raise UserError(f"{capture.path}: no crop is left by these rules; dropped: {drops}")
    shares = capture.info["split"]
    train, distractors = shares["train"], shares.get("distractors", 0)
    dealt = roles(capture.people["pid"].to_pylist(), train, distractors, capture.info["world"], capture.info["seed"])
    info = writer.finish(dealt, capture.info.get("licence", LICENCE))
    counts = info["counts"]
    line = (
        f"{counts['crops']} crops of {counts['ids']} people in {counts['cameras']} cameras "
        f"(train {counts['train']}, query {counts['query']}, gallery {counts['gallery']})"
    )
    if train + distractors < 1 and not counts["query"]:
        line += "; no query: nobody outside train was kept in two cameras"
    return line + (f"; dropped {_listed(info['drops'])}" if info["drops"] else "")


def _listed(drops: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(drops.items()))


def _units(capture: Capture, partial: bool) -> list[Path]:
    """The capture's units, where they are all there or a part will do."""
    units, info = capture.units(), capture.info
    split = info["split"] if isinstance(info.get("split"), dict) else {}
    numbers = [info.get(key) for key in ("units", "shots", "seed")]
    if not all(isinstance(number, int) for number in numbers) or "world" not in info:
        raise CaptureError(f"{capture.path / 'capture.json'}: wanted world, and units, shots and seed as numbers")
    for role, share in (("train", split.get("train")), ("distractors", split.get("distractors", 0))):
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise CaptureError(
                f"{capture.path / 'capture.json'}: split.{role} is {share!r}, wanted a share from 0 to 1"
            )
    if not units or (len(units) < info["units"] and not partial):
        raise CaptureError(
            f"{capture.path}: {len(units)} of {info['units']} units are rendered; "
            "run synth.render again to finish it, or label what there is by --partial"
        )
    return units


def _shards(units: list[Path]) -> list[list[Path]]:
    """The units of each shard: runs of about UNIT_BYTES, which depend on nothing but the units."""
    shards: list[list[Path]] = []
    filled = UNIT_BYTES
    for unit in units:
        if filled >= UNIT_BYTES:
            shards.append([])
            filled = 0
        shards[-1].append(unit)
        filled += unit.stat().st_size
    return shards


def _out(settings: Settings, capture: Capture) -> Path:
    return settings.out or data_root(settings.data_root) / capture.name


def _train_flags(settings: Settings, outs: list[Path]) -> str:
    """Flags for training with these datasets; those that stand for others are in capitals."""
    top = data_root(settings.data_root)
    names = [out.name if out.parent == top else f"{out}" if out.is_absolute() else f"./{out}" for out in outs]
    roles = {"syn": "SYN", "src": "SRC", "tgt": "TGT"}
    for name in names:
        role = name.rpartition("-")[2]
        roles[role if role in roles else "syn"] = name
    root = ["--data-root", str(settings.data_root)] if settings.data_root else []
    return shlex.join([word for role, name in roles.items() for word in (f"--{role}", name)] + root)


if __name__ == "__main__":
    command(Settings, main)
