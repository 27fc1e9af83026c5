"""The whole frames of a capture with their truth as a COCO dataset, which pycocotools and detectron2 read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

from labeler.detection import box_of
from opengspr.files import one_writer, output_folder, whole_file, write_whole
from synth.capture import Capture, CaptureError, Frame

PERSON = 1
HARDLY_SEEN = 0.05  # share of a person seen, below which a detector may find them or not


def annotations(frame: Frame) -> Iterator[dict[str, Any]]:
    """COCO's annotations of a frame's people, without ids: of those hardly seen, `iscrowd` is 1, so that finding them
    counts neither for nor against a detector.
    """
    instances = frame.mask()
    for person in frame.truth["people"]:
        mask = instances == person["instance"]
        if not mask.any():
            raise CaptureError(f"{frame.key}: instance {person['instance']} is not in its mask")
        yield annotation(mask, person["visible_share"] < HARDLY_SEEN) | {
            name: person[name] for name in ("pid", "visible_share", "truncation")
        }


def annotation(mask: np.ndarray, ignored: bool) -> dict[str, Any]:
    """COCO's annotation of a person's mask (H, W) bool."""
    coded = rle.encode(np.asfortranarray(mask, np.uint8))
    x0, y0, x1, y1 = box_of(mask)
    return {
        "category_id": PERSON,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": int(mask.sum()),
        "segmentation": {"size": coded["size"], "counts": coded["counts"].decode()},
        "iscrowd": int(ignored),
    }


def head(licence: str) -> dict[str, Any]:
    """What a COCO file says besides pictures and annotations."""
    return {
        "info": {"description": "whole frames of an OpenGSPR capture"},
        "licenses": [{"id": 1, "name": licence, "url": ""}],
        "categories": [{"id": PERSON, "name": "person", "supercategory": "person"}],
    }


def export(capture: Capture, folder: Path) -> str:
    """Writes images/KEY.jpg of every frame, then annotations.json.

    Returns:
        one line that says what there is.
    """
    images: list[dict[str, Any]] = []
    people = 0
    with one_writer(output_folder(folder)), whole_file(folder / "annotations.json") as file:
        pictures = output_folder(folder / "images")
        file.write(json.dumps(head(capture.info.get("licence", "CC-BY-4.0")))[:-1].encode() + b', "annotations": [')
        for number, frame in enumerate(capture.frames(), 1):
            height, width = frame.mask().shape
            same = ("place", "viewpoint", "camid", "frame", "weather", "hour")
            about = {"id": number, "file_name": f"{frame.key}.jpg", "width": width, "height": height, "license": 1}
            images.append(about | {name: frame.truth[name] for name in same})
            write_whole(pictures / f"{frame.key}.jpg", frame.jpg)
            for one in annotations(frame):
                people += 1
                line = json.dumps(one | {"id": people, "image_id": number}, separators=(",", ":"))
                file.write((",\n" if people > 1 else "\n").encode() + line.encode())
        file.write(b'], "images": ' + json.dumps(images).encode() + b"}\n")
    return f"{len(images)} frames with {people} people"
