"""CMC and mAP against a plain loop."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.opening import open_dataset
from opengspr import UserError
from tests.train.test_clustering import dense_jaccard
from tests.train.worlds import draw_world
from train.parts.evaluation import completeness, fuse, purity, score_rows
from train.parts.factors import by_camera_pair, by_factor
from train.parts.reranking import reranked
from train.parts.retrieval import Labels, evaluate, ranking


def plain(query: np.ndarray, gallery: np.ndarray, q: Labels, g: Labels) -> tuple[list[float], list[int]]:
    """Average precision and first match of each query, by sorting everything."""
    precisions, firsts = [], []
    for i, feature in enumerate(query):
        order = sorted(range(len(gallery)), key=lambda j: (-float(gallery[j] @ feature), j))
        order = [j for j in order if g.pid[j] != -1 and not (g.pid[j] == q.pid[i] and g.camid[j] == q.camid[i])]
        hits = [place for place, j in enumerate(order, 1) if g.pid[j] == q.pid[i]]
        precisions.append(sum(k / place for k, place in enumerate(hits, 1)) / len(hits) if hits else float("nan"))
        firsts.append(hits[0] if hits else 0)
    return precisions, firsts


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(1, 20), st.integers(1, 4), st.integers(0, 9999))
def test_equals_the_plain_loop(queries: int, size: int, ids: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    query, gallery = (random.integers(-2, 3, (n, 2)).astype(np.float32) for n in (queries, size))  # many ties
    q = Labels(random.integers(0, ids, queries), random.integers(0, 3, queries))
    g = Labels(random.integers(-1, ids, size), random.integers(0, 3, size))
    precision, first = plain(query, gallery, q, g)
    if not any(first):
        with pytest.raises(UserError, match="no query has a match"):
            evaluate(torch.from_numpy(query), torch.from_numpy(gallery), q, g)
        return
    found = evaluate(torch.from_numpy(query), torch.from_numpy(gallery), q, g)
    np.testing.assert_allclose(found.precision, precision)
    assert found.rank.tolist() == first
    answered = np.array(first) > 0
    assert found.figures["mAP"] == pytest.approx(100 * np.nanmean(precision))
    assert found.figures["rank5"] == pytest.approx(100 * np.mean(np.array(first)[answered] <= 5))


@pytest.mark.parametrize("seed", range(3))
def test_re_ranking_is_the_dense_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    everybody = random.normal(size=(8, 12))[random.integers(0, 8, 70)] + 0.7 * random.normal(size=(70, 12))
    everybody /= np.linalg.norm(everybody, axis=1, keepdims=True)
    pid, camid = random.integers(0, 8, 70), random.integers(0, 3, 70)
    q, g = Labels(pid[:20], camid[:20]), Labels(pid[20:], camid[20:])
    distance = 0.7 * dense_jaccard(everybody, 20, 6) + 0.3 * (2 - 2 * everybody @ everybody.T)
    wanted = np.zeros(20)
    for i in range(20):
        order = [j for j in np.argsort(distance[i, 20:]) if not (g.pid[j] == q.pid[i] and g.camid[j] == q.camid[i])]
        hits = [place for place, j in enumerate(order, 1) if g.pid[j] == q.pid[i]]
        wanted[i] = sum(k / place for k, place in enumerate(hits, 1)) / len(hits)
    query, gallery = (torch.from_numpy(part) for part in np.split(everybody, [20]))
    found = evaluate(query, gallery, q, g, reranked(query.numpy(), gallery.numpy()))
    np.testing.assert_allclose(found.precision, wanted)
    assert (found.precision != evaluate(query, gallery, q, g).precision).any()


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    query, gallery = (torch.from_numpy(random.normal(size=(n, 4)).astype(np.float32)) for n in (9, 30))
    q, g = (Labels(random.integers(0, 3, n), random.integers(0, 3, n)) for n in (9, 30))
    whole = evaluate(query, gallery, q, g)
    monkeypatch.setattr("train.parts.retrieval.BLOCK_BYTES", 240)
    np.testing.assert_array_equal(evaluate(query, gallery, q, g).rank, whole.rank)


def test_average_precision_by_hand() -> None:
    """Matches at places 1 and 3: (1/1 + 2/3) / 2. Same camera and pid -1 do not count, pid 0 does."""
    gallery = torch.tensor([[0.99], [0.9], [0.8], [0.7], [1.0]])
    labels = Labels(np.array([-1, 0, 1, 0, 0]), np.array([1, 1, 1, 2, 0]))
    found = evaluate(torch.ones(1, 1), gallery, Labels(np.array([0]), np.array([0])), labels)
    assert found.precision[0] == pytest.approx((1 + 2 / 3) / 2) and found.figures["rank1"] == 100
    order = ranking(torch.ones(1, 1), gallery, Labels(np.array([0]), np.array([0])), labels, 5)
    assert order.tolist() == [[1, 2, 3, -1, -1]]


def test_fused_products_are_weighted_means() -> None:
    (a, b), (c, d) = torch.randn(2, 3), torch.randn(2, 3)
    fused = [fuse([x[None], y[None]], [0.3, 0.7])[0] for x, y in ((a, c), (b, d))]
    torch.testing.assert_close(fused[0] @ fused[1], 0.3 * (a @ b) + 0.7 * (c @ d))


def test_purity() -> None:
    assert purity(np.array([0, 0, 0, 1, 1, -1]), np.array([7, 7, 8, 9, 9, 9])) == pytest.approx(4 / 5)
    assert np.isnan(purity(np.array([-1, -1]), np.array([1, 2])))


def test_completeness() -> None:
    """Of person 7 two of three are together, of 8 one of two, of 9 two of four: the ones alone are not together."""
    label, pid = np.array([0, 0, 1, 1, -1, 2, 2, -1, -1]), np.array([7, 7, 7, 8, 8, 9, 9, 9, 9])
    assert completeness(label, pid) == pytest.approx(5 / 9)
    assert completeness(pid, pid) == 1


def test_groups_are_those_of_their_queries_alone(tmp_path: Path) -> None:
    """By each factor, and by cameras: the figures of these queries, asked by themselves."""
    draw_world(tmp_path, "tgt", 12, 0.6, train=0.5)
    dataset = open_dataset(tmp_path / "tgt")
    query, gallery = dataset.split("query"), dataset.split("gallery")
    random = np.random.default_rng(0)
    kinds = {"weather": np.array(["rain", "clear", ""])[random.integers(0, 3, len(query))]}
    kinds["azimuth_deg"] = np.array([-1.0, 0.0, 50.0, 181.0, 300.0, 359.0])[random.integers(0, 6, len(query))]
    kinds["hour"] = random.integers(0, 24, len(query)) + 0.5
    query._columns.update(kinds)
    q, g = (Labels(one.pid, one.camid) for one in (query, gallery))
    features = tuple(torch.from_numpy(random.normal(size=(len(one), 3)).astype(np.float32)) for one in (q.pid, g.pid))
    tables = by_factor(evaluate(*features, q, g), query)
    assert set(tables["weather"]) == {"rain", "clear"} and set(tables["view"]) <= {"front", "left", "back", "right"}
    chosen = np.flatnonzero(kinds["weather"] == "rain")
    alone = evaluate(features[0][chosen.tolist()], features[1], Labels(q.pid[chosen], q.camid[chosen]), g)
    mean, first, count = tables["weather"]["rain"]
    assert (mean, first) == pytest.approx((alone.figures["mAP"], alone.figures["rank1"]))
    assert count == (alone.rank > 0).sum()
    front = np.isin(kinds["azimuth_deg"], [0.0, 359.0])
    assert tables["view"]["front"][2] == (front & (evaluate(*features, q, g).rank > 0)).sum()
    pairs = by_camera_pair(features, q, g)
    mine, theirs = np.flatnonzero(q.camid == 1), np.flatnonzero(g.camid == 2)
    some = evaluate(
        features[0][mine.tolist()],
        features[1][theirs.tolist()],
        Labels(q.pid[mine], q.camid[mine]),
        Labels(g.pid[theirs], g.camid[theirs]),
    )
    assert pairs["1 -> 2"][:2] == pytest.approx((some.figures["mAP"], some.figures["rank1"]))
    assert not any(one.split(" -> ")[0] == one.split(" -> ")[1] for one in pairs)


def test_encoders_are_asked_in_the_rows_order() -> None:
    """Ranks put their parts of an encoder's features together, so all have to be at the same one."""
    asked: list[str] = []

    class Asked:
        def features(self, encoder: str) -> tuple[torch.Tensor, torch.Tensor]:
            asked.append(encoder)
            return torch.ones(1, 1), torch.ones(1, 1)

        def score(self, features: object, times: object) -> None:
            return None

    names = [f"net{i}" for i in range(20)]
    rows = {f"row {i}": {name: 0.5, names[0]: 0.5} for i, name in enumerate(names)}
    score_rows(rows, {name: name for name in names}, Asked())  # type: ignore[arg-type]  # stand-ins
    assert asked == names
