"""Intervals against published values and theory, and the verdicts."""

import numpy as np
import pytest
from scipy import stats

from robustlens import statistics
from robustlens.statistics import compare, interval, mean_interval, ratio, resampled, resamples, verdict, weighted_mean, wilson

NAN = float("nan")


# ---------------------------------------------------------------------------------------------------------------------- Wilson
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(successes, n, low, high):
    """Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3."""
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_as_in_scipy():
    for n in (1, 7, 50, 800):
        for successes in {0, 1, n // 3, n - 1, n}:
            expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
            assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_at_the_ends_and_of_nothing():
    assert wilson(0, 5)[0] == 0 and wilson(5, 5)[1] == 1
    assert np.isnan(wilson(0, 0)).all()


# ------------------------------------------------------------------------------------------------------------------- resampling
def test_resamples_draw_n_of_n():
    weights = np.concatenate(list(resamples(7, 100, "key")))
    assert weights.shape == (100, 7)
    assert (weights.sum(1) == 7).all() and (weights >= 0).all() and (weights % 1 == 0).all()
    assert weights.mean(0) == pytest.approx(np.ones(7), abs=0.35)  # an item is drawn once on average
    assert weights.var() == pytest.approx(6 / 7, abs=0.15)  # binomial (7, 1/7)


def test_resamples_depend_on_their_key_and_not_on_memory(monkeypatch):
    first, again, other = (np.concatenate(list(resamples(7, 100, key))) for key in ("a", "a", "b"))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    monkeypatch.setattr(statistics, "CHUNK", 50)
    blocks = list(resamples(7, 100, "a"))
    assert len(blocks) > 10
    assert np.array_equal(np.concatenate(blocks), first)


def test_statistics_of_weights_on_paper():
    weights = np.array([[1, 1, 1], [3, 0, 0], [0, 1, 2]])
    assert weighted_mean(np.array([1.0, 2.0, 6.0]))(weights).tolist() == pytest.approx([3, 1, 14 / 3])
    shares = ratio(np.array([1.0, 0, 1]), np.array([0.0, 2, 2]))(weights)
    assert shares.tolist() == pytest.approx([0.5, NAN, 1 / 3], nan_ok=True)


def test_interval_of_values_that_are_partly_missing():
    values = np.arange(1001.0)
    assert interval(values) == pytest.approx((25, 975))
    values[:40] = np.nan
    assert interval(values) == pytest.approx((40 + 0.025 * 960, 40 + 0.975 * 960))
    values[:60] = np.nan
    assert np.isnan(interval(values)).all()
    assert np.isnan(interval(np.array([]))).all()


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_the_interval_of_a_mean_is_close_to_the_normal_one(draw):
    values = getattr(np.random.default_rng(0), draw)(size=400)
    mean, low, high = mean_interval(values, 4000, draw)
    half = 1.96 * values.std() / 20
    assert mean == values.mean()
    assert (mean - low, high - mean) == pytest.approx((half, half), rel=0.1)
    assert mean_interval(values, 4000, draw) == (mean, low, high)
    assert mean_interval(values, 4000, "another key") != (mean, low, high)


def test_the_interval_of_a_mean_covers_it_nineteen_times_in_twenty():
    random = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        _, low, high = mean_interval(random.normal(size=60), 400, trial)
        covered += low <= 0 <= high
    assert 0.91 < covered / 300 < 0.98


def test_means_of_one_value_and_of_none():
    assert mean_interval(np.array([3.0]), 100) == (3, 3, 3)
    assert np.isnan(mean_interval(np.array([]), 100)).all()


# -------------------------------------------------------------------------------------------------------------------- comparing
def test_paired_items_are_resampled_together():
    """Correlated images: the interval of the paired difference is that of the differences, far narrower than apart."""
    random = np.random.default_rng(0)
    easy = random.random(500)
    standard, robust = (easy > 0.5).astype(float), (easy + random.normal(0, 0.02, 500) > 0.45).astype(float)
    paired = compare(weighted_mean(standard), weighted_mean(robust), 500, 4000, "key")
    apart = compare(weighted_mean(standard), weighted_mean(robust), (500, 500), 4000, "key")
    assert paired[:3] == apart[:3] == (standard.mean(), robust.mean(), robust.mean() - standard.mean())
    half = 1.96 * (robust - standard).std() / 500**0.5
    assert (paired[4] - paired[3]) / 2 == pytest.approx(half, rel=0.1)
    half = 1.96 * (robust.var() / 500 + standard.var() / 500) ** 0.5
    assert (apart[4] - apart[3]) / 2 == pytest.approx(half, rel=0.1)


def test_a_network_against_itself():
    values = (np.arange(200) % 3 == 0).astype(float)
    statistic = weighted_mean(values)
    assert compare(statistic, statistic, 200, 500, "key")[2:] == (0, 0, 0)
    _, _, difference, low, high = compare(statistic, statistic, (200, 200), 500, "key")
    assert difference == 0 and low < -0.03 and high > 0.03  # apart, the two samples differ


def test_sizes_of_the_two_samples_may_differ():
    few, many = np.full(3, 5.0), np.full(40, 2.0)
    assert compare(weighted_mean(few), weighted_mean(many), (3, 40), 100) == (5, 2, -3, -3, -3)
    assert np.isnan(compare(weighted_mean(few), weighted_mean(many), (0, 40), 100)).all()
    assert np.isnan(compare(weighted_mean(few), weighted_mean(few), 0, 100)).all()


def test_a_statistic_that_a_resample_cannot_have():
    values = resampled(ratio(np.array([1.0, 0]), np.array([1.0, 0])), 2, 1000, "key")
    assert np.isnan(values).mean() == pytest.approx(1 / 4, abs=0.05)  # both draws are the second item


# --------------------------------------------------------------------------------------------------------------------- verdicts
@pytest.mark.parametrize(
    ("low", "high", "claimed_positive", "claimed_negative"),
    [
        (0.1, 0.3, "supported", "contradicted"),
        (-0.3, -0.1, "contradicted", "supported"),
        (-0.1, 0.3, "undecided", "undecided"),
        (0.0, 0.3, "undecided", "undecided"),
        (0.0, 0.0, "undecided", "undecided"),
        (NAN, 0.3, "not measured", "not measured"),
        (-0.3, NAN, "not measured", "not measured"),
    ],
)
def test_verdicts(low, high, claimed_positive, claimed_negative):
    assert verdict(low, high, 1) == claimed_positive
    assert verdict(low, high, -1) == claimed_negative


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (-0.30, -0.10, "supported"),  # worse
        (-0.10, 0.01, "supported"),  # worse or on par
        (0.005, 0.015, "supported"),  # better, but by less than the margin
        (-0.10, 0.03, "undecided"),
        (0.01, 0.03, "undecided"),
        (0.03, 0.05, "contradicted"),  # better by more than the margin
        (NAN, NAN, "not measured"),
    ],
)
def test_verdicts_on_par_or_worse(low, high, answer):
    assert verdict(low, high, -1, margin=0.02) == answer
    assert verdict(-high, -low, 1, margin=0.02) == answer


def test_strata_keep_their_sizes():
    """Three units of one layer and five of another: every resample draws three and five."""
    strata = np.array(["b", "a", "b", "a", "a", "b", "a", "a"])
    weights = np.concatenate(list(resamples(8, 200, "key", strata=strata)))
    assert (weights[:, strata == "b"].sum(1) == 3).all() and (weights[:, strata == "a"].sum(1) == 5).all()
    assert (weights.std(0) > 0).all()


def test_a_difference_between_layers_is_no_spread():
    """Units that are alike within each layer: resampled within layers their mean is known exactly, over all it is not."""
    values, strata = np.repeat([1.0, 100.0], 20), np.repeat(["a", "b"], 20)
    mean = weighted_mean(values)
    assert compare(mean, mean, (40, 40), 500, strata=(strata, strata))[3:] == (0, 0)
    low, high = compare(mean, mean, (40, 40), 500)[3:]
    assert low < -10 and high > 10
