"""Snow, frost, fog, brightness and spatter."""

import numpy as np
import torch
from torch import Tensor

from robustlens.corruptions.blur import smear
from robustlens.corruptions.draws import normal, uniform
from robustlens.corruptions.planes import channels_first, channels_last, to_levels, zoom, zoom_window

SNOW = (  # mean, deviation, zoom, least flake, radius and sigma of its motion, share of the picture's own colour
    (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
FROST = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))  # shares of the picture and of the frost
FOG = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))  # strength, decay of the roughness
BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)  # added to the value of hue, saturation, value
SPATTER = (  # mean, deviation, blur, least drop, strength or blur of the mud, whether mud
    (0.65, 0.3, 4, 0.69, 0.6, False),
    (0.65, 0.3, 3, 0.68, 0.6, False),
    (0.65, 0.3, 2, 0.68, 0.5, False),
    (0.65, 0.3, 1, 0.65, 1.5, True),
    (0.67, 0.4, 1, 0.65, 1.5, True),
)
WATER = (175, 238, 238)  # RGB
MUD = (63, 42, 20)
LUMA = (0.299, 0.587, 0.114)


# ---------------------------------------------------------------------------------------------------------------------- snow
def prepare_snow(random: np.random.Generator, pixels: np.ndarray, severity: int) -> dict[str, np.ndarray]:
    """``noise``: float32, standard normal, of the central px that are zoomed to the whole picture; ``angle``: degrees in -135 to -45."""
    shape = tuple(zoom_window(side, SNOW[severity - 1][2])[1] for side in pixels.shape[:2])
    return {"noise": normal(random, shape), "angle": np.array(random.uniform(-135, -45))}


def snow(pixels: Tensor, severity: int, *, noise: Tensor, angle: Tensor) -> Tensor:
    """uint8: paler, with flakes added: the largest values of a zoomed noise, of 8 bits, smeared along ``angle``, and once more upside
    down. ``noise``: ``[n_images, rows, columns]`` as in :func:`prepare_snow`."""
    mean, deviation, factor, least, radius, sigma, own = SNOW[severity - 1]
    n_images, height, width, _ = pixels.shape
    field = (noise * deviation + mean).transpose(0, 1).contiguous()
    field = zoom(width, factor, field.device, window=True).across(zoom(height, factor, field.device, window=True).down(field))
    flakes = to_levels(torch.where(field < least, 0, field).mul_(255)).float().transpose(0, 1)
    smeared = torch.stack([smear(flakes[i, None], radius, sigma, degrees)[0] for i, degrees in enumerate(angle.tolist())]).round_()
    values = channels_first(pixels)
    red, green, blue = values.unbind(1)
    pale = (red * (1.5 * LUMA[0])).add_(green, alpha=1.5 * LUMA[1]).add_(blue, alpha=1.5 * LUMA[2]).add_(127.5)
    values = torch.maximum(values, pale[:, None]).mul_(1 - own).add_(values, alpha=own)
    return channels_last(values.add_((smeared + smeared.flip(1, 2))[:, None]))


# --------------------------------------------------------------------------------------------------------------------- frost
def prepare_frost(
    random: np.random.Generator, pixels: np.ndarray, severity: int, *, pictures: tuple[np.ndarray, ...]
) -> dict[str, np.ndarray]:
    """``frost``: uint8 ``[height, width, 3]``, a part of one of the ``pictures`` (each larger than the image), both drawn."""
    height, width = pixels.shape[:2]
    picture = pictures[random.integers(len(pictures))]
    top, left = (int(random.integers(0, whole - part)) for whole, part in zip(picture.shape[:2], (height, width), strict=True))
    return {"frost": picture[top : top + height, left : left + width]}


def frost(pixels: Tensor, severity: int, *, frost: Tensor) -> Tensor:
    """uint8: a share of the picture plus a share of the ``frost``, uint8 ``[n_images, height, width, 3]``."""
    own, share = FROST[severity - 1]
    return to_levels(frost.float().mul_(share).add_(pixels, alpha=own))


# ----------------------------------------------------------------------------------------------------------------------- fog
def prepare_fog(random: np.random.Generator, pixels: np.ndarray, severity: int) -> dict[str, np.ndarray]:
    """``haze``: float32 ``[height, width]`` on [0, 1], the top left of a square whose side is the next power of 2."""
    height, width = pixels.shape[:2]
    side = 1 << (max(height, width) - 1).bit_length()
    return {"haze": plasma(uniform(random, (side * side - 1,)), side, FOG[severity - 1][1])[:height, :width]}


def plasma(draws: np.ndarray, side: int, decay: float) -> np.ndarray:
    """float ``[side, side]``, ``side`` a power of 2: a landscape by the diamond-square algorithm that joins at its borders.

    It runs from 0 to 1. ``draws``: ``[side * side - 1]``, uniform on [-1, 1], in the order in which the places are visited: at each scale
    first the centres of squares, then those of their upper, then those of their left edges. From scale to scale their weight
    falls by ``decay`` squared (the published code multiplies two numbers that both decay).
    """
    corners, weight, used = np.zeros((1, 1), draws.dtype), 1.0, 0
    while len(corners) < side:
        n = len(corners)
        rough = draws[used : used + 3 * n * n].reshape(3, n, n) * draws.dtype.type(weight)
        used, weight = used + 3 * n * n, weight / decay**2
        below, beside = _rolled(corners, 0, -1), _rolled(corners, 1, -1)
        pairs = corners + below
        centres = (pairs + _rolled(pairs, 1, -1)) / 4 + rough[0]
        finer = np.empty((2 * n, 2 * n), draws.dtype)
        finer[::2, ::2], finer[1::2, 1::2] = corners, centres
        finer[::2, 1::2] = (centres + _rolled(centres, 0, 1) + corners + beside) / 4 + rough[1]
        finer[1::2, ::2] = (centres + _rolled(centres, 1, 1) + pairs) / 4 + rough[2]
        corners = finer
    corners -= corners.min()
    return corners / corners.max()


def _rolled(array: np.ndarray, axis: int, by: int) -> np.ndarray:
    """``numpy.roll`` by one place, which takes a quarter of the time."""
    first, last = (array[:1], array[1:]) if axis == 0 else (array[:, :1], array[:, 1:])
    if by > 0:
        first, last = (array[:-1], array[-1:]) if axis == 0 else (array[:, :-1], array[:, -1:])
    return np.concatenate([last, first], axis=axis)


def fog(pixels: Tensor, severity: int, *, haze: Tensor) -> Tensor:
    """uint8: (x + strength * ``haze``) * m / (m + strength), m the largest value of the image; all on the [0, 1] scale."""
    strength = FOG[severity - 1][0]
    largest = pixels.amax(dim=(1, 2, 3), keepdim=True).float() / 255
    share = largest / (largest + strength)
    return to_levels((pixels + haze[..., None] * (255 * strength)).mul_(share))


# ---------------------------------------------------------------------------------------------------------------- brightness
def brightness(pixels: Tensor, severity: int) -> Tensor:
    """uint8: the value of hue, saturation and value (the largest channel) raised, which multiplies all channels; black turns grey."""
    added = 255 * BRIGHTNESS[severity - 1]
    values = channels_first(pixels)
    value = values.amax(dim=1, keepdim=True)
    raised = (value + added).clamp_(max=255)
    values = torch.where(value > 0, values * (raised / value.clamp(min=1)), raised)
    return channels_last(values)


# ------------------------------------------------------------------------------------------------------------------- spatter
def prepare_spatter(random: np.random.Generator, pixels: np.ndarray, severity: int) -> dict[str, np.ndarray]:
    """``cover``: float32 ``[height, width]``, how much of the water or mud lies on each px."""
    return {"cover": spatter_cover(normal(random, pixels.shape[:2]), severity)}


def spatter_cover(noise: np.ndarray, severity: int) -> np.ndarray:
    """float32 ``[height, width]``: the cover by drops; mud: on [0, 1], water: from 0 to its strength. ``noise``: standard normal."""
    from scipy.ndimage import gaussian_filter  # slow to import

    mean, deviation, sigma, least, strength, mud = SPATTER[severity - 1]
    liquid = gaussian_filter(noise * deviation + mean, sigma, mode="nearest")
    if mud:
        cover = gaussian_filter((liquid > least).astype(np.float32), strength, mode="nearest")
        return np.where(cover < 0.8, np.float32(0), cover)
    return _water((np.where(liquid < least, 0, liquid) * 255).clip(0, 255).astype(np.uint8), strength)


def _water(liquid: np.ndarray, strength: float) -> np.ndarray:
    """float32 ``[height, width]``: drops that are lit at their edges, from 0 to ``strength``."""
    import cv2  # slow to import

    distance = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    near = cv2.equalizeHist(cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8))
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    lit = cv2.blur(cv2.filter2D(near, cv2.CV_8U, emboss), (3, 3)).astype(np.float32) * liquid
    largest = lit.max()
    return lit * np.float32(strength / largest) if largest > 0 else lit  # a picture without a drop stays as it is


def spatter(pixels: Tensor, severity: int, *, cover: Tensor) -> Tensor:
    """uint8: x + water * ``cover``, or x * (1 - ``cover``) + mud * ``cover``."""
    cover = cover[..., None]
    if SPATTER[severity - 1][5]:
        return to_levels(pixels * (1 - cover) + cover * cover.new_tensor(MUD))
    return to_levels(pixels + cover * cover.new_tensor(WATER))
