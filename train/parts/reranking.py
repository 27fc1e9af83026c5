"""k-reciprocal re-ranking (Zhong et al., CVPR 2017): a gallery's order by the company that pictures keep."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from train.parts import clustering
from train.parts.neighbourhoods import in_blocks, near

K1, K2, ORIGINAL = 20, 6, 0.3  # the paper's; ORIGINAL is lambda, the share of the original distance


def closeness(query: np.ndarray, gallery: np.ndarray, k1: int = K1, k2: int = K2) -> sparse.csr_matrix:
    """1 - Jaccard distance of the k-reciprocal neighbourhoods of queries and gallery, all of them being neighbours.

    Args:
        query, gallery: features (Q, D) and (G, D), unit norm.
        k1, k2: as in `clustering.encode`.

    Returns:
        (Q, G) sparse float64; what is not stored is 0.
    """
    rows = clustering.encode(np.concatenate([query, gallery]), k1, k2)
    by_column, count = rows.tocsc(), len(query)
    one, other = ((each.indptr, each.indices, each.data) for each in (rows, by_column))
    at, columns, distance = in_blocks(near, count, *one, *other, 1.0, np.empty(0))
    return sparse.csr_matrix((1 - distance, columns, at), (count, rows.shape[0]))[:, count:]


def reranked(query: np.ndarray, gallery: np.ndarray) -> Callable[[np.ndarray, slice], None]:
    """For `retrieval.evaluate`: turns cosines into -(1 - lambda) Jaccard - lambda (2 - 2 cos), but for a constant.

    Args:
        query, gallery: as in `closeness`.
    """
    closer = closeness(query, gallery)

    def change(similarity: np.ndarray, part: slice) -> None:
        similarity *= 2 * ORIGINAL
        pairs = closer[part].tocoo()
        similarity[pairs.row, pairs.col] += (1 - ORIGINAL) * pairs.data

    return change
