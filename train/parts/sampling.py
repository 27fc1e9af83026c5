"""Which images make a batch: P identities x K images, with one of two rules for identities short of K."""

from collections.abc import Iterator

import numpy as np


def batches(
    label: np.ndarray,
    size: int,
    per_identity: int,
    count: int,
    rng: np.random.Generator,
    camid: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Draws `count` batches of `size` image indices.

    Identities are shuffled and dealt, `per_identity` images each, until all were dealt; then they are shuffled anew. An
    identity short of K images is filled by drawing again from its own. Negative labels mark images that belong to no
    cluster: each is an identity of its own and is drawn a single time a round (SpCL, SMCR), since K copies of it would
    swamp the batches while clusters are few.

    Args:
        label: (N,) integers; negative = an un-clustered image.
        size: images in a batch.
        per_identity: K.
        count: number of batches.
        rng: the draws.
        camid: (N,) cameras. Where given, an identity's K images come from as many of its cameras as possible.

    Raises:
        ValueError: there is no image, or K does not fit into a batch.
    """
    if not len(label):
        raise ValueError("a sampler got no images; wanted at least one")
    if not 1 <= per_identity <= size:
        raise ValueError(f"per_identity must be 1 to the batch size {size}, got {per_identity}")
    stream = _deal(label, per_identity, rng, camid)
    drawn: list[int] = []
    while len(drawn) < size * count:
        drawn.extend(next(stream))
    return list(np.array(drawn[: size * count], np.int64).reshape(count, size))


def _deal(
    label: np.ndarray, per_identity: int, rng: np.random.Generator, camid: np.ndarray | None
) -> Iterator[list[int]]:
    """Endless identities in shuffled rounds, as lists of image indices."""
    clustered = np.flatnonzero(label >= 0)
    order = clustered[np.argsort(label[clustered], kind="stable")]
    members = np.split(order, np.flatnonzero(np.diff(label[order])) + 1) if len(order) else []
    members += [np.array([i]) for i in np.flatnonzero(label < 0)]
    while True:
        for which in rng.permutation(len(members)):
            alone = label[members[which][0]] < 0
            yield _choose(members[which], 1 if alone else per_identity, rng, camid).tolist()


def _choose(member: np.ndarray, count: int, rng: np.random.Generator, camid: np.ndarray | None) -> np.ndarray:
    """`count` of an identity's images: all different ones first, then drawn again."""
    shuffled = rng.permutation(member)
    if camid is not None:
        cameras = camid[shuffled].tolist()
        turn = [cameras[:i].count(camera) for i, camera in enumerate(cameras)]  # how often its camera came before
        shuffled = shuffled[np.argsort(turn, kind="stable")]
    if len(shuffled) >= count:
        return shuffled[:count]
    return np.concatenate([shuffled, rng.choice(member, count - len(shuffled))])
