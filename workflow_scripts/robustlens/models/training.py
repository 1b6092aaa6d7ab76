"""Training a network, standard or adversarial: cross-entropy, AdamW, one-cycle learning rate.

Adversarial training minimises the loss on images that PGD moved inside the ball (Madry et al., arXiv 1706.06083), nothing else.
The attack runs in training mode: it sees the batch statistics of batch normalisation, and its passes move the running ones too.
Every random number is keyed by (seed, model, epoch, step): the same config gives the same weights on the same machine.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from robustlens.devices import claim_device
from robustlens.errors import InputError
from robustlens.images import Shard, read_shard
from robustlens.meter import Meter
from robustlens.models.attacks import pgd, random_start
from robustlens.models.registry import Classifier, build_network, check_labels
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


class Training:
    """A training under way: the classifier, its optimiser, the schedule, and the curve so far; it can be put down and taken up again.

    ``recipe``: ``epochs, batch_size, learning_rate, weight_decay, augmentation`` and, for adversarial training, ``attack``
    (as for :func:`robustlens.models.attacks.pgd`, with ``ramp_epochs`` over which eps and step grow from 0). Raises InputError for
    too few steps and for a label that is not a class of the network.
    """

    def __init__(self, classifier: Classifier, images: TrainingImages, recipe: dict, *, seed: int, model: str, device: torch.device):
        self.classifier, self.images, self.recipe, self.seed, self.model, self.device = classifier, images, recipe, seed, model, device
        self.batch_size = min(recipe["batch_size"], len(images))
        self.n_steps = len(images) // self.batch_size
        self.history: list[dict] = []  # one an epoch: model, epoch, loss, accuracy on the images that were trained on
        if recipe["epochs"] * self.n_steps < FEWEST_STEPS:
            had = f"{recipe['epochs']} epochs x {self.n_steps} of {len(images)} images in batches of {self.batch_size}"
            raise InputError(f"training of {model}", f"at least {FEWEST_STEPS} steps for the learning rate to rise and fall", had)
        classifier.to(device, memory_format=torch.channels_last).eval()
        with torch.inference_mode():
            n_classes = classifier(images.batch(np.arange(1))[0].to(device)).shape[1]
        for shard in images.shards:
            check_labels(shard, n_classes, model)
        self.optimiser = torch.optim.AdamW(classifier.parameters(), recipe["learning_rate"], weight_decay=recipe["weight_decay"])
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, recipe["learning_rate"], recipe["epochs"] * self.n_steps, pct_start=0.25, div_factor=10, final_div_factor=10
        )

    def run(self, last: int) -> None:
        """Train on until ``last`` epochs are done. Raises InputError for a loss that is not finite and a batch that the GPU cannot hold."""
        self.classifier.train()
        meter = Meter((last - len(self.history)) * self.n_steps * self.batch_size)
        with torch.random.fork_rng(devices=[]):  # torch's own generator comes back as it was
            for epoch in range(len(self.history), last):
                try:
                    loss, accuracy = self._epoch(epoch, meter)
                except torch.OutOfMemoryError as error:
                    fix = "take a larger GPU, or a smaller batch, which is another training"
                    raise InputError(f"training of {self.model}", f"memory for a batch of {self.batch_size} images", error, fix) from error
                if not np.isfinite(loss):
                    raise InputError(f"training of {self.model}", "a finite loss", f"{loss} in epoch {epoch}", "lower the learning rate")
                self.history.append({"model": self.model, "epoch": epoch, "loss": loss, "accuracy": accuracy})
                log.info("epoch %d of %d: loss %.4f nat, accuracy %.3f", epoch + 1, self.recipe["epochs"], loss, accuracy)

    def _epoch(self, epoch: int, meter: Meter) -> tuple[float, float]:
        """Mean loss (nat) and accuracy of one pass over the images."""
        losses, correct = 0.0, 0
        for step, (pixels, labels) in enumerate(_batches(self.images, self.batch_size, self.seed, self.model, epoch)):
            random = generator(self.seed, "augmentation", self.model, epoch, step)
            torch.manual_seed(torch_seed(self.seed, "dropout", self.model, epoch, step))
            pixels = augment(pixels, self.recipe["augmentation"], random).to(self.device, memory_format=torch.channels_last)
            labels = labels.to(self.device)
            if "attack" in self.recipe:
                pixels = _adversarial(self.classifier, pixels, labels, self.recipe["attack"], epoch + step / self.n_steps, random)
            logits = self.classifier(pixels)
            loss = F.cross_entropy(logits, labels)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
            losses += loss.item()
            correct += int((logits.argmax(1) == labels).sum())
            meter.add(len(labels))
        return losses / self.n_steps, correct / (self.n_steps * self.batch_size)

    def save(self, path: str | Path) -> None:
        """Put the training down between two epochs: everything that :meth:`resume` needs, as safetensors."""
        optimiser = self.optimiser.state_dict()
        moments = {f"optimiser.{i}.{key}": value for i, state in optimiser["state"].items() for key, value in state.items()}
        weights = {f"network.{name}": tensor for name, tensor in self.classifier.network.state_dict().items()}
        numbers = {"groups": optimiser["param_groups"], "schedule": self.schedule.state_dict(), "history": self.history}
        tensors = {name: tensor.cpu().contiguous() for name, tensor in (weights | moments).items()}
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path, {"training": json.dumps(numbers)})

    def resume(self, path: str | Path) -> None:
        """Take up a training that :meth:`save` put down: what follows is what would have followed, bit for bit on a CPU."""
        try:
            with safe_open(path, "pt") as file:
                numbers = json.loads(file.metadata()["training"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, TypeError, KeyError) as error:
            raise InputError(path, "a training that was put down", str(error).splitlines()[0], "delete it and run again") from error
        network = {name.removeprefix("network."): tensor for name, tensor in tensors.items() if name.startswith("network.")}
        self.classifier.network.load_state_dict(network)
        state: dict[int, dict] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state.setdefault(int(number), {})[key] = tensor
        self.optimiser.load_state_dict({"state": state, "param_groups": numbers["groups"]})
        self.schedule.load_state_dict(numbers["schedule"])
        self.history = numbers["history"]


def begin_training(shards: list[str], *, model: str, spec: dict, recipe: dict, seed: int, device: str) -> Training:
    """The training of a network, before its first step; ``spec``: what the config says of the network, ``device``: ``cpu`` or ``cuda``."""
    images = TrainingImages([read_shard(path) for path in shards])
    place = (f"models.{model}", spec["architecture"], spec["arguments"], spec.get("python_path"))
    classifier = Classifier(initialise(lambda: build_network(*place), seed, model), spec["mean"], spec["std"], [], {"model": model})
    return Training(classifier, images, recipe, seed=seed, model=model, device=claim_device(device))


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
