"""Activations of one model's layers on one shard of an image set, into HDF5."""

from contextlib import ExitStack

import numpy as np
import torch
from torch import Tensor

from robustlens.images import read_shard
from robustlens.inference import Blocks, recorded
from robustlens.models.layers import studied_layers
from robustlens.models.registry import load_model
from robustlens.store import ActivationWriter


def main(
    weights: str,
    card: str,
    shard: str,
    activations: str,
    *,
    image_set: str,
    layers: list[str] | None,
    n_images: int | None,
    compression: str,
    device: str,
    batch_size: int,
):
    """``layers``: names, None for the default ones; ``n_images``: how many images of the shard to dump, None for all of them."""
    model, images = load_model(weights, card, device), read_shard(shard)
    model.layers = studied_layers(model.network, model.card, layers, images.pixels(0, 1).shape[1])
    n_images = len(images) if n_images is None else min(n_images, len(images))
    attributes = {
        "model": model.card["model"],
        "image_set": image_set,
        "weights_sha256": model.card["sha256"],
        "preprocessing": f"{model.card['input']}, mean {model.card['mean']}, std {model.card['std']}",
    }
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        outputs = stack.enter_context(recorded(model, model.layers))
        writer = None

        def maps_of(block: Tensor, rows: slice) -> dict[str, np.ndarray]:
            model(block)
            return {name: maps[: rows.stop - rows.start].float().cpu().numpy() for name, maps in outputs.items()}

        for rows, found in Blocks(model.device, batch_size, n_images).run(images, maps_of, n_images):
            if writer is None:
                shapes = {name: maps.shape[1:] for name, maps in found.items()}
                ids = images.rows["image_id"].iloc[:n_images].tolist()
                writer = stack.enter_context(ActivationWriter(activations, ids, shapes, attributes, compression))
            for name, maps in found.items():
                writer.write(name, rows.start, maps)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
