"""Pictures as planes of float32 ``[height, n_planes, width]`` in grey levels, and linear maps along their rows and columns.

In this layout a map along either side of all planes is one product of matrices.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

NUDGE = 1e-3  # grey levels, added before fractions are cut off: rounding errors of float32 must not cost a whole level
BLOCK = 32  # rows of a banded matrix that are multiplied together on a CPU


def to_levels(values: Tensor) -> Tensor:
    """uint8, shape of the float ``values`` in grey levels (which are overwritten): clipped to [0, 255], fractions cut off."""
    return values.add_(NUDGE).clamp_(0, 255).to(torch.uint8)


def to_planes(pixels: Tensor) -> Tensor:
    """float32 ``[height, n_images * 3, width]`` from uint8 ``[n_images, height, width, 3]``."""
    n_images, height, width, _ = pixels.shape
    return pixels.permute(1, 0, 3, 2).float().contiguous().view(height, n_images * 3, width)


def from_planes(planes: Tensor) -> Tensor:
    """uint8 ``[n_images, height, width, 3]`` from planes, which are overwritten; clipped, fractions cut off."""
    height, _, width = planes.shape
    return to_levels(planes).view(height, -1, 3, width).permute(1, 0, 3, 2).contiguous()


def channels_first(pixels: Tensor) -> Tensor:
    """float32 ``[n_images, 3, height, width]`` from uint8 ``[n_images, height, width, 3]``."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)


def channels_last(values: Tensor) -> Tensor:
    """uint8 ``[n_images, height, width, 3]`` from float32 ``[n_images, 3, height, width]``, overwritten; clipped, fractions cut off."""
    return to_levels(values).permute(0, 2, 3, 1).contiguous()


@dataclass(frozen=True)
class LinearMap:
    """A matrix in blocks of rows, each cut to the columns in which it is not zero."""

    size: int  # rows of the matrix
    blocks: tuple[tuple[slice, slice, Tensor], ...]  # (rows, columns, float32 [rows, columns])

    def down(self, planes: Tensor) -> Tensor:
        """The matrix times every column of the planes: float32 ``[size, n_planes, width]``."""
        height, n_planes, width = planes.shape
        flat = planes.reshape(height, n_planes * width)
        out = flat.new_empty(self.size, n_planes * width)
        for rows, columns, block in self.blocks:
            torch.mm(block, flat[columns], out=out[rows])
        return out.view(self.size, n_planes, width)

    def across(self, planes: Tensor, onto: Tensor | None = None) -> Tensor:
        """The matrix times every row of the planes: float32 ``[height, n_planes, size]``; added to ``onto``, if given."""
        height, n_planes, width = planes.shape
        flat = planes.reshape(height * n_planes, width)
        out = flat.new_zeros(len(flat), self.size) if onto is None else onto.view(len(flat), self.size)
        for rows, columns, block in self.blocks:
            out[:, rows].addmm_(flat[:, columns], block.T)
        return out.view(height, n_planes, self.size)


def linear_map(matrix: np.ndarray, device: torch.device) -> LinearMap:
    """``matrix``, float [n_out, n_in], on ``device``: in blocks on a CPU, whole on a GPU."""
    step = BLOCK if device.type == "cpu" else len(matrix)
    blocks = []
    for first in range(0, len(matrix), step):
        rows = matrix[first : first + step]
        used = np.flatnonzero(rows.any(axis=0))
        columns = slice(int(used[0]), int(used[-1]) + 1)
        block = torch.from_numpy(np.ascontiguousarray(rows[:, columns], np.float32)).to(device)
        blocks.append((slice(first, first + len(rows)), columns, block))
    return LinearMap(len(matrix), tuple(blocks))


@cache
def gaussian(size: int, sigma: float, mode: str, truncate: float, device: torch.device) -> LinearMap:
    """Smoothing of ``size`` px by a Gaussian of ``sigma`` px, cut at ``truncate`` sigma; ``mode``: SciPy's name for what lies outside."""
    from scipy.ndimage import gaussian_filter1d  # slow to import

    return linear_map(gaussian_filter1d(np.eye(size), sigma, axis=0, mode=mode, truncate=truncate), device)


def smooth(planes: Tensor, sigma: float, mode: str = "nearest", truncate: float = 4.0) -> Tensor:
    """The planes, float32 ``[height, n_planes, width]``, smoothed by a Gaussian of ``sigma`` px both ways."""
    height, _, width = planes.shape
    down = gaussian(height, sigma, mode, truncate, planes.device)
    across = gaussian(width, sigma, mode, truncate, planes.device)
    return across.across(down.down(planes))


def zoom_window(size: int, factor: float) -> tuple[int, int]:
    """``(first, length)`` of the central px of ``size`` that fill it when they are zoomed by ``factor``."""
    length = int(np.ceil(size / factor))
    return (size - length) // 2, length


@cache
def zoom(size: int, factor: float, device: torch.device, window: bool = False) -> LinearMap:
    """Zoom of the central part of ``size`` px by ``factor``, linear between px whose outermost centres stay outermost.

    From all px to all, or, if ``window``, from those of :func:`zoom_window`.
    """
    first, length = zoom_window(size, factor)
    zoomed = round(length * factor)
    at = ((zoomed - size) // 2 + np.arange(size)) * ((length - 1) / max(zoomed - 1, 1))
    low = np.minimum(at.astype(int), max(length - 2, 0))
    matrix = np.zeros((size, length + 1))
    matrix[np.arange(size), low] = 1 - (at - low)
    matrix[np.arange(size), low + 1] = at - low
    matrix = matrix[:, :length]
    return linear_map(matrix if window else np.pad(matrix, [(0, 0), (first, size - first - length)]), device)
