"""Total variation and colour share of every convolution filter of a network (rule measure_filters)."""

import pandas as pd

from robustlens.images import write_parquet
from robustlens.models.filters import read_filters
from robustlens.neurons.total_variation import filter_statistics


def main(weights: str, card: str, filters: str, *, model: str, initial: str | None = None) -> None:
    """Write ``filters`` of the convolutions of ``card``, from the state dicts ``weights`` and ``initial`` (before training, if known)."""
    frames = []
    for state, path in {"trained": weights, "initial": initial}.items():
        if path:  # Snakemake gives an empty list where there is no file
            frame = filter_statistics(read_filters(path, card))
            frame.insert(2, "weights", state)
            frames.append(frame)
    table = pd.concat(frames, ignore_index=True)
    table.insert(0, "model", model)
    write_parquet(filters, table)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
