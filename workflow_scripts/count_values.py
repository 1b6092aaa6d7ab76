"""First pass of a dissection without stored activations: how often each unit takes each value, on one shard (rule count_values)."""

import torch

from robustlens.counts import Accumulators, write_counts
from robustlens.images import read_shard
from robustlens.models.layers import studied_layers
from robustlens.neurons.device_counts import DeviceThresholds
from robustlens.neurons.dissection import ThresholdAccumulator
from robustlens.streaming import as_array, describe_input, open_model, streamed


def main(
    weights: str,
    card: str,
    shard: str,
    counts: str,
    *,
    image_set: str,
    layers: list[str] | None,
    scaling: str,
    device: str,
    batch_size: int,
) -> None:
    """Write ``counts``; ``layers``, ``scaling``: as in ``dump_activations.py``."""
    model, images = open_model(weights, card, device, scaling), read_shard(shard)
    model.layers = studied_layers(model.network, model.card, layers, images.pixels(0, 1).shape[1])
    kind = ThresholdAccumulator if model.device == torch.device("cpu") else DeviceThresholds
    found: dict[str, ThresholdAccumulator] = {}
    for _, (block,) in streamed(model, [images], len(images), batch_size):
        for layer, maps in block.items():
            found.setdefault(layer, kind(maps.shape[1])).add(as_array(maps))
    accumulators: dict[str, Accumulators] = {layer: {"values": found[layer]} for layer in found}
    write_counts(counts, accumulators, images.rows["image_id"].tolist(), describe_input(model.card, image_set, scaling))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
