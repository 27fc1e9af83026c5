"""k-reciprocal Jaccard distances and DBSCAN, sparse from end to end: no array here is N x N.

The Jaccard distance over k-reciprocal neighbours is Zhong et al.'s re-ranking (CVPR 2017); DBSCAN is Ester et al.'s
(KDD 1996). Every list of neighbours begins with the image itself; equal distances go by index.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from opengspr import UserError
from train.parts.neighbourhoods import SHARE, averaged, in_blocks, mutual, near, united, weighted, widened

BLOCK_BYTES = 64 << 20
MANY = 200_000  # images, from which exact neighbours take hours on a CPU
LOOKED_AT = 1 / 8  # of an index's cells, in which an image's neighbours are looked for
Lists = tuple[np.ndarray, np.ndarray]  # indices (N, K) int32, nearest first; their cosines (N, K)


@dataclass(frozen=True)
class Distance:
    """Which k-reciprocal Jaccard distance, and how neighbours are found.

    Attributes:
        k1: length of a list; the half list has round-half-even(k1 / 2) + 1 entries.
        k2: rows are averaged over so many nearest images; 1 leaves them as they are.
        by_camera: CA-Jaccard (Chen et al., CVPR 2024): lists among pictures of the same camera and among the others',
            of `k1_intra` and `k1_inter` neighbours, in place of one list of k1; averages likewise.
        search: `exact`, `faiss` (an index, approximate), or `auto`: the index for many images without a GPU.
    """

    k1: int = 30
    k2: int = 6
    by_camera: bool = False
    k1_intra: int = 5
    k1_inter: int = 20
    k2_intra: int = 2
    k2_inter: int = 4
    search: Literal["auto", "exact", "faiss"] = "auto"

    def rows(self, features: np.ndarray, camid: np.ndarray) -> sparse.csr_matrix:
        """What `jaccard` compares: (N, N) weights over neighbourhoods, of features (N, D) and cameras (N,)."""
        if self.by_camera:
            return encode_by_camera(features, camid, self)
        k = max(self.k1, self.k2)
        search = approximate if self._by_index(len(features)) else nearest
        return encode(features, self.k1, self.k2, search(features, k))

    def _by_index(self, count: int) -> bool:
        if self.search != "auto":
            return self.search == "faiss"
        many = count > MANY and not torch.cuda.is_available()
        return many and importlib.util.find_spec("faiss") is not None


def nearest(features: np.ndarray, k: int) -> Lists:
    """The k nearest images of each image by cosine, itself first; on a GPU where there is one.

    Args:
        features: (N, D) unit norm.
        k: length of a list; at most N entries exist.

    Returns:
        indices (N, min(k, N)) int32, nearest first, equal ones by index; their cosines, of the features' type.
    """
    parts = [largest(cosines, k, start) for start, cosines in similarities(features)]
    lists, values = (np.concatenate(part) for part in zip(*parts))
    return lists, values


def nearest_by_camera(features: np.ndarray, camid: np.ndarray, intra: int, inter: int) -> tuple[Lists, Lists]:
    """The nearest images of the same camera, an image itself first, and those of other cameras.

    Args:
        features: (N, D) unit norm. camid: (N,). intra, inter: lengths of the lists.

    Returns:
        for either, indices (N, K) int32, -1 where a camera has no more, and cosines.
    """
    parts: tuple[list[Lists], list[Lists]] = ([], [])
    for start, all_cosines in similarities(features):
        camera = torch.from_numpy(camid).to(all_cosines.device)
        same = camera[start : start + len(all_cosines), None] == camera
        parts[0].append(largest(all_cosines.masked_fill(~same, -torch.inf), intra, start))
        parts[1].append(largest(all_cosines.masked_fill(same, -torch.inf), inter))
    found = [tuple(np.concatenate(part) for part in zip(*one)) for one in parts]
    for lists, cosines in found:
        lists[np.isneginf(cosines)] = -1
    return (found[0][0], found[0][1]), (found[1][0], found[1][1])


def similarities(features: np.ndarray) -> Iterator[tuple[int, Tensor]]:
    """Cosines of all with all, some rows at a time: the first row's number, (rows, N)."""
    data = torch.from_numpy(np.ascontiguousarray(features))
    if torch.cuda.is_available():
        data = data.cuda()
    rows = max(1, BLOCK_BYTES // (len(data) * data.element_size()))
    for start in range(0, len(data), rows):
        yield start, data[start : start + rows] @ data.T


def largest(cosines: Tensor, k: int, start: int | None = None) -> Lists:
    """The k largest of each row, equal ones by index; with `start`, row i's own column start + i comes first."""
    k, inside = min(k, cosines.shape[1]), torch.arange(len(cosines), device=cosines.device)
    if start is not None:
        own = cosines[inside, inside + start].clone()
        cosines[inside, inside + start] = torch.inf
    value, index = cosines.topk(k, dim=1)
    tied = (cosines >= value[:, -1:]).sum(1) > k  # more than k qualify: topk chose among equals as it pleased
    if tied.any():
        value[tied], index[tied] = (part[:, :k] for part in cosines[tied].sort(dim=1, descending=True, stable=True))
    by_index = index.argsort(dim=1)  # then a stable sort by value leaves equals in the order of their index
    value, index = value.gather(1, by_index), index.gather(1, by_index)
    value, by_value = value.sort(dim=1, descending=True, stable=True)
    if start is not None:
        value[:, 0] = own
    return index.gather(1, by_value).int().cpu().numpy(), value.cpu().numpy()


def approximate(features: np.ndarray, k: int) -> Lists:
    """As `nearest`, by an inverted index of faiss: some neighbours are missed.

    Raises:
        UserError: the package is missing.
    """
    try:
        import faiss
    except ImportError as error:
        raise UserError("--search faiss: the package is missing: pip install -e '.[faiss]'") from error
    count, data = len(features), np.ascontiguousarray(features, np.float32)
    k, cells = min(k, count), max(1, min(round(2 * count**0.5), count // 39))  # faiss wants 39 images a cell
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(data.shape[1]), data.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.train(data[:: max(1, count // (39 * cells))])
    index.add(data)
    index.nprobe = max(8, round(LOOKED_AT * cells))
    cosines, lists = index.search(data, k)
    own = np.arange(count)[:, None]
    first = np.argsort(lists != own, axis=1, kind="stable")  # itself first, else the order as found
    lists, cosines = np.take_along_axis(lists, first, 1), np.take_along_axis(cosines, first, 1)
    lists[:, 0] = own[:, 0]
    return lists.astype(np.int32), cosines


def encode_by_camera(features: np.ndarray, camid: np.ndarray, by: Distance) -> sparse.csr_matrix:
    """CA-Jaccard's rows, as its public code has them: an image's neighbourhood is its k-reciprocal neighbours of the
    same camera and those of other cameras, not widened; then rows are means over the nearest of both kinds.

    Args:
        features: (N, D) unit norm. camid: (N,). by: lengths of lists; the public code's have one entry more, as here.

    Returns:
        (N, N) sparse float64, rows summing to 1.
    """
    lengths = max(by.k1_intra + 1, by.k2_intra), max(by.k1_inter + 1, by.k2_inter)
    (intra, close), (inter, far) = nearest_by_camera(features, camid, *lengths)
    count = len(features)
    one = in_blocks(mutual, count, intra, min(by.k1_intra + 1, intra.shape[1]))
    other = in_blocks(mutual, count, inter, min(by.k1_inter + 1, inter.shape[1]))
    at, columns = in_blocks(united, count, *one, *other)
    lists, cosines = np.concatenate([intra, inter], 1), np.concatenate([close, far], 1)
    _, values = in_blocks(weighted, count, features, lists, cosines, at, columns)
    lists = np.concatenate([intra[:, : by.k2_intra], inter[:, : by.k2_inter]], 1)
    if lists.shape[1] > 1:
        at, columns, values = in_blocks(averaged, count, lists, at, columns, values)
    return sparse.csr_matrix((values, columns, at), (count, count))


def encode(
    features: np.ndarray, k1: int = 30, k2: int = 6, neighbours: tuple[np.ndarray, np.ndarray] | None = None
) -> sparse.csr_matrix:
    """Each image as weights over its k-reciprocal neighbourhood.

    The neighbourhood is widened by a neighbour's own half-size neighbourhood where more than two thirds of that overlap
    it; then each row is replaced by the mean over its k2 nearest images' rows.

    Args:
        features: (N, D) unit norm.
        k1: length of a list; the half list has round-half-even(k1 / 2) + 1 entries.
        k2: length of the averaged list; 1 leaves rows as they are.
        neighbours: what `nearest` found with k = max(k1, k2), where it is known.

    Returns:
        (N, N) sparse float64, rows summing to 1.
    """
    lists, cosines = neighbours or nearest(features, max(k1, k2))
    count, most = lists.shape
    full, half = (in_blocks(mutual, count, lists, min(k, most)) for k in (k1, round(k1 / 2) + 1))
    at, columns = in_blocks(widened, count, *full, *half)
    _, values = in_blocks(weighted, count, features, lists, cosines, at, columns)
    if k2 > 1:
        at, columns, values = in_blocks(averaged, count, lists[:, :k2], at, columns, values)
    return sparse.csr_matrix((values, columns, at), (count, count))


def from_source(features: np.ndarray, source: np.ndarray) -> np.ndarray:
    """How unlike the source each image is: 1 - exp(-d^2), d its distance to the nearest source image, over the largest.

    Args:
        features: (N, D) of the target; source: (M, D); unit norm.

    Returns:
        (N,) float64, 0 to 1.
    """
    target, other = (torch.from_numpy(np.ascontiguousarray(one)) for one in (features, source))
    rows = max(1, BLOCK_BYTES // (len(source) * features.itemsize))
    nearest = torch.cat([(part @ other.T).amax(1) for part in target.split(rows)]).double().numpy()
    unlike = 1 - np.exp(2 * np.minimum(nearest, 1) - 2)
    return unlike / max(unlike.max(), 1e-12)


def jaccard(rows: sparse.csr_matrix, radius: float, aside: np.ndarray | None = None) -> sparse.csr_matrix:
    """Jaccard distances 1 - s / (2 - s), s the sum of element-wise minima, of all pairs within a radius below 1.

    Args:
        rows: (N, N) from `encode`.
        radius: pairs farther apart are not stored; below 1 - SHARE where there is `aside`.
        aside: (N,) from `from_source`: the distance is then 1 - SHARE of Jaccard's and SHARE of both images' values.

    Returns:
        (N, N) symmetric; stored zeros are distances, the diagonal is stored.
    """
    assert radius < (1 if aside is None else 1 - SHARE), radius
    by_column, count = rows.tocsc(), rows.shape[0]
    one, other = ((each.indptr, each.indices, each.data) for each in (rows, by_column))
    at, columns, values = in_blocks(near, count, *one, *other, radius, np.empty(0) if aside is None else aside)
    lower = np.repeat(np.arange(count, dtype=np.int32), np.diff(at))
    twice = columns > lower  # the diagonal is there once
    pairs = np.concatenate([lower, columns[twice]]), np.concatenate([columns, lower[twice]])
    return sparse.csr_matrix((np.concatenate([values, values[twice]]), pairs), rows.shape)


def _keep(graph: sparse.csr_matrix, radius: float) -> sparse.csr_matrix:
    """Only the entries within the radius; `eliminate_zeros` would lose distances of zero."""
    inside = graph.data <= radius
    pointer = np.concatenate([[0], np.cumsum(inside)])[graph.indptr]
    return sparse.csr_matrix((graph.data[inside], graph.indices[inside], pointer), graph.shape)


def dbscan(graph: sparse.csr_matrix, eps: float, min_samples: int = 4) -> np.ndarray:
    """DBSCAN on stored distances.

    Args:
        graph: (N, N) symmetric with its diagonal, all pairs within `eps` stored.
        eps: radius, inclusive.
        min_samples: images within the radius, itself included, that make a core point.

    Returns:
        labels (N,) int64, -1 for noise; clusters are numbered by their first core point, and a border point belongs to
        the lowest-numbered cluster that reaches it, as in scikit-learn.
    """
    near = _keep(graph, eps)
    near.data = np.ones_like(near.data)
    core = np.diff(near.indptr) >= min_samples
    label = np.full(graph.shape[0], -1, np.int64)
    if not core.any():
        return label
    _, component = connected_components(near[core][:, core], directed=False)
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    label[core] = np.argsort(np.argsort(first))[inverse]
    reach = near[~core][:, core].tocoo()
    border = np.full((~core).sum(), np.iinfo(np.int64).max)
    np.minimum.at(border, reach.row, label[core][reach.col])
    label[~core] = np.where(border < np.iinfo(np.int64).max, border, -1)
    return label
