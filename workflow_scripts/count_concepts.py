"""Number of concepts that each unit responds to (rule count_concepts)."""

import pandas as pd

from robustlens.images import write_parquet
from robustlens.neurons.complexity import count_concepts


def main(iou: str, complexity: str, *, thresholds: list[float]) -> None:
    """Write ``complexity``, the concepts with IoU at or above each of ``thresholds``, from the matrix ``iou``."""
    table = pd.read_parquet(iou, columns=["model", "layer", "unit", "iou"])
    write_parquet(complexity, count_concepts(table, thresholds))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
