"""What the claims are judged on: the tables of a study, and one row of the table of claims."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from robustlens.report.significance import Test
from robustlens.statistics import compare, verdict


@dataclass
class Evidence:
    """The tables of a study: predictions of all models, and of the units of each (empty tables where not measured)."""

    study: dict
    predictions: pd.DataFrame
    filters: pd.DataFrame
    smoothness: pd.DataFrame
    units: pd.DataFrame
    complexity: pd.DataFrame
    ablation: pd.DataFrame
    concepts: pd.DataFrame

    @property
    def count(self) -> int:
        """Bootstrap resamples."""
        return self.study["statistics"]["resamples"]

    def of(self, table: str, model: str) -> pd.DataFrame:
        """The rows of one model."""
        rows = getattr(self, table)
        return rows[rows["model"] == model] if len(rows) else rows


def of_pair(evidence: Evidence, table: str, pair: dict) -> list[pd.DataFrame]:
    return [evidence.of(table, pair[role]) for role in ("standard", "robust")]


@dataclass(frozen=True)
class Row:
    """One row of the table of claims, without the claim and the architecture.

    ``leaning``: what the verdict rests on, positive or negative; a test bears a verdict out only where its effect has the same sign.
    """

    statistic: str
    standard: float
    robust: float
    difference: float
    low: float
    high: float
    n: str
    verdict: str
    test: Test
    leaning: float

    def values(self) -> tuple:
        """The cells up to ``verdict``."""
        return self.statistic, self.standard, self.robust, self.difference, self.low, self.high, self.n, self.verdict

    def survives(self, p_holm: float, alpha: float) -> bool | None:
        """Whether a verdict that was reached holds with the corrected p value; None where there is none."""
        if self.verdict not in ("supported", "contradicted"):
            return None
        return bool(p_holm < alpha and np.sign(self.test.effect) == np.sign(self.leaning))


def compared(
    statistic: str, standard, robust, n, expected: int, evidence: Evidence, *key, test: Test, margin: float = 0.0, strata=(None, None)
) -> Row:
    """One row of the table, of two statistics of resampling weights (see :func:`robustlens.statistics.compare`).

    A bootstrap of a handful of items knows no spread: below ``statistics.fewest`` images, units or filters nothing is decided.
    """
    fewest = evidence.study["statistics"]["fewest"]
    value_s, value_r, difference, low, high = compare(standard, robust, n, evidence.count, statistic, *key, strata=strata)
    shown = str(n) if isinstance(n, int) else f"{n[0]}+{n[1]}"
    answer = verdict(low, high, expected, margin)
    few = min(n if isinstance(n, tuple) else (n,)) < fewest
    answer = "undecided" if few and answer != "not measured" else answer
    return Row(statistic, value_s, value_r, difference, low, high, shown, answer, test, difference + expected * margin)
