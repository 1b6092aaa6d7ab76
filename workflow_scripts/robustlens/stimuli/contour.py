"""Contours: line drawings, of the object's outline where its mask is known, of the edges in the picture where it is not."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from robustlens.stimuli.pixels import ink_on_paper, to_unit


def contour(pixels: np.ndarray, mask: np.ndarray | None, *, width: float = 2.0, sigma_edges: float = 2.0) -> np.ndarray:
    """uint8 ``[height, width, 3]``: black lines of ``width`` px on white, smooth by one px of grey where they fall between px.

    With a ``mask`` (uint8, 255 = object) the line runs where it crosses one half. Without one the lines are Canny's edges of the mean
    of the channels, smoothed by a Gaussian of ``sigma_edges`` px.
    """
    if mask is not None:
        distance = _distance_to_outline(mask > 127)
    else:
        from skimage.feature import canny  # slow to import

        distance = _distance_to(canny(to_unit(pixels).mean(axis=2), sigma_edges))
    return ink_on_paper(np.clip(width / 2 + 0.5 - distance, 0, 1))


def _distance_to(marked: np.ndarray) -> np.ndarray:
    """float ``[height, width]``: px from each centre to the nearest ``marked`` centre; infinite where nothing is marked."""
    return distance_transform_edt(~marked) if marked.any() else np.full(marked.shape, np.inf)


def _distance_to_outline(inside: np.ndarray) -> np.ndarray:
    """float ``[height, width]``: px to the outline, which runs half a px from the centres on either side."""
    return np.where(inside, _distance_to(~inside), _distance_to(inside)) - 0.5
