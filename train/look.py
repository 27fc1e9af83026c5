"""Draws what a trained model sees: a map of its features, and where in a picture it looks.

    python -m train.look runs/smcr/demo-src2demo-tgt/s0-1a2b3c4d --data demo-tgt --out look/

map.png: features of some people of query and gallery on a plane (t-SNE, van der Maaten and Hinton 2008), coloured by
who it is and again by camera: people should be apart, cameras should not. attention.png: for some queries and their
best right answers, what in each picture makes the two alike (Grad-CAM, Selvaraju et al., ICCV 2017, of the cosine).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from PIL import Image, ImageDraw, ImageFont

from datasets.opening import open_dataset
from opengspr import UserError, command
from opengspr.files import output_folder, write_whole
from train.parts import run, trained
from train.parts.backbones import Encoder
from train.parts.data import Images, to_tensor
from train.parts.evaluation import Truth, fuse

GAP, HEAD, SCALE = 6, 32, 2  # of the sheet, pixels; how much larger it shows pictures than the model sees them
CAPTION = "a query, and its best right answer: what in each makes them alike"
PERPLEXITY = 30


@dataclass(frozen=True)
class Look:
    """Draws a map of features, and where the model looks."""

    model: Annotated[Path, tyro.conf.Positional]
    """Folder of a finished run, or a .safetensors file of an encoder."""
    data: str
    """Dataset with query and gallery: a name or a path."""
    out: Path = Path("look")
    """Folder for map.png and attention.png."""
    ids: int = 20
    """People on the map, those with most pictures."""
    queries: int = 8
    """Queries whose attention is shown, spread evenly."""
    data_root: Path | None = None
    """Where datasets lie; else $OPENGSPR_DATA, else ./data."""
    device: str = "auto"
    """cpu, cuda, or auto."""


def feature_map(features: np.ndarray, pid: np.ndarray, camid: np.ndarray, title: str) -> bytes:
    """A PNG of features (N, D) on a plane, by identity and by camera."""
    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE

    plane = TSNE(perplexity=min(PERPLEXITY, (len(features) - 1) / 3), init="pca", random_state=0)
    x, y = plane.fit_transform(features).T
    figure = Figure(figsize=(12, 6.2), dpi=100, layout="constrained")
    figure.suptitle(title, parse_math=False)
    for number, (name, kind) in enumerate((("by person", pid), ("by camera", camid)), 1):
        axes = figure.add_subplot(1, 2, number)
        _, colour = np.unique(kind, return_inverse=True)
        axes.scatter(x, y, c=colour, cmap="tab20" if colour.max() > 9 else "tab10", s=22, linewidths=0)
        axes.set_title(name)
        axes.set_xticks([])
        axes.set_yticks([])
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def attention(encoder: Encoder, pictures: np.ndarray, wanted: torch.Tensor) -> np.ndarray:
    """How much each place of a picture speaks for a feature, (N, H, W) from 0 to 1.

    Args:
        encoder: in eval mode.
        pictures: (N, H, W, 3) uint8.
        wanted: (N, D), unit norm: what the pictures' features are compared with.
    """
    given = to_tensor(pictures, wanted.device).requires_grad_()  # so that the maps have a gradient, whatever learns
    with torch.no_grad():
        encoder.features(given[:1], -1)  # chooses the domain
    maps = encoder.body(given)
    features = F.normalize(encoder.neck(encoder.pool(maps)), dim=1)
    (slope,) = torch.autograd.grad((features * wanted).sum(), maps)
    heat = F.relu((slope.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True)).detach()
    heat = F.interpolate(heat, pictures.shape[1:3], mode="bilinear", align_corners=False)[:, 0]
    return (heat / heat.amax((1, 2), keepdim=True).clamp_min(1e-12)).cpu().numpy()


def sheet(groups: Sequence[Sequence[np.ndarray]], across: int = 2) -> bytes:
    """A PNG of groups of pictures (H, W, 3) uint8 of one size, so many groups beside each other."""
    height, width = (SCALE * side for side in groups[0][0].shape[:2])
    wide, rows = len(groups[0]) * (width + GAP) + 3 * GAP, -(-len(groups) // across)
    page = Image.new("RGB", (across * wide + GAP, rows * (height + GAP) + HEAD), "white")
    for column in range(across):
        ImageDraw.Draw(page).text((column * wide + 2 * GAP, 8), CAPTION, "#1c2430", ImageFont.load_default(14))
    for number, group in enumerate(groups):
        row, column = number % rows, number // rows
        for place, picture in enumerate(group):
            large = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
            page.paste(large, (2 * GAP + column * wide + place * (width + GAP), HEAD + row * (height + GAP)))
    stream = BytesIO()
    page.save(stream, "PNG")
    return stream.getvalue()


def heated(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) uint8 in grey, with warm colours where heat (H, W) is high."""
    from matplotlib import colormaps

    colour = colormaps["inferno"](heat)[..., :3] * 255
    grey = picture.mean(-1, keepdims=True).repeat(3, -1)
    share = 0.75 * heat[..., None]
    return ((1 - share) * grey + share * colour).clip(0, 255).astype(np.uint8)


def work(chosen: Look) -> None:
    """Loads, extracts, draws."""
    if chosen.ids < 2 or chosen.queries < 1:
        raise UserError(f"--ids {chosen.ids} --queries {chosen.queries}: wanted at least 2 people and 1 query")
    rows, folder = trained.find_rows(chosen.model)
    row = trained.main_row(chosen.model, rows)
    dataset = open_dataset(chosen.data, chosen.data_root)
    encoders, (height, width) = trained.encoders_of(rows[row], folder, run.choose_device(chosen.device))
    output_folder(chosen.out, parents=True)
    truth = Truth(dataset, height, width)
    each = [truth.features(encoders[name]) for name in rows[row]]
    query, gallery = (fuse(side, [*rows[row].values()]) for side in zip(*each, strict=True))
    found = truth.score((query, gallery))

    crops = truth.crops
    pid, camid = (np.concatenate([getattr(crops[part], name) for part in crops]) for name in ("pid", "camid"))
    people, count = np.unique(pid[pid > 0], return_counts=True)
    shown = np.flatnonzero(np.isin(pid, people[np.argsort(-count, kind="stable")[: chosen.ids]]))
    features = torch.cat([query, gallery]).cpu().numpy()[shown]
    title = f"{row} on {dataset.name}: {len(shown)} pictures of {len(np.unique(pid[shown]))} people"
    write_whole(chosen.out / "map.png", feature_map(features, pid[shown], camid[shown], title))

    name = next(iter(rows[row]))
    encoder, (mine, theirs) = encoders[name].eval(), each[0]
    answered = np.flatnonzero(found.rank > 0)
    asked = answered[np.unique(np.linspace(0, len(answered) - 1, chosen.queries).astype(int))]
    order, right = truth.rank_list((query, gallery), asked, len(gallery))
    best = order[np.arange(len(asked)), right.argmax(1)]
    of_query, of_gallery = (Images(crops[part], height, width) for part in ("query", "gallery"))
    pictures, answers = of_query.__getitems__(asked), of_gallery.__getitems__(best)
    heats = attention(encoder, pictures, theirs[best.tolist()]), attention(encoder, answers, mine[asked.tolist()])
    pairs = [
        [picture, heated(picture, heat), answer, heated(answer, warm)]
        for picture, heat, answer, warm in zip(pictures, heats[0], answers, heats[1])
    ]
    write_whole(chosen.out / "attention.png", sheet(pairs))
    print(f"drawn: {chosen.out / 'map.png'}, {chosen.out / 'attention.png'} (of {name})")


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    command(Look, work, args)


if __name__ == "__main__":
    main()
