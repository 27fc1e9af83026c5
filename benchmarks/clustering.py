"""What clustering costs after the neighbours, and whether it is the dense: `python -m benchmarks.clustering --json`.

Made-up features: identities seen by six cameras, with so much noise that clusters are found as well as a net in the
middle of its training finds them (`adjusted_rand`). The dense computation beside it holds N x N arrays and is written
from the equations; `--no-check` leaves it out.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

from benchmarks.memory import begin_peak, peak_mib
from opengspr import UserError, command
from train.parts import clustering, pseudo_labels

MARKET, IDS, CAMERAS = 12_936, 751, 6  # images, identities and cameras of Market-1501's training part
NOISE, BY_CAMERA = 3.13, 0.5  # standard deviations beside an identity's 1
EPS, K1, K2, MIN_SAMPLES = 0.6, 30, 6, 4
MOST_EXACT = 50_000  # of more images the neighbours are given: those in blocks of so many identities
BLOCK_IDS = 64
SETTINGS, CHECKED = 20, 4000  # that are compared with the dense computation
WARM = """
from benchmarks.clustering import made
from train.parts.clustering import encode, jaccard
jaccard(encode(made(100, 8)[0]), 0.6)
"""


@dataclass(frozen=True)
class Settings:
    """Measure clustering; the last line is JSON."""

    n: int = MARKET
    """Images."""
    dim: int = 2048
    """Length of a feature."""
    check: bool = True
    """Compare labels with those of the dense computation, for up to 12,936 images."""
    json: bool = False
    """Print only the last line."""


def main(settings: Settings) -> None:
    if settings.n < 100 or settings.dim < 1:
        raise UserError(f"--n {settings.n} --dim {settings.dim}: wanted at least 100 images and a dimension")
    figures: dict[str, float | bool] = {"cold_compile_s": cold_compile_s()}
    with get_context("spawn").Pool(1) as apart:  # whose memory holds nothing else
        figures |= apart.apply(measured, (settings.n, settings.dim))
    if settings.check and settings.n <= MARKET:
        figures["same_labels_as_dense"] = all(same_labels(k) for k in range(SETTINGS)) and same_at(
            settings.n, settings.dim
        )
    if not settings.json:
        for name, value in figures.items():
            print(f"{name:24} {value:.4g}")
    print(
        json.dumps(
            {name: value if value is True or value is False else round(value, 4) for name, value in figures.items()}
        )
    )


def made(n: int, dim: int, noise: float = NOISE, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D) float32, unit norm, of as many images an identity as in Market-1501; pids (N,) ascending."""
    random = np.random.default_rng(seed)
    ids = max(1, n * IDS // MARKET)
    centres, cameras = (random.standard_normal((many, dim), np.float32) for many in (ids, CAMERAS))
    pid, camid = np.sort(random.integers(ids, size=n)), random.integers(CAMERAS, size=n)
    features = np.empty((n, dim), np.float32)
    for start in range(0, n, 4096):
        part = slice(start, start + 4096)
        own = random.standard_normal(features[part].shape, np.float32)
        features[part] = centres[pid[part]] + np.float32(BY_CAMERA) * cameras[camid[part]] + np.float32(noise) * own
        features[part] /= np.linalg.norm(features[part], axis=1, keepdims=True)
    return features, pid


def cold_compile_s() -> float:
    """CPU-seconds that the first use after an installation takes more than the next."""
    with tempfile.TemporaryDirectory() as folder:
        spent = []
        for _ in range(2):
            before = os.times()
            subprocess.run([sys.executable, "-c", WARM], env={**os.environ, "NUMBA_CACHE_DIR": folder}, check=True)
            after = os.times()
            spent.append(after.children_user - before.children_user)
    return spent[0] - spent[1]


def measured(n: int, dim: int) -> dict[str, float]:
    """CPU-seconds and memory of the labels at eps and at the criteria's two radii."""
    features, pid = made(n, dim)
    clustering.dbscan(clustering.jaccard(clustering.encode(features[:100]), EPS), EPS)  # loads what is compiled
    start = time.process_time()
    neighbours = clustering.nearest(features, K1) if n <= MOST_EXACT else given(features, pid)
    found = time.process_time()
    base = begin_peak()
    rows = clustering.encode(features, K1, K2, neighbours)
    graph = clustering.jaccard(rows, EPS + pseudo_labels.SHIFT)
    shifts = (0.0, -pseudo_labels.SHIFT, pseudo_labels.SHIFT)
    label, tight, loose = (clustering.dbscan(graph, EPS + shift, MIN_SAMPLES) for shift in shifts)
    pseudo_labels.smcr(label, pseudo_labels.agreement(label, tight), pseudo_labels.agreement(label, loose), None)
    end = time.process_time()
    exact = {"neighbours_cpu_s": found - start} if n <= MOST_EXACT else {}
    return exact | {
        "cpu_s": end - found,
        "peak_mib_over_base": peak_mib() - base,
        "adjusted_rand": float(adjusted_rand_score(pid, label)),
        "clusters": float(label.max() + 1),
        "noise_share": float((label < 0).mean()),
    }


def given(features: np.ndarray, pid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest images among those of the identities next to one's own, as `clustering.nearest` has them."""
    edges = np.searchsorted(pid, np.arange(0, pid[-1] + 1, BLOCK_IDS)).tolist()
    parts = [
        (start, clustering.nearest(features[start:stop], K1)) for start, stop in zip(edges, [*edges[1:], len(pid)])
    ]
    lists = np.concatenate([indices + np.int32(start) for start, (indices, _) in parts])
    return lists, np.concatenate([cosines for _, (_, cosines) in parts])


# The dense computation


def same_labels(number: int) -> bool:
    """At random settings; in every third each picture is there twice, and products are exact, so that ties are ties."""
    random = np.random.default_rng((7, number))
    twice = number % 3 == 0
    k1, k2, eps = int(random.integers(4, 41)), int(random.integers(1, 9)), float(random.uniform(0.3, 0.75))
    features = made(CHECKED // (2 if twice else 1), 48 if twice else 512, random.uniform(0.5, 1.6), number)[0].astype(
        float
    )
    if twice:
        features = np.repeat(np.round(features * 64) / 64, 2, 0)[random.permutation(CHECKED)]
    return _same(features, k1, k2, eps)


def same_at(n: int, dim: int) -> bool:
    return _same(made(n, dim)[0].astype(float), K1, K2, EPS)


def _same(features: np.ndarray, k1: int, k2: int, eps: float) -> bool:
    sparse = clustering.dbscan(clustering.jaccard(clustering.encode(features, k1, k2), eps), eps, MIN_SAMPLES)
    return np.array_equal(sparse, dense_labels(features, k1, k2, eps))


def dense_labels(features: np.ndarray, k1: int, k2: int, eps: float) -> np.ndarray:
    """Labels by N x N arrays in float64 and scikit-learn's DBSCAN."""
    count = len(features)
    similarity = features @ features.T
    weight = np.exp(2 * similarity - 2)
    np.fill_diagonal(similarity, np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")
    del similarity

    def mutual(k: int) -> np.ndarray:
        listed = np.zeros((count, count), bool)
        np.put_along_axis(listed, order[:, :k], True, axis=1)
        return listed & listed.T

    full, half = mutual(k1), mutual(round(k1 / 2) + 1)
    sizes, wide = half.sum(1), full.copy()
    for i in range(count):
        own = np.flatnonzero(full[i])
        shared = half[own][:, own].sum(1)
        for j in own[3 * shared > 2 * sizes[own]]:
            wide[i] |= half[j]
    rows = np.where(wide, weight, 0)
    del weight, full, half, wide
    rows /= rows.sum(1, keepdims=True)
    if k2 > 1:
        rows = np.stack([rows[order[i, :k2]].mean(0) for i in range(count)])
    columns, distance = np.ascontiguousarray(rows.T), np.empty((count, count))
    for i in range(count):
        there = np.flatnonzero(rows[i])
        shared = np.minimum(columns[there], rows[i, there, None]).sum(0)
        distance[i] = np.maximum(1 - shared / (2 - shared), 0)
    return DBSCAN(eps=eps, min_samples=MIN_SAMPLES, metric="precomputed").fit_predict(distance)


if __name__ == "__main__":
    command(Settings, main)
