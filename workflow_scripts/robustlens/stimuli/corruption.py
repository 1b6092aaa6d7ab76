"""The corruptions of ImageNet-C: 15, and 4 more for validation, each at 5 severities."""

import io
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image

from robustlens.corruptions.catalogue import LEAST_SIDE, find_corruption, stack
from robustlens.corruptions.frost_pictures import frost_pictures
from robustlens.devices import claim_device
from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.randomness import generator
from robustlens.stimuli.made import Made

BLOCK = 1  # images that are computed together on a CPU: one stays in its cache, and rounding knows of no neighbours
READ = 50  # images that are read together


def make_corruption(
    shard: Shard,
    seed: int,
    device: str,
    batch_size: int,
    *,
    corruption: str,
    severity: int,
    jpeg: bool = False,
    frost: str | None = None,
) -> Iterator[Made]:
    """The pictures of ``shard``, one a row in order, with one ``corruption`` (Hendrycks and Dietterich 2019) at a ``severity`` of 1 to 5.

    ``jpeg``: as JPEG files of quality 85 with optimised tables, as the published set is stored. ``frost``: a folder with pictures of
    frost, see :func:`robustlens.corruptions.frost_pictures.frost_pictures`. Every severity draws anew, as in the published set. Raises
    InputError for a corruption or severity that does not exist, for a folder without pictures and for too small an image.
    """
    find_corruption(corruption, severity)  # what is wrong in the config is said before the first picture
    return _made(shard, seed, claim_device(device), batch_size, corruption, severity, jpeg, frost)


def _made(
    shard: Shard, seed: int, device: torch.device, batch_size: int, corruption: str, severity: int, jpeg: bool, frost: str | None
) -> Iterator[Made]:
    size = BLOCK if device.type == "cpu" else batch_size
    for rows, pixels in shard.batches(max(size, READ)):
        image_ids = shard.rows["image_id"].iloc[rows].tolist()
        for start in range(0, len(pixels), size):
            part = slice(start, start + size)
            for picture in corrupt(pixels[part], image_ids[part], corruption, severity, seed=seed, device=device, frost=frost):
                yield Made(encode_jpeg(picture) if jpeg else picture)


def corrupt(
    pixels: np.ndarray,
    image_ids: list[str],
    corruption: str,
    severity: int,
    *,
    seed: int,
    device: torch.device,
    frost: str | None = None,
) -> np.ndarray:
    """uint8 ``[n_images, height, width, 3]``, as ``pixels``: a batch with one corruption, each image with random numbers of its own."""
    height, width = pixels.shape[1:3]
    if min(height, width) < LEAST_SIDE:
        raise InputError(f"corruption: {image_ids[0]}", f"a picture of {LEAST_SIDE} px a side or more", f"{height} x {width} px")
    pictures = frost_pictures(frost, height, width) if corruption == "frost" else ()
    prepare, change = find_corruption(corruption, severity, pictures)
    drawn = [
        prepare(generator(seed, "corruption", corruption, severity, image_id), picture, severity)
        for image_id, picture in zip(image_ids, pixels, strict=True)
    ]
    with torch.inference_mode():
        images = torch.from_numpy(np.ascontiguousarray(pixels)).to(device)
        return change(images, severity, **stack(drawn, device)).cpu().numpy()


def encode_jpeg(pixels: np.ndarray) -> bytes:
    """A JPEG file of quality 85 with optimised tables, as the files of ImageNet-C."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85, optimize=True)
    return buffer.getvalue()
