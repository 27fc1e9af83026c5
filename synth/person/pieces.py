"""Pieces of a person cut out of the base mesh.

A piece is geometry written in terms of the base mesh: each of its vertices is a weighted mean of base vertices (a row
of a sparse matrix), so one cut made on a template body fits every body and every pose. Cuts follow smooth fields
(height, place along an arm), evaluated at the piece's own vertices, which gives clean hems wherever they run through
the triangles.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import sparse

from synth.person.basemesh import FINGERS, base_mesh
from synth.person.body import Shape, joints, shape_vertices

TEMPLATE_HEIGHT_M = 1.7


@dataclass(frozen=True)
class Piece:
    """Attributes: rows (N, M) sparse, rows sum to 1; faces (F, 3) triangles."""

    rows: sparse.csr_matrix
    faces: np.ndarray

    def of(self, values: np.ndarray) -> np.ndarray:
        """Values (M, ...) of the vertices that the rows are written in, carried over to the piece (N, ...)."""
        return self.rows @ values

    def places(self, p: "Places") -> "Places":
        """Places of the vertices that the rows are written in, carried over to the piece."""
        return Places(*(self.of(values) for values in (p.at, p.arm_m, p.on_arm, p.on_leg)))


@dataclass(frozen=True)
class Places:
    """Where N vertices are on a neutral body 1.7 m tall that stands with its arms spread downwards.

    Attributes:
        at: (N, 3) metres; x to the person's left, y backwards, z up.
        arm_m: (N,) place along the arm, 0 at the shoulder joint; negative on the trunk.
        on_arm, on_leg: (N,) share of skin weight there, 0 to 1.
    """

    at: np.ndarray
    arm_m: np.ndarray
    on_arm: np.ndarray
    on_leg: np.ndarray


@lru_cache(maxsize=1)
def template() -> tuple[np.ndarray, np.ndarray]:
    """Vertices (19158, 3) and joints (B, 3) of the neutral body."""
    vertices = shape_vertices(Shape(0.5, 25, 0.5, 0.5, TEMPLATE_HEIGHT_M))
    return vertices, joints(vertices)


@lru_cache(maxsize=16)
def whole(group: str, rounds: int = 0) -> Piece:
    """A face group of the base mesh (body, helper-tights, helper-hair, ...) as triangles in terms of base vertices,
    subdivided so many times.
    """
    quads = base_mesh().faces[group]
    used, compact = np.unique(quads, return_inverse=True)
    quads = compact.reshape(quads.shape)
    rows = sparse.csr_matrix(
        (np.ones(len(used)), (np.arange(len(used)), used)), shape=(len(used), len(base_mesh().vertices))
    )
    piece = Piece(rows, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))
    for _ in range(rounds):
        piece = refine(piece)
    return piece


@lru_cache(maxsize=16)
def places(group: str, rounds: int = 0) -> Places:
    """The places of the vertices of `whole`."""
    piece, mesh = whole(group, rounds), base_mesh()
    vertices, heads = template()
    at, weights = piece.of(vertices), piece.of(mesh.weights)
    limbs = {
        limb: [mesh.bone(f"{bone}_{side}") for bone in bones for side in "lr"]
        for limb, bones in (("arm", ("upperarm", "lowerarm", "hand")), ("leg", ("thigh", "calf", "foot", "ball")))
    }
    on_arm = weights[:, limbs["arm"] + [mesh.bone(finger) for finger in FINGERS]].sum(1)
    arm_m = np.full(len(at), -9.0)
    for side, mine in (("l", at[:, 0] > 0), ("r", at[:, 0] <= 0)):
        chain = heads[[mesh.bone(f"{bone}_{side}") for bone in ("upperarm", "lowerarm", "hand")]]
        arm_m[mine] = round_arm(at[mine], chain)[1]
    arm_m = np.where(on_arm > 0.02, arm_m, np.minimum(arm_m, -0.05))
    return Places(at, arm_m, on_arm, weights[:, limbs["leg"]].sum(1))


def step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def round_arm(at: np.ndarray, chain: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where points (K, 3) are round an arm with joints `chain` (3, 3): offsets from its axis (K, 3), metres along it
    (K,), and two directions across it (K, 3), backwards and outwards.
    """
    a, b, c = chain
    upper_m, lower_m = np.linalg.norm(b - a), np.linalg.norm(c - b)
    first, second = (b - a) / upper_m, (c - b) / lower_m
    along_first, along_second = (at - a) @ first, (at - b) @ second
    lower = step(along_second, -0.03, 0.03)[:, None]
    axis = first * (1 - lower) + second * lower
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    along = along_first * (1 - lower[:, 0]) + (upper_m + along_second) * lower[:, 0]
    centre = (a + np.clip(along_first, 0, upper_m)[:, None] * first) * (1 - lower)
    centre += (b + np.clip(along_second, 0, None)[:, None] * second) * lower
    away = at - centre
    away -= (away * axis).sum(1, keepdims=True) * axis
    e1 = np.array([0.0, 1.0, 0.0]) - axis * axis[:, 1:2]
    e1 /= np.linalg.norm(e1, axis=1, keepdims=True)
    return away, along, e1, np.cross(axis, e1) * np.sign(a[0])


def refine(piece: Piece) -> Piece:
    """One round of Loop's subdivision (Loop, 1987): four triangles for one, borders smoothed along themselves."""
    count = piece.rows.shape[0]
    half = np.concatenate([piece.faces[:, [0, 1, 2]], piece.faces[:, [1, 2, 0]], piece.faces[:, [2, 0, 1]]])
    pairs, which, uses = np.unique(np.sort(half[:, :2], axis=1), axis=0, return_inverse=True, return_counts=True)
    which = np.asarray(which).reshape(-1)
    inner = uses[which] == 2
    edge, n = np.arange(len(pairs)), len(pairs)
    own = np.where(uses == 2, 3 / 8, 1 / 2)
    odd = sparse.coo_matrix(
        (
            np.concatenate([own, own, np.where(inner, 1 / 8, 0)]),
            (np.concatenate([edge, edge, which]), np.concatenate([pairs[:, 0], pairs[:, 1], half[:, 2]])),
        ),
        shape=(n, count),
    )
    mean, border = neighbours(piece.faces, count)
    degree = np.bincount(pairs.ravel(), minlength=count)
    beta = 5 / 8 - (3 / 8 + np.cos(2 * np.pi / np.maximum(degree, 1)) / 4) ** 2
    share = np.where(border, 1 / 4, beta)
    even = sparse.diags(1 - share) + sparse.diags(share) @ mean
    rows = sparse.vstack([even @ piece.rows, odd.tocsr() @ piece.rows]).tocsr()
    a, b, c = piece.faces.T
    ab, bc, ca = (count + which.reshape(3, -1)[k] for k in range(3))
    faces = np.concatenate([np.stack(f, 1) for f in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    return Piece(rows, faces)


def cut(faces: np.ndarray, values: np.ndarray, both: bool = False) -> Piece:
    """The part of a surface where `values` are positive, clipped exactly at zero, in terms of its vertices.

    Args:
        faces: (F, 3). values: (M,) of the vertices. both: keeps the rest too: edges run along zero, nothing goes.
    """
    inside = values > 0
    count = inside[faces].sum(1)
    kept, edges = [faces[(count == 3) | (both & (count == 0))]], []
    start = len(values)

    def crossing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        edges.append(np.stack([np.minimum(a, b), np.maximum(a, b)], axis=1))
        return start + np.arange(sum(map(len, edges)) - len(a), sum(map(len, edges)))

    for lonely in (1, 2):  # one corner inside, or one corner outside
        some = faces[count == lonely]
        odd = np.argmax(inside[some] == (lonely == 1), axis=1)
        a, b, c = (some[np.arange(len(some)), (odd + k) % 3] for k in range(3))
        ab, ac = crossing(a, b), crossing(a, c)
        tip, base = np.stack([a, ab, ac], 1), np.concatenate([np.stack([ab, b, c], 1), np.stack([ab, c, ac], 1)])
        kept += [tip, base] if both else [tip if lonely == 1 else base]
    pairs, same = np.unique(np.concatenate(edges), axis=0, return_inverse=True)
    share = values[pairs[:, 0]] / (values[pairs[:, 0]] - values[pairs[:, 1]] + 1e-30)
    new = np.concatenate(kept)
    fresh = new >= start
    new[fresh] = start + np.asarray(same).reshape(-1)[new[fresh] - start]
    used, compact = np.unique(new, return_inverse=True)
    old, made = used[used < start], used[used >= start] - start
    i = np.concatenate([np.arange(len(old)), np.repeat(len(old) + np.arange(len(made)), 2)])
    j = np.concatenate([old, pairs[made].ravel()])
    weight = np.concatenate([np.ones(len(old)), np.stack([1 - share[made], share[made]], 1).ravel()])
    return Piece(sparse.csr_matrix((weight, (i, j)), shape=(len(used), start)), compact.reshape(-1, 3))


def drop_slivers(piece: Piece, at: np.ndarray) -> Piece:
    """Without triangles whose area at `at` (M, 3) is below 0.01 mm^2."""
    a, b, c = (piece.of(at)[piece.faces[:, k]] for k in range(3))
    return replace(piece, faces=piece.faces[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 2e-8])


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit vertex normals (N, 3)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    out = np.zeros_like(vertices)
    for k in range(3):
        for axis in range(3):
            out[:, axis] += np.bincount(faces[:, k], face[:, axis], minlength=len(vertices))
    return out / (np.linalg.norm(out, axis=1, keepdims=True) + 1e-12)


def neighbours(faces: np.ndarray, count: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Averaging matrix over edge neighbours (N, N), where border vertices average only along the border; border mask
    (N,).
    """
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    codes, uses = np.unique(edges[:, 0].astype(np.int64) * count + edges[:, 1], return_counts=True)
    edges = np.stack([codes // count, codes % count], axis=1)
    border = np.zeros(count, bool)
    border[edges[uses == 1]] = True
    i, j = np.concatenate([edges, edges[:, ::-1]]).T
    along = np.concatenate([uses, uses]) == 1
    keep = ~border[i] | along
    matrix = sparse.csr_matrix((np.ones(keep.sum()), (i[keep], j[keep])), shape=(count, count))
    return (sparse.diags(1 / np.maximum(np.asarray(matrix.sum(1)).ravel(), 1)) @ matrix).tocsr(), border


def border_loops(faces: np.ndarray) -> list[np.ndarray]:
    """The borders of a surface as vertex indices in order, the surface on the left of each; (K,) each."""
    half = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    count = int(faces.max()) + 1
    codes, back = half[:, 0].astype(np.int64) * count + half[:, 1], half[:, 1].astype(np.int64) * count + half[:, 0]
    alone = half[~np.isin(codes, back)]
    follows = dict(alone.tolist())
    loops = []
    while follows:
        start, at = next(iter(follows.items()))
        del follows[start]
        loop = [start]
        while at in follows:
            loop.append(at)
            at = follows.pop(at)
        if at == start and len(loop) >= 8:
            loops.append(np.array(loop))
    return loops
