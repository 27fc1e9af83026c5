"""k-reciprocal Jaccard distances and DBSCAN, sparse from end to end: no array here is N x N.

The Jaccard distance over k-reciprocal neighbours is Zhong et al.'s re-ranking (CVPR 2017); DBSCAN is Ester et al.'s
(KDD 1996). Every list of neighbours begins with the image itself; equal distances go by index.
"""

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components

BLOCK_BYTES = 64 << 20


def nearest(features: np.ndarray, k: int) -> np.ndarray:
    """The k nearest images of each image by cosine, itself first.

    Args:
        features: (N, D) unit norm.
        k: length of a list; at most N entries exist.

    Returns:
        indices (N, min(k, N)) int64, nearest first, equal ones by index.
    """
    count = len(features)
    k = min(k, count)
    data = torch.from_numpy(np.ascontiguousarray(features))
    lists = np.empty((count, k), np.int64)
    rows = max(1, BLOCK_BYTES // (count * data.element_size()))
    for start in range(0, count, rows):
        near = data[start : start + rows] @ data.T
        inside = torch.arange(len(near))
        near[inside, inside + start] = torch.inf
        value, index = near.topk(k, dim=1)
        tied = (near >= value[:, -1:]).sum(1) > k  # more than k qualify: topk chose among equals as it pleased
        if tied.any():
            value[tied], index[tied] = (part[:, :k] for part in near[tied].sort(dim=1, descending=True, stable=True))
        by_index = index.argsort(dim=1)  # then a stable sort by value leaves equals in the order of their index
        value, index = value.gather(1, by_index), index.gather(1, by_index)
        by_value = value.argsort(dim=1, descending=True, stable=True)
        lists[start : start + rows] = index.gather(1, by_value).numpy()
    return lists


def _mutual(lists: np.ndarray) -> sparse.csr_matrix:
    """(N, N) with 1 where i is in j's list and j in i's."""
    count, k = lists.shape
    listed = sparse.csr_matrix(
        (np.ones(count * k, np.int32), lists.ravel(), np.arange(0, count * k + 1, k)), (count, count)
    )
    listed.sort_indices()
    return listed.multiply(listed.T).tocsr()


def _weights(features: np.ndarray, pattern: sparse.csr_matrix) -> sparse.csr_matrix:
    """exp(-(2 - 2 cos)) at the pattern's entries, rows summing to 1."""
    row = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    column, value = pattern.indices, np.empty(pattern.nnz, np.float64)
    data = torch.from_numpy(np.ascontiguousarray(features))
    step = max(1, BLOCK_BYTES // (2 * features[:1].nbytes))
    for start in range(0, pattern.nnz, step):
        part = slice(start, start + step)
        cosine = torch.linalg.vecdot(data[row[part]], data[column[part]])
        value[part] = np.exp(2 * cosine.numpy().astype(np.float64) - 2)
    total = np.bincount(row, value, minlength=pattern.shape[0])
    return sparse.csr_matrix((value / total[row], column, pattern.indptr), pattern.shape)


def encode(features: np.ndarray, k1: int = 30, k2: int = 6) -> sparse.csr_matrix:
    """Each image as weights over its k-reciprocal neighbourhood.

    The neighbourhood is widened by a neighbour's own half-size neighbourhood where more than two thirds of that overlap
    it; then each row is replaced by the mean over its k2 nearest images' rows.

    Args:
        features: (N, D) unit norm.
        k1: length of a list; the half list has round-half-even(k1 / 2) + 1 entries.
        k2: length of the averaged list; 1 leaves rows as they are.

    Returns:
        (N, N) sparse float64, rows summing to 1.
    """
    lists = nearest(features, max(k1, k2))
    full, half = _mutual(lists[:, :k1]), _mutual(lists[:, : round(k1 / 2) + 1])
    overlap = (full @ half).multiply(full).tocoo()  # at (i, j): how much of j's half neighbourhood is i's
    size = np.asarray(half.sum(1)).ravel()
    wide = 3 * overlap.data > 2 * size[overlap.col]
    widened = sparse.csr_matrix((np.ones(wide.sum(), np.int32), (overlap.row[wide], overlap.col[wide])), full.shape)
    pattern = (full + widened @ half).tocsr()
    pattern.sort_indices()
    rows = _weights(features, pattern)
    if k2 > 1:
        near = lists[:, :k2]
        count, width = near.shape
        mean = sparse.csr_matrix(
            (np.full(count * width, 1 / width), near.ravel(), np.arange(0, count * width + 1, width))
        )
        rows = (mean @ rows).tocsr()
    rows.sort_indices()
    return rows


def jaccard(rows: sparse.csr_matrix, radius: float) -> sparse.csr_matrix:
    """Jaccard distances 1 - s / (2 - s), s the sum of element-wise minima, of all pairs within a radius below 1.

    Args:
        rows: (N, N) from `encode`.
        radius: pairs farther apart are not stored.

    Returns:
        (N, N) symmetric; stored zeros are distances, the diagonal is stored.
    """
    assert radius < 1, radius
    count, columns = rows.shape[0], rows.tocsc()
    width = np.diff(columns.indptr)
    work = np.concatenate([[0], np.cumsum(np.add.reduceat(width[rows.indices], rows.indptr[:-1]))])
    limit = BLOCK_BYTES // 16  # pairs expanded at a time
    parts, start = [], 0
    while start < count:
        stop = max(start + 1, int(np.searchsorted(work, work[start] + limit, "right")) - 1)
        parts.append(_minima(rows[start:stop], columns, width))
        shared = parts[-1]
        shared.data = np.maximum(1 - shared.data / (2 - shared.data), 0)
        parts[-1] = _keep(shared, radius)
        start = stop
    return sparse.vstack(parts, "csr")


def _minima(block: sparse.csr_matrix, columns: sparse.csc_matrix, width: np.ndarray) -> sparse.csr_matrix:
    """(B, N) sums over k of min(block[i, k], rows[j, k])."""
    lengths = width[block.indices]  # for each stored (i, k): how many rows have k
    ends = np.cumsum(lengths)
    where = np.arange(ends[-1]) + np.repeat(columns.indptr[block.indices] - ends + lengths, lengths)
    smaller = np.minimum(np.repeat(block.data, lengths), columns.data[where])
    pointer = np.concatenate([[0], ends])[block.indptr]
    # A product with one-hot rows adds up each row's pairs in the order of k, without sorting them.
    spread = sparse.csr_matrix((smaller, np.arange(len(smaller)), pointer), (block.shape[0], len(smaller)))
    onehot = sparse.csr_matrix(
        (np.ones(len(where)), columns.indices[where], np.arange(len(where) + 1)), (len(where), width.size)
    )
    return spread @ onehot


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
