"""Stylized pictures: the same scene with a texture that belongs to no class."""

import numpy as np

from robustlens.errors import InputError
from robustlens.stimuli.embedded import render_scene


def stylized(image_id: str, shape: int, texture: int, origin: dict) -> np.ndarray:
    """uint8 ``[height, width, 3]``: the scene of ``image_id`` drawn again with an unrelated texture, all else bit for bit.

    ``origin``: of the shard, says that the scene was drawn and with which seed. Raises InputError for any other picture.
    """
    if origin.get("kind") != "embedded":
        mend = "leave stylized out for this source, or give it as a source of its own"
        raise InputError(f"stylized: {image_id}", "a scene of an embedded source, for now", f"kind {origin.get('kind')}", mend)
    return render_scene(image_id, shape, texture, origin["seed"], texture_kind="unrelated").pixels
