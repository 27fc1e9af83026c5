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

import numpy as np
import torch
from pycocotools import mask as rle

from datasets.manifest import Dataset
from datasets.opening import open_dataset
from datasets.pictures import decode, encode
from labeler import label
from labeler.backends import Choice, checked, load
from labeler.evaluate import evaluate, recalls
from opengspr import UserError, command
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
    frames = [*capture.frames()]
    if len({bool(frame.truth["people"]) for frame in frames}) < 2:
        raise UserError(f"{capture.path}: wanted whole frames with people and some without, as labeler-test has them")
    choice = checked(Choice(settings.backend, settings.weights, "cpu"))
    figures: dict[str, Any] = _labelled(capture, choice) | _parts(capture, choice)
    found, cases = evaluate(load(choice, near=True), load(choice), [*capture.shots()], frames)
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
        spent = _children_s() - before
        info = open_dataset(out).info
        wrong, crowded = _wrong(capture, open_dataset(out))
    crops, drops = info["counts"]["crops"], sum(info["drops"].values())
    return {
        "label_cpu_s_per_crop": spent / crops,
        "kept_share": crops / (crops + drops),
        "wrong_identity": wrong / max(1, crowded),
        "crowded_crops": crowded,
        **{f"dropped_{reason.replace(' ', '_')}": count for reason, count in info["drops"].items()},
    }


def _wrong(capture: Capture, dataset: Dataset) -> tuple[int, int]:
    """How many crops with several people in them have a mask that lies mostly on somebody else than the one they are
    named after, and how many such crops there are; as the dataset has them.
    """
    crops = dataset.crops
    rows = {key: k for k, key in enumerate(crops.column("key"))}
    boxes, masks = crops.column("box"), crops.column("mask")
    wrong = crowded = 0
    for shot in capture.shots():
        if (k := rows.get(shot.key)) is None:
            continue
        left, top = shot.truth["region"][:2]
        box = [round((v - o) * shot.truth["scale"]) for v, o in zip(boxes[k], (left, top, left, top))]
        instances = shot.mask()[box[1] : box[3], box[0] : box[2]]
        mask = rle.decode({"size": [*instances.shape], "counts": masks[k].encode()}).astype(bool)
        if len(np.unique(instances[instances > 0])) > 1:
            crowded += 1
            on = np.bincount(instances[mask & (instances > 0)], minlength=2)
            wrong += int(on.argmax() != shot.truth["instance"])
    return wrong, crowded


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
