"""Random generators named by what they decide, so that order and worker count never matter."""

import hashlib

import numpy as np


def rng(*key: object) -> np.random.Generator:
    """A generator that depends only on `key`, the same on every machine and Python.

    Args:
        key: numbers and strings that name the decision, e.g. ``(seed, world, "stride", pid)``.
    """
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def seed_of(*key: object) -> int:
    """A seed in [0, 2**63) that depends only on `key`, for example `(seed, "pretrain", epoch, step)`."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
