"""What ranking costs at the sizes of Market-1501 and MSMT17: `python -m benchmarks.evaluation --json`.

Made-up features. The matrix products are timed apart (`..._products_cpu_s`); the figures are compared with a plain loop
that sorts the gallery for each query, and with torchreid's compiled evaluator where that package is installed.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch

from benchmarks.memory import begin_peak, peak_mib
from opengspr import command
from train.parts.retrieval import Labels, Ranker, Retrieval

SIZES = {"market": (3368, 19_732, 750, 6), "msmt17": (11_659, 82_161, 3060, 15)}  # queries, gallery, people, cameras
LIKE_MARKET = 0.19, 0.14  # shares of junk (pid -1) and distractors (pid 0) in Market-1501's gallery
ROWS = 256  # queries at a time
NOISE = 3.2  # standard deviations beside a person's 1
COMPARED = 500  # queries of the larger that the plain loop ranks


@dataclass(frozen=True)
class Settings:
    """Measure evaluation; the last line is JSON."""

    dim: int = 2048
    """Length of a feature."""
    json: bool = False
    """Print only the last line."""


def main(settings: Settings) -> None:
    figures: dict[str, Any] = {}
    for name in SIZES:
        with get_context("spawn").Pool(1) as apart:
            figures |= apart.apply(measured, (name, settings.dim))
    same = [figures.pop(f"{name}_same") for name in SIZES]
    figures["peak_mib"] = max(figures.pop(f"{name}_peak_mib") for name in SIZES)
    figures["same_as_reference"] = all(same)
    if not settings.json:
        for name, value in figures.items():
            print(f"{name:28} {value:.4g}")
    print(
        json.dumps(
            {name: value if value is True or value is False else round(value, 4) for name, value in figures.items()}
        )
    )


def made(name: str, dim: int) -> tuple[np.ndarray, np.ndarray, Labels, Labels]:
    """Features of query and gallery (Q, D) and (G, D), unit norm, and whom they show."""
    queries, size, people, cameras = SIZES[name]
    random = np.random.default_rng(0)
    centres = random.standard_normal((people + 1, dim), np.float32)

    def some(count: int, junk: float, distractors: float) -> tuple[np.ndarray, Labels]:
        kind, pid = random.random(count), random.integers(1, people + 1, count)
        pid[kind < junk + distractors] = 0
        pid[kind < junk] = -1
        features = random.standard_normal((count, dim), np.float32) * np.float32(NOISE)
        features += np.where(pid > 0, 1, 0).astype(np.float32)[:, None] * centres[np.maximum(pid, 0)]
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        return features, Labels(pid, random.integers(0, cameras, count))

    (query, of_query), (gallery, of_gallery) = (
        some(queries, 0, 0),
        some(size, *(LIKE_MARKET if name == "market" else (0, 0))),
    )
    return query, gallery, of_query, of_gallery


def measured(name: str, dim: int) -> dict[str, Any]:
    """CPU-seconds of the ranking and of the products, memory over the features, and whether figures are the same."""
    query, gallery, of_query, of_gallery = made(name, dim)
    ranker = Ranker(of_gallery)
    ranker(np.zeros((1, len(gallery)), np.float32), Labels(of_query.pid[:1], of_query.camid[:1]))  # loads it
    every = 1 if name == "market" else len(query) // COMPARED
    spent, products, base = 0.0, 0.0, begin_peak()
    found, plain = [], []
    for part in _parts(len(query)):
        start = time.process_time()
        similarity = (torch.from_numpy(query[part]) @ torch.from_numpy(gallery).T).numpy()
        products += time.process_time() - start
        compared = range(-part.start % every, len(similarity), every)
        people = zip(of_query.pid[part][compared].tolist(), of_query.camid[part][compared].tolist())
        plain += [_plain(row, *who, of_gallery) for row, who in zip(similarity[compared], people)]
        start = time.process_time()
        found.append(ranker(similarity, Labels(of_query.pid[part], of_query.camid[part])))
        spent += time.process_time() - start
    held = peak_mib() - base
    ours = Retrieval(*(np.concatenate(one) for one in zip(*found)))
    figures = {f"{name}_cpu_s": spent, f"{name}_products_cpu_s": products, f"{name}_mAP": ours.figures["mAP"]}
    precision, rank = (np.array(one) for one in zip(*plain))
    same = np.allclose(ours.precision[::every], precision, rtol=1e-9) and np.array_equal(ours.rank[::every], rank)
    return (
        figures
        | {f"{name}_peak_mib": held, f"{name}_same": same}
        | _torchreid(name, query, gallery, of_query, of_gallery)
    )


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, min(start + ROWS, count)) for start in range(0, count, ROWS))


def _plain(similarity: np.ndarray, pid: int, camid: int, of_gallery: Labels) -> tuple[float, int]:
    """Average precision and first match of one query, the whole gallery being sorted."""
    hits, place, precisions, first = 0, 0, [], 0
    order = np.argsort(-similarity, kind="stable")
    for theirs, where in zip(of_gallery.pid[order].tolist(), of_gallery.camid[order].tolist()):
        if theirs == -1 or (theirs == pid and where == camid):
            continue
        place += 1
        if theirs == pid:
            hits, first = hits + 1, first or place
            precisions.append(hits / place)
    return sum(precisions) / len(precisions), first


def _torchreid(name: str, query: np.ndarray, gallery: np.ndarray, q: Labels, g: Labels) -> dict[str, Any]:
    """CPU-seconds of torchreid's compiled evaluator, and by how much its mAP differs; nothing where it is absent."""
    try:
        from torchreid.metrics.rank_cylib.rank_cy import evaluate_cy
    except ImportError:
        return {}
    counted = g.pid != -1
    distance = 1 - query @ gallery[counted].T
    start = time.process_time()
    _, precision = evaluate_cy(distance, q.pid, g.pid[counted], q.camid, g.camid[counted], 10)
    return {f"{name}_torchreid_cpu_s": time.process_time() - start, f"{name}_torchreid_mAP": 100 * float(precision)}


if __name__ == "__main__":
    command(Settings, main)
