"""What `clustering` does row by row, compiled: each function makes some rows of a sparse matrix and holds no other.

A kernel gets `start` and `stop`, and returns the lengths of these rows, their columns in ascending order, and mostly
their values. Rows don't depend on each other, so that blocks of them may be made at once, and in any blocks.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numba import njit

Array = np.ndarray
ROWS = 1024  # of a block
SHARE = 0.1  # of the distance to the source in a distance (UDAP, MMT, ABMT, CAP)
fast = njit(cache=True, nogil=True)


def in_blocks(kernel: Callable[..., tuple[np.ndarray, ...]], count: int, *given: Any) -> list[np.ndarray]:
    """A kernel's results over `count` rows, joined: the row pointers (count + 1,), then what else it makes."""
    starts = range(0, count, ROWS)
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        parts = [*threads.map(lambda start: kernel(*given, start, min(start + ROWS, count)), starts)]
    lengths, *others = (np.concatenate(part) for part in zip(*parts))
    return [np.concatenate([[0], np.cumsum(lengths)]), *others]


@fast
def mutual(lists: Array, k: int, start: int, stop: int) -> tuple[Array, Array]:
    """Of the first k of each list, those in whose first k the image is; in the order of the list.

    Args:
        lists: (N, K) int32; a list that is shorter ends in -1.

    Returns:
        lengths (rows,), columns.
    """
    lengths, columns, used = np.zeros(stop - start, np.int32), np.empty((stop - start) * k, np.int32), 0
    for i in range(start, stop):
        for n in range(k):
            j = lists[i, n]
            if j < 0:
                break
            for m in range(k):
                if lists[j, m] == i:
                    columns[used] = j
                    used += 1
                    lengths[i - start] += 1
                    break
    return lengths, columns[:used]


@fast
def united(one_at: Array, one: Array, other_at: Array, other: Array, start: int, stop: int) -> tuple[Array, Array]:
    """The columns of both matrices, which have none in common.

    Args:
        one_at, one, other_at, other: pointers and columns of either.
    """
    lengths, used = np.zeros(stop - start, np.int32), 0
    columns = np.empty(one_at[stop] - one_at[start] + other_at[stop] - other_at[start], np.int32)
    for i in range(start, stop):
        first = used
        for j in one[one_at[i] : one_at[i + 1]]:
            columns[used] = j
            used += 1
        for j in other[other_at[i] : other_at[i + 1]]:
            columns[used] = j
            used += 1
        columns[first:used].sort()
        lengths[i - start] = used - first
    return lengths, columns


@fast
def widened(full_at: Array, full: Array, half_at: Array, half: Array, start: int, stop: int) -> tuple[Array, Array]:
    """Neighbourhoods and the half neighbourhoods that lie in them by more than two thirds.

    Args:
        full_at, full: pointers and columns of the mutual neighbours; half_at, half: of those by half lists.
    """
    count, used = len(full_at) - 1, 0
    base, wide = np.full(count, -1, np.int32), np.full(count, -1, np.int32)
    lengths, columns = np.zeros(stop - start, np.int32), np.empty(64 * (stop - start), np.int32)
    for i in range(start, stop):
        first = used
        own = full[full_at[i] : full_at[i + 1]]
        columns = _room(columns, used + len(own))
        for j in own:
            base[j] = wide[j] = i
            columns[used] = j
            used += 1
        for j in own:
            theirs = half[half_at[j] : half_at[j + 1]]
            shared = 0
            for m in theirs:
                shared += base[m] == i
            if 3 * shared > 2 * len(theirs):
                columns = _room(columns, used + len(theirs))
                for m in theirs:
                    if wide[m] != i:
                        wide[m] = i
                        columns[used] = m
                        used += 1
        columns[first:used].sort()
        lengths[i - start] = used - first
    return lengths, columns[:used]


@fast
def _room(array: Array, wanted: int) -> Array:
    """The array, or a longer copy."""
    if wanted <= len(array):
        return array
    longer = np.empty(max(wanted, 2 * len(array)), array.dtype)
    longer[: len(array)] = array
    return longer


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dot(a: Array, b: Array) -> float:
    total = a[0] * 0
    for d in range(len(a)):
        total += a[d] * b[d]
    return total


@fast
def weighted(
    features: Array, lists: Array, cosines: Array, at: Array, columns: Array, start: int, stop: int
) -> tuple[Array, Array]:
    """exp(-(2 - 2 cos)), each row summing to 1.

    Args:
        features: (N, D). lists, cosines: (N, K), known similarities. at, columns: where weights are wanted.
    """
    place = np.full(len(features), -1, np.int32)
    lengths, values = np.zeros(stop - start, np.int32), np.empty(at[stop] - at[start])
    for i in range(start, stop):
        for n in range(lists.shape[1]):
            if lists[i, n] >= 0:
                place[lists[i, n]] = n
        row = values[at[i] - at[start] : at[i + 1] - at[start]]
        for n in range(len(row)):
            j = columns[at[i] + n]
            known = place[j]
            cosine = cosines[i, known] if known >= 0 else _dot(features[i], features[j])
            row[n] = np.exp(2 * np.float64(cosine) - 2)
        row /= row.sum()
        for n in range(lists.shape[1]):
            if lists[i, n] >= 0:
                place[lists[i, n]] = -1
        lengths[i - start] = len(row)
    return lengths, values


@fast
def averaged(
    lists: Array, at: Array, columns: Array, values: Array, start: int, stop: int
) -> tuple[Array, Array, Array]:
    """Means over the rows of each list's images; -1 is none."""
    count, used = len(at) - 1, 0
    total, seen = np.zeros(count), np.full(count, -1, np.int32)
    lengths, kept = np.zeros(stop - start, np.int32), np.empty(64 * (stop - start), np.int32)
    means = np.empty(len(kept))
    for i in range(start, stop):
        first, share = used, 1 / max(1, (lists[i] >= 0).sum())
        for j in lists[i]:
            if j < 0:
                continue
            kept = _room(kept, used + at[j + 1] - at[j])
            for p in range(at[j], at[j + 1]):
                k = columns[p]
                if seen[k] != i:
                    seen[k] = i
                    total[k] = 0
                    kept[used] = k
                    used += 1
                total[k] += values[p]
        kept[first:used].sort()
        means = _room(means, used)
        for p in range(first, used):
            means[p] = share * total[kept[p]]
        lengths[i - start] = used - first
    return lengths, kept[:used], means[:used]


@fast
def near(
    at: Array,
    columns: Array,
    values: Array,
    by_column_at: Array,
    rows: Array,
    by_column: Array,
    radius: float,
    aside: Array,
    start: int,
    stop: int,
) -> tuple[Array, Array, Array]:
    """Jaccard distances 1 - s / (2 - s) within a radius, s the sum over columns of the smaller of two rows' values; of
    each pair once, in the row of the lower index.

    Args:
        at, columns, values: the rows; by_column_at, rows, by_column: the same matrix by columns.
        aside: (N,), or (0,) = none: distances become (1 - SHARE) of what they are and SHARE of both images' values.
    """
    count, used = len(at) - 1, 0
    shared, seen, met = np.zeros(count), np.full(count, -1, np.int32), np.empty(count, np.int32)
    lengths, kept = np.zeros(stop - start, np.int32), np.empty(16 * (stop - start), np.int32)
    distances = np.empty(len(kept))
    for i in range(start, stop):
        first, others = used, 0
        for p in range(at[i], at[i + 1]):
            value = values[p]
            begin, end = by_column_at[columns[p]], by_column_at[columns[p] + 1]
            for q in range(begin + np.searchsorted(rows[begin:end], i), end):
                j = rows[q]
                if seen[j] != i:
                    seen[j] = i
                    shared[j] = 0
                    met[others] = j
                    others += 1
                shared[j] += min(value, by_column[q])
        kept = _room(kept, used + others)
        for j in met[:others]:
            shared[j] = max(1 - shared[j] / (2 - shared[j]), 0)  # from here on it is their distance
            if len(aside):
                shared[j] = (1 - SHARE) * shared[j] + SHARE * (aside[i] + aside[j])
            if shared[j] <= radius:
                kept[used] = j
                used += 1
        kept[first:used].sort()
        distances = _room(distances, used)
        for p in range(first, used):
            distances[p] = shared[kept[p]]
        lengths[i - start] = used - first
    return lengths, kept[:used], distances[:used]
