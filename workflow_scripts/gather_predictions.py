"""All predictions of one model: the shards of its suites joined, every image of every stimulus there exactly once."""

from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from robustlens.errors import InputError
from robustlens.files import replacing
from robustlens.images import read_manifest, read_table
from robustlens.manifest import ImageCount


def main(shards: list[str], manifests: list[str], predictions: str, *, sources: dict):
    """``manifests``: one a source; ``sources``: stimulus name -> position of its source's manifest in that list."""
    images = [pd.Index(read_manifest(path)["image_id"]) for path in manifests]
    counts = {stimulus: ImageCount(images[number]) for stimulus, number in sources.items()}
    with replacing(predictions) as temporary:
        writer: Any = None
        for path in shards:
            table = read_table(path)
            for stimulus, rows in table.select(["stimulus", "image_id"]).to_pandas().groupby("stimulus", sort=False):
                if stimulus not in counts:
                    raise InputError(path, f"the stimuli {', '.join(sources)}", f"{stimulus} too")
                counts[stimulus].add(rows["image_id"])
            writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd")
            writer.write_table(table)
        writer.close()
        for stimulus, count in counts.items():
            count.check(f"{predictions} [{stimulus}]")


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
