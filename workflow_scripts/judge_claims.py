"""The table of claims: what this run says of each claim of the study."""

from pathlib import Path

import pandas as pd

from robustlens.report.behaviour import read_predictions
from robustlens.report.claims import Evidence, judge
from robustlens.report.tables import write_csv
from robustlens.report.units import read_tables


def main(
    predictions: list[str],
    filters: list[str],
    smoothness: list[str],
    units: str,
    concepts: str,
    complexity: list[str],
    ablation: list[str],
    claims: str,
    *,
    study: dict,
):
    """``units`` and ``concepts`` are tables of the report (CSV), the others one Parquet file a model (or model and concept set)."""
    counts = [pd.read_parquet(path).assign(concept_set=Path(path).parent.name) for path in complexity]
    evidence = Evidence(
        study,
        read_predictions(predictions),
        read_tables(filters),
        read_tables(smoothness),
        pd.read_csv(units),
        pd.concat(counts, ignore_index=True) if counts else pd.DataFrame(),
        read_tables(ablation),
        pd.read_csv(concepts),
    )
    write_csv(Path(claims), judge(evidence))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
