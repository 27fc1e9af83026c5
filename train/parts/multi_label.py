"""Who else is in a picture, judged by a memory of all pictures: MMCL's positives (Wang and Zhang, CVPR 2020)."""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from train.parts.pseudo_labels import Clustered, warnings

THRESHOLD = 0.6  # of similarity, from which another picture may be of the same person
SHARED = 0.5  # of those whom either of two pictures takes for one with itself, from which both are one label's
AT_ONCE = 1024  # entries whose similarities to all are held


@torch.no_grad()
def positives(entries: Tensor, index: Tensor, threshold: float) -> Tensor:
    """Memory-based positive label prediction: whom pictures are taken to show as well.

    Candidates are entries more similar than the threshold, nearest first. The first one in whose own list of as many
    the picture itself does not come ends the list: what follows is less similar than a hard negative.

    Args:
        entries: (N, D), unit norm. index: (B,) int64, the pictures' own entries.
        threshold: of similarity.

    Returns:
        (B, N) bool; a picture's own entry is always true.
    """
    rows = torch.arange(len(index), device=index.device)
    similarity = entries[index] @ entries.T
    similarity[rows, index] = torch.inf  # whatever rounding does, a picture is the nearest to itself
    candidate = similarity > threshold
    count = candidate.sum(1)
    asks, asked = candidate.nonzero().T
    agrees = torch.zeros_like(candidate)
    agrees[asks, asked] = _nearer(entries, asked, index[asks]) < count[asks]
    order = torch.argsort(similarity, dim=1, descending=True, stable=True)
    kept = agrees.gather(1, order).cumprod(1).bool()
    return torch.zeros_like(candidate).scatter(1, order, kept)


def _nearer(entries: Tensor, asked: Tensor, whom: Tensor) -> Tensor:
    """How many entries are nearer to those asked than those whom they are asked about, (P,) each; everyone is to
    himself."""
    found = torch.empty_like(asked)
    for pairs in torch.argsort(asked).split(AT_ONCE):
        unique, row = torch.unique(asked[pairs], return_inverse=True)
        theirs = entries[unique] @ entries.T
        theirs[torch.arange(len(unique), device=unique.device), unique] = torch.inf
        own = theirs[row, whom[pairs]]
        found[pairs] = (theirs[row] > own[:, None]).sum(1)
    return found


def labelled(entries: Tensor, threshold: float) -> Clustered:
    """Pseudo-labels by the same prediction.

    Pictures are companions when each takes the other for one person. Those that share half of their companions, and
    whom these do, are of one label. Companions alone would not do: from each to the next one they lead to everybody.

    Args:
        entries: (N, D), unit norm.
        threshold: of similarity.

    Returns:
        labels of which -1 stands alone; `eps` is the threshold.
    """
    count = len(entries)
    found = []
    for index in torch.arange(count, device=entries.device).split(AT_ONCE):
        asks, asked = positives(entries, index, threshold).nonzero().T
        found.append(torch.stack([index[asks], asked]).cpu().numpy())
    pairs = np.concatenate(found, 1)
    graph = sparse.csr_matrix((np.ones(pairs.shape[1], np.int32), pairs), (count, count))
    companions = graph.multiply(graph.T).tocsr()
    shared = (companions @ companions).multiply(companions).tocoo()
    own = companions.sum(1).A1
    either = own[shared.row] + own[shared.col] - shared.data
    shared.data = shared.data >= SHARED * either
    shared.eliminate_zeros()  # or they would be edges, too
    _, label = sparse.csgraph.connected_components(shared)
    size = np.bincount(label)
    _, compact = np.unique(label[size[label] > 1], return_inverse=True)
    labels = np.full(count, -1, np.int64)
    labels[size[label] > 1] = compact
    return Clustered(labels, threshold, int(labels.max(initial=-1)) + 1, 0, None, warnings(labels))
