"""Copies from a GPU to the machine's memory that run beside the next forward pass, through a ring of pinned buffers."""

from collections.abc import Callable
from queue import Queue

import numpy as np
import torch
from torch import Tensor


class HostCopy:
    """A tensor on its way to the machine's memory."""

    def __init__(self, values: Tensor, arrived: "torch.cuda.Event", release: Callable[[], None]):
        self.shape, self.release = tuple(values.shape), release
        self._values, self._arrived = values, arrived

    def __len__(self) -> int:
        return self.shape[0]

    def wait(self) -> np.ndarray:
        """The values, once they are there; they hold until ``release`` is called."""
        self._arrived.synchronize()
        return self._values.numpy()


class PinnedRing:
    """``n_buffers`` pinned buffers, each as large as the largest tensor that it has held, and a stream of their own.

    The copies wait for what was computed before them, and nothing that is computed waits for them. Who has used a copy releases it, from
    any thread; ``copy`` waits until a buffer is free.
    """

    def __init__(self, device: torch.device, n_buffers: int):
        self._stream = torch.cuda.Stream(device)
        self._free: Queue[Tensor] = Queue()
        for _ in range(n_buffers):
            self._free.put(torch.empty(0, dtype=torch.uint8))

    def copy(self, values: Tensor) -> HostCopy:
        """``values``, on their way."""
        values = values.contiguous()
        n_bytes, buffer = values.numel() * values.element_size(), self._free.get()
        if len(buffer) < n_bytes:
            buffer = torch.empty(n_bytes, dtype=torch.uint8, pin_memory=True)
        target = buffer[:n_bytes].view(values.dtype).view(values.shape)
        self._stream.wait_stream(torch.cuda.current_stream(values.device))
        with torch.cuda.stream(self._stream):
            target.copy_(values, non_blocking=True)
            values.record_stream(self._stream)  # its memory is not given to anybody before
            arrived = self._stream.record_event()
        return HostCopy(target, arrived, lambda: self._free.put(buffer))
