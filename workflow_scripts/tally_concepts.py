"""Second pass of a dissection without stored activations: labels under the masks of units, on one shard (rule tally_concepts)."""

import pandas as pd
import torch

from robustlens.concepts import open_labels
from robustlens.counts import Accumulators, write_counts
from robustlens.images import read_shard
from robustlens.neurons.device_counts import DeviceTally
from robustlens.neurons.dissection import ConceptIndex, TallyAccumulator
from robustlens.streaming import as_array, describe_input, open_model, streamed


def main(
    weights: str,
    card: str,
    shard: str,
    thresholds: str,
    labels: str,
    concepts: str,
    counts: str,
    *,
    image_set: str,
    scaling: str,
    denominator: str,
    device: str,
    batch_size: int,
) -> None:
    """Write ``counts``; the layers are those of ``thresholds``; ``scaling``: as in ``dump_activations.py``."""
    model, images = open_model(weights, card, device, scaling), read_shard(shard)
    units = {layer: rows["threshold"].to_numpy() for layer, rows in pd.read_parquet(thresholds).groupby("layer", sort=False)}
    model.layers = list(units)
    kind = TallyAccumulator if model.device == torch.device("cpu") else DeviceTally
    ids = images.rows["image_id"].tolist()
    with open_labels(labels, concepts) as labelled:
        index, size = ConceptIndex(labelled.concepts), (labelled.height, labelled.width)
        tallies = {layer: kind(values, index, *size, denominator) for layer, values in units.items()}
        for rows, (block,) in streamed(model, [images], len(images), batch_size):
            found = [index.labels(i, labelled.planes(i), labelled.image_labels(i)) for i in ids[rows]]
            for layer, maps in block.items():
                tallies[layer].add(as_array(maps), found)
    accumulators: dict[str, Accumulators] = {layer: {"tally": tally} for layer, tally in tallies.items()}
    write_counts(counts, accumulators, ids, describe_input(model.card, image_set, scaling))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
