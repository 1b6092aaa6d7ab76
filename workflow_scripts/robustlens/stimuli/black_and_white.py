"""Black and white: the picture cut into ink and paper at a level of grey."""

import numpy as np
from scipy.ndimage import gaussian_filter

from robustlens.errors import InputError
from robustlens.stimuli.pixels import ink_on_paper, to_unit

SPECK = 2  # px: spots of ink, and holes in it, of this size or smaller are dropped before their outline is smoothed
FINER = 4  # points a px, each way, on which an outline is smoothed
ROUNDING = 0.6  # px, sigma of the Gaussian that smooths it: the widest of which a line of one px remains


def black_and_white(pixels: np.ndarray, *, threshold: float | str = 0.5, smoothing: float = 1.0, outline: str = "sharp") -> np.ndarray:
    """uint8 ``[height, width, 3]``, 0 or 255: black where the smoothed grey is below ``threshold``, white elsewhere.

    Grey is the mean of the channels on [0, 1], smoothed by a Gaussian of ``smoothing`` px (0: not at all). ``threshold``: a level on
    [0, 1], or ``otsu``: the level of each picture that parts its greys best. An even picture has no such level and comes out white.
    ``outline``: ``sharp``, by px, or ``smooth``: as by a program that traces a bitmap and draws its outlines again (:func:`trace`);
    then px on an outline are grey by the share of ink in them.
    """
    if outline not in ("sharp", "smooth"):
        raise InputError("black-and-white: outline", "sharp or smooth", outline)
    grey = to_unit(pixels).mean(axis=2)
    if smoothing > 0:
        grey = gaussian_filter(grey, smoothing, mode="reflect")
    if threshold == "otsu":
        from skimage.filters import threshold_otsu  # slow to import

        threshold = threshold_otsu(grey)
    elif isinstance(threshold, str):
        raise InputError("black-and-white: threshold", "a number on [0, 1] or otsu", threshold)
    ink = grey < threshold
    return ink_on_paper(trace(ink) if outline == "smooth" else ink)


def trace(ink: np.ndarray) -> np.ndarray:
    """float32 ``[height, width]`` on [0, 1], the share of ink in each px: bool ``ink`` without specks and with smooth outlines.

    Specks of ``SPECK`` px go, of ink (with corners touching) as of paper (without). The rest is drawn ``FINER`` times finer, smoothed by
    a Gaussian of ``ROUNDING`` px, cut at one half and averaged over each px. A straight edge along px stays where it is.
    """
    clean = _without_specks(ink, corners=True)
    clean = ~_without_specks(~clean, corners=False)
    fine = clean.repeat(FINER, axis=0).repeat(FINER, axis=1).astype(np.float32)
    fine = gaussian_filter(fine, ROUNDING * FINER, mode="nearest") > 0.5
    height, width = ink.shape
    return fine.reshape(height, FINER, width, FINER).mean(axis=(1, 3), dtype=np.float32)


def _without_specks(marked: np.ndarray, *, corners: bool) -> np.ndarray:
    from scipy.ndimage import label

    parts, _ = label(marked, structure=np.ones((3, 3)) if corners else None)
    small = np.bincount(parts.ravel()) <= SPECK
    return marked & ~small[parts]
