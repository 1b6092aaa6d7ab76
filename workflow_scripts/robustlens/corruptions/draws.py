"""Random fields, drawn quickly from a counter-based generator: uniform, normal and Poisson numbers for every px of a picture."""

from functools import cache
from math import prod

import numpy as np
import torch

GUIDE_BITS = 12  # a Poisson number is looked up by these leading bits, where they decide it


def bits(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """uint32 ``shape``: 32 random bits each."""
    n = prod(shape)
    raw = random.bit_generator.random_raw((n + 1) // 2).astype("<u8", copy=False)
    return raw.view("<u4")[:n].reshape(shape)


def uniform(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """float32 ``shape``: uniform on [-1, 1]."""
    return bits(random, shape).view(np.int32).astype(np.float32) * np.float32(2**-31)


def normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """float32 ``shape``: standard normal (Box and Muller 1958), beyond 6.7 deviations never."""
    n = prod(shape)
    half = (n + 1) // 2
    turns = torch.from_numpy(bits(random, (2 * half,)).view(np.int32)).float()
    radius = turns[:half].mul_(2**-32).add_(0.5 + 2**-33).log_().mul_(-2).clamp_(min=0).sqrt_()
    angle = turns[half:].mul_(np.pi * 2**-31)
    found = torch.empty(2 * half)
    torch.mul(radius, angle.cos(), out=found[:half])
    torch.mul(radius, angle.sin_(), out=found[half:])
    return found[:n].numpy().reshape(shape)


def poisson(random: np.random.Generator, levels: np.ndarray, photons: float) -> np.ndarray:
    """uint8, shape of the uint8 ``levels``: Poisson numbers of mean ``photons * levels / 255``, by inversion of 32 random bits."""
    guide, steps, starts = _poisson_tables(float(photons))
    drawn = bits(random, levels.shape)
    counts = guide.take((drawn >> (32 - GUIDE_BITS)).astype(np.intp) + (levels.astype(np.intp) << GUIDE_BITS))
    open_ = np.flatnonzero(counts == 255)  # a step of the distribution lies within these leading bits
    level = levels.reshape(-1)[open_].astype(np.int64)
    found = np.searchsorted(steps, (level << 32) + drawn.reshape(-1)[open_], side="right") - starts[level]
    counts.reshape(-1)[open_] = found
    return counts


@cache
def _poisson_tables(photons: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``guide``: uint8, the number for each (level, leading bits), 255 where these leave it open; ``steps``: int64, sorted, level * 2^32 +
    the distribution function in units of 2^-32, for every level; ``starts``: int64 [256], where the steps of each level begin."""
    from scipy.special import pdtr  # slow to import

    means = np.arange(256) / 255 * photons
    reached = np.floor(pdtr(np.arange(200), means[:, None]) * 2**32)  # float64 [256, 200]
    kept = reached < 2**32
    steps = (reached + np.arange(256)[:, None] * 2.0**32)[kept].astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))[:-1]])
    first = (np.arange(256)[:, None] << 32) + (np.arange(2**GUIDE_BITS) << (32 - GUIDE_BITS))
    last = first + 2 ** (32 - GUIDE_BITS) - 1
    lowest, highest = (np.searchsorted(steps, at, side="right") - starts[:, None] for at in (first, last))
    return np.where(lowest == highest, lowest, 255).astype(np.uint8).reshape(-1), steps, starts
