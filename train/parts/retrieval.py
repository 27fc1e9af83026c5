"""Retrieval figures: CMC Rank-k and mAP. Nothing is ranked but the matches, and no Q x G matrix is held whole."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from numba import njit
from torch import Tensor

from opengspr import UserError

RANKS = (1, 5, 10)
BLOCK_BYTES = 32 << 20
Change = Callable[[np.ndarray, slice], None]


@dataclass(frozen=True)
class Retrieval:
    """How well queries find their matches.

    Attributes:
        precision: average precision of each query, (Q,); NaN for a query without a match.
        rank: place of the first match among what counts, (Q,), from 1; 0 for a query without a match.
    """

    precision: np.ndarray
    rank: np.ndarray
    figures: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        answered = self.rank > 0
        figures = {"mAP": float(self.precision[answered].mean())}
        figures |= {f"rank{k}": float((self.rank[answered] <= k).mean()) for k in RANKS}
        object.__setattr__(self, "figures", {name: 100 * value for name, value in figures.items()})


@dataclass(frozen=True)
class Labels:
    """Identities and cameras of N crops, (N,) int64 each; identity -1 marks crops that count neither way."""

    pid: np.ndarray
    camid: np.ndarray


def evaluate(
    query: Tensor, gallery: Tensor, of_query: Labels, of_gallery: Labels, change: Change | None = None
) -> Retrieval:
    """Ranks the gallery for each query.

    For a query, gallery crops of its identity and its camera are left out, and so are crops of identity -1. Average
    precision is the mean, over matches, of matches so far / place; equal similarities rank by gallery index.

    Args:
        query, gallery: features (Q, D) and (G, D), unit norm.
        of_query, of_gallery: who and where.
        change: what else the order goes by than cosines; gets those of some queries, (B, G), to change them in place,
            and which queries they are.

    Raises:
        UserError: no query has a match from another camera.
    """
    ranker, found = Ranker(of_gallery), []
    step = max(1, BLOCK_BYTES // (4 * len(gallery)))
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        similarity = (query[part] @ gallery.T).cpu().numpy()
        if change:
            change(similarity, part)
        found.append(ranker(similarity, Labels(of_query.pid[part], of_query.camid[part])))
    precision, rank = (np.concatenate(one) for one in zip(*found))
    if not rank.any():
        raise UserError("no query has a match from another camera in the gallery; wanted at least one")
    return Retrieval(precision, rank)


class Ranker:
    """Average precision and first match of queries whose similarities to a gallery are handed over in blocks.

    Only the matches' places are needed: each is one more than how many crops that count are more similar.
    """

    def __init__(self, of_gallery: Labels) -> None:
        self.camid, self.junk = of_gallery.camid, np.flatnonzero(of_gallery.pid == -1)
        self.order = np.argsort(of_gallery.pid, kind="stable")
        self.pid = of_gallery.pid[self.order]

    def __call__(self, similarity: np.ndarray, of_query: Labels) -> tuple[np.ndarray, np.ndarray]:
        """Precision (B,), NaN without a match, and rank (B,), 0 without. `similarity` (B, G) is written over."""
        first, last = (np.searchsorted(self.pid, of_query.pid, side) for side in ("left", "right"))
        last[of_query.pid == -1] = first[of_query.pid == -1]
        count, threads = len(similarity), torch.get_num_threads()
        precision, rank = np.full(count, np.nan), np.zeros(count, np.int64)

        def some(part: slice) -> None:
            given = similarity[part], of_query.camid[part], first[part], last[part]
            precision[part], rank[part] = _ranked(*given, self.camid, self.order, self.junk)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda k: some(slice(count * k // threads, count * (k + 1) // threads)), range(threads)))
        return precision, rank


@njit(cache=True, nogil=True)
def _ranked(
    similarity: np.ndarray,
    camid: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    cameras: np.ndarray,
    order: np.ndarray,
    junk: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """As `Ranker`; the crops of a query's identity are order[first:last], their cameras by `cameras`."""
    precision, rank = np.full(len(similarity), np.nan), np.zeros(len(similarity), np.int64)
    for i in range(len(similarity)):
        row, own = similarity[i], order[first[i] : last[i]]
        row[junk] = -np.inf
        for g in own:
            if cameras[g] == camid[i]:
                row[g] = -np.inf
        matches = own[cameras[own] != camid[i]]
        places = np.empty(len(matches), np.int64)
        for m in range(len(matches)):
            value, above, reached = row[matches[m]], np.int32(0), np.int32(0)
            for g in range(len(row)):  # 32 bits, so that many are compared at once
                above = np.int32(above + np.int32(row[g] > value))
                reached = np.int32(reached + np.int32(row[g] >= value))
            if reached > above + 1:  # of equals, those of lower index come before
                above += (row[: matches[m]] == value).sum()
            places[m] = above + 1
        places.sort()
        if len(places):
            rank[i] = places[0]
            precision[i] = (np.arange(1, len(places) + 1) / places).mean()
    return precision, rank


def ranking(query: Tensor, gallery: Tensor, of_query: Labels, of_gallery: Labels, top: int = 10) -> np.ndarray:
    """The `top` best gallery indices of each query by the same rules, (Q, top) int64; -1 where fewer are left."""
    similarity = (query @ gallery.T).cpu().numpy()
    same = (of_query.pid[:, None] == of_gallery.pid) & (of_query.camid[:, None] == of_gallery.camid)
    similarity[same | (of_gallery.pid == -1)] = -np.inf
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :top]
    return np.where(np.isinf(np.take_along_axis(similarity, order, 1)), -1, order)
