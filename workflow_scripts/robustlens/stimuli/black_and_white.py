"""Black and white: the picture cut into ink and paper at a level of grey."""

import numpy as np
from scipy.ndimage import gaussian_filter

from robustlens.errors import InputError
from robustlens.stimuli.pixels import ink_on_paper, to_unit


def black_and_white(pixels: np.ndarray, *, threshold: float | str = 0.5, smoothing: float = 1.0) -> np.ndarray:
    """uint8 ``[height, width, 3]``, 0 or 255: black where the smoothed grey is below ``threshold``, white elsewhere.

    Grey is the mean of the channels on [0, 1], smoothed by a Gaussian of ``smoothing`` px (0: not at all). ``threshold``: a level on
    [0, 1], or ``otsu``: the level of each picture that parts its greys best. An even picture has no such level and comes out white.
    """
    grey = to_unit(pixels).mean(axis=2)
    if smoothing > 0:
        grey = gaussian_filter(grey, smoothing, mode="reflect")
    if threshold == "otsu":
        from skimage.filters import threshold_otsu  # slow to import

        threshold = threshold_otsu(grey)
    elif isinstance(threshold, str):
        raise InputError("black-and-white: threshold", "a number on [0, 1] or otsu", threshold)
    return ink_on_paper(grey < threshold)
