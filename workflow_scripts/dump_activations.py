"""Activations of one model's layers on one shard of an image set, into HDF5."""

from contextlib import ExitStack

import torch

from robustlens.images import read_shard
from robustlens.inference import image_blocks, recorded
from robustlens.models.registry import load_model
from robustlens.store import ActivationWriter


def main(
    weights: str,
    card: str,
    shard: str,
    activations: str,
    *,
    image_set: str,
    layers: list[str],
    n_images: int | None,
    compression: str,
    device: str,
    batch_size: int,
):
    """``n_images``: how many images of the shard to dump, None for all of them."""
    model, images = load_model(weights, card, device, layers), read_shard(shard)
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
        for rows, block, n in image_blocks(images, batch_size, next(model.parameters()).device):
            if rows.start >= n_images:
                break
            model(block)
            if writer is None:
                shapes = {name: tuple(maps.shape[1:]) for name, maps in outputs.items()}
                ids = images.rows["image_id"].iloc[:n_images].tolist()
                writer = stack.enter_context(ActivationWriter(activations, ids, shapes, attributes, compression))
            for name, maps in outputs.items():
                writer.write(name, rows.start, maps[: min(n, n_images - rows.start)].float().cpu().numpy())


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
