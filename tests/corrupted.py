"""Pictures for the tests of corruptions, and one image through the mathematics alone."""

import numpy as np
import torch
from scipy import ndimage

from robustlens.corruptions.catalogue import stack

CPU = torch.device("cpu")
SEVERITIES = (1, 2, 3, 4, 5)


def scene(height=56, width=48, seed=0):
    """uint8 [height, width, 3]: a picture with smooth parts, edges, black, white and grey."""
    picture = ndimage.gaussian_filter(np.random.default_rng(seed).uniform(0, 255, (height, width, 3)), (4, 4, 0))
    picture = (picture - picture.mean()) * 8 + 128
    picture[8:16, 8:16], picture[8:16, 24:32], picture[24:32, 8:16] = 0, 255, 100
    return picture.clip(0, 255).astype(np.uint8)


def even(level, height=48, width=48):
    """uint8 [height, width, 3] of one level, or of one colour."""
    return np.full((height, width, 3), level, np.uint8)


def apply(change, pixels, severity, **prepared):
    """One image, uint8 [height, width, 3], through ``change`` with what was ``prepared`` by draws."""
    return change(torch.from_numpy(pixels.copy())[None], severity, **stack([prepared], CPU))[0].numpy()


def farthest(found, expected):
    """The largest difference in grey levels."""
    return np.abs(found.astype(int) - expected.astype(int)).max()
