"""Pictures of a stimulus as they are made, what of their rows changes with them, and the shard that they become."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from robustlens.errors import InputError
from robustlens.images import encode_png, write_shard

UNKNOWN = -1  # as a label
FEW = 10  # images of a shard, fewer than which may all be unusable by chance


@dataclass(frozen=True)
class Made:
    """``image``: uint8 ``[height, width, 3]``, or the bytes of an encoded file; ``mask``: uint8 ``[height, width]``, 255 = object, or None.

    ``label, shape, texture``: class indices where they differ from those of the source's row (None: as there).
    """

    image: np.ndarray | bytes
    mask: np.ndarray | None = None
    label: int | None = None
    shape: int | None = None
    texture: int | None = None


def write_made(path: str | Path, rows: pd.DataFrame, made: Iterable[Made], *, origin: dict) -> None:
    """Write one shard of a stimulus; ``rows``: those of the source's shard. Of the images, only their encoded bytes are held.

    Raises InputError where not one of ten images or more is left with a label.
    """
    pictures, masks, rows = [], [], rows.drop(columns="sha256").copy()
    facts = {name: rows[name].to_numpy().copy() for name in ("label", "shape", "texture")}
    for row, picture in enumerate(made):
        pictures.append(picture.image if isinstance(picture.image, bytes) else encode_png(picture.image))
        masks.append(picture.mask)
        for name, values in facts.items():
            if (value := getattr(picture, name)) is not None:
                values[row] = value
    if (rows["label"] >= 0).any() and (facts["label"] < 0).all() and len(rows) >= FEW:
        why = f"none of {len(rows)}: each is blank, or shows no object, too little or too much of one"
        raise InputError(path, "an image that shows something", why, "check the masks or parameters of the stimulus")
    write_shard(path, rows.assign(**facts), pixels=iter(pictures), masks=masks, origin=origin)
