"""The page of `labeler.evaluate`: one file with everything in it, every name escaped."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image, ImageDraw

from datasets.pictures import decode, encode
from labeler.detection import Detection
from synth.capture import Picture

WORST = 40  # cases of each kind
STYLE = (
    "body{font:14px sans-serif;margin:2em}td{padding:0 1em 0 0}figure{display:inline-block;margin:6px;width:170px}"
    "img{height:220px;max-width:170px;object-fit:contain}figcaption{font-size:11px}"
)


@dataclass
class Case:
    """A person in a picture and what became of them.

    Attributes:
        iou: of the boxes, 0 where they were not found. And of regions only: best_iou, of any detection that is sure;
        fixed_iou, of a fixed box; clear, whether the true mask makes a crop; kept, whether the detection does; another,
        whether that crop shows more of somebody else.
    """

    kind: str
    picture: Picture
    height_px: float
    visible: float
    box: tuple[int, ...]
    found: Detection | None
    iou: float = 0.0
    best_iou: float = 0.0
    fixed_iou: float = 0.0
    clear: bool = False
    kept: bool = False
    another: bool = False


def page(
    figures: Mapping[str, float], tables: Mapping[str, Mapping[str, tuple[float, int]]], cases: Sequence[Case]
) -> str:
    """A report in one file: figures, recall, and the worst cases, true boxes green and found ones red."""
    rows = "".join(f"<tr><td>{escape(name)}<td>{value:.4g}" for name, value in figures.items())
    body = [f"<h1>Detector</h1><table>{rows}</table>"]
    for name, table in tables.items():
        cells = "".join(f"<tr><td>{escape(key)}<td>{share:.3f}<td>of {n}" for key, (share, n) in table.items())
        body.append(f"<h2>Found, by {escape(name)}</h2><table>{cells}</table>")
    clear = [case for case in cases if case.visible >= 0.4]
    for kind in ("region", "frame"):
        worst = sorted((case for case in clear if case.kind == kind), key=lambda case: case.iou)[:WORST]
        figures_ = "".join(
            f'<figure><img src="data:image/jpeg;base64,{_drawn(case)}" alt=""><figcaption>{escape(case.picture.key)}'
            f"<br>overlap {case.iou:.2f}, visible {case.visible:.2f}</figcaption></figure>"
            for case in worst
        )
        body.append(f"<h2>Worst {kind}s of people visible to 0.4 or more</h2><div>{figures_}</div>")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Detector</title><style>{STYLE}</style>'
        f"</head><body>{''.join(body)}</body></html>\n"
    )


def _drawn(case: Case) -> str:
    """A case's picture, of a frame the part round the person, with both boxes, as JPEG in base64."""
    picture = Image.fromarray(decode(case.picture.jpg, case.picture.key))
    draw = ImageDraw.Draw(picture)
    draw.rectangle(case.box, outline=(0, 200, 0))
    if case.found:
        draw.rectangle(case.found.box, outline=(230, 0, 0))
    if case.kind == "frame":
        margin = int(case.height_px / 2) + 10
        x0, y0, x1, y1 = case.box
        picture = picture.crop(
            (
                max(0, x0 - margin),
                max(0, y0 - margin),
                min(picture.width, x1 + margin),
                min(picture.height, y1 + margin),
            )
        )
    return b64encode(encode(np.asarray(picture), 80)).decode()
