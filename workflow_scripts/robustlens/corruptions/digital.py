"""Contrast, elastic transform, pixelate, JPEG compression and saturation."""

import io
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from robustlens.corruptions.draws import uniform
from robustlens.corruptions.planes import channels_first, channels_last, smooth, to_levels
from robustlens.picture_files import opened_picture

CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)  # factor about the mean of each channel
ELASTIC = ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02))  # strength, sigma, affine
ELASTIC_UNIT = 244 / 224  # of the above, in shorter sides of the picture: published for 224 px as multiples of 244
PIXELATE = (0.6, 0.5, 0.4, 0.3, 0.25)  # of the sides
JPEG = (25, 18, 15, 10, 7)  # quality
SATURATE = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))  # factor and summand of the saturation


def contrast(pixels: Tensor, severity: int) -> Tensor:
    """uint8: (x - m) * factor + m, m the mean of each channel of the image."""
    factor = CONTRAST[severity - 1]
    n_images, height, width, _ = pixels.shape
    values = pixels.float().view(n_images, height, width * 3)
    sums = values.sum(dim=1).view(n_images, width, 3).double().sum(dim=1)  # exact: sums of columns are whole numbers below 2^24
    kept = sums.mul_((1 - factor) / (height * width)).float().repeat(1, width)
    return to_levels(values.mul_(factor).add_(kept[:, None])).view(pixels.shape)


def saturate(pixels: Tensor, severity: int) -> Tensor:
    """uint8: the saturation of hue, saturation and value multiplied and raised; grey, whose hue is 0, is raised towards red."""
    factor, summand = SATURATE[severity - 1]
    values = channels_first(pixels)
    value, least = values.amax(dim=1, keepdim=True), values.amin(dim=1, keepdim=True)
    spread = value - least
    saturation = (spread / value.clamp(min=1)).mul_(factor).add_(summand).clamp_(0, 1)
    changed = value - (value - values) * (value * saturation / spread.clamp(min=1))
    if summand:
        red_of_grey = torch.cat([value, value * (1 - saturation), value * (1 - saturation)], dim=1)
        changed = torch.where(spread > 0, changed, red_of_grey)
    return channels_last(changed)


# ------------------------------------------------------------------------------------------------------------------- elastic
def prepare_elastic_transform(random: np.random.Generator, pixels: np.ndarray, severity: int) -> dict[str, np.ndarray]:
    """``corners``: float32 ``[3, 2]``, ``field``: float32 ``[2, height, width]`` (right, down); uniform on [-1, 1]."""
    return {"corners": uniform(random, (3, 2)), "field": uniform(random, (2, *pixels.shape[:2]))}


def elastic_transform(pixels: Tensor, severity: int, *, corners: Tensor, field: Tensor) -> Tensor:
    """uint8: an affine map that moves three points by ``corners``, then a smooth displacement made of ``field``, both linear in between.

    ``corners``: ``[n_images, 3, 2]``, ``field``: ``[n_images, 2, height, width]``. The picture is mirrored, about its outermost px by the
    first and about its border by the second (Simard et al. 2003, as published with ImageNet-C).
    """
    n_images, height, width, _ = pixels.shape
    strength, sigma, affine = (share * ELASTIC_UNIT * min(height, width) for share in ELASTIC[severity - 1])
    maps = torch.from_numpy(affine_maps(corners.cpu().numpy() * affine, height, width).astype(np.float32)).to(pixels.device)
    grid = F.affine_grid(maps, [n_images, 3, height, width], align_corners=True)
    values = F.grid_sample(channels_first(pixels), grid, padding_mode="reflection", align_corners=True)
    planes = field.flatten(0, 1).permute(1, 0, 2).contiguous()
    right, down = smooth(planes, sigma, mode="reflect", truncate=3.0).view(height, n_images, 2, width).permute(2, 1, 0, 3)
    moved = _places(height, width, pixels.device) + torch.stack([right * (2 * strength / width), down * (2 * strength / height)], dim=3)
    values = F.grid_sample(values, moved, padding_mode="reflection", align_corners=False)
    return channels_last(values)


@cache
def _places(height: int, width: int, device: torch.device) -> Tensor:
    """float32 ``[1, height, width, 2]``: (x, y) of every px, -1 and 1 the borders of the picture."""
    return F.affine_grid(torch.eye(2, 3, device=device)[None], [1, 3, height, width], align_corners=False)


def affine_maps(moves: np.ndarray, height: int, width: int) -> np.ndarray:
    """float64 ``[n_images, 2, 3]``: where in the source each (x, y, 1) of the result lies, for three points that are moved by ``moves``.

    ``moves``: px, ``[n_images, 3, 2]``, (right, down); the maps are between places in [-1, 1], -1 and 1 the outermost px.
    """
    centre, reach = np.array([width // 2, height // 2]), min(height, width) // 3
    points = centre + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    to_places = np.array([2 / (width - 1), 2 / (height - 1)])
    moved = np.concatenate([(points + moves.astype(float)) * to_places - 1, np.ones((len(moves), 3, 1))], axis=2)
    return np.linalg.solve(moved, np.broadcast_to(points * to_places - 1, moves.shape)).transpose(0, 2, 1)


# ------------------------------------------------------------------------------------------------------- pixelate, JPEG: on the CPU
def pixelate(pixels: Tensor, severity: int) -> Tensor:
    """uint8: shrunk to the mean of boxes, and enlarged again by repeating px."""
    _, height, width, _ = pixels.shape
    size = (int(width * PIXELATE[severity - 1]), int(height * PIXELATE[severity - 1]))

    def change(picture: Image.Image) -> Image.Image:
        return picture.resize(size, Image.Resampling.BOX).resize((width, height), Image.Resampling.NEAREST)

    return _one_by_one(pixels, change)


def jpeg_compression(pixels: Tensor, severity: int) -> Tensor:
    """uint8: compressed as JPEG and read again."""

    def change(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=JPEG[severity - 1])
        with opened_picture(buffer.getvalue(), "an image compressed as JPEG") as compressed:
            return compressed.convert("RGB")

    return _one_by_one(pixels, change)


def _one_by_one(pixels: Tensor, change) -> Tensor:
    changed = [np.asarray(change(Image.fromarray(picture))) for picture in pixels.cpu().numpy()]
    return torch.from_numpy(np.stack(changed)).to(pixels.device)
