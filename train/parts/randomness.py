"""Every random choice comes from a key of names and numbers, so a run that resumes draws what an uncut one draws."""

import hashlib

import numpy as np


def seed_of(*key: object) -> int:
    """A seed in [0, 2**63) that depends only on `key`, for example `(seed, "pretrain", epoch, step)`."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def rng(*key: object) -> np.random.Generator:
    """A numpy generator for this key."""
    return np.random.Generator(np.random.PCG64(seed_of(*key)))
