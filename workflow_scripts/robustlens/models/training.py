"""Training a network, standard or adversarial: cross-entropy, AdamW or SGD, a learning rate that follows one cycle or falls by steps.

Adversarial training minimises the loss on images that PGD moved inside the ball (Madry et al., arXiv 1706.06083), nothing else. The
attack runs in training mode, where it sees the batch statistics of batch normalisation and its passes move the running ones too, or in
evaluation mode, as in the robustness package. Every random number is keyed by (seed, model, epoch, step or row): the same config gives the
same weights on the same machine.

Several processes train one network by torch's DistributedDataParallel (:mod:`robustlens.models.parallel`): each takes its part of every
batch, batch normalisation sees the part alone, and its running statistics are those of the first process.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from robustlens.errors import InputError
from robustlens.meter import Meter
from robustlens.models.attacks import pgd, random_start
from robustlens.models.augmentation import augment
from robustlens.models.loading import TrainingImages
from robustlens.models.optimisation import make_optimiser, make_schedule
from robustlens.models.registry import Classifier, check_labels
from robustlens.models.training_state import read_state, write_state
from robustlens.randomness import generator, torch_seed

log = logging.getLogger("robustlens")
FEWEST_STEPS = 5  # of the one-cycle schedule
CURVE = ["model", "epoch", "loss", "accuracy", "clean_accuracy", "robust_accuracy"]  # the last two on images that were held out
BLOCK = 50  # images a pass on those held out
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def initialise(network_factory, seed: int, model: str) -> nn.Module:
    """A network with the architecture's own random initialisation, keyed by (seed, model)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "initialisation", model))
        return network_factory()


class Training:
    """A training under way: the classifier, its optimiser, the schedule, and the curve so far; it can be put down and taken up again.

    ``recipe``: an entry of ``training`` in the config, where every key is described. ``rank`` of ``n_ranks`` processes that train together,
    in a process group that is there already. ``held_out``: images for the curve alone, where the recipe has ``validate``. Raises InputError
    for too few steps, a batch that the processes cannot share, float16 on a CPU, and for a label that is not a class of the network.
    """

    def __init__(
        self,
        classifier: Classifier,
        images: TrainingImages,
        recipe: dict,
        *,
        seed: int,
        model: str,
        device: torch.device,
        rank: int = 0,
        n_ranks: int = 1,
        held_out: TrainingImages | None = None,
    ):
        self.classifier, self.images, self.recipe, self.seed, self.model, self.device = classifier, images, recipe, seed, model, device
        self.rank, self.n_ranks, self.held_out = rank, n_ranks, held_out
        self.batch_size = min(recipe["batch_size"], len(images))  # of all processes
        self.part = slice(rank * self.batch_size // n_ranks, (rank + 1) * self.batch_size // n_ranks)
        self.n_steps = len(images) // self.batch_size
        self.history: list[dict] = []  # one an epoch, the columns of CURVE that there are
        self._check()
        first = images.batch(np.arange(1)).to(device)[0]
        classifier.to(device).eval()
        classifier.choose_order([(first.shape[2], first.shape[3])])
        with torch.inference_mode():
            n_classes = classifier(first).shape[1]
        for shard in [*images.shards, *(held_out.shards if held_out else [])]:
            check_labels(shard, n_classes, {"model": model, "classes": images.shards[0].classes})
        self.network: nn.Module = classifier  # what the step goes through
        if n_ranks > 1:
            numbers = [device.index] if device.type == "cuda" else None
            self.network = nn.parallel.DistributedDataParallel(classifier, numbers)
        self.optimiser = make_optimiser(recipe, classifier)
        self.schedule = make_schedule(recipe, self.optimiser, self.n_steps)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe["precision"] == "float16")

    def _check(self) -> None:
        where = f"training of {self.model}"
        if self.recipe["schedule"] == "one-cycle" and self.recipe["epochs"] * self.n_steps < FEWEST_STEPS:
            had = f"{self.recipe['epochs']} epochs x {self.n_steps} of {len(self.images)} images in batches of {self.batch_size}"
            raise InputError(where, f"at least {FEWEST_STEPS} steps for the learning rate to rise and fall", had)
        if self.batch_size % self.n_ranks:
            mend = "ask for another number of GPUs, or for another batch_size, which is another training"
            raise InputError(where, f"a batch that {self.n_ranks} processes can share evenly", f"{self.batch_size} images", mend)
        if self.recipe["precision"] == "float16" and self.device.type == "cpu":
            raise InputError(where, "float32 or bfloat16 on a CPU", "precision: float16", "take a GPU, or change the recipe")

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
                found = self._validate()
                self.history.append({"model": self.model, "epoch": epoch, "loss": loss, "accuracy": accuracy, **found})
                more = "".join(f", {name.replace('_', ' ')} on images held out {value:.3f}" for name, value in found.items())
                log.info("epoch %d of %d: loss %.4f nat, accuracy %.3f%s", epoch + 1, self.recipe["epochs"], loss, accuracy, more)

    def _epoch(self, epoch: int, meter: Meter) -> tuple[float, float]:
        """Mean loss (nat) and accuracy of one pass over the images."""
        losses, correct = 0.0, 0
        for step, batch in enumerate(self.images.batches(self._rows(epoch), self._draw(epoch))):
            self._share_buffers()
            random = generator(self.seed, "augmentation", self.model, epoch, step)
            torch.manual_seed(torch_seed(self.seed, "dropout", self.model, epoch, step, *([self.rank] if self.rank else [])))
            pixels, labels = batch.to(self.device)
            pixels = augment(pixels, self.recipe["augmentation"], random, self.batch_size, self.part)
            pixels = pixels.to(memory_format=torch.channels_last)
            if "attack" in self.recipe:
                pixels = self._attacked(pixels, labels, epoch + step / self.n_steps, random)
            logits = self._logits(self.network, pixels)
            loss = F.cross_entropy(logits, labels)
            self.optimiser.zero_grad()
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimiser)
            self.scaler.update()
            self.schedule.step()
            losses += loss.item()
            correct += int((logits.argmax(1) == labels).sum())
            meter.add(self.batch_size)
        self._share_buffers()
        loss_sum, n_correct = self._total(losses, correct)
        return loss_sum / self.n_steps / self.n_ranks, n_correct / (self.n_steps * self.batch_size)

    def _rows(self, epoch: int) -> Iterator[np.ndarray]:
        """This process's part of each batch: the order of the images is that of all processes."""
        order = generator(self.seed, "order", self.model, epoch).permutation(len(self.images))
        return (order[start : start + self.batch_size][self.part] for start in range(0, self.n_steps * self.batch_size, self.batch_size))

    def _draw(self, epoch: int):
        return lambda row: generator(self.seed, "picture", self.model, epoch, row)

    def _logits(self, network: nn.Module, pixels: Tensor) -> Tensor:
        """float32 [n_images, n_classes], computed in the precision of the recipe."""
        kind = PRECISIONS[self.recipe["precision"]]
        with torch.autocast(self.device.type, kind) if kind else nullcontext():
            return network(pixels).float()

    def _attacked(self, pixels: Tensor, labels: Tensor, epoch: float, random: np.random.Generator) -> Tensor:
        """The batch moved by the attack as strong as it is by now; its gradients stay in this process and touch no weight's."""
        attack = self.recipe["attack"]
        ramp = min(1.0, epoch / attack["ramp_epochs"]) if attack["ramp_epochs"] else 1.0
        start = _starts(attack, pixels, repeat(random, self.part.stop), self.part.start, ramp)
        self.classifier.train(attack["mode"] == "training")
        scale = self.scaler.get_scale() / len(pixels) if self.scaler.is_enabled() else 1.0  # the attack's loss is a sum, the step's a mean
        try:
            return pgd(lambda x: self._logits(self.classifier, x), pixels, labels, **_strength(attack, ramp), start=start, scale=scale)
        finally:
            self.classifier.train()

    def _validate(self) -> dict[str, float]:
        """Accuracy on the images that are held out, and under the training's attack at full strength; nothing where none are asked for.

        In float32 and evaluation mode, in blocks that the processes share out; no random number of the training is used up.
        """
        if self.held_out is None:
            return {}
        n_images = self.recipe["validate"]["n_images"]
        blocks = [np.arange(start, min(start + BLOCK, n_images)) for start in range(0, n_images, BLOCK)][self.rank :: self.n_ranks]
        clean, robust = 0, 0
        self.classifier.eval()
        for rows, batch in zip(blocks, self.held_out.batches(blocks), strict=True):
            pixels, labels = batch.to(self.device)
            pixels = pixels.to(memory_format=torch.channels_last)
            clean += self._right(pixels, labels)
            if attack := self.recipe.get("attack"):
                starts = (generator(self.seed, "validation", self.model, row) for row in rows)
                moved = pgd(self.classifier, pixels, labels, **_strength(attack), start=_starts(attack, pixels, starts))
                robust += self._right(moved, labels)
        self.classifier.train()
        n_clean, n_robust = self._total(clean, robust)
        return {"clean_accuracy": n_clean / n_images} | ({"robust_accuracy": n_robust / n_images} if "attack" in self.recipe else {})

    def _right(self, pixels: Tensor, labels: Tensor) -> int:
        with torch.no_grad():
            return int((self.classifier(pixels).argmax(1) == labels).sum())

    def _share_buffers(self) -> None:
        """Give the running statistics of the first process to all, so that an attack in evaluation mode sees the same ones everywhere."""
        if self.n_ranks > 1:
            for buffer in self.classifier.network.buffers():
                distributed.broadcast(buffer, 0)

    def _total(self, *values: float) -> list[float]:
        """The sums of numbers over all processes."""
        if self.n_ranks == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(total)
        return total.tolist()

    def save(self, path: str | Path) -> None:
        """Put the training down between two epochs: everything that :meth:`resume` needs, as safetensors."""
        numbers = {"schedule": self.schedule.state_dict(), "scaler": self.scaler.state_dict(), "history": self.history}
        write_state(path, self.classifier.network.state_dict(), self.optimiser.state_dict(), **numbers)

    def resume(self, path: str | Path) -> None:
        """Take up a training that :meth:`save` put down: what follows is what would have followed, bit for bit on a CPU."""
        weights, optimiser, numbers = read_state(path)
        self.classifier.network.load_state_dict(weights)
        self.optimiser.load_state_dict(optimiser)
        self.schedule.load_state_dict(numbers["schedule"])
        self.scaler.load_state_dict(numbers["scaler"])
        self.history = numbers["history"]


def curve(history: list[dict]) -> pd.DataFrame:
    """The learning curve as a table: one row an epoch, columns :data:`CURVE`; NaN where nothing was held out or no attack given."""
    table = pd.DataFrame(history, columns=CURVE)
    return table.astype({name: "float64" for name in CURVE[2:]})


def _strength(attack: dict, ramp: float = 1.0) -> dict:
    return {key: attack[key] for key in ("norm", "steps", "use_best")} | {key: attack[key] * ramp for key in ("eps", "step")}


def _starts(attack: dict, pixels: Tensor, randoms: Iterable[np.random.Generator], first: int = 0, ramp: float = 1.0) -> Tensor | None:
    """Random changes to begin from, drawn one after the other from ``randoms``, those before the ``first`` in vain; None without."""
    if not attack["random_start"]:
        return None
    drawn = (random_start(random, tuple(pixels.shape[1:]), attack["norm"], attack["eps"] * ramp) for random in randoms)
    return torch.from_numpy(np.stack(list(islice(drawn, first, None)))).to(pixels)
