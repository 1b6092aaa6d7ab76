"""Tables of accuracy by stimulus and of shape against texture, from all models' predictions."""

from pathlib import Path

from robustlens.report.behaviour import accuracy, accuracy_both_correct, read_predictions, shape_bias
from robustlens.report.tables import write_csv


def main(predictions: list[str], accuracy_csv: str, both_correct_csv: str, shape_bias_csv: str, *, pairs: dict, conflict: str | None):
    """``predictions``: one Parquet file a model; ``conflict``: the cue-conflict stimulus, None where there is none."""
    table = read_predictions(predictions)
    write_csv(Path(accuracy_csv), accuracy(table))
    write_csv(Path(both_correct_csv), accuracy_both_correct(table, pairs))
    write_csv(Path(shape_bias_csv), shape_bias(table, conflict))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
