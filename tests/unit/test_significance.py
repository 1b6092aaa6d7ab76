"""Tests of S against R: against scipy, and on cases worked out on paper."""

import numpy as np
import pytest
from scipy import stats

from robustlens.report.significance import Test as Outcome
from robustlens.report.significance import both, holm, mann_whitney, mcnemar, mcnemar_of_counts, paired_t

NAN = float("nan")


# --------------------------------------------------------------------------------------------------------------------- McNemar
def test_mcnemar_on_paper():
    """Eight images on which they differ, R right on seven: 2 (1 + 8) / 256."""
    standard = np.array([True] + [False] * 7 + [True] * 20 + [False] * 5)
    robust = np.array([False] + [True] * 7 + [True] * 20 + [False] * 5)
    assert mcnemar(standard, robust) == Outcome("mcnemar", pytest.approx(18 / 256), 6 / 8)
    assert mcnemar(robust, standard) == Outcome("mcnemar", pytest.approx(18 / 256), -6 / 8)


@pytest.mark.parametrize(("only_s", "only_r"), [(0, 1), (3, 3), (10, 25), (700, 812)])
def test_mcnemar_is_the_binomial_of_both_tails(only_s, only_r):
    n, extreme = only_s + only_r, max(only_s, only_r)
    tail = stats.binom.sf(extreme - 1, n, 0.5)
    assert mcnemar_of_counts(only_s, only_r).p == pytest.approx(min(1, 2 * tail))


def test_mcnemar_of_networks_that_never_differ():
    found = mcnemar(np.ones(5), np.ones(5))
    assert found.p == 1 and np.isnan(found.effect)


def test_mcnemar_keeps_its_level():
    """Of networks that are equally good at most 5 % are called different: the exact test is never too eager."""
    random = np.random.default_rng(0)
    differ = random.binomial(100, 0.2, 2000)
    only_s = random.binomial(differ, 0.5)
    assert np.mean([mcnemar_of_counts(s, d - s).p < 0.05 for s, d in zip(only_s, differ, strict=True)]) < 0.05


# ---------------------------------------------------------------------------------------------------------------- Mann-Whitney
def test_mann_whitney_on_paper():
    """R = 2, 4 against S = 1, 2, 3: of six pairs R is higher in four, lower in one, equal in one: delta = 3 / 6."""
    found = mann_whitney(np.array([1.0, 2, 3]), np.array([2.0, 4]))
    variance = 2 * 3 / 12 * (6 - (2**3 - 2) / (5 * 4))
    assert found.effect == pytest.approx(0.5)
    assert found.p == pytest.approx(2 * stats.norm.sf((4.5 - 3 - 0.5) / variance**0.5))


@pytest.mark.parametrize("digits", [None, 0])
def test_mann_whitney_as_in_scipy(digits):
    random = np.random.default_rng(0)
    standard, robust = random.normal(0, 2, 57), random.normal(0.8, 2, 31)
    if digits is not None:
        standard, robust = standard.round(digits), robust.round(digits)
    found, other = mann_whitney(standard, robust), stats.mannwhitneyu(robust, standard, method="asymptotic")
    assert found.p == pytest.approx(other.pvalue, rel=1e-9)
    assert found.effect == pytest.approx(2 * other.statistic / (57 * 31) - 1)


def test_units_are_ranked_within_their_layer():
    """In both layers R is one lower; that one layer is a hundred times the other hides nothing and adds nothing."""
    layers = np.repeat(["a", "b"], 10)
    standard = np.concatenate([np.arange(10.0), 1000 + np.arange(10.0)])
    found = mann_whitney(standard, standard - 20, (layers, layers))
    whole = mann_whitney(standard, standard - 20)
    assert found.effect == -1 and whole.effect > -0.6 and found.p < 1e-6 < whole.p
    alone = [mann_whitney(standard[layers == layer], standard[layers == layer] - 20) for layer in "ab"]
    z = [stats.norm.isf(test.p / 2) for test in alone]
    variance = 10 * 10 * 21 / 12
    assert stats.norm.isf(found.p / 2) == pytest.approx((sum(z) * variance**0.5 + 0.5) / (2 * variance) ** 0.5)


def test_layers_that_only_one_network_has_are_left_out():
    standard, robust = np.array([1.0, 2, 3, 50]), np.array([4.0, 5, 0])
    found = mann_whitney(standard, robust, (np.array(list("aaab")), np.array(list("aac"))))
    assert found == mann_whitney(standard[:3], robust[:2])
    assert np.isnan(mann_whitney(standard, robust, (np.array(list("aaaa")), np.array(list("bbb")))).p)


def test_mann_whitney_of_nothing_and_of_all_alike():
    assert np.isnan(mann_whitney(np.array([]), np.array([1.0])).p)
    assert mann_whitney(np.ones(4), np.ones(3)) == Outcome("mann-whitney", 1.0, 0.0)


# ------------------------------------------------------------------------------------------------------------------------ rest
def test_the_t_test_as_in_scipy():
    values = np.random.default_rng(0).normal(0.1, 1, 40)
    other = stats.ttest_1samp(values, 0.02)
    assert paired_t(values, 0.02).p == pytest.approx(other.pvalue)
    assert paired_t(values, 0.02).effect == pytest.approx(other.statistic / 40**0.5)
    assert np.isnan(paired_t(np.zeros(40), 0.02).p) and np.isnan(paired_t(np.array([1.0]), 0.0).p)


def test_a_statement_that_needs_two_has_the_weaker_test():
    strong, weak, none = Outcome("a", 0.01, 1), Outcome("b", 0.2, -1), Outcome("c")
    assert both(strong, weak) is weak and both(weak, strong) is weak and both(strong, none) is none


def test_holm_on_paper():
    """Smallest times four, next times three, ...; never below the one before, never above 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6, NAN]).tolist() == pytest.approx([1.0, 1.0, NAN], nan_ok=True)
    assert holm([0.02, NAN]).tolist() == pytest.approx([0.02, NAN], nan_ok=True)
    assert len(holm([])) == 0


def test_holm_rejects_as_the_steps_say():
    """The definition by steps: while the k-th smallest of m is below 0.05 / (m - k) it is rejected, then no more."""
    random = np.random.default_rng(0)
    for _ in range(50):
        p = random.random(12) ** 4
        rejected = set()
        for k, place in enumerate(np.argsort(p)):
            if p[place] >= 0.05 / (12 - k):
                break
            rejected.add(int(place))
        assert set(np.flatnonzero(holm(p) < 0.05).tolist()) == rejected
