"""Gaussian, shot, impulse and speckle noise: every px and channel by itself."""

import numpy as np
import torch
from torch import Tensor

from robustlens.corruptions.draws import bits, normal, poisson
from robustlens.corruptions.planes import to_levels

GAUSSIAN = (0.08, 0.12, 0.18, 0.26, 0.38)  # standard deviation on the [0, 1] scale
PHOTONS = (60, 25, 12, 5, 3)  # of white
IMPULSE = (0.03, 0.06, 0.09, 0.17, 0.27)  # share of values hit
SPECKLE = (0.15, 0.2, 0.35, 0.45, 0.6)  # standard deviation as a share of the value


def prepare_normal(random: np.random.Generator, pixels: np.ndarray, severity: int) -> dict[str, np.ndarray]:
    """``noise``: float32 ``[height, width, 3]``, standard normal."""
    return {"noise": normal(random, pixels.shape)}


def gaussian_noise(pixels: Tensor, severity: int, *, noise: Tensor) -> Tensor:
    """uint8: x + sigma * ``noise`` on the [0, 1] scale."""
    return to_levels(pixels.float().add_(noise, alpha=255 * GAUSSIAN[severity - 1]))


def speckle_noise(pixels: Tensor, severity: int, *, noise: Tensor) -> Tensor:
    """uint8: x + sigma * x * ``noise``."""
    values = pixels.float()
    return to_levels(values.addcmul_(values, noise, value=SPECKLE[severity - 1]))


def prepare_shot_noise(random: np.random.Generator, pixels: np.ndarray, severity: int) -> dict[str, np.ndarray]:
    """``counts``: uint8 ``[height, width, 3]``, Poisson numbers of mean x * photons, x on the [0, 1] scale."""
    return {"counts": poisson(random, pixels, PHOTONS[severity - 1])}


def shot_noise(pixels: Tensor, severity: int, *, counts: Tensor) -> Tensor:
    """uint8: ``counts`` photons as a share of those of white."""
    return to_levels(counts * (255 / PHOTONS[severity - 1]))


def prepare_impulse_noise(random: np.random.Generator, pixels: np.ndarray, severity: int) -> dict[str, np.ndarray]:
    """``pepper``, ``salt``: bool ``[height, width, 3]``, the values that turn black and those that turn white, as often."""
    drawn = bits(random, pixels.shape)
    each = round(IMPULSE[severity - 1] / 2 * 2**32)
    return {"pepper": drawn < np.uint32(each), "salt": drawn >= np.uint32(2**32 - each)}


def impulse_noise(pixels: Tensor, severity: int, *, pepper: Tensor, salt: Tensor) -> Tensor:
    """uint8: 0 where ``pepper``, 255 where ``salt``."""
    return (pixels * ~pepper) | (salt.to(torch.uint8) * 255)
