"""Finds a person among pictures, by a trained model.

    python -m train.search --gallery crops/ --query somebody.jpg
    python -m train.search --gallery demo-tgt --model runs/smcr/demo-src2demo-tgt/s0-1a2b3c4d

Prints the pictures that are most like each query, and writes a page on which a click on any picture searches by it. The
gallery is any folder of crops, one person each, or a dataset. Nothing leaves the machine: the page has links to
pictures that are files, and small copies of those inside shards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datasets import pages
from opengspr import UserError, command
from opengspr.files import write_whole
from train.parts import run
from train.parts.backbones import SYNTHETIC
from train.parts.pictures import Files, pictures_of
from train.parts.trained import Model

PAGE = Path(__file__).with_name("search.html")
CLICKABLE = 20_000  # pictures up to which the page has the answers to each of them
PART = 1024  # pictures whose cosines with all others are held


@dataclass(frozen=True)
class Search:
    """Finds the pictures that are most like others."""

    gallery: str
    """Any folder of pictures of one person each, or a dataset by name or path."""
    query: tuple[Path, ...] = ()
    """Pictures to search by; none = only the page, on which every picture of the gallery can be searched by."""
    model: Path = SYNTHETIC
    """Folder of a finished run, or a .safetensors file of an encoder; by default the small net that comes with this."""
    row: str | None = None
    """Which row of the run's table; by default the method's answer."""
    top: int = 20
    """Answers to each."""
    out: Path = Path("search")
    """Folder for index.html."""
    data_root: Path | None = None
    """Where datasets lie; else $OPENGSPR_DATA, else ./data."""
    device: str = "auto"
    """cpu, cuda, or auto."""


class Gallery:
    """N pictures to search in.

    Attributes:
        names: of the pictures. features: (N, D), unit norm. files: their paths; empty where they are inside shards.
    """

    def __init__(self, chosen: Search, model: Model) -> None:
        parts = pictures_of(chosen.gallery, chosen.data_root)
        self.names = [str(name) for _, known in parts for name in known["picture"]]
        self.features = torch.cat([model.features(crops) for crops, _ in parts])
        self.where = [(crops, i) for crops, _ in parts for i in range(len(crops))]
        files = [Path(crops.root, name) for (crops, _), name in zip(self.where, self.names, strict=True)]
        self.files = files if files[0].is_file() else []

    def image(self, i: int) -> np.ndarray:
        """Picture i, (H, W, 3) uint8."""
        crops, own = self.where[i]
        return crops.image(own)


def nearest(features: Tensor, gallery: Tensor, own: Sequence[int], count: int) -> tuple[np.ndarray, np.ndarray]:
    """The most similar pictures of a gallery.

    Args:
        features: (M, D), gallery: (N, D), unit norm.
        own: M numbers in the gallery of the pictures themselves, which are no answers; -1 = it is not there.
        count: of answers.

    Returns:
        (M, K) numbers in the gallery, and cosines, best first; K = min(count, N). A cosine of -inf is no answer.
    """
    found: list[tuple[Tensor, Tensor]] = []
    for part in torch.arange(len(features)).split(PART):
        cosines = features[part] @ gallery.T
        there = torch.tensor(own)[part]
        inside = (there >= 0).nonzero()[:, 0]
        cosines[inside, there[inside]] = -torch.inf
        best = torch.topk(cosines, min(count, len(gallery)), 1)
        found.append((best.indices, best.values))
    index, values = (torch.cat(parts).numpy() for parts in zip(*found))
    return index, values


def work(chosen: Search) -> None:
    """A whole run."""
    if chosen.top < 1:
        raise UserError(f"--top {chosen.top}: wanted at least 1")
    if missing := [path for path in chosen.query if not path.is_file()]:
        raise UserError(f"--query {missing[0]}: no such file")
    model = Model(chosen.model, chosen.row, run.choose_device(chosen.device))
    with pages.folder_of(chosen.out, "search") as out:
        search(chosen, model, out)


def search(chosen: Search, model: Model, out: Path) -> None:
    """Extracts, searches, prints, and writes the page into its folder."""
    gallery = Gallery(chosen, model)
    total, is_clickable = len(gallery.names), len(gallery.names) <= CLICKABLE
    if not (is_clickable or chosen.query):
        raise UserError(f"--query: wanted, since the gallery has {total:,} pictures, more than {CLICKABLE:,}")
    numbers = {file.resolve(): i for i, file in enumerate(gallery.files)}
    own = [numbers.get(path.resolve(), -1) for path in chosen.query]
    features = gallery.features[:0]
    if chosen.query:
        features = model.features(Files(chosen.query))
        answers, cosines = nearest(features, gallery.features, own, chosen.top)
        for path, mine, alike in zip(chosen.query, answers, cosines, strict=True):
            print(f"{path}:")
            for rank, (i, cosine) in enumerate(zip(mine, alike, strict=True), 1):
                if cosine > -np.inf:
                    print(f"{rank:5}  {cosine:6.3f}  {gallery.names[i]}")
    if is_clickable:
        features, own = torch.cat([gallery.features, features]), [*range(total), *own]
    answers, cosines = nearest(features, gallery.features, own, chosen.top)
    write_whole(out / "index.html", page(gallery, chosen, model.row, answers, cosines, out))
    print(f"searched {total:,} pictures by {model.row} of {chosen.model}\npage: {chosen.out / 'index.html'}")


def page(gallery: Gallery, chosen: Search, row: str, answers: np.ndarray, cosines: np.ndarray, out: Path) -> bytes:
    """index.html; small pictures are written beside it where there are no files to link to.

    Args:
        answers, cosines: (M, K) of the gallery's pictures, if all are clickable, and of the queries.
    """
    clickable = len(answers) - len(chosen.query)
    shown = np.arange(clickable) if clickable else np.unique(answers)
    if gallery.files:
        pictures = {"links": pages.linked([gallery.files[i] for i in shown], out)}
    else:
        pictures = pages.small(lambda k: gallery.image(int(shown[k])), len(shown), out)
    data = {
        "pictures": pictures,
        "names": [gallery.names[i] for i in shown],
        "queries": [{"name": str(path), "link": pages.linked([path], out)[0]} for path in chosen.query],
        "clickable": clickable,
        "answers": np.searchsorted(shown, answers).tolist(),
        "cosines": [[round(float(one), 3) for one in some if one > -np.inf] for some in cosines],
    }
    about = f"{len(gallery.names):,} pictures, by {row} of {chosen.model.name}"
    return pages.page(PAGE, f"Search in {chosen.gallery}", about, data)


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    command(Search, work, args)


if __name__ == "__main__":
    main()
