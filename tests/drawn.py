"""A small capture drawn without Blender: coloured figures before a grey wall, with true masks and boxes."""

import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from datasets.pictures import encode
from labeler.backends import Choice
from labeler.label import Settings, main
from synth.capture import Frame, Shot, write_capture_info, write_people, write_unit


def png(mask: np.ndarray) -> bytes:
    """An instance mask (H, W) uint8 as PNG bytes."""
    stream = BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    return stream.getvalue()


def colour(pid: int) -> tuple[int, int, int]:
    """What a person looks like here, up to a little noise."""
    return 50 * pid % 230, 90 * pid % 230, 130 * pid % 230


def draw_shot(pid: int, camid: int, number: int = 0, **truth: Any) -> Shot:
    """A figure 40 x 100 pixels in a region of 80 x 140 at (300, 200); `truth` overrides fields."""
    key = f"{pid:05d}_c{camid:02d}s00_{number:06d}_00"
    random = np.random.default_rng(list(hashlib.sha256(key.encode()).digest()))
    mask = np.zeros((140, 80), np.uint8)
    mask[20:120, 20:60] = 1
    image = np.full((140, 80, 3), 100 + 10 * (camid % 10), np.uint8)
    image[mask == 1] = colour(pid)
    image += random.integers(0, 20, image.shape, np.uint8)
    whole = {
        "key": key,
        "world": "test",
        "pid": pid,
        "place": f"place{camid}",
        "viewpoint": 0,
        "camid": camid,
        "tracklet": number,
        "frame": number,
        "box": [320, 220, 360, 320],
        "box_full": [320, 220, 360, 320],
        "region": [300, 200, 80, 140],
        "scale": 1.0,
        "instance": 1,
        "visible_share": 1.0,
        "truncation": 0.0,
        "keypoints_2d": [[330, 230, 1]] * 17,
        "keypoints_3d": [[0.0, 0.0, 1.0]] * 17,
        "azimuth_deg": 90.0,
        "body": {},
        "weather": "clear",
        "hour": 12.0,
        "sun": {"azimuth_deg": 0.0, "elevation_deg": 45.0},
        "action": "walk",
        "variation": 0,
        "camera": {},
        "others": [],
    }
    return Shot(whole | truth, encode(image), png(mask))


def draw_capture(
    path: Path,
    people: int = 6,
    cameras: int = 3,
    per_camera: int = 2,
    train: float = 0.5,
    units: int = 3,
    frames: bool = False,
) -> Path:
    """A capture of people x cameras x per_camera shots, dealt to units, each with a full and an empty frame or none."""
    shots = [draw_shot(p, c, n) for p in range(people) for c in range(cameras) for n in range(per_camera)]
    info = {"world": "test", "seed": 0, "split": {"train": train}, "shots": len(shots), "units": units}
    write_capture_info(path, info)
    row = {"world": "test", "sex": "female", "age_group": "adult", "skin_tone": 5, "height_m": 1.7, "look": {}}
    write_people(path, [{"pid": pid, **row} for pid in range(people)])
    for unit in range(units):
        whole = [draw_frame(unit, {0: 100, 1: 300 + 50 * unit}), draw_frame(unit, {})] if frames else []
        write_unit(path / "units" / f"unit{unit}.tar", [*shots[unit::units], *whole])
    return path


def label(*captures: Path, **settings: Any) -> None:
    """Labels captures by their true masks."""
    main(Settings(captures, choice=Choice("truth"), **settings))


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def edit_json(path: Path, **changes: Any) -> None:
    """Changes some values of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def draw_frame(number: int, people: dict[int, int], camid: int = 0) -> Frame:
    """A whole frame at 960 x 540 with figures 40 x 100 pixels at `people`: pid to left edge; nobody makes it empty."""
    random = np.random.default_rng(number)
    mask = np.zeros((540, 960), np.uint8)
    image = np.full((540, 960, 3), 110, np.uint8)
    seen = []
    for instance, (pid, left) in enumerate(people.items(), 1):
        mask[200:300, left : left + 40] = instance
        image[mask == instance] = colour(pid)
        box = [2 * left, 400, 2 * left + 80, 600]
        about = {"pid": pid, "instance": instance, "box": box, "box_full": box, "visible_share": 1.0, "truncation": 0.0}
        seen.append(about | {"keypoints_2d": [[2 * left, 400, 1]] * 17})
    image += random.integers(0, 20, image.shape, np.uint8)
    truth = {
        "key": f"{'full' if people else 'empty'}_c{camid:02d}s00_{number:06d}",
        "world": "test",
        "place": f"place{camid}",
        "viewpoint": 0,
        "camid": camid,
        "frame": number,
        "scale": 0.5,
        "weather": "clear",
        "hour": 12.0,
        "sun": {},
        "camera": {},
        "people": seen,
    }
    return Frame(truth, encode(image), png(mask))
