"""Training a network, standard or adversarial: cross-entropy, AdamW, one-cycle learning rate.

Adversarial training minimises the loss on images that PGD moved inside the ball (Madry et al., arXiv 1706.06083), nothing else.
The attack runs in training mode: it sees the batch statistics of batch normalisation, and its passes move the running ones too.
Every random number is keyed by (seed, model, epoch, step): the same config gives the same weights on the same machine.
"""

import logging
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.models.attacks import pgd, random_start
from robustlens.models.registry import Classifier, check_labels
from robustlens.randomness import generator, torch_seed

log = logging.getLogger("robustlens")
FEWEST_STEPS = 5  # of the one-cycle schedule
CACHE_BYTES = 2**30  # decoded training images kept in memory; more are decoded at every epoch


class TrainingImages:
    """The labelled images of some shards in random access."""

    def __init__(self, shards: list[Shard]):
        self.shards = shards
        self.labels = np.concatenate([shard.rows["label"].to_numpy(np.int64) for shard in shards])
        self.offsets = np.cumsum([0, *(len(shard) for shard in shards)])
        first = shards[0].pixels(0, 1)
        self.cache = [shard.pixels() for shard in shards] if first.nbytes * len(self) <= CACHE_BYTES else None

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def batch(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Float32 [n_images, 3, height, width] on [0, 1] and int64 labels [n_images]."""
        where = np.searchsorted(self.offsets, rows, side="right") - 1
        pictures = [self._picture(int(shard), int(row - self.offsets[shard])) for shard, row in zip(where, rows, strict=True)]
        pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        return pixels.to(torch.float32) / 255, torch.from_numpy(self.labels[rows])

    def _picture(self, shard: int, row: int) -> np.ndarray:
        return self.cache[shard][row] if self.cache else self.shards[shard].pixels(row, row + 1)[0]


def initialise(network_factory, seed: int, model: str) -> nn.Module:
    """A network with the architecture's own random initialisation, keyed by (seed, model)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "initialisation", model))
        return network_factory()


@torch.random.fork_rng(devices=[])  # torch's own generator comes back as it was
def train(classifier: Classifier, images: TrainingImages, recipe: dict, *, seed: int, model: str, device: torch.device) -> pd.DataFrame:
    """Train in place; returns ``model, epoch, loss, accuracy`` on the images that were trained on.

    ``recipe``: ``epochs, batch_size, learning_rate, weight_decay, augmentation`` and, for adversarial training, ``attack``
    (as for :func:`robustlens.models.attacks.pgd`, with ``ramp_epochs`` over which eps and step grow from 0).
    """
    batch_size = min(recipe["batch_size"], len(images))
    n_steps = len(images) // batch_size
    if recipe["epochs"] * n_steps < FEWEST_STEPS:
        had = f"{recipe['epochs']} epochs x {n_steps} of {len(images)} images in batches of {batch_size}"
        raise InputError(f"training of {model}", f"at least {FEWEST_STEPS} steps for the learning rate to rise and fall", had)
    classifier.to(device, memory_format=torch.channels_last).eval()
    with torch.inference_mode():
        n_classes = classifier(images.batch(np.arange(1))[0].to(device)).shape[1]
    for shard in images.shards:
        check_labels(shard, n_classes, model)
    classifier.train()
    optimiser = torch.optim.AdamW(classifier.parameters(), recipe["learning_rate"], weight_decay=recipe["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe["learning_rate"], recipe["epochs"] * n_steps, pct_start=0.25, div_factor=10, final_div_factor=10
    )
    history = []
    for epoch in range(recipe["epochs"]):
        losses, correct = 0.0, 0
        for step, (pixels, labels) in enumerate(_batches(images, batch_size, seed, model, epoch)):
            random = generator(seed, "augmentation", model, epoch, step)
            torch.manual_seed(torch_seed(seed, "dropout", model, epoch, step))
            pixels = augment(pixels, recipe["augmentation"], random).to(device, memory_format=torch.channels_last)
            labels = labels.to(device)
            if "attack" in recipe:
                pixels = _adversarial(classifier, pixels, labels, recipe["attack"], epoch + step / n_steps, random)
            logits = classifier(pixels)
            loss = F.cross_entropy(logits, labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses += loss.item()
            correct += int((logits.argmax(1) == labels).sum())
        if not np.isfinite(losses):
            raise InputError(f"training of {model}", "a finite loss", f"{losses} in epoch {epoch}", "lower the learning rate")
        accuracy = correct / (n_steps * batch_size)
        history.append({"model": model, "epoch": epoch, "loss": losses / n_steps, "accuracy": accuracy})
        log.info("epoch %d of %d: loss %.4f nat, accuracy %.3f", epoch + 1, recipe["epochs"], losses / n_steps, accuracy)
    return pd.DataFrame(history)


def augment(pixels: Tensor, augmentation: list[str], random: np.random.Generator) -> Tensor:
    """A batch [n_images, 3, height, width] on [0, 1] after the named augmentations, which keep labels.

    ``permute-channels``: one random order of R, G, B a batch; ``invert``: each image becomes 1 - image with probability 1/2;
    ``flip``: each image is mirrored left to right with probability 1/2.
    """
    if "permute-channels" in augmentation:
        pixels = pixels[:, random.permutation(3).tolist()]
    if "invert" in augmentation:
        pixels = torch.where(_coin(random, pixels), 1 - pixels, pixels)
    if "flip" in augmentation:
        pixels = torch.where(_coin(random, pixels), pixels.flip(3), pixels)
    return pixels


def _coin(random: np.random.Generator, pixels: Tensor) -> Tensor:
    return torch.from_numpy(random.random(len(pixels)) < 0.5).view(-1, 1, 1, 1)


def _batches(images: TrainingImages, batch_size: int, seed: int, model: str, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    order = generator(seed, "order", model, epoch).permutation(len(images))
    for start in range(0, len(images) - batch_size + 1, batch_size):
        yield images.batch(order[start : start + batch_size])


def _adversarial(classifier: Classifier, pixels: Tensor, labels: Tensor, attack: dict, epoch: float, random: np.random.Generator) -> Tensor:
    ramp = min(1.0, epoch / attack["ramp_epochs"]) if attack["ramp_epochs"] else 1.0
    eps, step = attack["eps"] * ramp, attack["step"] * ramp
    start = None
    if attack["random_start"]:
        starts = [random_start(random, tuple(pixels.shape[1:]), attack["norm"], eps) for _ in range(len(pixels))]
        start = torch.from_numpy(np.stack(starts)).to(pixels)
    return pgd(classifier, pixels, labels, norm=attack["norm"], eps=eps, step=step, steps=attack["steps"], start=start)
