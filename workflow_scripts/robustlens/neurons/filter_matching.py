"""Each filter of S beside the filter of R that resembles it most, by Spearman's rank correlation (arXiv 2006.09373)."""

import numpy as np
import pandas as pd

from robustlens.errors import InputError

MATCHES = ["unit_standard", "unit_robust", "rho", "n_weights"]


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rho of every row of ``first`` [n, k] with every row of ``second`` [m, k]: float64 [n, m].

    Ties have average ranks; NaN for a row whose values are all equal. Spearman 1904.
    """
    scaled = []
    for rows in (first, second):
        ranks = pd.DataFrame(rows).rank(axis=1).to_numpy() - (rows.shape[1] + 1) / 2
        length = np.sqrt((ranks**2).sum(axis=1, keepdims=True))
        scaled.append(np.divide(ranks, length, out=np.full_like(ranks, np.nan), where=length > 0))
    return scaled[0] @ scaled[1].T


def match_filters(standard: np.ndarray, robust: np.ndarray) -> pd.DataFrame:
    """One row a filter of S: ``unit_standard``, ``unit_robust`` (of largest ``rho``, ties to the lowest), ``rho``, ``n_weights``.

    ``standard, robust``: [n_units, n_inputs, height, width], each filter taken as the list of its ``n_weights`` values. Only the largest
    correlation counts, not the largest in absolute value, and a filter of R may be taken several times. A filter of S that is constant
    has no match (-1, NaN). Raises InputError where the filters of S and R differ in shape.
    """
    if standard.shape[1:] != robust.shape[1:]:
        raise InputError("first filters of a robust network", f"the shape {standard.shape[1:]} of the standard one's", robust.shape[1:])
    rho = rank_correlation(standard.reshape(len(standard), -1), robust.reshape(len(robust), -1))
    known = np.where(np.isnan(rho), -np.inf, rho)
    best = known.argmax(axis=1)
    largest = known[np.arange(len(best)), best]
    found = np.isfinite(largest)
    columns = (np.arange(len(best)), np.where(found, best, -1), np.where(found, largest, np.nan), np.prod(standard.shape[1:], dtype=int))
    return pd.DataFrame(dict(zip(MATCHES, columns, strict=True)))
