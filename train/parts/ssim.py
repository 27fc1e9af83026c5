"""Structural similarity of pictures (Wang et al. 2004, equation 13)."""

import numpy as np
from scipy.ndimage import gaussian_filter

GREY = (0.299, 0.587, 0.114)
SIGMA_PX = 1.5  # of the windows


def ssim(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of each pair, in grey; 1 where both are the same.

    Args:
        left, right: (N, H, W, 3), from 0 to 255.

    Returns:
        (N,) means over the windows.
    """

    def mean(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, (0, SIGMA_PX, SIGMA_PX), truncate=3.5)

    x, y = (pictures @ np.array(GREY) for pictures in (left, right))
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    means: np.ndarray = found.mean((1, 2))
    return means
