"""Edge maps: Canny's edges of the picture, one px wide."""

import numpy as np

from robustlens.errors import InputError
from robustlens.stimuli.pixels import ink_on_paper, to_unit

LUMINANCE = (0.2125, 0.7154, 0.0721)  # of R, G and B in the grey of scikit-image


def edges(pixels: np.ndarray, *, sigma: float = 0.4, low: float = 0.35, high: float = 0.9, polarity: str = "white-on-black") -> np.ndarray:
    """uint8 ``[height, width, 3]``, 0 or 255: the edges (Canny 1986) of the luminance, white on black or ``black-on-white``.

    ``sigma``: of the Gaussian before the gradient, px. ``low``, ``high``: thresholds of Sobel's gradient, whose kernel is not
    normalised: a step by d on [0, 1] has 4 d before the Gaussian. The defaults are the values of the paper's published script.
    """
    if polarity not in ("black-on-white", "white-on-black"):
        raise InputError("edges: polarity", "black-on-white or white-on-black", polarity)
    if not 0 <= low <= high:
        raise InputError("edges: low, high", "thresholds from 0 up, low no larger than high", f"{low}, {high}")
    from skimage.feature import canny  # slow to import

    drawn = canny(to_unit(pixels) @ np.array(LUMINANCE, np.float32), sigma, low, high)
    return ink_on_paper(drawn if polarity == "black-on-white" else ~drawn)
