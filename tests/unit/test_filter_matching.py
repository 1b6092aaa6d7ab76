"""Filters of S and the filters of R that resemble them: on paper, and against scipy."""

import numpy as np
import pytest
from scipy import stats

from robustlens.errors import InputError
from robustlens.neurons.filter_matching import MATCHES, match_filters, rank_correlation


def test_rank_correlation_as_in_scipy():
    """Also with ties, of weights rounded to a tenth."""
    random = np.random.default_rng(0)
    first, second = random.normal(size=(5, 60)).round(1), random.normal(size=(7, 60)).round(1)
    expected = [[stats.spearmanr(a, b).statistic for b in second] for a in first]
    np.testing.assert_allclose(rank_correlation(first, second), expected, atol=1e-12)


def test_rank_correlation_on_paper():
    """1 - 6 sum d^2 / (n (n^2 - 1)) without ties: ranks 1 2 3 4 against 2 1 3 4 differ by 1, 1, 0, 0."""
    rho = rank_correlation(np.array([[1.0, 5, 6, 9]]), np.array([[2.0, 0, 3, 40], [4.0, 3, 2, 1], [1.0, 1, 1, 1]]))
    assert rho[0].tolist() == pytest.approx([1 - 6 * 2 / (4 * 15), -1, float("nan")], nan_ok=True)


def test_every_filter_finds_itself_however_stretched():
    """R's bank is that of S in another order, through an increasing function: rho = 1."""
    bank = np.random.default_rng(0).normal(size=(6, 3, 5, 5))
    order = np.array([3, 0, 5, 1, 4, 2])
    table = match_filters(bank, np.exp(3 * bank)[order])
    assert table.columns.tolist() == MATCHES
    assert table["unit_standard"].tolist() == list(range(6)) and (order[table["unit_robust"]] == np.arange(6)).all()
    assert table["rho"].tolist() == pytest.approx([1] * 6) and (table["n_weights"] == 75).all()


def test_the_opposite_is_no_match_and_a_filter_may_be_taken_twice():
    bank = np.array([[1.0, 2, 3, 4], [1.0, 2, 4, 3]]).reshape(2, 1, 2, 2)
    others = np.array([[-1.0, -2, -3, -4], [1.0, 3, 2, 4]]).reshape(2, 1, 2, 2)
    assert match_filters(bank, others)["unit_robust"].tolist() == [1, 1]


def test_constant_filters_have_no_match():
    bank = np.random.default_rng(0).normal(size=(3, 3, 2, 2))
    bank[1] = 0
    table = match_filters(bank, bank)
    assert table["unit_robust"].tolist() == [0, -1, 2] and np.isnan(table["rho"][1])


def test_filters_of_other_shapes_are_refused():
    with pytest.raises(InputError, match="first filters of a robust network: expected the shape"):
        match_filters(np.zeros((2, 3, 5, 5)), np.zeros((2, 3, 7, 7)))
