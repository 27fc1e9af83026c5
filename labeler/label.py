"""Turns captures into datasets of crops: `python -m labeler.label data/captures/demo-tgt`.

A detector finds the people in each picture; the capture's truth says who they are; rules decide which crops are kept.
Of pictures and videos without truth it cuts out everybody: `--no-truth`. The same command goes on where it was cut off.
"""

import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from tyro.conf import Positional, arg

from datasets.manifest import UNKNOWN
from datasets.splits import Roles, roles
from datasets.writer import DatasetWriter
from labeler import coco, pictures
from labeler.backends import Choice, checked, record
from labeler.crops import DAMAGED
from labeler.rules import Rules
from labeler.work import Job, TooDamaged, refuse_damage, units_of
from opengspr import work
from opengspr.command import UserError, command, data_root
from opengspr.files import Busy, one_writer, output_folder
from opengspr.sharing import Sharing
from synth.capture import Capture, open_capture

LICENCE = "CC-BY-4.0"


@dataclass(frozen=True)
class Settings:
    """Labels captures: cuts every person out of their pictures into a dataset."""

    captures: Positional[tuple[Path, ...]]
    """Folders that synth.render wrote; with --no-truth folders of pictures, or videos."""
    out: Path | None = None
    """The dataset's folder, for one capture; by default the data root's folder of the capture's name."""
    choice: Annotated[Choice, arg(name="")] = field(default_factory=Choice)
    rules: Annotated[Rules, arg(name="")] = field(default_factory=Rules)
    sharing: Annotated[Sharing, arg(name="")] = field(default_factory=Sharing)
    no_truth: bool = False
    """Any pictures or videos: crops of everybody, of whom nobody knows who they are (pid -1)."""
    every: int | None = None
    """Without truth: look at every N-th picture or frame; by default at all pictures, and two frames a second."""
    partial: bool = False
    """Also label a capture that is not rendered to its end."""
    on_bad: Literal["stop", "skip"] = "stop"
    """Damaged pictures: stop at the first, or skip and count them (and stop past 1 %)."""
    coco: Path | None = None
    """Also write the capture's whole frames with their truth into this folder, as a COCO dataset."""
    data_root: Path | None = None
    """Where captures and datasets lie; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Settings) -> None:
    if not settings.captures:
        raise UserError("no capture named: wanted folders that synth.render wrote")
    settings.rules.check()
    settings.sharing.check()
    if settings.no_truth:
        _label_pictures(settings)
    else:
        _label_captures(settings)


def _label_captures(settings: Settings) -> None:
    captures = [(capture, _out(settings, capture)) for capture in map(open_capture, settings.captures)]
    choice = checked(settings.choice)
    for flag, folder in (("--out", settings.out), ("--coco", settings.coco)):
        if folder and len(captures) > 1:
            raise UserError(f"{flag} {folder}: for one capture only, got {len(captures)}")
    if len({out for _, out in captures}) < len(captures):
        raise UserError("two captures of the same name: label them one by one, each with its own --out")
    for capture, _ in captures:
        units_of(capture, settings.partial)
    for capture, out in captures:
        output_folder(out, parents=not settings.out)
        print(f"{out}: {_label_capture(capture, out, choice, settings)}")
        if settings.coco and (out / "SHA256SUMS").exists():
            print(f"{settings.coco}: {coco.export(capture, settings.coco)}")
    outs = [out for _, out in captures]
    print(f"done: {', '.join(map(str, outs))}; train: python -m train.smcr {_train_flags(settings, outs)}")


def _label_capture(capture: Capture, out: Path, choice: Choice, settings: Settings) -> str:
    units, shots, skip = units_of(capture, settings.partial), capture.info["shots"], settings.on_bad == "skip"
    rules = settings.rules.settled()
    labeler = {**record(choice), **asdict(rules)}
    provenance = {"capture": capture.info, "units": len(units), "labeler": labeler}
    each = shots // max(1, capture.info["units"])
    jobs = [
        Job(
            out / "parts" / unit.name,
            choice,
            rules,
            skip,
            provenance,
            capture=capture.path,
            count=each,
            all_shots=shots,
        )
        for unit in units
    ]

    def finish(writer: DatasetWriter) -> str:
        _refuse(writer, capture.path, shots)
        split = capture.info["split"]
        shares = split["train"], split.get("distractors", 0)
        dealt = roles(capture.people["pid"].to_pylist(), *shares, capture.info["world"], capture.info["seed"])
        info = writer.finish(dealt, capture.info.get("licence", LICENCE))
        counts = info["counts"]
        line = (
            f"{counts['crops']} crops of {counts['ids']} people in {counts['cameras']} cameras "
            f"(train {counts['train']}, query {counts['query']}, gallery {counts['gallery']})"
        )
        if sum(shares) < 1 and not counts["query"]:
            line += "; no query: nobody outside train was kept in two cameras"
        return line + _dropped(info["drops"])

    return _write(out, provenance, jobs, settings.sharing, finish)


def _label_pictures(settings: Settings) -> None:
    if settings.every is not None and settings.every < 1:
        raise UserError(f"--every: got {settings.every}, wanted at least 1")
    if settings.choice.backend == "truth":
        raise UserError("--backend truth: pictures without truth need a detector")
    sources = [pictures.open_source(path) for path in settings.captures]
    choice = checked(settings.choice)
    out = settings.out or data_root(settings.data_root) / f"{settings.captures[0].stem}-crops"
    output_folder(out, parents=not settings.out)
    told = [pictures.told(source, settings.every) for source in sources]
    rules = settings.rules.settled(truth=False)
    provenance = {"sources": told, "labeler": {**record(choice), **asdict(rules)}}
    jobs = [*pictures.jobs_of(sources, settings.every, out, choice, rules, settings.on_bad, provenance)]

    def finish(writer: DatasetWriter) -> str:
        _refuse(writer, settings.captures[0], sum(job.shots for job in jobs))
        info = writer.finish(Roles(train=np.array([UNKNOWN["pid"]])), "LicenseRef-of-the-pictures")
        return f"{info['counts']['crops']} crops, all train, pid -1 (unknown)" + _dropped(info["drops"])

    print(f"{out}: {_write(out, provenance, jobs, settings.sharing, finish)}")
    path = str(out) if "/" in str(out) else f"./{out}"  # a word alone would be a name below the data root
    print(f"done: {out}; look: python -m datasets.sheet {shlex.quote(path)} --out {out.name}.jpg")


def _write(
    out: Path,
    provenance: dict[str, Any],
    jobs: Sequence[work.Job],
    sharing: Sharing,
    finish: Callable[[DatasetWriter], str],
) -> str:
    """Does what is missing of a dataset, and finishes it when nothing is; returns a line that says what there is."""
    with sharing.writer(out):
        writer = DatasetWriter(out, provenance)
        if writer.finished:
            return "already whole, nothing to do"
        if there := sum(writer.has(job.name) for job in jobs):
            print(f"{out}: going on, {there} of {len(jobs)} units are there")
        missing = [job for job in sharing.mine(jobs) if not writer.has(job.name)]
        failed = sharing.run(missing, sum(job.shots for job in missing), out / "logs", out.name)
    if failed:
        raise UserError(f"{len(failed)} units failed three times: {', '.join([*failed][:5])}; see {out / 'logs'}")
    if (there := sum(writer.has(job.name) for job in jobs)) < len(jobs):
        return f"{there} of {len(jobs)} units are labelled; the dataset is whole when the other shards are"
    try:
        with one_writer(out):
            return "already whole" if DatasetWriter(out, provenance).finished else finish(writer)
    except Busy:
        if not sharing.shard:
            raise
        return f"all {len(jobs)} units are labelled; another shard makes the dataset of them"


def _refuse(writer: DatasetWriter, source: Path, shots: int) -> None:
    """Refuses a dataset with too much damage in it, or with no crop, and clears what stands in the way of another try:
    of what is repaired, or by other rules.
    """
    drops = writer.drops()
    try:
        refuse_damage(source, drops[DAMAGED], shots)
    except TooDamaged:
        writer.take_back(DAMAGED)
        raise
    if not writer.rows():
        for name in ("parts", "shards", "logs"):
            shutil.rmtree(writer.root / name, ignore_errors=True)
        raise UserError(f"{source}: no crop is left by these rules; dropped: {_listed(drops)}")


def _dropped(drops: dict[str, int]) -> str:
    return f"; dropped {_listed(drops)}" if drops else ""


def _listed(drops: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(drops.items()))


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
