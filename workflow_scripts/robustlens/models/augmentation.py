"""Changes of training images that keep their labels, those of the robustness package among them (MadryLab/robustness).

``random-resized-crop``, ``pad-crop``, ``color-jitter`` and ``lighting`` are drawn for each picture while it is read, ``permute-channels``,
``invert`` and ``flip`` for a batch. The generators are handed in.
"""

from math import exp, log, sqrt

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from robustlens.images import RESAMPLING, Shard

OF_PICTURES = ("random-resized-crop", "pad-crop", "color-jitter", "lighting")
AREA, RATIO, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10  # of a random resized crop, as in torchvision
PAD = 4  # px
JITTER = 0.1
LIGHTING = 0.05  # standard deviation of each principal component's weight
# Principal components of ImageNet's colours (Krizhevsky et al. 2012), one a column, and how far each reaches; numbers of fb.resnet.torch.
COMPONENTS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])  # rows: R, G, B
SPREADS = np.array([0.2175, 0.0188, 0.0045])


def augment_picture(picture: Image.Image, augmentation: list[str], side: int, resampling: int, random: np.random.Generator) -> Image.Image:
    """The picture (RGB) after those of :data:`OF_PICTURES` that move or recolour it; ``side``: of a random resized crop, px."""
    from torchvision.transforms.v2 import functional as F  # slow to import

    if "random-resized-crop" in augmentation:
        left, top, width, height = random_crop(*picture.size, random)
        picture = F.resized_crop(picture, top, left, height, width, [side, side], resampling)
    if "pad-crop" in augmentation:
        left, top = (int(shift) for shift in random.integers(0, 2 * PAD + 1, 2))
        picture = F.crop(F.pad(picture, [PAD]), top, left, picture.height, picture.width)
    if "color-jitter" in augmentation:
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation)
        factors = random.uniform(1 - JITTER, 1 + JITTER, len(changes))
        for number in random.permutation(len(changes)):
            picture = changes[number](picture, float(factors[number]))
    return picture


def random_crop(width: int, height: int, random: np.random.Generator) -> tuple[int, int, int, int]:
    """(left, top, width, height) in px of a part of a picture: its area uniform, its ratio of sides log-uniform, its place uniform.

    The rule of torchvision's ``RandomResizedCrop``: ten tries, then the central part that is as large as the ratios allow.
    """
    for _ in range(TRIES):
        area = width * height * random.uniform(*AREA)
        ratio = exp(random.uniform(log(RATIO[0]), log(RATIO[1])))
        across, down = round(sqrt(area * ratio)), round(sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            return int(random.integers(width - across + 1)), int(random.integers(height - down + 1)), across, down
    across, down = min(width, round(height * RATIO[1])), min(height, round(width / RATIO[0]))
    return (width - across) // 2, (height - down) // 2, across, down


def lighting(random: np.random.Generator) -> np.ndarray:
    """float32 [3]: what is added to R, G and B of a picture on [0, 1], along the principal components of ImageNet's colours."""
    return (COMPONENTS @ (SPREADS * random.normal(0, LIGHTING, 3))).astype(np.float32)


def read_augmented(shard: Shard, row: int, stored: np.ndarray | None, augmentation: list[str], random: np.random.Generator) -> np.ndarray:
    """uint8 [height, width, 3]: one picture of a shard after :func:`augment_picture`; ``stored``: its pixels where they are at hand.

    A random resized crop is cut from the picture as it is stored, and gets the size of the source's crop (without one, of the picture).
    """
    if "random-resized-crop" in augmentation:
        picture = shard.original(row)
        geometry = shard.geometry or {"crop": min(picture.size)}
        how = geometry["crop"], RESAMPLING[geometry.get("interpolation", "bilinear")]
    else:
        picture = Image.fromarray(shard.pixels(row, row + 1)[0] if stored is None else stored)
        how = picture.height, RESAMPLING["bilinear"]
    return np.asarray(augment_picture(picture, augmentation, *how, random))


def augment(pixels: Tensor, augmentation: list[str], random: np.random.Generator, n_images: int, part: slice) -> Tensor:
    """The images ``part`` of a batch of ``n_images``, [n, 3, height, width] on [0, 1], after those that are drawn for a batch.

    ``permute-channels``: one random order of R, G, B a batch; ``invert``: each image becomes 1 - image with probability 1/2;
    ``flip``: each image is mirrored left to right with probability 1/2.
    """
    if "permute-channels" in augmentation:
        pixels = pixels[:, random.permutation(3).tolist()]
    for name, change in (("invert", lambda x: 1 - x), ("flip", lambda x: x.flip(3))):
        if name in augmentation:
            coin = torch.from_numpy(random.random(n_images)[part] < 0.5).to(pixels.device).view(-1, 1, 1, 1)
            pixels = torch.where(coin, change(pixels), pixels)
    return pixels
