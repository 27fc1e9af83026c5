"""Masks of the people in crops: COCO's compressed run lengths, of the crop's own size."""

import numpy as np
from PIL import Image
from pycocotools import mask as rle


def decoded(mask: str, height: int, width: int) -> np.ndarray:
    """Where the person is, (height, width) uint8 of 0 and 1; nowhere if there is no mask."""
    if not mask:
        return np.zeros((height, width), np.uint8)
    return np.asarray(rle.decode({"size": [height, width], "counts": mask.encode()}))


def resized(mask: str, size: tuple[int, int], wanted: tuple[int, int]) -> str:
    """The mask of a crop that is resized; empty stays empty.

    Args:
        mask: run lengths. size: height and width that they are of. wanted: height and width of the new crop.
    """
    if not mask or size == wanted:
        return mask
    smaller = Image.fromarray(decoded(mask, *size)).resize(wanted[::-1], Image.Resampling.NEAREST)
    return str(rle.encode(np.asfortranarray(smaller))["counts"].decode())
