"""Adversarial images: each image of a source, moved by a white-box attack on one model."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from robustlens.images import Shard
from robustlens.inference import Blocks
from robustlens.models.attacks import pgd, random_start
from robustlens.models.registry import Classifier, check_labels
from robustlens.randomness import generator


def attack(model: Classifier, shard: Shard, spec: dict, *, seed: int, batch_size: int) -> tuple[np.ndarray, pd.DataFrame]:
    """White-box adversarial images of a shard: uint8 [n_images, height, width, 3] and the rows with their norms ``l2, linf``.

    Rounded to 8 bits, as images are stored; where ``spec`` says ``store: float`` float32 on [0, 1], as they were found. The norms
    are those of the stored images against the clean ones, pixels on [0, 1]. ``spec``: ``norm, eps, step, steps, random_start,
    use_best`` and maybe ``store``. Raises InputError for an image without a label to lead away from.
    """
    exact = spec.get("store") == "float"
    settings = {key: spec[key] for key in ("norm", "eps", "step", "steps", "use_best")}

    def move(images: Tensor, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        n = rows.stop - rows.start
        if rows.start == 0:
            with torch.inference_mode():
                check_labels(shard, model(images).shape[1], model.card["model"])
        labels = torch.zeros(len(images), dtype=torch.int64)
        labels[:n] = torch.from_numpy(shard.rows["label"].to_numpy(np.int64)[rows])
        start = _random_starts(shard.rows["image_id"].iloc[rows], images, spec, seed) if spec["random_start"] else None
        moved = pgd(model, images, labels.to(images.device), start=start, **settings)
        rounded = (moved * 255).round()
        change = ((moved if exact else rounded / 255) - images)[:n].flatten(1).cpu().double()
        pixels = (moved if exact else rounded.to(torch.uint8))[:n].permute(0, 2, 3, 1).cpu().numpy()
        return pixels, torch.stack([change.norm(dim=1), change.abs().amax(1)], 1).numpy()

    moved = [found for _, found in Blocks(model.device, batch_size, len(shard)).run(shard, move)]
    norms = pd.DataFrame(np.concatenate([sizes for _, sizes in moved]), columns=["l2", "linf"])
    return np.concatenate([pixels for pixels, _ in moved]), pd.concat([shard.rows.drop(columns="sha256"), norms], axis=1)


def _random_starts(image_ids: pd.Series, images: Tensor, spec: dict, seed: int) -> Tensor:
    """Changes of the first images, drawn by their ids, and none of the others; shape, dtype and device of ``images``."""
    starts = np.zeros(tuple(images.shape), np.float32)
    for i, image_id in enumerate(image_ids):
        starts[i] = random_start(generator(seed, "attack", image_id), tuple(images.shape[1:]), spec["norm"], spec["eps"])
    return torch.from_numpy(starts).to(images.device)
