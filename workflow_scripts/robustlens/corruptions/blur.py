"""Defocus, glass, motion, zoom and Gaussian blur. Radii and sigmas are in px, whatever the size of the picture."""

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from robustlens.corruptions.planes import NUDGE, channels_first, channels_last, from_planes, smooth, to_planes, zoom

DEFOCUS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))  # radius of the disk, sigma of its edge
GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))  # sigma, farthest move, passes
MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))  # radius, sigma
ZOOM = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))  # end and step of numpy.arange from 1
GAUSSIAN = (1, 2, 3, 4, 6)  # sigma


def no_draws(random: np.random.Generator, pixels: np.ndarray, severity: int) -> dict[str, np.ndarray]:
    """Nothing: the corruption has nothing random."""
    return {}


def gaussian_blur(pixels: Tensor, severity: int) -> Tensor:
    """uint8: smoothed by a Gaussian cut at 4 sigma, the outermost px repeated outside."""
    return from_planes(smooth(to_planes(pixels), GAUSSIAN[severity - 1]))


# ------------------------------------------------------------------------------------------------------------------- defocus
def defocus_blur(pixels: Tensor, severity: int) -> Tensor:
    """uint8: the mean over a disk with a soft edge, the picture mirrored about its outermost px; by the fast Fourier transform."""
    _, height, width, _ = pixels.shape
    spectrum, reach, (rows, columns) = _disk_spectrum(severity, height, width, pixels.device)
    padded = F.pad(channels_first(pixels), (reach, reach, reach, reach), mode="reflect")
    blurred = torch.fft.irfft2(torch.fft.rfft2(padded, s=(rows, columns)) * spectrum, s=(rows, columns))
    return channels_last(blurred[..., 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width])


@cache
def _disk_spectrum(severity: int, height: int, width: int, device: torch.device) -> tuple[Tensor, int, tuple[int, int]]:
    """The transform of the disk, complex64 ``[rows, columns // 2 + 1]``; px by which it reaches out; rows and columns transformed."""
    from scipy.fft import next_fast_len  # slow to import

    kernel = disk(*DEFOCUS[severity - 1])
    reach = len(kernel) // 2
    size = (next_fast_len(height + 2 * reach, real=True), next_fast_len(width + 2 * reach, real=True))
    spectrum = np.fft.rfft2(kernel, s=size).astype(np.complex64)
    return torch.from_numpy(spectrum).to(device), reach, size


def disk(radius: int, sigma: float) -> np.ndarray:
    """float64 ``[side, side]``, sum 1: a disk smoothed by a Gaussian of 3 x 3 px (radius to 8 px; side 17) or 5 x 5 px."""
    from scipy.ndimage import correlate1d  # slow to import

    reach, taps = (8, np.arange(-1, 2)) if radius <= 8 else (radius, np.arange(-2, 3))
    across = np.arange(-reach, reach + 1)
    kernel = (across**2 + across[:, None] ** 2 <= radius**2).astype(float)
    kernel /= kernel.sum()
    weights = np.exp(-(taps**2) / (2 * sigma**2))
    for axis in (0, 1):
        kernel = correlate1d(kernel, weights / weights.sum(), axis=axis, mode="mirror")
    return kernel


# --------------------------------------------------------------------------------------------------------------------- glass
def prepare_glass_blur(random: np.random.Generator, pixels: np.ndarray, severity: int) -> dict[str, np.ndarray]:
    """``sources``: int64 ``[height * width]``, from where each px comes."""
    height, width = pixels.shape[:2]
    _, farthest, passes = GLASS[severity - 1]
    side = np.arange(-farthest, farthest)
    moves = (side[:, None] * width + side).reshape(-1)  # every (down, right) within reach, as places further on
    shape = (passes, height - 2 * farthest, width - 2 * farthest)
    return {"sources": glass_sources(moves.take(random.integers(0, len(moves), shape, dtype=np.uint8)), height, width)}


def glass_sources(moves: np.ndarray, height: int, width: int) -> np.ndarray:
    """int64 ``[height * width]``: from where the px of each place (row by row) comes after all passes.

    ``moves``: int64 ``[passes, height - 2 d, width - 2 d]``, drawn in the order of the visits: down * width + right, each in [-d, d). A
    pass visits the places from the last to the first, but for a border, and each takes over the px that then lies at its place
    plus its move. That looks sequential, but a place takes either an old px (of a place not yet visited) or what a place visited
    before it has taken: a chain that only leads on to later places. So all chains are followed at once, each step doubling what is
    behind.
    """
    n = height * width
    reach = (height - moves.shape[1]) // 2
    visited = np.zeros((height, width), bool)
    visited[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1] = True
    places = np.flatnonzero(visited)
    total = np.arange(n)
    for drawn in moves:
        drawn = drawn.reshape(-1)[::-1]
        taken = places + drawn
        sources = np.arange(n, 2 * n)  # n and above: the px that lay there before the pass
        sources[places] = taken + n
        later = np.flatnonzero(drawn > 0)
        later = later[visited.take(taken.take(later))]
        open_ = places.take(later)
        sources[open_] = taken.take(later)
        while open_.size:
            further = sources.take(sources.take(open_))
            sources[open_] = further
            open_ = open_[further < n]
        total = total.take(sources - n)
    return total


def glass_blur(pixels: Tensor, severity: int, *, sources: Tensor) -> Tensor:
    """uint8: smoothed, px moved about (``sources``: int64 ``[n_images, height * width]``), smoothed again."""
    sigma = GLASS[severity - 1][0]
    planes = smooth(to_planes(pixels), sigma).add_(NUDGE).floor_()
    height, n_planes, width = planes.shape
    flat = planes.permute(1, 0, 2).reshape(len(pixels), 3, height * width)
    moved = flat.gather(2, sources[:, None].expand(-1, 3, -1)).view(n_planes, height, width)
    return from_planes(smooth(moved.permute(1, 0, 2).contiguous(), sigma))


# -------------------------------------------------------------------------------------------------------------------- motion
def prepare_motion_blur(random: np.random.Generator, pixels: np.ndarray, severity: int) -> dict[str, np.ndarray]:
    """``angle``: degrees, uniform within 45 of the horizontal."""
    return {"angle": np.array(random.uniform(-45, 45))}


def motion_blur(pixels: Tensor, severity: int, *, angle: Tensor) -> Tensor:
    """uint8: every image blurred along its ``angle`` (``[n_images]``, degrees)."""
    planes = channels_first(pixels)
    moved = torch.stack([smear(planes[i], *MOTION[severity - 1], degrees) for i, degrees in enumerate(angle.tolist())])
    return channels_last(moved)


def smear(planes: Tensor, radius: int, sigma: float, degrees: float) -> Tensor:
    """float32 ``[n_planes, height, width]``: the mean over 2 ``radius`` + 1 px behind each px in the direction ``degrees``, by half
    a Gaussian of ``sigma``; px outside are those of the border. As ImageMagick's motion blur."""
    height, width = planes.shape[1:]
    along = np.arange(2 * radius + 1)
    weights = np.exp(-(along**2) / (2 * sigma**2))
    weights /= weights.sum()
    down = np.ceil(along * np.sin(np.deg2rad(degrees)) - 0.5).astype(int)
    right = np.ceil(along * np.cos(np.deg2rad(degrees)) - 0.5).astype(int)
    top, bottom, left, end = max(-down.min(), 0), max(down.max(), 0), max(-right.min(), 0), max(right.max(), 0)
    padded = F.pad(planes[None], (int(left), int(end), int(top), int(bottom)), mode="replicate")[0]
    blurred = torch.zeros_like(planes)
    for weight, y, x in zip(weights.tolist(), (down + top).tolist(), (right + left).tolist(), strict=True):
        blurred.add_(padded[:, y : y + height, x : x + width], alpha=weight)
    return blurred


# ---------------------------------------------------------------------------------------------------------------------- zoom
def zoom_blur(pixels: Tensor, severity: int) -> Tensor:
    """uint8: the mean of the picture and of its centre zoomed by 1, 1 + step, ... (so the picture counts twice)."""
    end, step = ZOOM[severity - 1]
    factors = np.arange(1, end, step).tolist()
    planes = to_planes(pixels)
    height, _, width = planes.shape
    total = planes * 2
    for factor in factors[1:]:
        zoom(width, factor, planes.device).across(zoom(height, factor, planes.device).down(planes), onto=total)
    return from_planes(total.mul_(1 / (len(factors) + 1)))
