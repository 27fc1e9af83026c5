"""report.html of a run: readable without a network, every name escaped.

Of rendered data it is one file with everything in it. Of others' datasets it has links to pictures on this machine, so
that no photograph of anybody goes where the page goes.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from datasets.manifest import Crops
from datasets.pages import linked
from opengspr.files import output_folder, write_whole
from train.parts.charts import bar_chart, line_chart
from train.parts.data import Images, evenly
from train.parts.evaluation import Pair, Truth
from train.parts.retrieval import RANKS, Retrieval

HEIGHT, WIDEST = 96, 72  # of a picture, in pixels of the page; the file holds twice as many
SHOWN_QUERIES = 5  # easy ones, and as many hard ones
SHEET_COLUMNS = 12

STYLE = """
:root {
  color-scheme: light dark; --ink: #1d2329; --soft: #66707a; --line: #d8dde2; --page: #fbfbfa; --card: #fff;
  --good: #16803c; --bad: #c8321f;
  --c0: #2563a8; --c1: #d9730d; --c2: #16803c; --c3: #8a3ea8; --c4: #b3293e; --c5: #5f6b76;
}
@media (prefers-color-scheme: dark) { :root {
  --ink: #e4e7ea; --soft: #98a2ac; --line: #3a4149; --page: #15181b; --card: #1d2125;
  --good: #4ac573; --bad: #ff6b57;
  --c0: #6fb0f2; --c1: #f5a354; --c2: #4ac573; --c3: #c98be0; --c4: #f08295; --c5: #a9b3bd;
} }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 62rem; margin: 0 auto; padding: 2rem 1.2rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1rem; font-weight: 500; color: var(--soft); margin: 1.2rem 0 .3rem; }
p { max-width: 46rem; }
.soft, figcaption, .legend { color: var(--soft); font-size: .9rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-right: 2rem; }
th { color: var(--soft); font-weight: 500; }
tr.main td { font-weight: 650; }
.wide { overflow-x: auto; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem; }
figure { margin: 0; }
.chart { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .7rem .8rem; }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 11px; fill: var(--soft); }
.grid { stroke: var(--line); }
polyline { fill: none; stroke-width: 1.8; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem .9rem; }
.legend i { display: inline-block; width: .9rem; height: 3px; margin-right: .35rem; vertical-align: middle; }
.ranks { display: flex; gap: 4px; margin: .35rem 0; align-items: center; }
.ranks img { width: 57px; height: 102px; object-fit: contain; background: var(--line); display: block;
  border: 3px solid transparent; border-radius: 3px; }
.ranks .soft { margin-left: 10px; white-space: nowrap; line-height: 1.35; }
.ranks .query { margin-right: 12px; }
.ranks .query img { border-color: var(--soft); }
.ranks .good img { border-color: var(--good); }
.ranks .bad img { border-color: var(--bad); border-style: dashed; }
.sheet { display: grid; grid-template-columns: 4rem repeat(12, 48px); gap: 3px 4px; align-items: center; }
.sheet img { max-height: 96px; max-width: 48px; border-radius: 3px; display: block; }
summary { cursor: pointer; color: var(--soft); }
pre { white-space: pre-wrap; font-size: .85rem; }
""" + "".join(
    f".c{i} {{ stroke: var(--c{i}); }} circle.c{i}, rect.c{i} {{ fill: var(--c{i}); }} "
    f"i.c{i} {{ background: var(--c{i}); }}\n"
    for i in range(6)
)


DIAGNOSIS = {  # of pseudo-labels: endings of what stages log, titles of charts, what is told of them
    "_clusters": ("clusters", ""),
    "_alone": ("images in no cluster", ""),
    "_dropped": ("clustered images that the criteria set apart", ""),
    "_apart": ("distance of features", "Distances are Euclidean, of pooled features of the same images of the target."),
    "_similarity": (
        "structural similarity in a cluster",
        "Structural similarity (SSIM) is of pairs from one cluster: of pictures, and of new views of them.",
    ),
    "_agreement": ("overlap of an image's two clusters", "Overlap is that of both branches' clusters."),
    "_purity": ("purity", "Purity is the share of clustered images whose cluster is mostly of their person."),
    "_completeness": (
        "completeness",
        "Completeness is the share of all images that are in the largest part of their person which one cluster holds.",
    ),
}
FUSION = "fusion_weight_"  # beginnings of what stages log of recurrent attention, before the loop's number
UNSCORED = "The target has neither query nor gallery: nothing is scored. Look for yourself with train.search."
JUDGED = (
    "The result is the last epoch's; nothing was chosen by mAP or by the curves marked as diagnosis. Those of purity "
    "and completeness compare pseudo-labels with true identities, which training never sees."
)


class Album:
    """Pictures of a page.

    Args:
        folder: of the page.
        embed: whether they are inside it; else it links to them, and what has no file gets one in `pictures`.
    """

    def __init__(self, folder: Path, embed: bool) -> None:
        self.folder, self.embed, self.written = folder, embed, 0

    def crop(self, crops: Crops, i: int) -> str:
        """A dataset's picture."""
        file = crops.root / str(crops.column("key")[i])
        return self.made(crops.image(i)) if self.embed or not file.is_file() else _image(linked([file], self.folder)[0])

    def made(self, picture: np.ndarray) -> str:
        """A picture (H, W, 3) uint8, made smaller."""
        stream = BytesIO()
        ImageOps.contain(Image.fromarray(picture), (2 * WIDEST, 2 * HEIGHT)).save(stream, "JPEG", quality=70)
        if self.embed:
            return _image(f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}")
        name = f"pictures/{self.written:04d}.jpg"
        write_whole(output_folder(self.folder / "pictures") / Path(name).name, stream.getvalue())
        self.written += 1
        return _image(name)


def _image(source: str) -> str:
    return f'<img alt="" src="{escape(source)}">'


@dataclass(frozen=True)
class Sheet:
    """Rows of pictures, by what they show: (N, H, W, 3) uint8 each, what belongs together in one column; a sentence."""

    title: str
    rows: Mapping[str, np.ndarray]
    note: str = ""


def sheet(title: str, before: Images, after: Images) -> Sheet:
    """A sheet of some pictures, evenly chosen."""
    chosen = evenly(len(before), SHEET_COLUMNS).tolist()
    return Sheet(title, {"before": before.__getitems__(chosen), "after": after.__getitems__(chosen)})


def write(
    folder: Path,
    title: str,
    scored: Mapping[str, tuple[Retrieval, Pair]],
    main_row: str,
    truth: Truth | None,
    sheets: Sequence[Sheet],
    histories: Sequence[Path],
    costs: Mapping[str, Mapping[str, float]],
    notes: Sequence[str],
    embed: bool = True,
) -> Path:
    """Writes report.html into a run's folder.

    Args:
        folder: of the run.
        title: its heading.
        scored: figures and features of each row of the table, the first being what others are compared with.
        main_row: the row that is the method's answer; its rank lists are shown.
        truth: the target's crops and identities; None = nothing was scored.
        sheets: of the translators.
        histories: files metrics.jsonl of the stages, in order.
        costs: what stages took, as `loop.run` says it, by their names.
        notes: sentences under the table.
        embed: whether pictures are inside the page, see `Album`.
    """
    album = Album(folder, embed)
    body = [f"<h1>{escape(title)}</h1>", f'<p class="soft">{escape(str(folder))}</p>']
    if truth:
        body.append(_table(scored, main_row))
        asked = f"{len(truth.crops['query'])} queries, {len(truth.crops['gallery'])} crops in the gallery."
    else:
        asked = UNSCORED
    body += [f'<p class="soft">{escape(note)}</p>' for note in (asked, *notes)]
    body.append(
        _curves([json.loads(line) for path in histories if path.exists() for line in path.read_text().splitlines()])
    )
    body.append(_costs(costs))
    if truth:
        body.append(_rank_lists(*scored[main_row], main_row, truth, album))
    body += [_sheet(sheet, album) for sheet in sheets]
    for name, label in (("config.yaml", "Settings"), ("env.json", "Made with")):
        if (folder / name).exists():
            text = escape((folder / name).read_text())
            body.append(f"<h2>{label}</h2><details><summary>{name}</summary><pre>{text}</pre></details>")
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )
    write_whole(folder / "report.html", page.encode())
    return folder / "report.html"


def _table(scored: Mapping[str, tuple[Retrieval, Pair]], main_row: str) -> str:
    names = {"mAP": "mAP", **{f"rank{k}": f"Rank-{k}" for k in RANKS}}
    start = next(iter(scored.values()))[0].figures["mAP"]
    rows: list[str] = []
    for row, (one, _) in scored.items():
        cells = "".join(f"<td>{one.figures[name]:.1f}</td>" for name in names)
        gain = f"{one.figures['mAP'] - start:+.1f}" if rows else ""
        mark = ' class="main"' if row == main_row else ""
        rows.append(f"<tr{mark}><td>{escape(row)}</td>{cells}<td>{gain}</td></tr>")
    head = "".join(f"<th>{name}</th>" for name in names.values())
    return (
        f'<h2>Result on the target, per cent</h2><div class="wide"><table><tr><th></th>{head}<th>gain, mAP</th></tr>'
        f"{''.join(rows)}</table></div>"
    )


def _curves(history: Sequence[Mapping[str, Any]]) -> str:
    """Charts of losses by stage, figures by epoch, and the pseudo-labels' diagnosis."""
    charts, stages = [], list(dict.fromkeys(line["stage"] for line in history))
    told: dict[str, None] = {"A point is an epoch.": None}  # sentences, each once
    for stage in stages:
        lines = [line for line in history if line["stage"] == stage]
        keys = list(
            dict.fromkeys(key for line in lines for key in line if key not in ("stage", "epoch", "image_steps"))
        )

        def curve(key: str, lines: Sequence[Mapping[str, Any]] = lines) -> list[tuple[float, float]]:
            return [(line["epoch"], line[key]) for line in lines if key in line]

        figures = [key for key in keys if key.endswith(" mAP")]
        loops = [key for key in keys if key.startswith(FUSION)]
        losses = [key for key in keys if key not in (*figures, *loops) and not key.endswith(("_eps", *DIAGNOSIS))]
        charts.append(line_chart(f"{stage}: losses", {key: curve(key) for key in losses}))
        charts.append(line_chart(f"{stage}: mAP on the target, per cent", {key[:-4]: curve(key) for key in figures}))
        if loops:
            weights = {f"T = {key.removeprefix(FUSION)}": curve(key) for key in loops}
            charts.append(line_chart(f"{stage}: weights of the loops' features", weights))
            last = {name: points[-1][1] for name, points in weights.items()}
            charts.append(bar_chart(f"{stage}: weights of the loops' features, last epoch", last))
        for ending, (meaning, explained) in DIAGNOSIS.items():
            found = {key.removesuffix(ending): curve(key) for key in keys if key.endswith(ending)}
            if any(value for points in found.values() for _, value in points):
                charts.append(line_chart(f"{stage}, diagnosis: {meaning}", found))
                told[JUDGED] = told[explained] = None
    text = " ".join(filter(None, told))
    return f'<h2>Training</h2><p class="soft">{text}</p><div class="charts">{"".join(charts)}</div>'


def _costs(costs: Mapping[str, Mapping[str, float]]) -> str:
    """A table of what each stage took."""
    shown = [
        (name, *(f"{cost[key]:,.0f}" if key in cost else "" for key in ("seconds", "peak_mib", "gpu_peak_mib")))
        for name, cost in costs.items()
    ]
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in line) for line in shown if any(line[1:])]
    if not lines:
        return ""
    head = "<tr><th>stage</th><th>seconds</th><th>memory, MiB</th><th>of the GPU</th></tr>"
    told = (
        "Seconds are of all its starts where a stage was cut off; memory is the most that the process held. Stages of "
        "runs/stages are made once for all runs that share them."
    )
    return (
        f'<h2>What it took</h2><p class="soft">{told}</p><table>{head}{"".join(f"<tr>{one}</tr>" for one in lines)}'
        "</table>"
    )


def _rank_lists(found: Retrieval, features: Pair, row: str, truth: Truth, album: Album) -> str:
    """Ten best answers to easy and to hard queries."""
    answered = np.flatnonzero(found.rank > 0)
    order = answered[np.argsort(-found.precision[answered], kind="stable")]
    spread = evenly(len(order) // 2 + 1, SHOWN_QUERIES)
    easy, hard = order[spread], order[::-1][: min(SHOWN_QUERIES, len(order) // 2)].copy()
    parts = [
        f"<h2>Rank lists of {escape(row)}</h2>"
        '<p class="soft">Left the query, then its ten best answers from other cameras. Green, solid: the same person. '
        "Red, dashed: someone else. At the right the query's average precision and the place of the first right "
        "answer.</p>"
    ]
    for name, queries in (("Easier half, evenly chosen", easy), ("The hardest", hard)):
        if not len(queries):
            continue
        best, right = truth.rank_list(features, queries)
        parts.append(f"<h3>{name}</h3>")
        for query, answers, good in zip(queries, best, right, strict=True):
            cells = [f'<div class="query">{album.crop(truth.crops["query"], int(query))}</div>']
            for answer, fits in zip(answers, good, strict=True):
                if answer >= 0:
                    picture = album.crop(truth.crops["gallery"], int(answer))
                    cells.append(f'<div class="{"good" if fits else "bad"}">{picture}</div>')
            score = f"AP {100 * found.precision[query]:.0f} %<br>first match: {found.rank[query]}"
            parts.append(
                f'<div class="wide"><div class="ranks">{"".join(cells)}<div class="soft">{score}</div></div></div>'
            )
    return "".join(parts)


def _sheet(sheet: Sheet, album: Album) -> str:
    rows = []
    for name, pictures in sheet.rows.items():
        filled = [f"<span>{album.made(pictures[i])}</span>" for i in range(len(pictures))]
        filled += ["<span></span>"] * (SHEET_COLUMNS - len(pictures))
        rows.append(f'<span class="soft">{escape(name)}</span>{"".join(filled)}')
    cells = f'<div class="sheet">{"".join(rows)}</div>'
    note = f'<p class="soft">{escape(sheet.note)}</p>' if sheet.note else ""
    return f'<h2>{escape(sheet.title)}</h2>{note}<div class="wide">{cells}</div>'
