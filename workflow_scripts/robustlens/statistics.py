"""Intervals and verdicts: Wilson for shares, percentile bootstrap for the rest, all at 95 %."""

from collections.abc import Callable, Iterator

import numpy as np

from robustlens.randomness import generator

LEVEL = 0.95
CHUNK = 2_000_000  # resampling weights held at a time


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), both ends in [0, 1]; NaN for n = 0."""
    if n == 0:
        return np.nan, np.nan
    z = 1.959963984540054
    share, spread = successes / n, z * z / n
    centre = share + spread / 2
    half = z * np.sqrt(share * (1 - share) / n + spread / (4 * n))
    low, high = (centre - half) / (1 + spread), (centre + half) / (1 + spread)
    return (0.0 if successes == 0 else float(low)), (1.0 if successes == n else float(high))


def resamples(n: int, count: int, *key: object, strata: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Blocks of ``count`` bootstrap resamples in all: float64 [block, n], how often each of n items was drawn. Keyed by ``key``.

    ``strata`` [n]: the group of each item (a unit's layer); every resample keeps the size of each group.
    """
    random = generator(0, "bootstrap", n, *key)
    groups = np.zeros(n, np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    order, sizes = np.argsort(groups, kind="stable"), np.bincount(groups)
    first, size = np.repeat(np.cumsum(sizes) - sizes, sizes), np.repeat(sizes, sizes)
    block = max(1, CHUNK // max(n, 1))
    for start in range(0, count, block):
        rows = min(block, count - start)
        draws = order[first + random.integers(0, size, (rows, n))] + n * np.arange(rows)[:, None]
        yield np.bincount(draws.ravel(), minlength=rows * n).reshape(rows, n).astype(float)


def resampled(
    statistic: Callable[[np.ndarray], np.ndarray], n: int, count: int, *key: object, strata: np.ndarray | None = None
) -> np.ndarray:
    """Values [count] of a statistic that takes resampling weights [block, n] and gives [block]."""
    return np.concatenate([statistic(weights) for weights in resamples(n, count, *key, strata=strata)])


def weighted_mean(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The mean of ``values`` [n] as a statistic of weights."""
    return lambda weights: weights @ values / weights.sum(1)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Sum of ``numerator`` / sum of ``denominator`` [n] as a statistic of weights; NaN where the denominator is 0."""

    def value(weights: np.ndarray) -> np.ndarray:
        below = weights @ denominator
        return np.divide(weights @ numerator, below, out=np.full(len(below), np.nan), where=below > 0)

    return value


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of bootstrap values [count]; NaN where more than 5 % of the resamples have no value."""
    known = values[np.isfinite(values)]
    if len(known) < LEVEL * max(len(values), 1):
        return np.nan, np.nan
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mean_interval(values: np.ndarray, count: int, *key: object) -> tuple[float, float, float]:
    """Mean of ``values`` [n] with its bootstrap interval; NaN for none."""
    values = np.asarray(values, float)
    if len(values) == 0:
        return np.nan, np.nan, np.nan
    return float(values.mean()), *interval(resampled(weighted_mean(values), len(values), count, *key))


def compare(
    standard, robust, n: int | tuple[int, int], count: int, *key: object, strata: tuple = (None, None)
) -> tuple[float, float, float, float, float]:
    """``(S, R, R - S, low, high)`` of a statistic of weights.

    ``n`` an integer: the same items (images) in both, resampled together; a pair: items of each, resampled apart, within
    ``strata`` (the groups of the items of each) where they are given.
    """
    sizes = (n, n) if isinstance(n, int) else n
    if min(sizes) == 0:
        return (np.nan,) * 5
    value_s, value_r = (float(f(np.ones((1, size)))[0]) for f, size in zip((standard, robust), sizes, strict=True))
    if isinstance(n, int):
        differences = resampled(lambda weights: robust(weights) - standard(weights), n, count, *key)
    else:
        differences = resampled(robust, sizes[1], count, *key, "robust", strata=strata[1])
        differences -= resampled(standard, sizes[0], count, *key, "standard", strata=strata[0])
    return value_s, value_r, value_r - value_s, *interval(differences)


def verdict(low: float, high: float, expected: int, margin: float = 0.0) -> str:
    """What an interval of a difference says of a claim that it is positive (``expected`` 1) or negative (-1).

    Supported where the whole interval is on the expected side of 0, contradicted where it is wholly on the other, undecided where
    it holds 0. A ``margin`` > 0 claims less, "on par or on the expected side": the bound moves from 0 by the margin to the other side.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return "not measured"
    low, high = (low, high) if expected > 0 else (-high, -low)
    if low > -margin:
        return "supported"
    return "contradicted" if high < -margin else "undecided"
