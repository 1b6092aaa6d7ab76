"""Tests of S against R: McNemar's on images, Mann-Whitney's on units, a t test against a margin, and Holm's correction.

Every effect is positive where R is higher. Definitions: docs/methods.md.
"""

from dataclasses import dataclass

import numpy as np

ALPHA = 0.05


@dataclass(frozen=True)
class Test:
    """A test by name (empty: none), its two-sided p value, and the effect in [-1, 1] (of the t test in standard deviations).

    NaN where the data have no answer.
    """

    name: str = ""
    p: float = np.nan
    effect: float = np.nan


def mcnemar(standard: np.ndarray, robust: np.ndarray) -> Test:
    """McNemar's exact test of two networks on the same images: two-sided binomial on the images where only one has the mark.

    ``standard, robust``: bool [n_images] in the same order, whether the image is decided rightly (or by its shape). Effect: (only R -
    only S) / (only R + only S), the matched-pairs rank-biserial correlation; NaN, and p = 1, where the networks never differ.
    McNemar 1947.
    """
    standard, robust = np.asarray(standard, bool), np.asarray(robust, bool)
    return mcnemar_of_counts(int((standard & ~robust).sum()), int((robust & ~standard).sum()))


def mcnemar_of_counts(only_standard: int, only_robust: int) -> Test:
    """The same of the numbers of images that only S, and that only R, has right."""
    from scipy.stats import binomtest

    differ = only_standard + only_robust
    if not differ:
        return Test("mcnemar", 1.0)
    return Test("mcnemar", float(binomtest(only_robust, differ).pvalue), (only_robust - only_standard) / differ)


def mann_whitney(standard: np.ndarray, robust: np.ndarray, strata: tuple = (None, None)) -> Test:
    """Mann-Whitney's U of two independent samples, within strata where given: ranks are compared inside a layer only.

    ``standard, robust``: float [n] without NaN; ``strata``: the group of each item (its layer). U and its variance under the
    hypothesis of equal distributions are summed over the strata that hold both samples; ties have average ranks and lower the
    variance; normal approximation with continuity correction (Mann and Whitney 1947; strata: van Elteren 1960, all weights 1).
    Effect: Cliff's delta, P(R > S) - P(R < S) over the pairs that were compared; (1 + delta) / 2 is the common-language effect size.
    p = 1 where all values are equal, NaN where no stratum holds both samples.
    """
    from scipy.stats import norm, rankdata

    values = [np.asarray(sample, float) for sample in (standard, robust)]
    groups = [np.zeros(len(v), int) if g is None else np.asarray(g) for v, g in zip(values, strata, strict=True)]
    excess, variance, pairs = 0.0, 0.0, 0
    for group in np.intersect1d(np.unique(groups[0]), np.unique(groups[1])):
        s, r = (v[g == group] for v, g in zip(values, groups, strict=True))
        n = len(s) + len(r)
        ranks = rankdata(np.concatenate([s, r]))
        ties = np.unique(ranks, return_counts=True)[1].astype(float)
        excess += ranks[len(s) :].sum() - len(r) * (n + 1) / 2
        variance += len(s) * len(r) / 12 * (n + 1 - (ties**3 - ties).sum() / (n * (n - 1)))
        pairs += len(s) * len(r)
    if not pairs:
        return Test("mann-whitney")
    if variance <= 0:
        return Test("mann-whitney", 1.0, 0.0)
    p = min(1.0, 2 * float(norm.sf(max(abs(excess) - 0.5, 0) / np.sqrt(variance))))
    return Test("mann-whitney", p, 2 * excess / pairs)


def paired_t(difference: np.ndarray, bound: float) -> Test:
    """The t test of one sample: whether the mean of ``difference`` [n_images] is ``bound``.

    Effect: (mean - bound) / standard deviation (Cohen's d of paired samples). NaN for fewer than two images, or all of them alike.
    """
    from scipy.stats import t

    n = len(difference)
    spread = float(np.std(difference, ddof=1)) if n > 1 else 0.0
    if spread == 0:
        return Test("paired-t")
    effect = (float(np.mean(difference)) - bound) / spread
    return Test("paired-t", float(2 * t.sf(abs(effect) * np.sqrt(n), n - 1)), effect)


def both(*tests: Test) -> Test:
    """The test of a statement that needs all of several: the one of largest p (intersection-union, Berger 1982); NaN if one has none."""
    return next((test for test in tests if np.isnan(test.p)), None) or max(tests, key=lambda test: test.p)


def holm(p: np.ndarray) -> np.ndarray:
    """p values corrected for the family of all of them by Holm's step-down method: float64 [n]; NaN stays NaN and is no member.

    The k-th smallest of n (k from 0) times n - k, at least the one before, at most 1. Holm 1979.
    """
    p = np.asarray(p, float)
    corrected = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return corrected
