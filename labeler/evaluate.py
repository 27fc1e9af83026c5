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
from typing import Annotated, Any, TypeVar

import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tqdm import tqdm
from tyro.conf import Positional, arg

from datasets.pictures import decode
from labeler.backends import Choice, checked, load
from labeler.coco import annotation, annotations, head
from labeler.crops import BATCH
from labeler.detection import Backend, Detection, box_iou, box_of, match, people
from labeler.report import Case, page
from labeler.rules import Rules
from labeler.work import units_of
from opengspr.command import UserError, command
from opengspr.files import output_folder, write_whole
from synth.capture import Frame, Picture, Shot, open_capture

Figures = dict[str, float]
P = TypeVar("P", bound=Picture)
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
    partial: bool = False
    """Also measure on captures that are not rendered to their end."""


def main(settings: Settings) -> None:
    captures = [open_capture(path) for path in settings.captures]
    if not captures:
        raise UserError("no capture named: wanted folders that synth.render wrote")
    if settings.shots < 1:
        raise UserError(f"--shots: got {settings.shots}, wanted at least 1")
    for capture in captures:
        units_of(capture, settings.partial)
    choice = checked(settings.choice)
    out = output_folder(settings.out, parents=True)
    every = max(1, -(-sum(capture.info["shots"] for capture in captures) // settings.shots))
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

    region_, frame_: average precision of boxes and masks at an IoU of 0.5 (ap50) and over 0.5 to 0.95 (ap) in the
        pictures that show somebody. centre_box_baseline_ap50: the same of a fixed box round the middle of each region.
    own_recall, centre_box_own_recall: share of the regions in which a box, or that fixed one, overlaps that of the
        region's own person by 0.5 or more.
    median_crop_iou: of the boxes of those whom the truth would keep, 0 where they were not found.
    kept_share: regions that make a crop, of all; kept_of_truth: of those that make one by the renderer's own masks.
    another_shows_more: crops with more pixels of somebody else than of the person they are named after.
    false_positives_per_empty_frame: detections that would make a crop of a picture without truth, by their score.

    Args:
        near, whole: it, as it looks at regions and at frames.
    """
    figures: Figures = {}
    cases: list[Case] = []
    if shots:
        regions, centres = Precision(), Precision()
        for shot, seen in _found(near, shots, "regions"):
            truths = _region_truth(shot)
            regions.add(shot.mask().shape, truths, seen)
            centres.add(shot.mask().shape, truths, [_fixed(shot)])
            cases.append(_shot_case(shot, seen))
        figures |= regions.figures("region")
        figures["centre_box_baseline_ap50"] = centres.figures("centre")["centre_box_ap50"]
        clear, kept = [case for case in cases if case.clear], [case for case in cases if case.kept]
        figures["own_recall"] = float(np.mean([case.best_iou >= 0.5 for case in cases]))
        figures["centre_box_own_recall"] = float(np.mean([case.fixed_iou >= 0.5 for case in cases]))
        figures["median_crop_iou"] = float(np.median([case.iou for case in clear])) if clear else 0.0
        figures["kept_share"] = len(kept) / len(cases)
        figures["kept_of_truth"] = len(kept) / max(1, len(clear))
        figures["another_shows_more"] = sum(case.another for case in kept) / max(1, len(kept))
    full = [frame for frame in frames if frame.truth["people"]]
    if full:
        precision = Precision()
        for frame, seen in _found(whole, full, "frames"):
            precision.add(frame.mask().shape, [*annotations(frame)], seen)
            cases += _frame_cases(frame, seen)
        figures |= precision.figures("frame")
    empty = [frame for frame in frames if not frame.truth["people"]]
    if empty:
        rules = Rules().settled(truth=False)
        alarms = [len(rules.sure(seen)[0]) for _, seen in _found(whole, empty, "empty frames")]
        figures["false_positives_per_empty_frame"] = float(np.mean(alarms))
    return figures | {"regions": len(shots), "frames": len(full), "empty_frames": len(empty)}, cases


def _found(backend: Backend, pictures: Sequence[P], title: str) -> Iterator[tuple[P, list[Detection]]]:
    """Each picture with what the backend finds in it, but for duplicates; unsure detections too."""
    rules = Rules(min_score=0)
    left = iter(tqdm(pictures, desc=title, disable=None, unit="picture"))
    while batch := [*islice(left, BATCH)]:
        images, masks = [decode(one.jpg, one.key) for one in batch], [one.mask() for one in batch]
        yield from zip(batch, (rules.sure(seen)[0] for seen in backend(images, masks)))


def _region_truth(shot: Shot) -> list[dict[str, Any]]:
    masks = people(shot.mask())
    own = int((shot.mask() == shot.truth["instance"]).sum())
    return [annotation(mask, mask.sum() < HARDLY * own) for mask in masks]


def _fixed(shot: Shot) -> Detection:
    """The region without its margins: where a person is who is whole and alone."""
    height, width = shot.mask().shape
    inset = round(INSET * height)
    across = min(inset, width // 3)
    box = across, inset, width - across, height - inset
    return Detection(box, 1.0, np.ones((box[3] - box[1], box[2] - box[0]), bool))


class Precision:
    """Average precision of boxes and masks, as COCO has it (pycocotools)."""

    def __init__(self) -> None:
        self.images: list[dict[str, Any]] = []
        self.wanted: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []

    def add(self, size: tuple[int, ...], truth: Iterable[dict[str, Any]], found: Iterable[Detection]) -> None:
        """A picture of this height and width, its annotations, and what was found in it."""
        (height, width), number = size, len(self.images) + 1
        self.images.append({"id": number, "height": height, "width": width})
        self.wanted += [{**one, "id": k, "image_id": number} for k, one in enumerate(truth, len(self.wanted) + 1)]
        for one in found:
            coded = rle.encode(np.asfortranarray(one.within((0, 0, width, height)), np.uint8))
            x0, y0, x1, y1 = one.box
            about = {"image_id": number, "category_id": 1, "score": one.score, "bbox": [x0, y0, x1 - x0, y1 - y0]}
            self.results.append(about | {"segmentation": coded})

    def figures(self, kind: str) -> Figures:
        """Precision at an IoU of 0.5, and over 0.5 to 0.95; 0 where there is nobody to be found."""
        if not self.results or all(one["iscrowd"] for one in self.wanted):
            return {f"{kind}_{name}": 0.0 for name in ("box_ap50", "box_ap", "mask_ap50", "mask_ap")}
        figures: Figures = {}
        with redirect_stdout(StringIO()):  # it talks
            known = COCO()
            known.dataset = {**head(""), "images": self.images, "annotations": self.wanted}
            known.createIndex()
            for name, type_ in (("box", "bbox"), ("mask", "segm")):
                given = [{k: v for k, v in one.items() if type_ == "bbox" or k != "bbox"} for one in self.results]
                scored = COCOeval(known, known.loadRes(given), type_)
                scored.evaluate()
                scored.accumulate()
                precision = scored.eval["precision"][:, :, 0, 0, -1]  # IoU x recall
                figures[f"{kind}_{name}_ap50"] = float(precision[0].mean())
                figures[f"{kind}_{name}_ap"] = float(precision.mean())
        return figures


def _shot_case(shot: Shot, seen: list[Detection]) -> Case:
    instances, truth, rules = shot.mask(), shot.truth, Rules()
    own, others = instances == truth["instance"], (instances > 0) & (instances != truth["instance"])
    box = box_of(own) if own.any() else (0, 0, 1, 1)
    sure = rules.sure(seen)[0]
    mine = match(sure, instances, truth["instance"], rules.min_iou)
    case = Case("region", shot, box[3] - box[1], truth["visible_share"], box, mine)
    case.fixed_iou = box_iou(_fixed(shot).box, box)
    case.best_iou = max((box_iou(one.box, box) for one in sure), default=0.0)
    allowed = bool(own.any()) and not rules.reject_truth(truth)
    case.clear = allowed and not rules.reject_found(Detection.of(own, 1.0), others)
    if mine:
        case.iou = box_iou(mine.box, box)
        case.kept = allowed and not rules.reject_found(mine, others)
        x0, y0, x1, y1 = rules.pad(mine.box, shot.key, instances.shape[1], instances.shape[0])
        pixels = np.bincount(instances[y0:y1, x0:x1].ravel(), minlength=truth["instance"] + 1)
        case.another = bool(pixels[1:].max() > pixels[truth["instance"]])
    return case


def _frame_cases(frame: Frame, seen: list[Detection]) -> Iterator[Case]:
    instances, rules = frame.mask(), Rules().settled(truth=False)
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
