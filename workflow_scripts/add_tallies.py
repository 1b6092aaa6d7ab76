"""Network Dissection of every layer of a network, from the tallies of all shards of a concept set (rule add_tallies)."""

import pandas as pd

from robustlens.counts import add_counts
from robustlens.images import read_manifest
from robustlens.neurons.dissection import ConceptIndex, TallyAccumulator, Thresholds
from robustlens.neurons.dissection_tables import write_dissection


def main(
    counts: list[str],
    manifest: str,
    thresholds: str,
    concepts: str,
    iou: str,
    categories: str,
    units: str,
    *,
    model: str,
    denominator: str,
) -> None:
    """Write the same tables as ``dissect.py``."""
    index, table = ConceptIndex(pd.read_parquet(concepts)), pd.read_parquet(thresholds)
    found = {
        layer: Thresholds(rows["threshold"].to_numpy(), rows["n_above"].to_numpy(), int(rows["n_cells"].iloc[0]))
        for layer, rows in table.groupby("layer", sort=False)
    }

    def start(layer: str, _: dict) -> dict[str, TallyAccumulator]:
        return {"tally": TallyAccumulator(found[layer].threshold, index, 0, 0, denominator)}

    tallies = add_counts(counts, read_manifest(manifest)["image_id"].tolist(), {"tally"}, start)
    write_dissection(iou, categories, units, model, found, {layer: accumulators["tally"] for layer, accumulators in tallies.items()})


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
