"""The two passes of the dissection on maps that lie on a GPU, count for count those of :mod:`robustlens.neurons.dissection`.

Masks are the same float32 arithmetic; intersections are products of masks and label counts, exact in float32 below 2**24 pixels an image.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from robustlens.neurons.dissection import N_KEYS, ImageLabels, TallyAccumulator, ThresholdAccumulator, neighbours, order_keys

BYTES = 256_000_000  # of the largest tensor that is made at once


class DeviceThresholds(ThresholdAccumulator):
    """Counts tensors; the histograms lie in the memory of the machine."""

    def add(self, maps: Tensor) -> None:  # type: ignore[override]  # tensors, where the other counts arrays: `as_array`
        """Count float16 ``maps`` [n_images, n_units, height, width]."""
        self._count_cells(maps[:, 0].numel())
        keys = _keys(maps.device)
        step = max(1, BYTES // (8 * max(N_KEYS, maps[:, 0].numel())))
        for first in range(0, maps.shape[1], step):
            bits = maps[:, first : first + step].contiguous().view(torch.int16).long() & 0xFFFF
            n_units = bits.shape[1]
            unit = torch.arange(n_units, device=maps.device).view(1, -1, 1, 1)
            counts = torch.bincount((unit * N_KEYS + keys[bits]).flatten(), minlength=n_units * N_KEYS)
            self._counts[first : first + step] += counts.view(n_units, N_KEYS).cpu().numpy().astype(np.uint32)


class DeviceTally(TallyAccumulator):
    """Counts tensors; the sums lie in the memory of the machine."""

    def add(self, maps: Tensor, labels: list[ImageLabels]) -> None:  # type: ignore[override]  # as above
        """Count float16 ``maps`` [n_images, n_units, height, width] and the labels of the same images in the same order."""
        thresholds = torch.from_numpy(self.thresholds).to(maps.device)
        step = max(1, BYTES // (4 * self.size[0] * self.size[1]))  # units
        for image, label in zip(maps, labels, strict=True):
            numbers, pixels = label.by_pixel()
            weights = torch.from_numpy(pixels).to(maps.device)
            parts = []
            for first in range(0, len(image), step):
                masks = upsample(image[first : first + step], *self.size) > thresholds[first : first + step, None, None]
                masks = masks.flatten(1).float()
                parts.append(torch.cat([masks @ weights, masks.sum(1, keepdim=True)], 1))
            found = torch.cat(parts).cpu().numpy().astype(np.int64)
            counts, area = found[:, :-1], found[:, -1]
            self._intersections[:, numbers] += counts
            seen = np.zeros(self._activated.shape, bool)
            for number, column in zip(numbers, counts.T, strict=True):
                seen[:, self.index.category[number]] |= column > 0
            self._count_whole(label, area, seen)


def upsample(maps: Tensor, height: int, width: int) -> Tensor:
    """:func:`robustlens.neurons.dissection.upsample` of a tensor [n, h, w]: float32 [n, height, width] on its device."""
    maps = maps.float()
    lower, upper, weight = (torch.from_numpy(each).to(maps.device) for each in neighbours(maps.shape[2], width))
    left = maps[:, :, lower]
    wide = left + weight * (maps[:, :, upper] - left)
    lower, upper, weight = (torch.from_numpy(each).to(maps.device) for each in neighbours(maps.shape[1], height))
    top = wide[:, lower]
    return top + weight[:, None] * (wide[:, upper] - top)


@lru_cache
def _keys(device: torch.device) -> Tensor:
    return torch.from_numpy(order_keys(np.arange(N_KEYS, dtype=np.uint16)).astype(np.int64)).to(device)
