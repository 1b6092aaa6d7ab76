"""Silhouettes: the object's mask, filled."""

from collections.abc import Iterator

import numpy as np

from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.mask_files import check_values
from robustlens.stimuli.made import Made
from robustlens.stimuli.masks import alpha_masks, folder_masks, grabcut_masks, segmenter_masks
from robustlens.stimuli.pixels import ink_on_paper, to_unit

POLARITIES = ("black-on-white", "white-on-black")
NEEDED = {"given": (), "folder": ("folder",), "segmenter": ("network", "weights"), "grabcut": (), "alpha": ()}
LEAST, MOST = 0.01, 0.95  # share of the picture that an object covers at least and at most, where its mask was found


def make_silhouette(
    shard: Shard,
    seed: int,
    device: str,
    batch_size: int,
    *,
    masks: str = "given",
    folder: str | None = None,
    mask_values: list[int] | str | None = None,
    network: str | None = None,
    weights: str | None = None,
    polarity: str = "black-on-white",
    least: float | None = None,
    most: float | None = None,
    exclude: bool = False,
) -> Iterator[Made]:
    """The object of each picture black on white, or ``white-on-black``, one a row of the shard, in order; with the mask it was made from.

    ``masks``: where the object is. ``given``: in the shard; ``folder``: in a folder of masks, in which ``mask_values`` (None: recognised)
    are the object and, with ``exclude``, files that cannot be read have none; ``alpha``: where the image file is opaque; ``segmenter``:
    where a ``network`` with the file ``weights`` sees one; ``grabcut``: see :mod:`robustlens.stimuli.masks`.

    An image whose mask covers less than ``least`` or more than ``most`` of it shows no silhouette: it stays, with the label -1 = unknown,
    and no accuracy counts it. Both are 0.01 and 0.95 unless given, and for ``given`` masks no limit. Raises InputError, before the first
    image, for parameters that do not fit.
    """
    if masks not in NEEDED:
        raise InputError("silhouette: masks", f"one of {', '.join(NEEDED)}", masks)
    for name, value in (("folder", folder), ("network", network), ("weights", weights)):
        if (value is not None) != (name in NEEDED[masks]):
            raise InputError(f"silhouette: {name}", f"{'a value' if value is None else 'none'} for masks: {masks}", value or "none")
    _check_polarity(polarity)
    low, high = (0.0, 1.0) if masks == "given" else (LEAST, MOST)
    low, high = low if least is None else least, high if most is None else most
    if not 0 <= low < high <= 1:
        raise InputError("silhouette: least, most", "shares of the picture, least below most", f"{low}, {high}")
    if mask_values is not None and masks != "folder":
        raise InputError("silhouette: mask_values", f"none for masks: {masks}", mask_values)
    check_values("silhouette: mask_values", mask_values)
    given = folder_masks(shard, folder, mask_values, exclude) if folder else None
    found = given or _masks(shard, device, batch_size, masks, network, weights)
    return _made(shard, found, polarity, low, high)


def _masks(shard: Shard, device: str, batch_size: int, masks: str, network: str | None, weights: str | None) -> Iterator[np.ndarray | None]:
    if masks == "given":
        return (shard.mask(row) for row in range(len(shard)))
    if masks == "alpha":
        return alpha_masks(shard)
    if masks == "grabcut":
        return grabcut_masks(shard)
    assert network is not None and weights is not None  # `make_silhouette` asks for what NEEDED says
    return segmenter_masks(shard, device, batch_size, network, weights)


def _made(shard: Shard, masks: Iterator[np.ndarray | None], polarity: str, low: float, high: float) -> Iterator[Made]:
    for image_id, mask in zip(shard.rows["image_id"], masks, strict=True):
        image = silhouette(mask, image_id, polarity=polarity)
        assert mask is not None  # an image without one was refused
        yield Made(image, mask, unusable=_unusable((mask > 127).mean(), low, high))


def _unusable(share: float, low: float, high: float) -> str | None:
    """Why an object that covers this share of the image shows no silhouette; None where it does."""
    if share in (0, 1):
        return "without an object" if share == 0 else "all object"
    if low <= share <= high:
        return None
    return f"with an object on less than {low:g} of the image" if share < low else f"with an object on more than {high:g} of the image"


def silhouette(mask: np.ndarray | None, image_id: str, *, polarity: str = "black-on-white") -> np.ndarray:
    """uint8 ``[height, width, 3]``: the object black on white, or ``white-on-black``; the soft edge of the mask stays.

    ``mask``: uint8 ``[height, width]``, 255 = object. Raises InputError for an image without one.
    """
    if mask is None:
        mend = "choose masks: folder, segmenter or grabcut, or leave silhouettes out for this source"
        raise InputError(f"silhouette: {image_id}", "a mask of the object", "none", mend)
    _check_polarity(polarity)
    covered = to_unit(mask)
    return ink_on_paper(covered if polarity == "black-on-white" else 1 - covered)


def _check_polarity(polarity: str) -> None:
    if polarity not in POLARITIES:
        raise InputError("silhouette: polarity", " or ".join(POLARITIES), polarity)
