"""How well the labeler finds people, and what a crop costs: `python -m benchmarks.labeler --json`.

On places, people and clothes that the shipped detector has not learnt from: the world labeler-test, which is rendered
where it is not there yet (some 50 minutes on 2 cores).
"""

import json
import resource
import sys
import tempfile
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from datasets.manifest import open_dataset
from datasets.pictures import decode, encode
from labeler import label
from labeler.backends import Choice, checked, load
from labeler.evaluate import evaluate, recalls
from opengspr import command
from opengspr.command import data_root
from opengspr.sharing import Sharing
from synth import render
from synth.capture import Capture, open_capture

WORLD = "labeler-test"
TIMED = 256  # shots of which the parts of the work are timed
SHOWN = (
    "frame_box_ap50",
    "frame_mask_ap50",
    "false_positives_per_empty_frame",
    "region_box_ap50",
    "centre_box_baseline_ap50",
    "median_crop_iou",
    "wrong_identity",
    "kept_share",
    "label_cpu_s_per_crop",
)


@dataclass(frozen=True)
class Benchmark:
    """Measure the labeler; the last line is JSON."""

    capture: Path | None = None
    """What it is measured on; by default the world labeler-test, rendered into the data root."""
    backend: str = "torchvision"
    """torchvision, detectron2 or truth."""
    weights: str = "default"
    """Of the detector."""
    data_root: Path | None = None
    """Where captures lie; by default $OPENGSPR_DATA, else ./data."""
    json: bool = False
    """Print only the last line."""


def main(settings: Benchmark) -> None:
    capture = open_capture(settings.capture) if settings.capture else _rendered(settings)
    choice = checked(Choice(settings.backend, settings.weights, "cpu"))
    figures: dict[str, Any] = _labelled(capture, choice) | _parts(capture, choice)
    found, cases = evaluate(load(choice, near=True), load(choice), [*capture.shots()], [*capture.frames()])
    figures = found | figures
    if not settings.json:
        for name, table in recalls(cases).items():
            print(f"found, by {name}: " + ", ".join(f"{key} {share:.3f} of {n}" for key, (share, n) in table.items()))
        for name, value in figures.items():
            print(f"{name:34} {value:.4g}")
    shown = {name: figures[name] for name in SHOWN}
    print(json.dumps({name: round(float(value), 4) for name, value in {**shown, **figures}.items()}))


def _rendered(settings: Benchmark) -> Capture:
    out = data_root(settings.data_root) / "captures" / WORLD
    out.parent.mkdir(parents=True, exist_ok=True)
    with redirect_stdout(sys.stderr):
        render.main(render.Render(WORLD, out=out))
    return open_capture(out)


def _labelled(capture: Capture, choice: Choice) -> dict[str, float]:
    """What the command costs with one worker, its start included."""
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        before = _children_s()
        out = Path(folder) / "crops"
        label.main(label.Settings((capture.path,), out, choice, sharing=Sharing(workers=1)))
        info = open_dataset(out).info
    crops, drops = info["counts"]["crops"], sum(info["drops"].values())
    return {
        "label_cpu_s_per_crop": (_children_s() - before) / crops,
        "kept_share": crops / (crops + drops),
        **{f"dropped_{reason.replace(' ', '_')}": count for reason, count in info["drops"].items()},
    }


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _parts(capture: Capture, choice: Choice) -> dict[str, float]:
    """Share of decoding, detection and encoding in the time of the three, in this process on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    backend, spent = load(choice, near=True), dict.fromkeys(("decode", "detect", "encode"), 0.0)
    shots = [*islice(capture.shots(), TIMED)]
    for k in range(0, len(shots), 8):
        marks = [time.process_time()]
        images = [(decode(shot.jpg, shot.key), shot.mask()) for shot in shots[k : k + 8]]
        marks.append(time.process_time())
        backend([image for image, _ in images], [instances for _, instances in images])
        marks.append(time.process_time())
        for image, _ in images:
            encode(image)
        marks.append(time.process_time())
        for name, start, end in zip(spent, marks, marks[1:]):
            spent[name] += end - start
    torch.set_num_threads(threads)
    return {f"{name}_time_share": seconds / sum(spent.values()) for name, seconds in spent.items()}


if __name__ == "__main__":
    command(Benchmark, main)
