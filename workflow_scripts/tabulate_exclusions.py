"""The pictures that no network was shown because they could not be read, of all sources in one table."""

from pathlib import Path

import pandas as pd

from robustlens.images import read_table
from robustlens.report.tables import write_csv


def main(excluded: list[str], excluded_csv: str, *, sources: list[str]) -> None:
    """``excluded``: the list of each of ``sources``."""
    found = [read_table(path).to_pandas().assign(source=name) for name, path in zip(sources, excluded, strict=True)]
    write_csv(Path(excluded_csv), pd.concat(found)[["source", "image_id", "path", "fault"]])


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
