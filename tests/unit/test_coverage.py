"""How often the 95 % intervals hold the true value, by simulation of data whose truth is known. Definitions: docs/methods.md.

Each coverage is a share of ``TRIALS`` draws, known to 3 binomial standard errors (0.027). Wilson's interval is right at any size, averaged
over shares. The percentile bootstrap is too narrow for few items: of 2,000 intervals of the mean of normal values 0.89 held it for n = 10,
0.93 for 25, 0.94 for 100; of exponential values, which are skewed, 0.86, 0.91 and 0.94. ``statistics.fewest`` leaves a claim undecided
below 10 items.
"""

import numpy as np
import pytest

from robustlens.statistics import compare, mean_interval, ratio, weighted_mean, wilson

TRIALS, RESAMPLES = 600, 300
ERROR = 3 * (0.95 * 0.05 / TRIALS) ** 0.5


def coverage(interval_of, truth: float) -> float:
    """Share of trials whose interval, ``interval_of(random, trial)``, holds ``truth``."""
    random = np.random.default_rng(1)
    spans = (interval_of(random, trial) for trial in range(TRIALS))
    return float(np.mean([low <= truth <= high for low, high in spans]))


@pytest.mark.parametrize("n", [10, 100, 800])
def test_wilson(n):
    """Averaged over shares between 0 and 1; of a single share it swings with the grid of counts."""
    random = np.random.default_rng(0)
    shares = random.random(4000)
    spans = np.array([wilson(k, n) for k in random.binomial(n, shares)])
    assert np.mean((spans[:, 0] <= shares) & (shares <= spans[:, 1])) == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize(("n", "low", "high"), [(10, 0.87, 0.93), (25, 0.90, 0.96), (100, 0.95 - ERROR, 0.95 + ERROR)])
def test_the_mean_of_units(n, low, high):
    found = coverage(lambda random, trial: mean_interval(random.normal(size=n), RESAMPLES, trial)[1:], 0.0)
    assert low <= found <= high


def test_the_paired_difference_of_accuracies():
    """150 images, some easy for both: S is right on 60 %, R on 70 %, correlated."""

    def interval_of(random, trial):
        ease = random.random(150)
        standard, robust = (ease < 0.6).astype(float), ((ease < 0.5) | (random.random(150) < 0.4)).astype(float)
        return compare(weighted_mean(standard), weighted_mean(robust), 150, RESAMPLES, trial)[3:]

    assert coverage(interval_of, 0.1) == pytest.approx(0.95, abs=ERROR)


def test_the_difference_of_units_of_three_layers():
    """60 units of each network in layers of means 0, 5 and 50: within their layer R is lower by 1."""
    layers = np.repeat(["a", "b", "c"], 20)
    level = np.repeat([0.0, 5.0, 50.0], 20)

    def interval_of(random, trial, strata=(layers, layers)):
        standard, robust = level + random.normal(size=60), level - 1 + random.normal(size=60)
        return compare(weighted_mean(standard), weighted_mean(robust), (60, 60), RESAMPLES, trial, strata=strata)[3:]

    assert 0.95 - 2 * ERROR <= coverage(interval_of, -1.0) <= 0.95 + ERROR
    assert coverage(lambda random, trial: interval_of(random, trial, (None, None)), -1.0) > 0.99  # what strata are for


def test_the_difference_of_shape_biases():
    """150 conflict images; S decides 20 % by shape and 60 % by texture, R 45 % and 35 %: biases 1/4 and 9/16."""

    def interval_of(random, trial):
        biases = []
        for shape, texture in ((0.2, 0.6), (0.45, 0.35)):
            drawn = random.random(150)
            biases.append(ratio((drawn < shape).astype(float), (drawn < shape + texture).astype(float)))
        return compare(*biases, 150, RESAMPLES, trial)[3:]

    assert coverage(interval_of, 9 / 16 - 1 / 4) == pytest.approx(0.95, abs=ERROR)
