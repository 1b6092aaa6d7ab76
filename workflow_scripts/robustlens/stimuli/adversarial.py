"""Adversarial images: each image of a source, moved by a white-box attack on one model."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.inference import Blocks
from robustlens.models.attacks import pgd, random_start
from robustlens.models.registry import Classifier, check_labels
from robustlens.predictions import check_finite
from robustlens.randomness import generator


def attack(model: Classifier, shard: Shard, spec: dict, *, seed: int, batch_size: int) -> tuple[np.ndarray, pd.DataFrame]:
    """White-box adversarial images of a shard: uint8 [n_images, height, width, 3] and the rows with their norms ``l2, linf``.

    Rounded to 8 bits, as images are stored; where ``spec`` says ``store: float`` float32 on [0, 1], as they were found. The norms
    are those of the stored images against the clean ones, pixels on [0, 1]. ``spec``: ``norm, eps, step, steps, random_start,
    use_best`` and maybe ``store``. Raises InputError for an image without a label to lead away from.
    """
    exact = spec.get("store") == "float"

    def move(images: Tensor, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        n = rows.stop - rows.start
        if rows.start == 0:
            _check_labels(model, shard, images)
        moved = moved_images(model, shard, images, rows, spec, seed)
        change = (moved - images)[:n].flatten(1).cpu().double()
        pixels = (moved if exact else (moved * 255).round().to(torch.uint8))[:n].permute(0, 2, 3, 1).cpu().numpy()
        return pixels, torch.stack([change.norm(dim=1), change.abs().amax(1)], 1).numpy()

    moved = [found for _, found in Blocks(model.device, batch_size, len(shard)).run(shard, move)]
    norms = pd.DataFrame(np.concatenate([sizes for _, sizes in moved]), columns=["l2", "linf"])
    return np.concatenate([pixels for pixels, _ in moved]), pd.concat([shard.rows.drop(columns="sha256"), norms], axis=1)


def describe_attack(model: Classifier, spec: dict, seed: int) -> dict:
    """What a shard of adversarial examples says of where it comes from."""
    return {"attack": spec, "model": model.card["model"], "weights_sha256": model.card["sha256"], "seed": seed}


def decide_by_epsilon(
    model: Classifier,
    shard: Shard,
    spec: dict,
    epsilons: list[float],
    *,
    seed: int,
    batch_size: int,
    n_images: int,
    found: np.ndarray | None = None,
) -> pd.DataFrame:
    """What a network decides under the attack ``spec`` at each of ``epsilons``, and without it (epsilon 0): no image is kept.

    One row an image and epsilon: ``model, eps`` (in the norm of the attack, pixels on [0, 1]), ``image_id, label, decision``, of the first
    ``n_images`` of the shard. Steps grow with epsilon: step = ``spec``'s step x eps / ``spec``'s eps. ``found``: what :func:`attack` gave
    for these images, where it was called before; it is the attack at ``spec``'s own eps. Raises InputError as ``attack`` does, and for
    logits that are not finite.
    """

    def decide(images: Tensor, rows: slice) -> np.ndarray:
        if rows.start == 0:
            _check_labels(model, shard, images)
        decisions = []
        for eps in (0.0, *epsilons):
            if eps == spec["eps"] and found is not None:
                perturbed = blocks.images(found[rows], len(images))
            else:
                scaled = {**spec, "eps": eps, "step": spec["step"] * eps / spec["eps"]}
                perturbed = moved_images(model, shard, images, rows, scaled, seed) if eps else images
            with torch.inference_mode():
                logits = model(perturbed)[: rows.stop - rows.start]
            check_finite(model, shard, rows, logits)
            decisions.append(logits.argmax(1).cpu().numpy())
        return np.stack(decisions)

    blocks = Blocks(model.device, batch_size, n_images)
    decided = np.concatenate([found_here for _, found_here in blocks.run(shard, decide, n_images)], axis=1)
    images = shard.rows[["image_id", "label"]].iloc[:n_images]
    frames = [images.assign(eps=eps, decision=decisions) for eps, decisions in zip((0.0, *epsilons), decided, strict=True)]
    table = pd.concat(frames, ignore_index=True).assign(model=model.card["model"])
    return table[["model", "eps", "image_id", "label", "decision"]].astype({"label": np.int32, "decision": np.int32})


def moved_images(model: Classifier, shard: Shard, images: Tensor, rows: slice, spec: dict, seed: int) -> Tensor:
    """The attack on a block of ``images``, float32 ``[n_images, 3, height, width]`` on [0, 1]; the first are ``rows`` of the shard.

    As many; rounded to 8 bits unless ``store: float``. Raises InputError where logits or gradients are not finite.
    """
    labels = torch.zeros(len(images), dtype=torch.int64)
    labels[: rows.stop - rows.start] = torch.from_numpy(shard.rows["label"].to_numpy(np.int64)[rows])
    start = _random_starts(shard.rows["image_id"].iloc[rows], images, spec, seed) if spec["random_start"] else None
    settings = {key: spec[key] for key in ("norm", "eps", "step", "steps", "use_best")}
    finite = torch.ones(len(images), dtype=torch.bool, device=images.device)

    def logits(points: Tensor) -> Tensor:
        found = model(points)
        finite.logical_and_(found.detach().isfinite().all(1))
        return found

    moved = pgd(logits, images, labels.to(images.device), start=start, **settings)
    finite.logical_and_(moved.isfinite().flatten(1).all(1))  # a gradient that is not finite ends in the image, or in the next logits
    lost = (~finite[: rows.stop - rows.start]).nonzero()
    if len(lost):
        image = shard.rows["image_id"].iloc[rows.start + int(lost[0])]
        raise InputError(f"model {model.card['model']}", "finite logits and gradients under attack", f"NaN or inf for image {image}")
    return moved if spec.get("store") == "float" else (moved * 255).round() / 255


def _check_labels(model: Classifier, shard: Shard, images: Tensor) -> None:
    with torch.inference_mode():
        check_labels(shard, model(images).shape[1], model.card)


def _random_starts(image_ids: pd.Series, images: Tensor, spec: dict, seed: int) -> Tensor:
    """Changes of the first images, drawn by their ids, and none of the others; shape, dtype and device of ``images``."""
    starts = np.zeros(tuple(images.shape), np.float32)
    for i, image_id in enumerate(image_ids):
        starts[i] = random_start(generator(seed, "attack", image_id), tuple(images.shape[1:]), spec["norm"], spec["eps"])
    return torch.from_numpy(starts).to(images.device)
