"""The threshold of every unit, from the values that were counted on all shards of a concept set (rule find_thresholds)."""

import numpy as np
import pandas as pd

from robustlens.counts import add_counts
from robustlens.images import read_manifest, write_parquet
from robustlens.neurons.dissection import ThresholdAccumulator


def main(counts: list[str], manifest: str, thresholds: str, *, model: str, quantile: float) -> None:
    """Write ``thresholds``: ``model, layer, unit, threshold, n_above, n_cells``."""

    def start(_: str, arrays: dict) -> dict[str, ThresholdAccumulator]:
        return {"values": ThresholdAccumulator(int(arrays["values"]["n_units"]))}

    frames = []
    for layer, accumulators in add_counts(counts, read_manifest(manifest)["image_id"].tolist(), {"values"}, start).items():
        found = accumulators["values"].result(quantile)
        units = {"model": model, "layer": layer, "unit": np.arange(len(found.threshold), dtype=np.int32)}
        frames.append(pd.DataFrame(units | found._asdict()))
    write_parquet(thresholds, pd.concat(frames, ignore_index=True))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
