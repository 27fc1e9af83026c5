"""From features to pseudo-labels: one radius or three, and which members of a cluster to believe."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans

from train.parts import clustering
from train.parts.clustering import Distance

RHO = 1.6e-3  # MMT's share of all pairs
SHIFT = 0.02  # how far the tight and the loose radius lie from eps
MOST_NOISE, MOST_IN_ONE = 0.8, 0.2  # shares past which a run warns


@dataclass(frozen=True)
class Clustered:
    """Pseudo-labels of N images and what led to them.

    Attributes:
        label: (N,) int64; -1 for an image that stands alone.
        eps: the radius used.
        found: clusters before the criterion.
        dropped: clustered images that the criterion set apart.
        threshold: the criterion's frozen threshold; None before any cluster was seen.
        warnings: what looks wrong, without knowing identities.
    """

    label: np.ndarray
    eps: float
    found: int
    dropped: int
    threshold: float | None
    warnings: tuple[str, ...]


def refine(
    features: np.ndarray,
    camid: np.ndarray,
    distance: Distance,
    criterion: str = "smcr",
    eps: float = 0.0,
    min_samples: int = 4,
    threshold: float | None = None,
    source: np.ndarray | None = None,
    rho: float = RHO,
    rows: sparse.csr_matrix | None = None,
) -> Clustered:
    """Clusters features and keeps the members that the criterion believes.

    Args:
        features: (N, D) unit norm. camid: (N,).
        distance: what is clustered by.
        criterion: `smcr`, `spcl` or `none`.
        eps: radius; 0 = by `auto_eps`.
        min_samples: of DBSCAN.
        threshold: what an earlier epoch returned; the criterion freezes it at the first epoch that has clusters.
        source: features (M, D) of a source, for recipes whose distance has a term for it.
        rho: of `auto_eps`.
        rows: weights over neighbourhoods, (N, N), where others are wanted than `distance` finds.
    """
    rows = distance.rows(features, camid) if rows is None else rows
    aside, most = (None, 0.999) if source is None else (clustering.from_source(features, source), 0.899)
    eps = eps or auto_eps(clustering.jaccard(rows, most, aside), min_samples, most, rho)
    graph = clustering.jaccard(rows, min(eps + SHIFT, most), aside)
    label = clustering.dbscan(graph, eps, min_samples)
    found = int(label.max()) + 1
    keep = label >= 0
    if criterion != "none" and found:
        tight = agreement(label, clustering.dbscan(graph, eps - SHIFT, min_samples))
        loose = agreement(label, clustering.dbscan(graph, eps + SHIFT, min_samples))
        believed, threshold = {"smcr": smcr, "spcl": spcl}[criterion](label, tight, loose, threshold)
        keep &= believed
    kept = np.where(keep, label, -1)
    _, compact = np.unique(kept[keep], return_inverse=True)
    kept[keep] = compact
    dropped = int((label >= 0).sum() - keep.sum())
    return Clustered(kept, eps, found, dropped, threshold, warnings(kept))


def by_means(features: np.ndarray, clusters: int, seed: int) -> Clustered:
    """K-means (scikit-learn's): everybody is in one of so many clusters, or of as many as there are images.

    Args:
        features: (N, D) unit norm.
        clusters: K.
        seed: of the first centres.
    """
    means = KMeans(min(clusters, len(features)), n_init=1, max_iter=50, random_state=seed % 2**32)
    _, label = np.unique(means.fit_predict(features), return_inverse=True)
    label = label.astype(np.int64)
    return Clustered(label, 0.0, int(label.max()) + 1, 0, None, warnings(label))


def auto_eps(graph: sparse.csr_matrix, min_samples: int = 4, most: float = 0.999, rho: float = RHO) -> float:
    """A radius without labels: the mean of the smallest distances, as many as would give each image its neighbours.

    UDAP, MMT and ABMT average the smallest 1.6 to 2 thousandths of all pairs, which on Market-1501 is about ten pairs
    an image; on a few hundred images that share would be a handful of pairs in all. So we count pairs by the image:
    the larger of `rho` of all pairs and `min_samples` pairs an image.

    Args:
        graph: (N, N) stored distances; pairs that are not stored count as distance 1.
        min_samples: of DBSCAN.
        most: the largest distance that is stored.
        rho: share of all pairs.
    """
    count = graph.shape[0]
    upper = sparse.triu(graph, 1).data
    wanted = max(1, round(max(rho * count * (count - 1) / 2, min_samples * count)))
    wanted = min(wanted, max(1, count * (count - 1) // 2))
    near = np.partition(upper, wanted - 1)[:wanted] if wanted < len(upper) else upper
    mean = (float(np.sort(near).sum()) + (wanted - len(near))) / wanted
    return float(np.clip(mean, 2 * SHIFT, most - SHIFT))


def agreement(label: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU of each image's cluster here with its cluster there, (N,), from counts of label pairs; noise stands alone."""
    label, other = _singled(label), _singled(other)
    pair, which, both = np.unique(np.stack([label, other]), axis=1, return_inverse=True, return_counts=True)
    either = np.bincount(label)[pair[0]] + np.bincount(other)[pair[1]] - both
    return (both / either)[which.ravel()]


def _singled(label: np.ndarray) -> np.ndarray:
    """Labels in which each noise image is a class of its own."""
    noise = label < 0
    return np.where(noise, label.max() + np.cumsum(noise), label)


def smcr(label: np.ndarray, tight: np.ndarray, loose: np.ndarray, threshold: float | None) -> tuple[np.ndarray, float]:
    """SMCR eq. 6-7: keep where R_s + R_e >= a + b and R_s - R_e >= a - b.

    a is the value that 90 % of the clustered images' R_s reach, frozen at the first epoch; b is the largest R_e in the
    image's cluster, anew each epoch. The paper prints a strict >, by which every image of an unchanging cluster would
    fail. Since R_e <= b, the first condition gives R_s >= a and with it the second: one comparison is enough.

    Args:
        label: (N,), -1 noise, at least one cluster.
        tight, loose: R_s and R_e, (N,), from `agreement`.
        threshold: a, or None at the first epoch.

    Returns:
        which images to believe (N,) bool (meaningless for noise), and a.
    """
    clustered = label >= 0
    if threshold is None:
        ranked = np.sort(tight[clustered])[::-1]
        threshold = float(ranked[int(np.ceil(0.9 * len(ranked))) - 1])
    best = np.zeros(label.max() + 1)
    np.maximum.at(best, label[clustered], loose[clustered])
    return clustered & (tight + loose >= threshold + best[label]), threshold


def spcl(label: np.ndarray, tight: np.ndarray, loose: np.ndarray, threshold: float | None) -> tuple[np.ndarray, float]:
    """SpCL's reliability: a cluster must be independent, and an image as compact as the best of its cluster.

    A cluster's independence score is its worst 1 - R_e; the threshold is the 90th percentile over clusters of several
    images at the first epoch. Arguments and results as in `smcr`.
    """
    clustered = label >= 0
    best = np.zeros(label.max() + 1)
    np.maximum.at(best, label[clustered], tight[clustered])
    score = np.zeros(label.max() + 1)
    np.maximum.at(score, label[clustered], 1 - loose[clustered])
    if threshold is None:
        several = np.sort(score[np.bincount(label[clustered]) > 1])
        threshold = float(several[min(len(several) - 1, round(len(several) * 0.9))]) if len(several) else 1.0
    return clustered & (score[label] <= threshold) & (tight >= best[label]), threshold


def warnings(label: np.ndarray) -> tuple[str, ...]:
    """What looks wrong without knowing any identity."""
    noise = float(np.mean(label < 0))
    largest = float(np.bincount(label[label >= 0]).max() / len(label)) if noise < 1 else 0.0
    found = []
    if noise > MOST_NOISE:
        found.append(f"{noise:.0%} of the target's images are in no cluster; a larger eps may help")
    if largest > MOST_IN_ONE:
        found.append(f"one cluster holds {largest:.0%} of the target's images; a smaller eps may help")
    return tuple(found)


def classes(label: np.ndarray) -> np.ndarray:
    """Labels from 0 without gaps in which each image that stands alone is a class after the clusters, (N,) int64."""
    return np.asarray(_singled(label), np.int64)
