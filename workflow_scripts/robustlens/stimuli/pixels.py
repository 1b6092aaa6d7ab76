"""Between stored pixels (uint8) and the [0, 1] scale on which stimuli are computed."""

import numpy as np


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """float32 on [0, 1], same shape as the uint8 ``pixels``."""
    return pixels.astype(np.float32) / np.float32(255)


def to_uint8(values: np.ndarray) -> np.ndarray:
    """uint8, same shape as ``values``: clipped to [0, 1], times 255, rounded half to even."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def ink_on_paper(ink: np.ndarray) -> np.ndarray:
    """uint8 ``[height, width, 3]``: black where ``ink`` (``[height, width]`` on [0, 1]) is 1, white where it is 0."""
    paper = to_uint8(1 - np.asarray(ink, np.float32))
    return np.repeat(paper[..., None], 3, axis=2)
