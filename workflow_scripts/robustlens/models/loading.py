"""The images that a network is trained on, in batches: threads read and change the pictures of the next ones while one is in use.

Which pictures, in which order, and how each is changed, depends on the keys alone, not on how many threads there are. Of a picture that is
not in use only label, id and path are kept in memory.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from robustlens import images
from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.models.augmentation import OF_PICTURES, lighting, read_augmented

CACHE_BYTES = 2**30  # decoded images kept in memory; more are decoded at every epoch
AHEAD = 2  # batches that are read while one is in use
Draw = Callable[[int], np.random.Generator]  # the random numbers of the picture in a row


@dataclass(frozen=True)
class Batch:
    """``pixels`` uint8 [n_images, 3, height, width], ``light`` float32 [n_images, 3, 1, 1] that is added to them on [0, 1], or None;
    ``labels`` int64 [n_images]."""

    pixels: Tensor
    light: Tensor | None
    labels: Tensor

    def to(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """float32 [n_images, 3, height, width] on [0, 1] and the labels, on ``device``."""
        pixels = self.pixels.to(device).to(torch.float32) / 255
        if self.light is not None:
            pixels = (pixels + self.light.to(device)).clamp(0, 1)
        return pixels, self.labels.to(device)


class TrainingImages:
    """The labelled images of some shards in random access, by row: their number over all shards.

    ``augmentation``: names of changes, of which those of :data:`OF_PICTURES` are made here. ``labels``: the column of the shards that is
    learnt, ``label``, ``shape`` or ``texture``.
    """

    def __init__(self, shards: list[Shard], augmentation: Iterable[str] = (), labels: str = "label"):
        self.shards = [replace(shard, rows=_labelled(shard, labels)) for shard in shards]
        self.labels = np.concatenate([shard.rows["label"].to_numpy(np.int64) for shard in self.shards])
        self.offsets = np.cumsum([0, *(len(shard) for shard in shards)])
        self.augmentation = [name for name in augmentation if name in OF_PICTURES]
        fits = "random-resized-crop" not in self.augmentation and shards[0].pixels(0, 1).nbytes * len(self) <= CACHE_BYTES
        self.cache = [shard.pixels() for shard in shards] if fits else None

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def batch(self, rows: np.ndarray, draw: Draw | None = None) -> Batch:
        """The images of ``rows``, changed by the generator that ``draw`` gives for each; as they are without ``draw``."""
        return self._stack(rows, [self._read(int(row), draw) for row in rows])

    def batches(self, steps: Iterable[np.ndarray], draw: Draw | None = None) -> Iterator[Batch]:
        """The same of each of ``steps`` (rows), in order."""
        if self.cache and not self.augmentation:
            yield from (self.batch(rows) for rows in steps)
            return
        waiting: deque[tuple[np.ndarray, list[Future]]] = deque()
        pool = ThreadPoolExecutor(images.decoders)
        try:
            for rows in chain(steps, [None] * AHEAD):
                if rows is not None:
                    waiting.append((rows, [pool.submit(self._read, int(row), draw) for row in rows]))
                if waiting and (rows is None or len(waiting) > AHEAD):
                    rows, futures = waiting.popleft()
                    yield self._stack(rows, [future.result() for future in futures])
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, row: int, draw: Draw | None) -> tuple[np.ndarray, np.ndarray | None]:
        """The pixels of a picture and its light."""
        number = int(np.searchsorted(self.offsets, row, side="right")) - 1
        shard, within = self.shards[number], int(row - self.offsets[number])
        stored = self.cache[number][within] if self.cache else None
        if draw is None or not self.augmentation:
            return shard.pixels(within, within + 1)[0] if stored is None else stored, None
        random = draw(row)
        pixels = read_augmented(shard, within, stored, self.augmentation, random)
        return pixels, lighting(random) if "lighting" in self.augmentation else None

    def _stack(self, rows: np.ndarray, read: list[tuple[np.ndarray, np.ndarray | None]]) -> Batch:
        pictures, lights = zip(*read, strict=True)
        if len(sizes := {picture.shape for picture in pictures}) > 1:
            where = f"training images such as {self.shards[0].path}"
            raise InputError(where, "pictures of one size", f"sizes {sorted(size[:2] for size in sizes)}", "give the source a `geometry`")
        pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        light = None if lights[0] is None else torch.from_numpy(np.stack(lights)).view(-1, 3, 1, 1)
        return Batch(pixels, light, torch.from_numpy(self.labels[rows]))


def _labelled(shard: Shard, labels: str) -> pd.DataFrame:
    """``image_id``, ``label`` and ``sha256`` of the images, the label taken from the column ``labels``. Raises InputError without one."""
    if labels not in shard.rows:
        raise InputError(f"training images {shard.path}", f"a column {labels!r} to learn", f"columns {', '.join(shard.rows.columns)}")
    return shard.rows.assign(label=shard.rows[labels])[["image_id", "label", "sha256"]]
