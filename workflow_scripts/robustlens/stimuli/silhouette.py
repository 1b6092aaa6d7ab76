"""Silhouettes: the object's mask, filled."""

import numpy as np

from robustlens.errors import InputError
from robustlens.stimuli.pixels import ink_on_paper, to_unit


def silhouette(mask: np.ndarray | None, image_id: str, *, polarity: str = "black-on-white") -> np.ndarray:
    """uint8 ``[height, width, 3]``: the object black on white, or ``white-on-black``; the soft edge of the mask stays.

    ``mask``: uint8 ``[height, width]``, 255 = object. Raises InputError for an image without one.
    """
    if mask is None:
        raise InputError(f"silhouette: {image_id}", "a mask of the object", "none", "leave silhouettes out for this source")
    if polarity not in ("black-on-white", "white-on-black"):
        raise InputError("silhouette: polarity", "black-on-white or white-on-black", polarity)
    covered = to_unit(mask)
    return ink_on_paper(covered if polarity == "black-on-white" else 1 - covered)
