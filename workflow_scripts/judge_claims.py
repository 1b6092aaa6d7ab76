"""The tables of claims: what this run says of each claim of the study, and whether a test bears it out."""

from pathlib import Path

from robustlens.neurons.positions import has_positions, min_positions
from robustlens.report.behaviour import read_predictions
from robustlens.report.claims import CLAIM_TESTS, COLUMNS, judge, stimuli_asked
from robustlens.report.evidence import Evidence
from robustlens.report.tables import read_parquets, read_scores, write_csv
from robustlens.report.units import UNITS, read_sets, same_units


def main(
    predictions: list[str],
    filters: list[str],
    smoothness: list[str],
    units: list[str],
    concepts: list[str],
    complexity: list[str],
    ablation: list[str],
    claims: str,
    claim_tests: str,
    *,
    study: dict,
):
    """One Parquet file a model, a concept set, or both; of ``ablation`` one a model and shard."""
    unit_table = read_sets(units, UNITS)
    unit_table = unit_table[has_positions(unit_table, min_positions(study))]
    evidence = Evidence(
        study,
        read_predictions(predictions, stimuli_asked(study)),
        read_parquets(filters),
        read_parquets(smoothness),
        unit_table,
        same_units(read_sets(complexity), unit_table),
        read_scores(ablation),
        read_sets(concepts),
    )
    judged = judge(evidence)
    write_csv(Path(claims), judged[COLUMNS])
    write_csv(Path(claim_tests), judged.loc[judged["test"] != "", CLAIM_TESTS])


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
