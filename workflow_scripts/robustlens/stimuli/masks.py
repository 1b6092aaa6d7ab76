"""Where the object of a photograph is: by a folder of masks, by a segmentation network, or by GrabCut.

Every function gives one mask a row of the shard, in order: uint8 ``[height, width]`` of the row's picture, 0 or 255 = object.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from robustlens.errors import InputError, lack
from robustlens.images import Shard, apply_geometry
from robustlens.mask_files import UnclearMask, find_mask, read_mask, without_ending

log = logging.getLogger("robustlens")
ALIKE = 0.02  # by which the ratio of a mask's sides may differ from its picture's: sides are whole px

NETWORKS = ("deeplabv3_resnet50", "deeplabv3_resnet101", "fcn_resnet50", "fcn_resnet101", "lraspp_mobilenet_v3_large")
LAST = {
    "deeplabv3": "classifier.4.weight",
    "fcn": "classifier.4.weight",
    "lraspp": "classifier.low_classifier.weight",
}  # its shape: n_classes
AUXILIARY = "aux_classifier."  # a head that only training uses
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE = 520  # px to which the shorter side is resized for the network, as these networks were trained and are evaluated
BACKGROUND = 0  # the class that is not an object

MARGIN = 0.1  # share of each side that GrabCut starts from as certain ground
ROUNDS = 5  # of GrabCut


# --------------------------------------------------------------------------------------------------------------------- a folder
def folder_masks(shard: Shard, folder: str, values: list[int] | str | None = None, exclude: bool = False) -> Iterator[np.ndarray]:
    """Masks in ``folder`` under the image's id, or its path there without ending, as PNG or JPEG.

    One a row of the shard, uint8 ``[height, width]``, 255 = object, as from the other functions here. ``values``: which values in the
    files are the object; None: recognised (:func:`robustlens.mask_files.read_mask`). ``exclude``: a file that cannot be read has
    no object.

    A mask has the size of the picture as it is used, or the proportions of the source's own picture, whose geometry then holds for it,
    too (nearest pixel). Raises InputError for a missing mask and for one of other proportions.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"silhouette: folder {folder}", "a folder of masks", "no such folder")
    paths = [_mask_path(root, image_id) for image_id in shard.rows["image_id"]]  # a missing one is said before the first picture
    return (_fitted(path, shard, row, values, exclude) for row, path in enumerate(paths))


def _mask_path(root: Path, image_id: str) -> Path:
    if (path := find_mask(root, image_id)) is None:
        raise InputError(
            f"silhouette: {image_id}", f"a mask {root / without_ending(image_id)}.png", "none", "add it, or choose other masks"
        )
    return path


def alpha_masks(shard: Shard) -> Iterator[np.ndarray]:
    """Where the images' own alpha channels are more opaque than not."""
    return (np.where(shard.alpha(row) > 127, 255, 0).astype(np.uint8) for row in range(len(shard)))


def _fitted(path: Path, shard: Shard, row: int, values: list[int] | str | None, exclude: bool) -> np.ndarray:
    """The mask of a row, of the size of its image."""
    used = shard.pixels(row, row + 1)[0].shape[1::-1]
    try:
        mask = Image.fromarray(read_mask(path, values))  # 1 bit: Pillow resizes it by nearest pixel
    except InputError as error:
        if not exclude or isinstance(error, UnclearMask) or lack(error):
            raise
        log.warning("no object in %s: %s", shard.rows["image_id"].iloc[row], error)
        return np.zeros(used[::-1], np.uint8)
    if shard.geometry and (mask.size != used or shard.original_size(row) == used):
        own = shard.original_size(row)
        if abs(mask.size[0] * own[1] / (mask.size[1] * own[0]) - 1) > ALIKE:
            raise InputError(path, f"the proportions of its picture, {own[0]} x {own[1]} px", f"{mask.size[0]} x {mask.size[1]} px")
        mask = apply_geometry(mask, shard.geometry)
    if mask.size != used:
        raise InputError(path, f"a mask of {used[0]} x {used[1]} px", f"{mask.size[0]} x {mask.size[1]} px")
    return np.asarray(mask).astype(np.uint8) * 255


# -------------------------------------------------------------------------------------------------------------------- a network
def segmenter_masks(shard: Shard, device: str, batch_size: int, network: str, weights: str) -> Iterator[np.ndarray]:
    """What ``network``, one of torchvision's segmentation networks with the file ``weights``, takes for anything but background.

    The picture is enlarged to a shorter side of 520 px and normalised with ImageNet's mean and deviation; the class scores are resized
    back before the largest is taken. On a CPU bit for bit the same in any shard; a GPU may part from it on single px of an outline.
    Raises InputError, before the first picture, for an unknown network and for weights that are not of it.
    """
    import torch
    from torch.nn import functional as F

    from robustlens.devices import claim_device
    from robustlens.inference import Blocks

    net = load_segmenter(network, weights)
    claimed = claim_device(device)
    net = net.to(claimed, memory_format=torch.channels_last)
    mean, std = (torch.tensor(values, device=claimed).view(3, 1, 1) for values in (MEAN, STD))

    def foreground(images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[2:]
        scale = SIDE / min(height, width)
        large = F.interpolate(images, (round(height * scale), round(width * scale)), mode="bilinear", antialias=True)
        scores = F.interpolate(net((large - mean) / std)["out"], (height, width), mode="bilinear", antialias=False)
        return (scores.argmax(dim=1) != BACKGROUND).to(torch.uint8) * 255

    @torch.inference_mode()
    def find(images: torch.Tensor, rows: slice) -> np.ndarray:
        step = 1 if claimed.type == "cpu" else len(images)  # on a CPU the rounding depends on the shape of the batch
        found = [foreground(images[start : start + step]) for start in range(0, rows.stop - rows.start, step)]
        return torch.cat(found).cpu().numpy()[: rows.stop - rows.start]

    return (mask for _, masks in Blocks(claimed, batch_size, len(shard)).run(shard, find) for mask in masks)


def load_segmenter(network: str, weights: str):
    """torchvision's segmentation ``network`` (torch.nn.Module, eval mode) with the tensors of the file ``weights``.

    As many classes as the weights have. An auxiliary head in the file is left out. Raises InputError where the tensors do not fit.
    """
    from torchvision.models import segmentation

    from robustlens.models.checkpoints import read_tensors

    if network not in NETWORKS:
        raise InputError("silhouette: network", f"one of {', '.join(NETWORKS)}", network)
    found = {name.removeprefix("module."): tensor for name, tensor in read_tensors(weights).items()}
    found = {name: tensor for name, tensor in found.items() if not name.startswith(AUXILIARY)}
    last = found.get(LAST[network.partition("_")[0]])
    n_classes = len(last) if last is not None and last.ndim == 4 else 21
    options = {} if network.startswith("lraspp") else {"aux_loss": False}
    net = getattr(segmentation, network)(weights=None, weights_backbone=None, num_classes=n_classes, **options)
    wanted = net.state_dict()
    of = f"the {len(wanted)} tensors of {network}"
    for name, tensor in wanted.items():
        if name not in found:
            raise InputError(weights, of, f"no {name}")
        if found[name].shape != tensor.shape:
            raise InputError(weights, f"{name} of {tuple(tensor.shape)} as in {network}", f"{tuple(found[name].shape)}")
        if not found[name].isfinite().all():
            raise InputError(weights, f"finite weights of {network}", f"NaN or inf in {name}")
    if beyond := [name for name in found if name not in wanted]:
        raise InputError(weights, of, f"also {beyond[0]}")
    net.load_state_dict(found)
    return net.eval().requires_grad_(False)


# ---------------------------------------------------------------------------------------------------------------------- GrabCut
def grabcut_masks(shard: Shard) -> Iterator[np.ndarray]:
    """What GrabCut parts from the ground, starting from a centred rectangle; it needs no weights and knows no objects."""
    return (grabcut(shard.pixels(row, row + 1)[0]) for row in range(len(shard)))


def grabcut(pixels: np.ndarray) -> np.ndarray:
    """uint8 ``[height, width]``, 255 = foreground, of uint8 ``[height, width, 3]`` (Rother, Kolmogorov and Blake 2004).

    The outer tenth on each side is ground for certain, the rectangle within it is object until its colours say otherwise. An even
    picture has no object.
    """
    import cv2  # slow to import

    height, width = pixels.shape[:2]
    top, left = round(height * MARGIN), round(width * MARGIN)
    if min(height - 2 * top, width - 2 * left) < 2 or min(top, left) < 1 or (pixels == pixels[0, 0]).all():
        return np.zeros((height, width), np.uint8)
    classes, ground, objects = np.zeros((height, width), np.uint8), np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setNumThreads(1)  # with their number the order of its sums would change
    cv2.setRNGSeed(0)  # its first clusters are drawn
    rectangle = (left, top, width - 2 * left, height - 2 * top)
    cv2.grabCut(np.ascontiguousarray(pixels), classes, rectangle, ground, objects, ROUNDS, cv2.GC_INIT_WITH_RECT)
    return np.where((classes == cv2.GC_FGD) | (classes == cv2.GC_PR_FGD), 255, 0).astype(np.uint8)
