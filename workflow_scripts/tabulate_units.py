"""Tables of the hidden units: total variation, dissection, concept shift, complexity, ablation, and of the concepts themselves."""

from pathlib import Path

import pandas as pd

from robustlens.report import units as tables
from robustlens.report.tables import write_csv


def main(
    filters: list[str],
    smoothness: list[str],
    units: list[str],
    complexity: list[str],
    ablation: list[str],
    concepts: list[str],
    total_variation_csv: str,
    dissection_csv: str,
    units_csv: str,
    shift_csv: str,
    complexity_csv: str,
    ablation_csv: str,
    concepts_csv: str,
    *,
    pairs: dict,
    categories: list[str],
    iou: float,
    resamples: int,
):
    """One Parquet file a model (and concept set) in, one CSV a table out; the first concept set labels the layers' tables."""
    all_units = tables.read_sets(units)
    all_units = all_units[tables.UNITS] if len(all_units) else pd.DataFrame(columns=tables.UNITS)
    first_set = all_units[all_units["concept_set"] == all_units["concept_set"].iloc[0]] if len(all_units) else all_units
    counts = tables.read_sets(complexity)
    first_counts = counts[counts["concept_set"] == counts["concept_set"].iloc[0]] if len(counts) else counts
    known = tables.read_sets(concepts)
    smooth = tables.read_tables(smoothness)
    write_csv(Path(total_variation_csv), tables.total_variation(tables.read_tables(filters), smooth, resamples))
    write_csv(Path(dissection_csv), tables.dissection(first_set, categories, iou))
    write_csv(Path(units_csv), all_units)
    write_csv(Path(shift_csv), tables.concept_shift(all_units, pairs, iou))
    write_csv(Path(complexity_csv), tables.complexity(first_counts, resamples))
    write_csv(Path(ablation_csv), tables.ablation(tables.read_tables(ablation), all_units, iou))
    columns = ["concept_set", *(name for name in known if name != "concept_set")] if len(known) else ["concept_set", "name"]
    write_csv(Path(concepts_csv), known[columns] if len(known) else pd.DataFrame(columns=columns))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
