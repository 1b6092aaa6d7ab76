"""All predictions of one model: the shards of its suites joined, every image of every stimulus there exactly once."""

import pyarrow as pa
import pyarrow.parquet as pq

from robustlens.errors import InputError
from robustlens.images import read_manifest, write_parquet
from robustlens.manifest import check_exactly_once


def main(shards: list[str], manifests: list[str], predictions: str, *, sources: dict):
    """``manifests``: one a source; ``sources``: stimulus name -> position of its source's manifest in that list."""
    table = pa.concat_tables([pq.read_table(path) for path in shards])
    expected = [read_manifest(path)["image_id"] for path in manifests]
    names = table["stimulus"].to_numpy(zero_copy_only=False)
    ids = table["image_id"].to_numpy(zero_copy_only=False)
    if unknown := set(names) - set(sources):
        raise InputError(predictions, f"the stimuli {', '.join(sources)}", f"{min(unknown)} too")
    for stimulus, number in sources.items():
        check_exactly_once(f"{predictions} [{stimulus}]", expected[number], ids[names == stimulus])
    write_parquet(predictions, table)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
