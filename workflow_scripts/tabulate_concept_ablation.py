"""Table of what the units that carry a concept are worth, over all pairs and shards (rule tabulate_concept_ablation)."""

from pathlib import Path

import pandas as pd

from robustlens.report.concept_ablation import concept_ablation
from robustlens.report.tables import write_csv


def main(counts: list[str], concept_ablation_csv: str) -> None:
    """Write ``concept_ablation_csv`` from the ``counts`` of ablate_concepts."""
    write_csv(Path(concept_ablation_csv), concept_ablation([pd.read_parquet(path) for path in counts]))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
