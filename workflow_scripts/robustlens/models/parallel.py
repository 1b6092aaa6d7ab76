"""Carrying a training on to some epoch, in this process or in several on one machine, one a GPU (torch's DistributedDataParallel).

Every process begins the same training and takes its part of each batch; the first one puts it down. When one fails, the others are ended
and its error is this process's; when this process is gone, so are they.
"""

import json
import logging
import signal
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import distributed, nn
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException, start_processes

from robustlens import images
from robustlens.devices import claim_device, claim_devices, use_device
from robustlens.errors import InputError
from robustlens.images import read_shard
from robustlens.job import limit_torch_threads, start_log
from robustlens.models.architectures import build_network
from robustlens.models.loading import TrainingImages
from robustlens.models.published import IMAGENET_MEAN, IMAGENET_STD
from robustlens.models.registry import Classifier
from robustlens.models.training import Training, initialise
from robustlens.models.trial import Sizes, try_out

log = logging.getLogger("robustlens")


@dataclass(frozen=True)
class Task:
    """A training, or a part of it, in plain values.

    ``shards``: to train on; ``held_out``: for the curve alone; ``spec``: what the config says of the network; ``before``: what the task
    before put down, if any; ``last``: how many epochs are done when this one ends; ``sizes``: of the images that the network will see,
    those that it is trained on first, on which it is tried before the training begins.
    """

    shards: list[str]
    model: str
    spec: dict
    recipe: dict
    seed: int
    last: int
    before: str = ""
    held_out: list[str] | None = None
    sizes: Sizes | None = None

    def network(self) -> nn.Module:
        """The network before the first step."""
        place = (f"models.{self.model}", self.spec["architecture"], self.spec["arguments"], self.spec.get("python_path"))
        return initialise(lambda: build_network(*place), self.seed, self.model)

    def classifier(self) -> Classifier:
        """The same, with what its pixels are normalised with."""
        return Classifier(self.network(), **self.normalisation(), layers=[], card={"model": self.model})

    def normalisation(self) -> dict[str, list[float]]:
        """Mean and standard deviation (R, G, B, pixels on [0, 1]) that the network is trained with; ImageNet's where none are given."""
        return {"mean": self.spec.get("mean") or IMAGENET_MEAN, "std": self.spec.get("std") or IMAGENET_STD}


def train(task: Task, after: str | Path, *, device: str, n_processes: int = 1) -> None:
    """Put down at ``after`` what the task leaves, a file for :func:`robustlens.models.training_state.read_state`.

    ``device``: ``cpu``, ``cuda`` or ``cuda:<number>``, with ``n_processes`` of them claimed for this job. Raises InputError, before the
    first step, for a network that :func:`robustlens.models.trial.try_out` refuses.
    """
    if task.sizes and not task.before:
        try_out(f"models.{task.model}", task.classifier(), task.sizes, None, trained=False)
    if n_processes == 1:
        _advance(task, after, claim_device(device))
        return
    devices = claim_devices(device, n_processes)
    log.info("%d processes, each with a part of every batch", n_processes)
    path = next((handler.baseFilename for handler in log.handlers if isinstance(handler, logging.FileHandler)), None)
    with TemporaryDirectory(prefix="robustlens-") as folder:
        arguments = (task, str(after), devices, folder, max(1, images.decoders // n_processes), path)
        try:
            start_processes(_work, arguments, n_processes, start_method="spawn")
        except (ProcessExitedException, ProcessRaisedException) as error:
            _raise_first(Path(folder), error)


def _advance(task: Task, after: str | Path, device: torch.device, rank: int = 0, n_ranks: int = 1) -> None:
    augmentation = task.recipe["augmentation"]
    labels = task.recipe.get("labels", "label")
    pictures = TrainingImages([read_shard(path) for path in task.shards], augmentation, labels)
    held_out = TrainingImages([read_shard(path) for path in task.held_out], labels=labels) if task.held_out else None
    classifier = task.classifier()
    common: dict[str, Any] = {"seed": task.seed, "model": task.model, "device": device, "held_out": held_out}
    under_way = Training(classifier, pictures, task.recipe, **common, rank=rank, n_ranks=n_ranks)
    if task.before:
        under_way.resume(task.before)
    under_way.run(task.last)
    if rank == 0:
        under_way.save(after)


def _work(rank: int, task: Task, after: str, devices: list[torch.device], folder: str, decoders: int, log_file: str | None) -> None:
    """What each process does; its error, if any, is left in ``folder``."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # torch has it sent when the parent is gone: it must end also those that wait for another
    try:
        if rank == 0 and log_file:
            start_log(Path(log_file), f"process 1 of {len(devices)}")
        limit_torch_threads()
        images.decoders = decoders
        use_device(devices[rank])
        place = f"file://{folder}/rendezvous"
        kind = "nccl" if devices[rank].type == "cuda" else "gloo"
        distributed.init_process_group(kind, init_method=place, rank=rank, world_size=len(devices))
        _advance(task, after, devices[rank], rank, len(devices))
        distributed.destroy_process_group()
    except Exception as error:
        said = {"time": time.monotonic(), "input": isinstance(error, InputError), "error": str(error), "trace": traceback.format_exc()}
        Path(folder, f"failure-{rank}.json").write_text(json.dumps(said))
        raise


def _raise_first(folder: Path, error: Exception) -> None:
    """Raise what went wrong first: an error of the process that began it, else how it ended."""
    left = sorted((json.loads(path.read_text()) for path in folder.glob("failure-*.json")), key=lambda said: said["time"])
    if not left or isinstance(error, ProcessExitedException):
        raise error
    first = next((said for said in left if said["input"]), left[0])
    raise (Resent(first["error"]) if first["input"] else RuntimeError(first["trace"])) from error


class Resent(InputError):
    """An InputError of another process, as it was said there."""

    def __init__(self, sentence: str):
        ValueError.__init__(self, sentence)
