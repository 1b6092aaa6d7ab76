"""Mask files of any common convention: which of their pixels are the object.

Recognised are 0 and 255 (or 65,535), 0 and 1, soft edges between 0 and 255, class numbers in the colours of a palette (Pascal VOC: 0 is
background, 255 a border that belongs to nobody) and alpha channels. What could mean two things is asked for (``mask_values``).
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from robustlens.errors import InputError
from robustlens.picture_files import EXTENSIONS, opened_picture

BORDER = 255  # of class numbers: a border that is neither object nor background, as in Pascal VOC and most data sets after it
SOFT = 8  # levels between black and white, at least, of a mask whose edges are soft
EXTREME = 32  # levels from black or white within which nine tenths of such a mask are
LARGEST_CLASS = 182  # of class numbers beside a border of 255: COCO's
NONZERO = "nonzero"
ABOVE_HALF = "above-half"
ENDINGS = (".png", ".jpg", ".jpeg", ".JPEG")  # of mask files
SAMPLE = 8  # masks that a dry run looks at
ADVICE = "set mask_values of the stimulus to the values of the object, to nonzero (class numbers) or above-half (soft edges)"


class UnclearMask(InputError):
    """A mask file that can be read, and whose object is unknown until ``mask_values`` say it."""


def find_mask(folder: Path, image_id: str) -> Path | None:
    """The mask file of an image, under its id or its path without ending; None where there is none."""
    paths = (folder / f"{name}{ending}" for name in dict.fromkeys((image_id, without_ending(image_id))) for ending in ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def without_ending(image_id: str) -> str:
    """The id of an image without what its file's name ends in."""
    return os.path.splitext(image_id)[0] if image_id.lower().endswith(EXTENSIONS) else image_id


def check_sample(images: str, folder: str, values: list[int] | str | None, exclude: bool) -> None:
    """Read the masks of the first images below the folder ``images``, as ``folder`` has them, for what a dry run can know.

    Raises InputError for one of an unknown convention and, without ``exclude``, for one that cannot be read.
    """
    for image_id in islice(_names_below(images), SAMPLE):
        if path := find_mask(Path(folder), image_id):
            try:
                read_mask(path, values)
            except InputError as error:
                if not exclude or isinstance(error, UnclearMask):
                    raise


def _names_below(root: str) -> Iterator[str]:
    for folder, inner, names in os.walk(root):
        inner.sort()
        yield from (os.path.relpath(os.path.join(folder, name), root) for name in sorted(names) if not name.startswith("."))


def read_mask(path: Path, values: list[int] | str | None = None) -> np.ndarray:
    """bool ``[height, width]``: the object in a mask file.

    ``values``: what the object has in the file, levels of grey or numbers of classes; ``nonzero``: all but 0 and 255; ``above-half``: above
    half of 255, or of 65,535 where a level is above 255; None: recognised.
    Raises InputError, naming the file and what it holds, where it cannot be recognised, or read.
    """
    with opened_picture(path, path, "a readable mask") as picture:
        picture.load()
        levels, kind = _levels(path, picture)
        lossy = picture.format in ("JPEG", "WEBP")
    if values is not None:
        if kind == "alpha":
            raise UnclearMask(path, "a mask of one channel for mask_values", f"alpha in mode {picture.mode}", "leave mask_values out")
        return _asked(path, levels, values)
    return _recognised(path, levels, kind, lossy)


def _asked(path: Path, levels: np.ndarray, values: list[int] | str) -> np.ndarray:
    if values == ABOVE_HALF:
        return levels > (127 if levels.max() <= 255 else 32767)
    if values != NONZERO:
        return np.isin(levels, values)
    if _is_soft(levels):
        raise UnclearMask(path, "class numbers for mask_values: nonzero", "0, 255 and soft edges between", f"set it to {ABOVE_HALF}")
    return (levels != 0) & (levels != BORDER)


def _is_soft(levels: np.ndarray) -> bool:
    """Whether nine tenths are 0 or 255, and three levels or more lie between, on both sides of the middle and beyond class numbers."""
    plain = (levels == 0) | (levels == BORDER)
    found = np.unique(levels)
    if not {0, BORDER} <= set(found.tolist()) or found[-1] != BORDER or len(found) < 5:
        return False
    return bool(plain.mean() >= 0.9 and found[1] <= 127 and found[-2] > LARGEST_CLASS)


def alpha_of(picture: Image.Image) -> np.ndarray | None:
    """uint8 ``[height, width]``: how opaque an image is; None where it has no transparency."""
    return np.asarray(picture.convert("RGBA"))[..., 3] if picture.has_transparency_data else None


def _levels(path: Path, picture: Image.Image) -> tuple[np.ndarray, str]:
    """The values of a mask as they are stored, ``[height, width]``, and what they are: ``alpha``, ``classes``, ``colours`` (classes, of
    which 0 is not black) or ``levels``."""
    classes = _class_numbers(picture)
    if classes is not None:
        return classes, "colours" if any((picture.getpalette("RGB") or [])[:3]) else "classes"
    alpha = alpha_of(picture)
    if alpha is not None and alpha.min() < alpha.max():
        return alpha, "alpha"
    if picture.mode in ("1", "L") or picture.mode.startswith("I"):
        return np.asarray(picture).astype(np.int64), "levels"
    channels = np.asarray(picture.convert("RGB")).astype(np.int64)
    if (channels != channels[..., :1]).any():
        what = f"a colour image (mode {picture.mode})"
        raise UnclearMask(path, "a mask: levels of grey, class numbers in a palette, or an alpha channel", what)
    return channels[..., 0], "levels"


def _class_numbers(picture: Image.Image) -> np.ndarray | None:
    """int64 ``[height, width]``: the numbers in a palette of colours, even if some of these are transparent; None for another image."""
    if picture.mode != "P":
        return None
    colours = np.array(picture.getpalette("RGB")).reshape(-1, 3)  # all of them: that of a class in the file may be grey
    return np.asarray(picture).astype(np.int64) if (colours != colours[:, :1]).any() else None


def _recognised(path: Path, levels: np.ndarray, kind: str, lossy: bool) -> np.ndarray:
    found = np.unique(levels)
    if kind == "alpha":
        return levels > 127
    if kind == "classes":
        return (levels != 0) & (levels != BORDER)
    if kind == "colours":
        raise UnclearMask(
            path, "a palette in which number 0, the background, is black", "another colour", "set mask_values to the numbers of the object"
        )
    for white in (255, 65535):
        if set(found.tolist()) <= {0, white}:
            return levels > 0
    if set(found.tolist()) <= {0, 1, BORDER}:
        return levels == 1
    if _is_soft(levels):
        return levels > 127
    extreme = ((levels <= EXTREME) | (levels >= 255 - EXTREME)).mean()
    if found[-1] <= 255 and extreme >= 0.9 and found[-1] >= 255 - EXTREME and (lossy or len(found) - 2 >= SOFT):
        return levels > 127
    shown = ", ".join(map(str, found[:6].tolist())) + (f", ... ({len(found)} values)" if len(found) > 6 else "")
    raise UnclearMask(path, "a mask of 0 and 255, of 0 and 1, or with soft edges", f"the values {shown}", ADVICE)


def check_values(where: str, values: Any) -> None:
    """Raise InputError for ``mask_values`` that are neither ``nonzero``, ``above-half`` nor a list of whole numbers from 0 to 65,535."""
    if values is not None and values not in (NONZERO, ABOVE_HALF) and not (isinstance(values, list) and values):
        raise InputError(where, f"{NONZERO}, {ABOVE_HALF}, or a list of the values of the object", values)
