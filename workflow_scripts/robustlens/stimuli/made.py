"""Pictures of a stimulus as they are made, what of their rows changes with them, and the shard that they become."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from robustlens.errors import InputError
from robustlens.images import encode_png, write_shard

log = logging.getLogger("robustlens")
UNKNOWN = -1  # as a label
FEW = 10  # images of a shard, fewer than which may all be unusable by chance


@dataclass(frozen=True)
class Made:
    """``image``: uint8 ``[height, width, 3]``, or the bytes of an encoded file; ``mask``: uint8 ``[height, width]``, 255 = object, or None.

    ``label, shape, texture``: class indices where they differ from those of the source's row (None: as there). ``unusable``: why the image
    shows nothing; then its label is -1 and no accuracy counts it.
    """

    image: np.ndarray | bytes
    mask: np.ndarray | None = None
    label: int | None = None
    shape: int | None = None
    texture: int | None = None
    unusable: str | None = None


def write_made(
    path: str | Path, rows: pd.DataFrame, made: Iterable[Made], *, origin: dict, classes: list[str] | None = None, few: int | None = FEW
) -> None:
    """Write one shard of a stimulus; ``rows``, ``classes``: those of the source's shard. Of the images, only their encoded bytes are held.

    Raises InputError, with the reasons, where ``few`` images or more had a label and none is left with one; None: they may all be unusable.
    """
    pictures, masks, rows, reasons = [], [], rows.drop(columns="sha256").copy(), Counter[str]()
    facts = {name: rows[name].to_numpy().copy() for name in ("label", "shape", "texture")}
    for row, picture in enumerate(made):
        pictures.append(picture.image if isinstance(picture.image, bytes) else encode_png(picture.image))
        masks.append(picture.mask)
        for name, values in facts.items():
            if (value := getattr(picture, name)) is not None:
                values[row] = value
        if picture.unusable:
            facts["label"][row] = UNKNOWN
            reasons[picture.unusable] += 1
    if why := ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()):
        log.warning("%d of %d images have no label: %s", reasons.total(), len(rows), why)
    if few is not None and (rows["label"] >= 0).sum() >= few and (facts["label"] < 0).all():
        raise InputError(path, "images that show something", f"none of {len(rows)}: {why}", "check the masks or parameters of the stimulus")
    write_shard(path, rows.assign(**facts), pixels=iter(pictures), masks=masks, origin=origin, classes=classes)
