"""Gaussian blur."""

import numpy as np
from scipy.ndimage import gaussian_filter

from robustlens.stimuli.pixels import to_uint8, to_unit


def gaussian_blur(pixels: np.ndarray, *, sigma: float) -> np.ndarray:
    """uint8 ``[height, width, 3]``: every channel blurred with a Gaussian of ``sigma`` px, cut at 4 sigma; 0 changes nothing.

    The picture is mirrored at its border, so that its mean stays (but for the rounding to uint8).
    """
    return to_uint8(gaussian_filter(to_unit(pixels), (sigma, sigma, 0), mode="reflect")) if sigma > 0 else pixels
