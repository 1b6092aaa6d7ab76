"""Texture transfer without a network: a picture put together from patches of a painting, so that its coarse tones and outlines stay.

After Efros and Freeman (2001), who chose patches by brightness and by their overlap with what is there, one after the other. Here all
are chosen at once, from coarse to fine, and overlap in soft windows, as in the alternation of Kwatra et al. (2005). It takes one
picture at a time, on the CPU whatever the device: a choice between two patches that fit almost alike would tip with the last bit.
Tensors are float32 ``[1, channels, height, width]`` on [0, 1]. Lengths in px are those for a shorter side of ``SIDE``.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from robustlens.errors import InputError

SIDE = 224  # px
SMALLEST = 16  # px, shorter side of a picture
PATCHES = (32, 16, 16)  # px, side of the patches of each round; a multiple of POINTS at any scale
STEP = 3  # px between the patches of the painting that may be chosen
POINTS = 8  # samples along a patch's side by which patches are compared
TONE, COLOUR, PLACE = 5.0, 1.0, 1.0  # weights of tone, of agreement with the round before, and of the place in the picture
CHROMA = 0.7  # share of the main opponent colour in the tone
GRAIN_RADIUS = 1  # px, of the box filter that takes the finest texture out of the content
EDGE_RADIUS, EDGE_CONTRAST, EDGE_PASSES = 3, 0.08, 2  # px, tones: fluctuations below both are smoothed away
BLUR = 3  # px, radius of the two box filters before tones are compared
GAIN = 2.0  # most by which contrast is raised towards the painting's
DARKEST = 0.05  # tone added to both sides of the ratio by which coarse tones are set right at the end
WINDOW = 2  # power of the Hann window in which patches fade into each other
LUMINANCE = (0.299, 0.587, 0.114)


def transfer_texture(content: np.ndarray, style: np.ndarray) -> np.ndarray:
    """uint8 ``[height, width, 3]``: ``content`` in the colours and texture of ``style``, both of that dtype and shape.

    Raises InputError for pictures that differ in size or are smaller than ``SMALLEST``.
    """
    if content.shape != style.shape or min(content.shape[:2]) < SMALLEST:
        sizes = " and ".join(f"{picture.shape[0]} x {picture.shape[1]} px" for picture in (content, style))
        raise InputError("texture transfer", f"two pictures of one size, at least {SMALLEST} px a side", sizes)
    scale = min(content.shape[:2]) / SIDE
    blur = _px(BLUR, scale)
    painting = _tensor(style)
    painting_tone = _box(_box(_luminance(painting), blur), blur)
    tone = _as_light_as(painting_tone, _without_texture(_tone(_tensor(content)), scale))
    picture: Tensor | None = None
    for side in PATCHES:
        side = side // 16 * POINTS * max(1, round(16 / POINTS * scale))
        picture = _put_together(painting, painting_tone, tone, picture, side=side, step=_px(STEP, scale))
    assert picture is not None  # there are PATCHES
    picture = picture * (tone + DARKEST) / (_box(_box(_luminance(picture), blur), blur) + DARKEST)
    return (picture[0].permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _px(length: float, scale: float) -> int:
    return max(1, round(length * scale))


def _tensor(pixels: np.ndarray) -> Tensor:
    return torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255


def _luminance(picture: Tensor) -> Tensor:
    return (picture * torch.tensor(LUMINANCE).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _box(values: Tensor, radius: int) -> Tensor:
    """Mean over a square of ``2 radius + 1`` px, mirrored at the border."""
    return F.avg_pool2d(F.pad(values, (radius,) * 4, mode="reflect"), 2 * radius + 1, 1)


# ----------------------------------------------------------------------------------------------------------------------- tones
def _tone(picture: Tensor) -> Tensor:
    """Luminance, plus a share of the opponent colours along their main axis: what differs in hue alone gets another tone, too."""
    red, green, blue = picture[0].flatten(1)
    opponent = torch.stack([red - green, (red + green) / 2 - blue])
    opponent = opponent - opponent.mean(1, keepdim=True)
    (rr, ry), (_, yy) = opponent.double() @ opponent.double().T
    angle = 0.5 * torch.atan2(2 * ry, rr - yy)  # of the first principal axis
    main = torch.stack([angle.cos(), angle.sin()]).float() @ opponent
    luminance = _luminance(picture)
    if (main * (luminance.flatten() - luminance.mean())).sum() < 0:
        main = -main
    return luminance + CHROMA * main.view_as(luminance)


def _without_texture(tone: Tensor, scale: float) -> Tensor:
    """Smoothed within outlines, after a slight blur, by the guided filter of He, Sun and Tang (2010) of the picture by itself."""
    grain, radius = round(GRAIN_RADIUS * scale), _px(EDGE_RADIUS, scale)
    tone = _box(tone, grain)
    for _ in range(EDGE_PASSES):
        mean = _box(tone, radius)
        variance = _box(tone * tone, radius) - mean * mean
        kept = variance / (variance + EDGE_CONTRAST**2)
        tone = _box(kept, radius) * tone + _box(mean * (1 - kept), radius)
    return tone


def _as_light_as(painting_tone: Tensor, tone: Tensor) -> Tensor:
    """``tone`` with the mean and the deviation of ``painting_tone`` (stretched no further than ``GAIN``), cut to its range."""
    gain = min(GAIN, float(painting_tone.std() / tone.std().clamp_min(1e-6)))
    return ((tone - tone.mean()) * gain + painting_tone.mean()).clamp(painting_tone.min(), painting_tone.max())


# --------------------------------------------------------------------------------------------------------------------- patches
def _put_together(painting: Tensor, painting_tone: Tensor, tone: Tensor, picture: Tensor | None, *, side: int, step: int) -> Tensor:
    """One round: at every half of ``side`` px the patch of the painting nearest in tone, to the ``picture`` so far, and in place."""
    height, width = tone.shape[2:]
    rows, columns = _starts(height, side, side // 2), _starts(width, side, side // 2)
    its_rows, its_columns = _starts(height, side, step), _starts(width, side, step)
    place = PLACE * POINTS / max(height, width)
    wanted = [TONE * _points(tone, side, rows, columns), place * torch.cartesian_prod(rows, columns)]
    offered = [TONE * _points(painting_tone, side, its_rows, its_columns), place * torch.cartesian_prod(its_rows, its_columns)]
    if picture is not None:
        wanted.append(COLOUR * _points(picture, side, rows, columns))
        offered.append(COLOUR * _points(painting, side, its_rows, its_columns))
    theirs, its = torch.cat(wanted, 1), torch.cat(offered, 1)
    nearest = ((its * its).sum(1) - 2 * theirs @ its.T).argmin(1)

    offers = torch.cartesian_prod(its_rows, its_columns)[nearest].tolist()
    window = torch.hann_window(side + 2, periodic=False)[1:-1] ** WINDOW
    window = window[:, None] * window
    total, weight = torch.zeros(3, height, width), torch.zeros(height, width)
    for (row, column), (y, x) in zip(torch.cartesian_prod(rows, columns).tolist(), offers, strict=True):
        total[:, row : row + side, column : column + side] += window * painting[0, :, y : y + side, x : x + side]
        weight[row : row + side, column : column + side] += window
    return (total / weight)[None]


def _starts(length: int, side: int, step: int) -> Tensor:
    """First px of windows of ``side`` px, ``step`` px apart, that cover ``length`` px."""
    return torch.tensor(sorted({*range(0, length - side + 1, step), length - side}))


def _points(values: Tensor, side: int, rows: Tensor, columns: Tensor) -> Tensor:
    """The patches at all ``rows`` and ``columns``, as ``POINTS`` x ``POINTS`` means each: ``[n_patches, n_numbers]``."""
    means = F.avg_pool2d(values, side // POINTS, 1)  # of every block of a patch's grid, wherever the patch is
    inside = torch.arange(POINTS) * (side // POINTS)
    found = means[:, :, (rows[:, None] + inside).flatten()][:, :, :, (columns[:, None] + inside).flatten()]
    found = found.view(len(values), values.shape[1], len(rows), POINTS, len(columns), POINTS)
    return found.permute(0, 2, 4, 1, 3, 5).reshape(-1, values.shape[1] * POINTS * POINTS)
