"""The training curves of all trained networks as one table."""

from pathlib import Path

from robustlens.report.tables import read_parquets, write_csv

COLUMNS = ["model", "epoch", "loss", "accuracy", "clean_accuracy", "robust_accuracy"]


def main(training: list[str], training_csv: str):
    """``training``: one Parquet file a model."""
    write_csv(Path(training_csv), read_parquets(training, COLUMNS))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
