"""Pseudo-labels of methods that lend them to others: one signature, (features, camid, frame) -> labels."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch

from train.parts import clustering, multi_label, pseudo_labels
from train.parts.clustering import Distance
from train.parts.pseudo_labels import Clustered
from train.parts.temporal import Times, Transitions

Host = Literal["cluster", "mmcl", "jvtc"]
Labelling = Callable[[np.ndarray, np.ndarray, np.ndarray], Clustered]
SMOOTHING = 5000  # frames: 50 of st-ReID's bins


def host(
    name: Host, distance: Distance, eps: float = 0.0, min_samples: int = 4, smoothing: int = SMOOTHING
) -> Labelling:
    """How a method labels N pictures by features (N, D) of unit norm, cameras and frames (N,).

    Args:
        name: `cluster`: DBSCAN; `mmcl`: those who take each other for one person; `jvtc`: DBSCAN by visual and temporal
            similarity.
        distance, eps, min_samples: of the clusterings; eps 0 = by the rule without labels.
        smoothing: frames, of the times between cameras.
    """
    if name == "mmcl":
        return lambda features, camid, frame: multi_label.labelled(torch.from_numpy(features), multi_label.THRESHOLD)

    def labels(features: np.ndarray, camid: np.ndarray, frame: np.ndarray) -> Clustered:
        found = pseudo_labels.refine(features, camid, distance, "none", eps, min_samples)
        times = Times(camid, frame)
        if name == "cluster" or not times.known:
            return found
        return by_both(features, times, found, distance, eps, min_samples, smoothing)

    return labels


def by_both(
    features: np.ndarray,
    times: Times,
    found: Clustered,
    distance: Distance,
    eps: float,
    min_samples: int,
    smoothing: int,
) -> Clustered:
    """JVTC's labels: what `found` by looks tells of times between cameras, neighbours by both, and clusters of these.

    Args:
        features: (N, D), unit norm. times: of the pictures.
        found: clusters by looks.
        distance, eps, min_samples, smoothing: as in `host`; neighbours are those of all cameras together.
    """
    transitions = Transitions.of(found.label, times.camid, times.frame, smoothing)
    near = transitions.nearest(features, times, max(distance.k1, distance.k2))
    rows = clustering.encode(features, distance.k1, distance.k2, near)
    return pseudo_labels.refine(features, times.camid, distance, "none", eps, min_samples, rows=rows)
