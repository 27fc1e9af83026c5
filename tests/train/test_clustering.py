"""Sparse clustering against an obvious dense reference: the same distances, exactly the same labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.cluster import DBSCAN

from opengspr import UserError
from train.parts import clustering, neighbourhoods, pseudo_labels
from train.parts.clustering import Distance


def dense_jaccard(features: np.ndarray, k1: int, k2: int) -> np.ndarray:
    """Zhong et al.'s distance with plain loops."""
    n = len(features)
    similarity = features @ features.T
    np.fill_diagonal(similarity, np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")

    def mutual(i: int, k: int) -> set[int]:
        return {int(j) for j in order[i, :k] if i in order[j, :k]}

    half = round(k1 / 2) + 1
    v = np.zeros((n, n))
    for i in range(n):
        wide = base = mutual(i, k1)
        for j in base:
            theirs = mutual(j, half)
            if 3 * len(theirs & base) > 2 * len(theirs):
                wide = wide | theirs
        for j in sorted(wide):
            v[i, j] = np.exp(2 * float(features[i] @ features[j]) - 2)
        v[i] /= v[i].sum()
    v = np.array([v[order[i, :k2]].mean(0) for i in range(n)])
    shared = np.array([[np.minimum(v[i], v[j]).sum() for j in range(n)] for i in range(n)])
    return np.maximum(1 - shared / (2 - shared), 0)


def people(ids: int, each: int, noise: float, seed: int, width: int = 16) -> np.ndarray:
    """Features around `ids` centres, unit norm, float64."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(ids, width))
    features = np.repeat(centres, each, 0) + noise * random.normal(size=(ids * each, width))
    features = features[random.permutation(len(features))]
    return features / np.linalg.norm(features, axis=1, keepdims=True)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.floats(0, 1.5),
    st.integers(0, 999),
    st.integers(2, 30),
    st.integers(1, 6),
    st.booleans(),
)
def test_labels_equal_the_dense_ones(
    ids: int, each: int, noise: float, seed: int, k1: int, k2: int, doubled: bool
) -> None:
    features = np.round(people(ids, each, noise, seed) * 64) / 64  # products are exact, so ties are ties everywhere
    if doubled:  # every picture twice
        features = np.concatenate([features, features])
    wanted = dense_jaccard(features, k1, k2)
    graph = clustering.jaccard(clustering.encode(features, k1, k2), 0.62)
    stored = graph.tocoo()
    np.testing.assert_allclose(stored.data, wanted[stored.row, stored.col], atol=1e-9)
    near = np.ones_like(wanted, bool)
    near[stored.row, stored.col] = False
    assert (wanted[near] > 0.62 - 1e-9).all()
    for eps in (0.3, 0.5, 0.6):
        if np.abs(wanted - eps).min() > 1e-9:
            dense = DBSCAN(eps=eps, min_samples=4, metric="precomputed").fit_predict(wanted)
            np.testing.assert_array_equal(clustering.dbscan(graph, eps, 4), dense)


def dense_by_camera(features: np.ndarray, camid: np.ndarray, by: Distance) -> np.ndarray:
    """CA-Jaccard with plain loops."""
    n = len(features)
    similarity = features @ features.T
    np.fill_diagonal(similarity, np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")
    lists = {
        same: [[int(j) for j in order[i] if (camid[i] == camid[j]) == same] for i in range(n)] for same in (True, False)
    }

    def mutual(i: int, k: int, same: bool) -> set[int]:
        return {j for j in lists[same][i][:k] if i in lists[same][j][:k]}

    v = np.zeros((n, n))
    for i in range(n):
        near = mutual(i, by.k1_intra + 1, True) | mutual(i, by.k1_inter + 1, False)
        for j in sorted(near):
            v[i, j] = np.exp(2 * float(features[i] @ features[j]) - 2)
        v[i] /= v[i].sum()
    chosen = [lists[True][i][: by.k2_intra] + lists[False][i][: by.k2_inter] for i in range(n)]
    v = np.array([v[some].mean(0) for some in chosen])
    shared = np.array([[np.minimum(v[i], v[j]).sum() for j in range(n)] for i in range(n)])
    return np.maximum(1 - shared / (2 - shared), 0)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 9), st.floats(0, 1.5), st.integers(0, 999), st.integers(1, 4), st.integers(1, 9),
    st.integers(1, 20), st.integers(1, 4), st.integers(0, 5), st.booleans(),
)  # fmt: skip
def test_by_camera_distances_equal_the_dense_ones(
    ids: int, each: int, noise: float, seed: int, cameras: int, k1_intra: int, k1_inter: int, k2_intra: int,
    k2_inter: int, doubled: bool,
) -> None:  # fmt: skip
    """Also where a camera has fewer pictures than a list is long, and where there is one camera."""
    features = np.round(people(ids, each, noise, seed) * 64) / 64
    if doubled:
        features = np.concatenate([features, features])
    camid = np.random.default_rng(seed).integers(0, cameras, len(features))
    by = Distance(by_camera=True, k1_intra=k1_intra, k1_inter=k1_inter, k2_intra=k2_intra, k2_inter=k2_inter)
    wanted = dense_by_camera(features, camid, by)
    stored = clustering.jaccard(by.rows(features, camid), 0.62).tocoo()
    np.testing.assert_allclose(stored.data, wanted[stored.row, stored.col], atol=1e-9)
    near = np.ones_like(wanted, bool)
    near[stored.row, stored.col] = False
    assert (wanted[near] > 0.62 - 1e-9).all()


def test_an_index_finds_nearly_all_neighbours() -> None:
    pytest.importorskip("faiss")
    features = people(200, 20, 0.5, 3, width=32).astype(np.float32)
    (exact, cosines), (found, theirs) = clustering.nearest(features, 20), clustering.approximate(features, 20)
    shared = [len({*one} & {*other}) for one, other in zip(exact.tolist(), found.tolist())]
    assert (found[:, 0] == np.arange(4000)).all() and np.mean(shared) / 20 > 0.95
    both = exact == found
    np.testing.assert_allclose(theirs[both], cosines[both], atol=1e-5)


def test_neighbours_are_searched_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        clustering, "approximate", lambda features, k: called.append(k) or clustering.nearest(features, k)
    )
    features, camid = people(4, 5, 0.3, 0), np.zeros(20, int)
    for search, many, wanted in (("auto", 10, 1), ("auto", 20, 0), ("exact", 10, 0), ("faiss", 20, 1)):
        called: list[int] = []
        monkeypatch.setattr(clustering, "MANY", many)
        monkeypatch.setattr(clustering.importlib.util, "find_spec", lambda name: True)
        monkeypatch.setattr(clustering.torch.cuda, "is_available", lambda: False)
        Distance(k1=7, search=search).rows(features, camid)  # type: ignore[arg-type]
        assert len(called) == wanted, (search, many)


def test_without_the_index_s_package_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[faiss\]'"):
        Distance(search="faiss").rows(people(4, 5, 0.3, 0), np.zeros(20, int))


@pytest.mark.parametrize("seed", range(4))
def test_the_source_counts_for_a_tenth(seed: int) -> None:
    features, source = people(8, 6, 0.8, seed), people(5, 4, 0.8, seed + 100)
    apart = 1 - np.exp(-np.array([min(((one - other) ** 2).sum() for other in source) for one in features]))
    apart /= apart.max()
    wanted = 0.9 * dense_jaccard(features, 12, 3) + 0.1 * (apart[:, None] + apart)
    aside = clustering.from_source(features, source)
    stored = clustering.jaccard(clustering.encode(features, 12, 3), 0.7, aside).tocoo()
    np.testing.assert_allclose(stored.data, wanted[stored.row, stored.col], atol=1e-9)
    assert len(stored.data) == (wanted <= 0.7).sum() > len(features)


def test_ties_go_by_index_and_oneself_comes_first() -> None:
    features = np.eye(3)[[0, 1, 0, 1, 0, 2]]
    lists, cosines = clustering.nearest(features, 4)
    assert cosines.tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]]
    assert lists.tolist() == [[0, 2, 4, 1], [1, 3, 0, 2], [2, 0, 4, 1], [3, 1, 0, 2], [4, 0, 2, 1], [5, 0, 1, 2]]


def test_more_doubles_than_neighbours() -> None:
    features = np.tile(np.eye(4)[:1], (40, 1))
    lists, _ = clustering.nearest(features, 5)
    assert (lists[:, 0] == np.arange(40)).all()
    assert lists[7].tolist() == [7, 0, 1, 2, 3]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features = people(6, 8, 0.5, 3)
    found = clustering.nearest(features, 30)
    whole = clustering.jaccard(clustering.encode(features, neighbours=found), 0.6)
    monkeypatch.setattr(neighbourhoods, "ROWS", 7)
    parts = clustering.jaccard(clustering.encode(features, neighbours=found), 0.6)
    assert (whole != parts).nnz == 0 and (whole != whole.T).nnz == 0
    monkeypatch.setattr(clustering, "BLOCK_BYTES", 1 << 10)
    again = clustering.nearest(features, 30)
    assert (again[0] == found[0]).all()
    np.testing.assert_allclose(again[1], found[1], rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 25), st.integers(0, 999), st.integers(1, 6), st.integers(1, 9))
def test_dbscan_is_scikit_learns(n: int, seed: int, min_samples: int, steps: int) -> None:
    """On coarse distances, so that many are equal to the radius and to each other, and many are zero."""
    random = np.random.default_rng(seed)
    d = random.integers(0, steps + 1, (n, n)) / 8
    d = np.minimum(d, d.T)
    np.fill_diagonal(d, 0)
    rows, columns = np.indices(d.shape)
    graph = sparse.csr_matrix((d.ravel(), (rows.ravel(), columns.ravel())), d.shape)
    wanted = DBSCAN(eps=0.25, min_samples=min_samples, metric="precomputed").fit_predict(d)
    np.testing.assert_array_equal(clustering.dbscan(graph, 0.25, min_samples), wanted)


def test_no_square_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 images within 60 MB of temporary memory, where a square of float32 alone has 100."""
    import tracemalloc

    monkeypatch.setattr(clustering, "BLOCK_BYTES", 4 << 20)
    features = people(500, 10, 0.3, 0, 32).astype(np.float32)
    tracemalloc.start()
    rows = clustering.encode(features)
    label = clustering.dbscan(clustering.jaccard(rows, 0.6), 0.6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert label.max() > 100 and peak < 60e6, peak


def count_iou(label: np.ndarray, other: np.ndarray, i: int) -> float:
    mine = {j for j in range(len(label)) if j == i or (label[i] >= 0 and label[j] == label[i])}
    theirs = {j for j in range(len(label)) if j == i or (other[i] >= 0 and other[j] == other[i])}
    return len(mine & theirs) / len(mine | theirs)


labels = st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), min_size=1, max_size=30)


@given(labels)
def test_agreement_is_the_iou_of_sets(pairs: list[tuple[int, int]]) -> None:
    label, other = np.array(pairs).T
    found = pseudo_labels.agreement(label, other)
    assert found.tolist() == [count_iou(label, other, i) for i in range(len(label))]


@pytest.mark.parametrize("criterion", [pseudo_labels.smcr, pseudo_labels.spcl])
def test_nothing_is_dropped_where_all_agree(criterion: object) -> None:
    label = np.array([0, 0, 0, 1, 1, 2, 2, 2, -1])
    assert callable(criterion)
    keep, _ = criterion(label, np.ones(9), np.ones(9), None)
    assert keep.tolist() == [True] * 8 + [False]


@given(labels, st.integers(0, 999))
def test_smcr_keeps_by_both_printed_conditions(pairs: list[tuple[int, int]], seed: int) -> None:
    """The one comparison made equals eq. 6's two, read with >=."""
    label = np.array(pairs)[:, 0]
    if (label < 0).all():
        return
    tight, loose = np.random.default_rng(seed).integers(1, 9, (2, len(label))) / 8
    keep, a = pseudo_labels.smcr(label, tight, loose, None)
    clustered = sorted(tight[label >= 0])
    assert sum(value >= a for value in clustered) >= 0.9 * len(clustered)
    assert sum(value > a for value in clustered) < 0.9 * len(clustered)
    for i in np.flatnonzero(label >= 0):
        b = loose[label == label[i]].max()
        assert keep[i] == (tight[i] + loose[i] >= a + b and tight[i] - loose[i] >= a - b)


def test_a_threshold_stays_frozen() -> None:
    label, ones = np.zeros(4, np.int64), np.ones(4)
    assert pseudo_labels.smcr(label, ones, ones, 0.25)[1] == 0.25
    assert pseudo_labels.spcl(label, ones, ones, 0.25)[1] == 0.25


@pytest.mark.parametrize("criterion", ["smcr", "spcl", "none"])
def test_refined_labels_have_no_gaps(criterion: str) -> None:
    found = pseudo_labels.refine(people(12, 8, 0.6, 5), np.zeros(96, int), Distance(k1=12), criterion, 0.45)
    kept = found.label[found.label >= 0]
    assert found.found > 1 and set(kept) == set(range(kept.max() + 1))
    classes = pseudo_labels.classes(found.label)
    assert set(classes) == set(range(classes.max() + 1))
    assert len(np.unique(classes[found.label < 0])) == (found.label < 0).sum()


def test_nothing_clusters() -> None:
    found = pseudo_labels.refine(people(12, 1, 0, 0, 64), np.zeros(12, int), Distance(k1=4), "smcr", 0.05)
    assert (found.label == -1).all() and found.threshold is None and "no cluster" in found.warnings[0]
    assert pseudo_labels.classes(found.label).tolist() == list(range(12))


def test_all_in_one_cluster() -> None:
    found = pseudo_labels.refine(np.tile(np.eye(4)[:1], (12, 1)), np.zeros(12, int), Distance(), "smcr", 0.5)
    assert (found.label == 0).all() and found.dropped == 0 and "one cluster" in found.warnings[0]


def test_eps_comes_from_the_smallest_distances() -> None:
    features = people(10, 8, 0.2, 1)
    graph = clustering.jaccard(clustering.encode(features, 12), 0.999)
    upper = np.sort(np.concatenate([sparse.triu(graph, 1).data, np.ones(80 * 79 // 2)])[: 80 * 79 // 2])
    assert pseudo_labels.auto_eps(graph, 4) == pytest.approx(max(0.04, upper[:320].mean()))
    assert pseudo_labels.auto_eps(graph, 4, rho=0.3) == pytest.approx(min(0.979, upper[:948].mean()))
    assert 0.04 <= pseudo_labels.auto_eps(sparse.csr_matrix((5, 5))) < 1
