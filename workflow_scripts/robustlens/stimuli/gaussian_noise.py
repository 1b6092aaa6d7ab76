"""Gaussian pixel noise."""

import numpy as np

from robustlens.randomness import generator
from robustlens.stimuli.pixels import to_uint8, to_unit


def gaussian_noise(pixels: np.ndarray, image_id: str, seed: int, *, sigma: float) -> np.ndarray:
    """uint8 ``[height, width, 3]``: independent noise N(0, ``sigma``) on the [0, 1] scale added to every px and channel, clipped.

    Two levels of ``sigma`` scale the same draws, so that levels differ in strength only.
    """
    noise = generator(seed, "gaussian-noise", image_id).standard_normal(pixels.shape, dtype=np.float32)
    return to_uint8(to_unit(pixels) + np.float32(sigma) * noise)
