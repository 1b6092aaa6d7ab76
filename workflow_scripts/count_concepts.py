"""Number of concepts that each unit of every network responds to (rule count_concepts)."""

import pandas as pd

from robustlens.images import write_parquet
from robustlens.neurons.complexity import count_concepts


def main(iou: list[str], complexity: str, *, thresholds: list[float]) -> None:
    """Write ``complexity``, the concepts with IoU at or above each of ``thresholds``, from the matrices ``iou``, one a network."""
    tables = [count_concepts(pd.read_parquet(path, columns=["model", "layer", "unit", "iou"]), thresholds) for path in iou]
    write_parquet(complexity, pd.concat(tables, ignore_index=True))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
