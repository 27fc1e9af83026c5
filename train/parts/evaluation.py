"""Trained encoders on a target: features, figures, and the doors through which its identities are seen."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from datasets.manifest import Dataset
from datasets.unlabelled import image_order
from opengspr import ranks
from train.parts.backbones import Encoder
from train.parts.data import Images, evenly, to_tensor
from train.parts.factors import Groups, by_camera_pair, by_factor
from train.parts.pseudo_labels import classes
from train.parts.reranking import reranked
from train.parts.retrieval import RANKS, Labels, Retrieval, evaluate, ranking
from train.parts.temporal import Times, Transitions

Pair = tuple[Tensor, Tensor]  # features of query and gallery
Rows = Mapping[str, Mapping[str, float]]  # row of a table -> encoder -> its share in the fused feature
NONE: Mapping[str, Transitions] = MappingProxyType({})


@torch.no_grad()
def extract(encoder: Encoder, images: Images, domain: int = -1, size: int = 128) -> Tensor:
    """Retrieval features of all images by the encoder in eval mode, (N, D) unit norm, on its device.

    Args:
        encoder: its mode is restored afterwards.
        images: the pictures.
        domain: whose normalisation statistics to use; -1 the last, which is the target's.
        size: images at a time.
    """
    was_training, device = encoder.training, next(encoder.parameters()).device
    encoder.eval()
    own = np.arange(len(images))[ranks.part(len(images))]
    parts = np.split(own, range(size, len(own), size)) if len(own) else []
    found = [encoder.features(to_tensor(pictures, device), domain) for pictures in images.stream(parts)]
    encoder.train(was_training)
    return ranks.joined(torch.cat(found or [torch.empty(0, encoder.channels, device=device)]), len(images))


@torch.no_grad()
def pooled_of_some(encoder: Encoder, images: Images, count: int = 1000) -> Tensor:
    """Pooled features of some images, evenly chosen, by the encoder in eval mode: (n, channels), n at most `count`."""
    chosen = evenly(len(images), min(count, len(images)))
    was_training, device = encoder.training, next(encoder.parameters()).device
    encoder.eval()
    parts = images.stream(np.split(chosen, range(128, len(chosen), 128)))
    found = [encoder.pooled(to_tensor(pictures, device), -1) for pictures in parts]
    encoder.train(was_training)
    return torch.cat(found)


def apart(left: Tensor, right: Tensor) -> float:
    """How far nets or branches are from each other: mean distance of features (N, D) of the same images (Fig. 4.4)."""
    return float((left - right).norm(dim=1).mean())


def fuse(features: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Concatenates sqrt(share) f for retrieval, so that inner products are weighted means of the models' own.

    SMCR eq. 16 averages identity logits, which mean nothing to identities that were never trained; this is what we
    retrieve by in its place.

    Args:
        features: (N, D) unit norm, of each model.
        shares: weights of the models, of sum 1.
    """
    return torch.cat([share**0.5 * one for share, one in zip(shares, features, strict=True)], 1)


def purity(label: np.ndarray, pid: np.ndarray) -> float:
    """Share of clustered images whose identity is their cluster's commonest: a diagnosis with true identities.

    Args:
        label: (N,) pseudo-labels, negative = alone.
        pid: (N,) true identities.
    """
    inside = label >= 0
    if not inside.any():
        return float("nan")
    pairs, count = np.unique(np.stack([label[inside], pid[inside]]), axis=1, return_counts=True)
    commonest = np.zeros(label.max() + 1, np.int64)
    np.maximum.at(commonest, pairs[0], count)
    return float(commonest.sum() / inside.sum())


def completeness(label: np.ndarray, pid: np.ndarray) -> float:
    """Share of images that are in the largest part of their identity that one cluster holds: purity's other side.

    Args:
        label: (N,) pseudo-labels, negative = alone, a cluster of one.
        pid: (N,) true identities.
    """
    pairs, count = np.unique(np.stack([classes(label), pid]), axis=1, return_counts=True)
    _, person = np.unique(pairs[1], return_inverse=True)
    largest = np.zeros(person.max() + 1, np.int64)
    np.maximum.at(largest, person, count)
    return float(largest.sum() / len(label))


class Truth:
    """A target's identities, behind the two doors that they may be seen through: `score` and `diagnose`.

    Args:
        dataset: the target.
        height, width: input size of the encoders.
    """

    def __init__(self, dataset: Dataset, height: int, width: int) -> None:
        self._dataset, self._pid = dataset, np.empty(0, np.int64)
        query, gallery = dataset.split("query"), dataset.split("gallery")
        self.crops = {"query": query, "gallery": gallery}
        self._images = Images(query, height, width), Images(gallery, height, width)
        self._labels = Labels(query.pid, query.camid), Labels(gallery.pid, gallery.camid)

    def features(self, encoder: Encoder) -> Pair:
        """Retrieval features of query and gallery by the encoder's last domain."""
        query, gallery = (extract(encoder, images) for images in self._images)
        return query, gallery

    def score(self, features: Pair, rerank: bool = False, times: Transitions | None = None) -> Retrieval:
        """CMC and mAP of these features of query and gallery.

        Args:
            features: of `features`.
            rerank: by k-reciprocal re-ranking; crops of identity -1 are neighbours, too.
            times: rank by the joint similarity with them (JVTC+).
        """
        change = reranked(*(one.cpu().numpy() for one in features)) if rerank else None
        if times:
            query, gallery = (Times(crops.camid, crops.frame) for crops in self.crops.values())
            change = times.change(query, gallery)
        return evaluate(*features, *self._labels, change)

    def breakdown(self, found: Retrieval, features: Pair) -> dict[str, Groups]:
        """Figures by factor and by pair of cameras."""
        return by_factor(found, self.crops["query"]) | {"cameras": by_camera_pair(features, *self._labels)}

    def rank_list(self, features: Pair, queries: np.ndarray, top: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Best gallery indices of some queries, (len(queries), top), -1 = none left; and which of them are right."""
        query, gallery = features
        mine, others = self._labels
        some = Labels(mine.pid[queries], mine.camid[queries])
        order = ranking(query[torch.from_numpy(queries)], gallery, some, others, top)
        return order, (others.pid[order] == some.pid[:, None]) & (order >= 0)

    def diagnose(self, label: np.ndarray) -> dict[str, float]:
        """Purity and completeness of pseudo-labels of the target's training images in `datasets.unlabelled`'s order."""
        if not len(self._pid):
            crops = self._dataset.split("train")
            self._pid = crops.pid[image_order(crops)]
        return {"purity": purity(label, self._pid), "completeness": completeness(label, self._pid)}


def truth_of(dataset: Dataset, height: int, width: int) -> Truth | None:
    """A target's identities; None where it has neither query nor gallery, so that there is nothing to score."""
    splits = dataset.crops.column("split")
    return Truth(dataset, height, width) if np.isin(splits, ("query", "gallery")).any() else None


def score_rows(
    rows: Rows, encoders: Mapping[str, Encoder], truth: Truth, times: Mapping[str, Transitions] = NONE
) -> dict[str, tuple[Retrieval, Pair]]:
    """Figures and features of every row, each encoder being run once.

    Args:
        rows: by the row's name, the encoders that it fuses and their shares.
        encoders: by name.
        truth: the target's.
        times: by the rows that are ranked by the joint similarity with them.

    Returns:
        by row; of several ranks only the first one's has any.
    """
    names = dict.fromkeys(name for row in rows.values() for name in row)  # all ranks need the same order
    features = {name: truth.features(encoders[name]) for name in names}
    scored = {}
    for row, shares in rows.items() if ranks.first() else ():
        sides = zip(*(features[name] for name in shares), strict=True)
        query, gallery = (fuse(side, list(shares.values())) for side in sides)
        scored[row] = truth.score((query, gallery), times=times.get(row)), (query, gallery)
    return scored


def table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """Figures in per cent as lines of text, a row each."""
    names = ("mAP", *(f"rank{k}" for k in RANKS))
    width = max(map(len, figures))
    lines = [f"{'':{width}}  " + "  ".join(f"{name:>6}" for name in names)]
    lines += [f"{row:{width}}  " + "  ".join(f"{one[name]:6.1f}" for name in names) for row, one in figures.items()]
    return "\n".join(lines)
