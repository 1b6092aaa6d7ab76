"""Shape and texture score of every hidden unit of one model: the scores on all shards, added up."""

import pandas as pd

from robustlens.errors import InputError
from robustlens.images import write_parquet

UNIT = ["model", "layer", "unit"]


def main(shards: list[str], units: str) -> None:
    """Write ``units`` from the tables of ``shards``, which have the same units in the same order.

    Raises InputError for a shard of other units, and where no image bears two cues of different classes.
    """
    tables = [pd.read_parquet(path) for path in shards]
    for path, table in zip(shards, tables, strict=True):
        if not table[UNIT].equals(tables[0][UNIT]):
            raise InputError(path, f"the units of {shards[0]}", "others", "delete it and run again")
    scores = tables[0].copy()
    counts = scores.columns.drop(UNIT)
    scores[counts] = sum(table[counts] for table in tables)
    if not scores["n_images"].any():
        raise InputError("ablation.stimulus", "images whose shape and texture belong to different classes", "none")
    write_parquet(units, scores)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
