"""Forward passes over image shards, block by block, and recorded layers.

On a CPU every forward pass has the same shape (``block_size`` images, the last block filled up with zeros), because the rounding of a
convolution depends on that shape and, beside it, on the number of torch's threads, which is one: so no batch size, shard or
number of cores changes a bit. On a GPU a block is ``batch_size`` images, or as many of them as fit into its memory, and results
agree to rounding.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from robustlens.devices import out_of_memory
from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.meter import Meter
from robustlens.models.outputs import maps_of
from robustlens.models.registry import Classifier

log = logging.getLogger("robustlens")
BLOCK, LARGE_BLOCK = 50, 4  # images a forward pass on a CPU ...
LARGE = 128  # ... of pictures smaller than so many px a side, and of larger ones
Result = TypeVar("Result")


def block_size(height: int, width: int) -> int:
    """Images a forward pass on a CPU: few large ones, so that they stay in its caches and little of a last block is filled up."""
    return LARGE_BLOCK if max(height, width) >= LARGE else BLOCK


class Blocks:
    """Hands the images of shards to a function of a network, block by block, and logs how far the job is.

    Images a block: on a CPU ``block_size``, on a GPU ``batch_size``; where a block does not fit into memory it is halved, for the
    rest of the job. ``n_images``: how many there are in all.
    """

    def __init__(self, device: torch.device, batch_size: int, n_images: int):
        if batch_size < 1:
            raise InputError("resource batch_size", "at least 1 image", batch_size)
        self.device, self.batch_size = device, batch_size
        self.size = BLOCK if device.type == "cpu" else batch_size
        self._meter = Meter(n_images)

    def run(self, shard: Shard, compute: Callable[[Tensor, slice], Result], n_images: int | None = None) -> Iterator[tuple[slice, Result]]:
        """Pairs (rows, ``compute(images, rows)``), in order, that cover the first ``n_images`` (all if None) of the shard once.

        ``images``: float32 [size, 3, height, width] on [0, 1]; the first ones are those of ``rows``, what is left of the block is
        black. A call that runs out of memory is made again with fewer images, so ``compute`` must not add to anything; its
        result should lie in the memory of the machine. Raises InputError where a single image does not fit.
        """
        for batch, pixels in shard.batches(self.size * max(1, self.batch_size // self.size), n_images):
            start = 0
            while start < len(pixels):
                size = min(self.size, block_size(*pixels.shape[1:3])) if self.device.type == "cpu" else self.size
                part = pixels[start : start + size]
                rows = slice(batch.start + start, batch.start + start + len(part))
                try:
                    result = compute(self.images(part, size), rows)
                except (RuntimeError, AssertionError) as error:
                    if not out_of_memory(error):
                        _refuse_size(shard, part, error)
                        raise
                    too_large = True
                else:
                    too_large = False
                if too_large:  # here the error is gone, and with it the tensors that its trace holds
                    self._halve(f"{shard.path} [{shard.rows['image_id'].iloc[rows.start]}]", part.shape)
                    continue
                yield rows, result
                start += len(part)
                self._meter.add(len(part))
        if self._meter.done >= self._meter.total:
            log.info("batch size %d (asked for: %d)", self.size, self.batch_size)

    def images(self, pixels: np.ndarray, size: int) -> Tensor:
        """A block of ``size`` images on the device, float32 on [0, 1]: ``pixels`` [n_images, height, width, 3], and black ones."""
        block = np.zeros((size, *pixels.shape[1:]), pixels.dtype)
        block[: len(pixels)] = pixels
        images = torch.from_numpy(block).to(self.device).permute(0, 3, 1, 2).to(torch.float32)
        images = images / 255 if pixels.dtype == np.uint8 else images  # else a shard in float
        return images.contiguous(memory_format=torch.channels_last)

    def _halve(self, where: str, shape: tuple[int, ...]) -> None:
        if self.size == 1:
            fitting = f"an image that fits into the memory of {self.device} with what the network makes of it"
            raise InputError(where, fitting, f"{shape[1]} x {shape[2]} px, too large even alone", "use a device with more memory")
        log.info("out of memory with %d images a block: going on with %d", self.size, self.size // 2)
        self.size //= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _refuse_size(shard: Shard, pixels: np.ndarray, error: Exception) -> None:
    """Raise InputError where the words of an error are of sizes: images that the config did not tell when the network was tried."""
    reason = " ".join(str(error).split())[:200]
    if re.search(r"\b(shapes?|sizes?|height|width)\b", reason):
        what = f"{pixels.shape[1]} x {pixels.shape[2]} px: {reason}"
        raise InputError(shard.path, "images that the network takes", what, "give them the size of clean, or leave them out") from error


@contextmanager
def recorded(
    model: Classifier, layers: list[str], copy: Callable[[str, Tensor], Tensor] = lambda _, maps: maps.clone()
) -> Iterator[dict[str, Tensor]]:
    """Within the context every forward pass puts a copy of each layer's maps [n_images, n_units, height, width] into the yielded dict.

    ``copy``: makes it, of a layer's name and maps, whose memory the network may use again.
    Maps of other layouts are brought to that one (:mod:`robustlens.models.outputs`). Raises InputError, at the pass, for a layer that
    gives no maps and for one that does not run exactly once.
    """
    outputs: dict[str, Tensor] = {}

    def refuse(expected: str, name: str, got: str) -> NoReturn:
        raise InputError(f"models.{model.card.get('model', '?')}.layers", expected, f"{name}, {got}")

    def keep(name: str, module: nn.Module, output: object) -> None:
        maps = maps_of(output, module)
        if maps is None:
            shape = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            refuse("a layer of maps [n_images, n_units, height, width]", name, f"which gives {shape}")
        if name in outputs:
            refuse("a layer that runs once in a forward pass", name, "which runs again")
        outputs[name] = copy(name, maps.detach())

    def complete(*_) -> None:
        for name in layers:
            if name not in outputs:
                refuse("a layer that runs in a forward pass", name, "which does not")

    handles = [model.layer(name).register_forward_hook(lambda module, _, output, name=name: keep(name, module, output)) for name in layers]
    handles += [model.register_forward_pre_hook(lambda *_: outputs.clear()), model.register_forward_hook(complete)]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
