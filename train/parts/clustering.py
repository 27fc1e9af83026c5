"""k-reciprocal Jaccard distances and DBSCAN, sparse from end to end: no array here is N x N.

The Jaccard distance over k-reciprocal neighbours is Zhong et al.'s re-ranking (CVPR 2017); DBSCAN is Ester et al.'s
(KDD 1996). Every list of neighbours begins with the image itself; equal distances go by index.
"""

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from train.parts.neighbourhoods import SHARE, averaged, in_blocks, mutual, near, weighted, widened

BLOCK_BYTES = 64 << 20


def nearest(features: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest images of each image by cosine, itself first.

    Args:
        features: (N, D) unit norm.
        k: length of a list; at most N entries exist.

    Returns:
        indices (N, min(k, N)) int32, nearest first, equal ones by index; their cosines, of the features' type.
    """
    count = len(features)
    k = min(k, count)
    data = torch.from_numpy(np.ascontiguousarray(features))
    lists, cosines = np.empty((count, k), np.int32), np.empty((count, k), features.dtype)
    rows = max(1, BLOCK_BYTES // (count * data.element_size()))
    for start in range(0, count, rows):
        near = data[start : start + rows] @ data.T
        inside = torch.arange(len(near))
        own = near[inside, inside + start].clone()
        near[inside, inside + start] = torch.inf
        value, index = near.topk(k, dim=1)
        tied = (near >= value[:, -1:]).sum(1) > k  # more than k qualify: topk chose among equals as it pleased
        if tied.any():
            value[tied], index[tied] = (part[:, :k] for part in near[tied].sort(dim=1, descending=True, stable=True))
        by_index = index.argsort(dim=1)  # then a stable sort by value leaves equals in the order of their index
        value, index = value.gather(1, by_index), index.gather(1, by_index)
        value, by_value = value.sort(dim=1, descending=True, stable=True)
        value[:, 0] = own
        lists[start : start + rows] = index.gather(1, by_value).numpy()
        cosines[start : start + rows] = value.numpy()
    return lists, cosines


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
