"""Draws what a trained model sees: a map of its features, and where in a picture it looks.

    python -m train.look runs/smcr/demo-src2demo-tgt/s0-1a2b3c4d --data demo-tgt --out look/

map.png: features of some people of query and gallery on a plane (t-SNE, van der Maaten and Hinton 2008), coloured by
who it is and again by camera: people should be apart, cameras should not; with `--src NAME` the source's people are on
the same plane, and a third one is coloured by domain. attention.png: for some queries and their best right answers,
what in each picture makes the two alike (Grad-CAM, Selvaraju et al., ICCV 2017, of the cosine). Of an encoder with
recurrent attention loops.png: the same of the queries, loop by loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from PIL import Image, ImageDraw, ImageFont

from datasets.opening import open_dataset
from opengspr import UserError, command
from opengspr.files import output_folder, write_whole
from train.parts import run, trained
from train.parts.attention import EmbeddingHead
from train.parts.backbones import Encoder
from train.parts.data import Images, evenly, to_tensor
from train.parts.evaluation import Truth, extract, fuse

GAP, HEAD, SCALE = 6, 32, 2  # of the sheet, pixels; how much larger it shows pictures than the model sees them
CAPTION = "a query, and its best right answer: what in each makes them alike"
LOOPS = "a query, and what makes it like its best right answer, T = 0 to {}"
PERPLEXITY = 30


@dataclass(frozen=True)
class Look:
    """Draws a map of features, and where the model looks."""

    model: Annotated[Path, tyro.conf.Positional]
    """Folder of a finished run, or a .safetensors file of an encoder."""
    data: str
    """Dataset with query and gallery: a name or a path."""
    src: str | None = None
    """A source whose training people are on the map, too: a name or a path; none = the data's own alone."""
    out: Path = Path("look")
    """Folder for the pictures."""
    ids: int = 20
    """People of a dataset on the map, those with most pictures."""
    queries: int = 8
    """Queries whose attention is shown, spread evenly."""
    data_root: Path | None = None
    """Where datasets lie; else $OPENGSPR_DATA, else ./data."""
    device: str = "auto"
    """cpu, cuda, or auto."""


@dataclass(frozen=True)
class Shown:
    """Pictures on the map: features (N, D); identity and camera (N,) each, of a dataset's own; dataset (N,)."""

    features: np.ndarray
    pid: np.ndarray
    camid: np.ndarray
    domain: np.ndarray

    def __add__(self, other: "Shown") -> "Shown":
        """Both; people and cameras of different datasets are different ones."""
        after = {name: getattr(self, name).max() + 1 - getattr(other, name).min() for name in ("pid", "camid")}
        return Shown(
            np.concatenate([self.features, other.features]),
            np.concatenate([self.pid, other.pid + after["pid"]]),
            np.concatenate([self.camid, other.camid + after["camid"]]),
            np.concatenate([self.domain, other.domain]),
        )


def of_most(pid: np.ndarray, count: int) -> np.ndarray:
    """Which pictures, by their identities (N,), are of the `count` people with most of them; 0 and -1 are nobody."""
    people, pictures = np.unique(pid[pid > 0], return_counts=True)
    return np.flatnonzero(np.isin(pid, people[np.argsort(-pictures, kind="stable")[:count]]))


def feature_map(shown: Shown, title: str) -> bytes:
    """A PNG of features on a plane, by identity, by camera and, if there are several, by domain."""
    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE

    plane = TSNE(perplexity=min(PERPLEXITY, (len(shown.features) - 1) / 3), init="pca", random_state=0)
    x, y = plane.fit_transform(shown.features).T
    kinds = {"by person": shown.pid, "by camera": shown.camid}
    names, domain = np.unique(shown.domain, return_inverse=True)
    if len(names) > 1:
        kinds["by domain"] = domain
    figure = Figure(figsize=(6 * len(kinds), 6.2), dpi=100, layout="constrained")
    figure.suptitle(title, parse_math=False)
    for number, (name, kind) in enumerate(kinds.items(), 1):
        axes = figure.add_subplot(1, len(kinds), number)
        _, colour = np.unique(kind, return_inverse=True)
        size = 20 if colour.max() > 9 else 10
        of: dict[str, Any] = {"cmap": f"tab{size}", "vmin": 0, "vmax": size - 1, "s": 22, "linewidths": 0}
        for place, marker in zip(range(len(names)), "o^"):
            own = domain == place
            axes.scatter(x[own], y[own], c=colour[own] % size, marker=marker, label=names[place], **of)
        if name == "by domain":
            axes.legend()
        axes.set_title(name)
        axes.set_xticks([])
        axes.set_yticks([])
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def maps_of(encoder: Encoder, pictures: np.ndarray, device: torch.device) -> torch.Tensor:
    """The last maps of pictures (N, H, W, 3) uint8, (N, C, H', W'), which have a gradient, whatever learns."""
    given = to_tensor(pictures, device).requires_grad_()
    with torch.no_grad():
        encoder.features(given[:1], -1)  # chooses the domain
    maps: torch.Tensor = encoder.body(given)
    return maps


def heat(maps: torch.Tensor, feature: torch.Tensor, wanted: torch.Tensor, size: tuple[int, ...]) -> np.ndarray:
    """How much each place speaks for a feature, (N, H, W) from 0 to 1 (Grad-CAM).

    Args:
        maps: (N, C, H', W'), of which the features come.
        feature: (N, D).
        wanted: (N, D), unit norm: what the features are compared with.
        size: H and W.
    """
    alike = (F.normalize(feature, dim=1) * wanted).sum()
    (slope,) = torch.autograd.grad(alike, maps, retain_graph=True)
    found = F.relu((slope.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True)).detach()
    found = F.interpolate(found, size, mode="bilinear", align_corners=False)[:, 0]
    return (found / found.amax((1, 2), keepdim=True).clamp_min(1e-12)).cpu().numpy()


def attention(encoder: Encoder, pictures: np.ndarray, wanted: torch.Tensor) -> np.ndarray:
    """How much each place of a picture speaks for a feature, (N, H, W) from 0 to 1.

    Args:
        encoder: in eval mode.
        pictures: (N, H, W, 3) uint8.
        wanted: (N, D), unit norm: what the pictures' features are compared with.
    """
    maps = maps_of(encoder, pictures, wanted.device)
    return heat(maps, encoder.neck(encoder.pool(maps)), wanted, pictures.shape[1:3])


def attention_by_loop(
    encoder: Encoder, pictures: np.ndarray, answers: np.ndarray, device: torch.device
) -> list[np.ndarray]:
    """The same for an encoder with recurrent attention: each loop's feature against the answers', by its own map.

    Args:
        encoder: in eval mode.
        pictures, answers: (N, H, W, 3) uint8, in pairs.
        device: the encoder's.

    Returns:
        for each loop from 0 to T (N, H, W).
    """
    assert isinstance(encoder.neck, EmbeddingHead)
    mine, theirs = (encoder.neck.by_loop(maps_of(encoder, some, device)) for some in (pictures, answers))
    return [
        heat(maps, feature, F.normalize(wanted.detach(), dim=1), pictures.shape[1:3])
        for (maps, feature), (_, wanted) in zip(mine, theirs)
    ]


def sheet(groups: Sequence[Sequence[np.ndarray]], caption: str = CAPTION, across: int = 2) -> bytes:
    """A PNG of groups of pictures (H, W, 3) uint8 of one size, so many groups beside each other, captioned above."""
    height, width = (SCALE * side for side in groups[0][0].shape[:2])
    wide, rows = len(groups[0]) * (width + GAP) + 3 * GAP, -(-len(groups) // across)
    page = Image.new("RGB", (across * wide + GAP, rows * (height + GAP) + HEAD), "white")
    for column in range(across):
        ImageDraw.Draw(page).text((column * wide + 2 * GAP, 8), caption, "#1c2430", ImageFont.load_default(14))
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
    source = open_dataset(chosen.src, chosen.data_root) if chosen.src else None
    encoders, (height, width) = trained.encoders_of(rows[row], folder, run.choose_device(chosen.device))
    output_folder(chosen.out, parents=True)
    truth = Truth(dataset, height, width)
    each = [truth.features(encoders[name]) for name in rows[row]]
    query, gallery = (fuse(side, [*rows[row].values()]) for side in zip(*each, strict=True))
    found = truth.score((query, gallery))

    crops = truth.crops
    pid, camid = (np.concatenate([getattr(crops[part], name) for part in crops]) for name in ("pid", "camid"))
    shown = of_most(pid, chosen.ids)
    features = torch.cat([query, gallery]).cpu().numpy()[shown]
    on_map = Shown(features, pid[shown], camid[shown], np.full(len(shown), dataset.name))
    if source:
        known = source.split("train")
        known = known.take(of_most(known.pid, chosen.ids))
        images = Images(known, height, width)
        features = fuse([extract(encoders[name], images) for name in rows[row]], [*rows[row].values()]).cpu().numpy()
        on_map += Shown(features, known.pid, known.camid, np.full(len(known), source.name))
    people = len(np.unique(on_map.pid))
    title = f"{row} on {dataset.name}: {len(on_map.pid)} pictures of {people} people"
    write_whole(chosen.out / "map.png", feature_map(on_map, title))

    name = next(iter(rows[row]))
    encoder, (mine, theirs) = encoders[name].eval(), each[0]
    answered = np.flatnonzero(found.rank > 0)
    asked = answered[evenly(len(answered), chosen.queries)]
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
    drawn = ["map.png", "attention.png"]
    if isinstance(encoder.neck, EmbeddingHead) and encoder.neck.loops:
        by_loop = attention_by_loop(encoder, pictures, answers, mine.device)
        strips = [
            [picture, *(heated(picture, one[number]) for one in by_loop)] for number, picture in enumerate(pictures)
        ]
        write_whole(chosen.out / "loops.png", sheet(strips, LOOPS.format(encoder.neck.loops)))
        drawn.append("loops.png")
    print(f"drawn: {', '.join(str(chosen.out / one) for one in drawn)} (of {name})")


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    command(Look, work, args)


if __name__ == "__main__":
    main()
