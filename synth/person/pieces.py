"""Pieces of a person cut out of the base mesh.

A piece is geometry written in terms of the base mesh: each of its vertices is a weighted mean of base vertices (a row
of
a sparse matrix), so one cut made on a template body fits every body and every pose. Cuts follow smooth fields (height,
place along an arm or a leg), which gives clean hems wherever they run through the quads.
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
    """Attributes: rows (N, 19158) sparse, rows sum to 1; faces (F, 3) triangles."""

    rows: sparse.csr_matrix
    faces: np.ndarray

    def of(self, values: np.ndarray) -> np.ndarray:
        """Values of the base vertices (19158, ...) carried over to the piece (N, ...)."""
        return self.rows @ values


@dataclass(frozen=True)
class Template:
    """Fields on the base vertices of a neutral body 1.7 m tall, all (19158,) but positions (19158, 3).

    Attributes:
        positions: metres.
        arm: place along an arm, 0 shoulder, 1 elbow, 2 wrist; at most -0.2 off the arms.
        leg: place along a leg by height, 0 hip joint, 1 knee, 2 ankle; negative above.
        on_arm, on_leg: share of skin weight there, 0 to 1.
    """

    positions: np.ndarray
    arm: np.ndarray
    leg: np.ndarray
    on_arm: np.ndarray
    on_leg: np.ndarray


@lru_cache(maxsize=1)
def template() -> Template:
    mesh = base_mesh()
    positions = shape_vertices(Shape(0.5, 25, 0.5, 0.5, TEMPLATE_HEIGHT_M))
    heads = joints(positions)
    arm = np.full(len(positions), -9.0)
    for side in "lr":
        a, b, c = (heads[mesh.bone(f"{bone}_{side}")] for bone in ("upperarm", "lowerarm", "hand"))
        upper = (positions - a) @ (b - a) / np.sum((b - a) ** 2)
        lower = (positions - b) @ (c - b) / np.sum((c - b) ** 2)
        along = np.where(lower > 0, 1 + lower, np.minimum(upper, 1))
        arm = np.where(np.sign(positions[:, 0]) == np.sign(a[0]), along, arm)
    limbs = {
        limb: [f"{bone}_{side}" for bone in bones for side in "lr"]
        for limb, bones in (("arm", ("upperarm", "lowerarm", "hand")), ("leg", ("thigh", "calf", "foot", "ball")))
    }
    on_arm = mesh.weights[:, [mesh.bone(b) for b in limbs["arm"] + FINGERS]].sum(1)
    on_leg = mesh.weights[:, [mesh.bone(b) for b in limbs["leg"]]].sum(1)
    hip, knee, ankle = (heads[mesh.bone(b), 2] for b in ("thigh_l", "calf_l", "foot_l"))
    leg = np.interp(-positions[:, 2], [-2 * hip, -hip, -knee, -ankle, 0], [-hip / (hip - knee), 0, 1, 2, 2.25])
    return Template(positions, np.where(on_arm > 0.02, arm, np.minimum(arm, -0.2)), leg, on_arm, on_leg)


@lru_cache(maxsize=16)
def whole(group: str) -> Piece:
    """A face group of the base mesh (body, helper-tights, helper-skirt, helper-hair, ...) as triangles."""
    quads = base_mesh().faces[group]
    used, compact = np.unique(quads, return_inverse=True)
    quads = compact.reshape(quads.shape)
    rows = sparse.csr_matrix(
        (np.ones(len(used)), (np.arange(len(used)), used)), shape=(len(used), len(base_mesh().vertices))
    )
    return Piece(rows, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))


def cut(piece: Piece, field: np.ndarray) -> Piece:
    """The part of `piece` where `field` (19158,) of the base vertices is positive, clipped exactly at zero."""
    values = piece.of(field)
    inside = values > 0
    count = inside[piece.faces].sum(1)
    kept, edges = [piece.faces[count == 3]], []
    start = len(values)

    def crossing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        edges.append(np.stack([np.minimum(a, b), np.maximum(a, b)], axis=1))
        return start + np.arange(sum(map(len, edges)) - len(a), sum(map(len, edges)))

    for lonely in (1, 2):  # one corner inside, or one corner outside
        faces = piece.faces[count == lonely]
        odd = np.argmax(inside[faces] == (lonely == 1), axis=1)
        a, b, c = (faces[np.arange(len(faces)), (odd + k) % 3] for k in range(3))
        ab, ac = crossing(a, b), crossing(a, c)
        kept += [np.stack([a, ab, ac], 1)] if lonely == 1 else [np.stack([ab, b, c], 1), np.stack([ab, c, ac], 1)]
    pairs, same = np.unique(np.concatenate(edges), axis=0, return_inverse=True)
    share = values[pairs[:, 0]] / (values[pairs[:, 0]] - values[pairs[:, 1]] + 1e-30)
    between = sparse.diags(1 - share) @ piece.rows[pairs[:, 0]] + sparse.diags(share) @ piece.rows[pairs[:, 1]]
    faces = np.concatenate(kept)
    new = faces >= start
    faces[new] = start + np.asarray(same).reshape(-1)[faces[new] - start]
    used, faces_compact = np.unique(faces, return_inverse=True)
    return Piece(sparse.vstack([piece.rows, between]).tocsr()[used], faces_compact.reshape(-1, 3))


def drop_slivers(piece: Piece, positions: np.ndarray) -> Piece:
    """Without triangles whose area on `positions` (19158, 3) is below 0.01 mm^2."""
    a, b, c = (piece.of(positions)[piece.faces[:, k]] for k in range(3))
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


def even_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit vertex normals (N, 3) averaged over the neighbours, steady at hems where single triangles are thin."""
    out = normals(vertices, faces)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    i, j = np.concatenate([edges, edges[:, ::-1]]).T
    around = sparse.csr_matrix((np.ones(len(i)), (i, j)), shape=(len(vertices), len(vertices)))
    for _ in range(4):
        out = out + around @ out
        out /= np.linalg.norm(out, axis=1, keepdims=True) + 1e-12
    return out


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
    return sparse.diags(1 / np.maximum(np.asarray(matrix.sum(1)).ravel(), 1)) @ matrix, border


def smooth(vertices: np.ndarray, faces: np.ndarray, rounds: int) -> np.ndarray:
    """Laplacian smoothing of (N, 3) vertices."""
    mean, _ = neighbours(faces, len(vertices))
    for _ in range(rounds):
        vertices = 0.5 * vertices + 0.5 * (mean @ vertices)
    return vertices
