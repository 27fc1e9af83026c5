"""How well a detector finds the people of captures: `python -m labeler.evaluate CAPTURE --weights WEIGHTS`.

Precision as COCO has it (pycocotools) over shots' regions and over whole frames, recall by size, light, weather and
visibility, how well crops fit, and a page with the worst of them.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tqdm import tqdm
from tyro.conf import Positional, arg

from datasets.pictures import decode
from labeler.backends import Choice, checked, load
from labeler.coco import annotation, annotations, head
from labeler.detection import Backend, Detection, box_iou, box_of, match, people
from labeler.report import Case, page
from labeler.rules import Rules
from opengspr.command import UserError, command
from opengspr.files import output_folder, write_whole
from synth.capture import Frame, Picture, Shot, open_capture

Figures = dict[str, float]
BATCH = 8
HARDLY = 0.1  # of the pixels of a region's own person: others with fewer count neither for nor against
INSET = 1 / 12  # of a region's height, the context on every side of a person: what the fixed box leaves out
SIZES, LIGHTS, SHARES = (80.0, 160.0, 240.0), (0.02, 0.1, 0.3), (0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Settings:
    """Measures a detector against the truth of captures."""

    captures: Positional[tuple[Path, ...]]
    """Folders that synth.render wrote; none that it learnt from."""
    choice: Annotated[Choice, arg(name="")] = field(default_factory=Choice)
    out: Path = Path("runs/labeler-evaluation")
    """Folder for figures.json and report.html."""
    shots: int = 4000
    """Shots that are looked at, at most, spread evenly."""
    json: bool = False
    """Print the figures as one line of JSON."""


def main(settings: Settings) -> None:
    captures = [open_capture(path) for path in settings.captures]
    if not captures:
        raise UserError("no capture named: wanted folders that synth.render wrote")
    if settings.shots < 1:
        raise UserError(f"--shots: got {settings.shots}, wanted at least 1")
    choice = checked(settings.choice)
    out = output_folder(settings.out, parents=True)
    every = max(1, sum(capture.info.get("shots", 0) for capture in captures) // settings.shots)
    shots = [shot for capture in captures for shot in islice(capture.shots(), 0, None, every)]
    frames = [frame for capture in captures for frame in capture.frames()]
    figures, cases = evaluate(load(choice, near=True), load(choice), shots, frames)
    tables = recalls(cases)
    write_whole(out / "figures.json", (json.dumps({**figures, "recall": tables}, indent=1) + "\n").encode())
    write_whole(out / "report.html", page(figures, tables, cases).encode())
    if settings.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:34} {value:.4g}")
    for name, table in tables.items():
        print(
            f"recall by {name}: " + ", ".join(f"{key} {share:.3f} of {count}" for key, (share, count) in table.items())
        )
    print(f"evaluated: {out / 'report.html'}")


def evaluate(
    near: Backend, whole: Backend, shots: Sequence[Shot], frames: Sequence[Frame]
) -> tuple[Figures, list[Case]]:
    """A detector's figures on pictures, and what became of everybody in them.

    Args:
        near, whole: it, as it looks at regions and at frames.
    """
    figures: Figures = {}
    cases: list[Case] = []
    if shots:
        found = [*_found(near, shots, "regions")]
        truths = [_region_truth(shot) for shot in shots]
        figures |= _precision("region", truths, found)
        fixed = [_fixed(shot) for shot in shots]
        figures["centre_box_baseline_ap50"] = _precision("centre", truths, fixed)["centre_box_ap50"]
        cases += [_shot_case(shot, seen) for shot, seen in zip(shots, found)]
        mine, kept = [case for case in cases if case.found], [case for case in cases if case.kept]
        figures["median_crop_iou"] = float(np.median([case.iou for case in mine])) if mine else 0.0
        figures["kept_share"] = len(kept) / len(cases)
        figures["wrong_identity"] = sum(case.wrong for case in kept) / max(1, len(kept))
    full = [frame for frame in frames if frame.truth["people"]]
    if full:
        found = [*_found(whole, full, "frames")]
        figures |= _precision("frame", [[*annotations(frame)] for frame in full], found)
        cases += [case for frame, seen in zip(full, found) for case in _frame_cases(frame, seen)]
    empty = [frame for frame in frames if not frame.truth["people"]]
    if empty:
        sure = [Rules().sure(seen)[0] for seen in _found(whole, empty, "empty frames")]
        figures["false_positives_per_empty_frame"] = float(np.mean([len(seen) for seen in sure]))
    return figures | {"regions": len(shots), "frames": len(full), "empty_frames": len(empty)}, cases


def _found(backend: Backend, pictures: Sequence[Picture], title: str) -> Iterator[list[Detection]]:
    """What the backend finds in each picture."""
    left = iter(tqdm(pictures, desc=title, disable=None, unit="picture"))
    while batch := [*islice(left, BATCH)]:
        images, masks = [decode(one.jpg, one.key) for one in batch], [one.mask() for one in batch]
        yield from backend(images, masks)


def _region_truth(shot: Shot) -> list[dict[str, Any]]:
    masks = people(shot.mask())
    own = int((shot.mask() == shot.truth["instance"]).sum())
    return [annotation(mask, mask.sum() < HARDLY * own) for mask in masks]


def _fixed(shot: Shot) -> list[Detection]:
    """The region without its margins: where a person is who is whole and alone."""
    height, width = shot.mask().shape
    inset = round(INSET * height)
    mask = np.zeros((height, width), bool)
    mask[inset : height - inset, min(inset, width // 3) : width - min(inset, width // 3)] = True
    return [Detection(box_of(mask), 1.0, mask)]


def _precision(kind: str, truths: Iterable[list[dict[str, Any]]], found: Iterable[list[Detection]]) -> Figures:
    """Average precision of boxes and masks at an IoU of 0.5, and over 0.5 to 0.95."""
    images: list[dict[str, Any]] = []
    wanted: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, (truth, seen) in enumerate(zip(truths, found, strict=True), 1):
        sizes = [one["segmentation"]["size"] for one in truth] + [one.mask.shape for one in seen]
        height, width = sizes[0] if sizes else (1, 1)
        images.append({"id": number, "height": height, "width": width})
        wanted += [{**one, "id": len(wanted) + k, "image_id": number} for k, one in enumerate(truth, 1)]
        for one in seen:
            coded = rle.encode(np.asfortranarray(one.mask, np.uint8))
            x0, y0, x1, y1 = one.box
            about = {"image_id": number, "category_id": 1, "score": one.score, "bbox": [x0, y0, x1 - x0, y1 - y0]}
            results.append(about | {"segmentation": coded})
    if not results or not wanted:
        return {f"{kind}_{name}": 0.0 for name in ("box_ap50", "box_ap", "mask_ap50", "mask_ap")}
    figures: Figures = {}
    with redirect_stdout(StringIO()):  # it talks
        known = COCO()
        known.dataset = {**head(""), "images": images, "annotations": wanted}
        known.createIndex()
        for name, type_ in (("box", "bbox"), ("mask", "segm")):
            given = [{k: v for k, v in one.items() if type_ == "bbox" or k != "bbox"} for one in results]
            scored = COCOeval(known, known.loadRes(given), type_)
            scored.evaluate()
            scored.accumulate()
            precision = scored.eval["precision"][:, :, 0, 0, -1]  # IoU x recall
            figures[f"{kind}_{name}_ap50"] = float(precision[0].mean())
            figures[f"{kind}_{name}_ap"] = float(precision.mean())
    return figures


def _shot_case(shot: Shot, seen: list[Detection]) -> Case:
    instances, truth, rules = shot.mask(), shot.truth, Rules()
    own = instances == truth["instance"]
    box = box_of(own) if own.any() else (0, 0, 1, 1)
    height = box[3] - box[1]
    sure = rules.sure(seen)[0]
    mine = match(sure, instances, truth["instance"], rules.min_iou)
    case = Case("region", shot, height, truth["visible_share"], box, mine, box_iou(mine.box, box) if mine else 0.0)
    if mine:
        others = (instances > 0) & ~own
        case.kept = not (rules.reject_truth(truth) or rules.reject_found(mine, others))
        most = np.bincount(instances[mine.mask & (instances > 0)], minlength=1).argmax()
        case.wrong = int(most) != truth["instance"]
    return case


def _frame_cases(frame: Frame, seen: list[Detection]) -> Iterator[Case]:
    instances, rules = frame.mask(), Rules()
    sure = rules.sure(seen)[0]
    for person in frame.truth["people"]:
        box = box_of(instances == person["instance"])
        mine = match(sure, instances, person["instance"], rules.min_iou)
        iou = box_iou(mine.box, box) if mine else 0.0
        yield Case("frame", frame, box[3] - box[1], person["visible_share"], box, mine, iou)


def recalls(cases: Iterable[Case]) -> dict[str, dict[str, tuple[float, int]]]:
    """Share of people who are found, and how many there are, by what may make it hard."""
    groups: dict[str, dict[tuple[int, str], list[bool]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        truth = case.picture.truth
        keys = {
            "height, pixels": _bin(case.height_px, SIZES),
            "visible share": _bin(case.visible, SHARES),
            "luminance": _bin(truth["luminance"], LIGHTS) if "luminance" in truth else None,
            "weather": (0, truth["weather"]),
            "place": (0, truth["place"]),
        }
        for name, key in keys.items():
            if key is not None:
                groups[f"{name} ({case.kind}s)"][key].append(case.found is not None)
    return {
        name: {key[1]: (float(np.mean(table[key])), len(table[key])) for key in sorted(table)}
        for name, table in sorted(groups.items())
    }


def _bin(value: float, edges: Sequence[float]) -> tuple[int, str]:
    """Number and name of the part of a scale that a value lies in."""
    k = int(np.searchsorted(edges, value, "right"))
    low, high = ([None, *edges][k], [*edges, None][k])
    return k, f"from {low:g}" if high is None else f"below {high:g}" if low is None else f"{low:g} to {high:g}"


if __name__ == "__main__":
    command(Settings, main)
