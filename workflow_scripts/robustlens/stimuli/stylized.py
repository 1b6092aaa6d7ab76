"""Stylized pictures: the same scene with a texture that belongs to no class."""

import numpy as np

from robustlens.errors import InputError
from robustlens.stimuli.embedded import render_scene
from robustlens.stimuli.paintings import choose_painting, draw_painting, list_paintings, read_painting


def stylized(
    pixels: np.ndarray,
    image_id: str,
    shape: int,
    texture: int,
    seed: int,
    origin: dict,
    *,
    paintings: str | None = None,
    exclude: bool = False,
) -> np.ndarray:
    """uint8 ``[height, width, 3]``: the picture in the texture of a painting, which needs no trained weights.

    A scene that this workflow rendered (``origin``: of the shard, says so, and with which seed) is rendered again with an unrelated
    texture, all else bit for bit. Any other image is put together from patches of a painting (:mod:`robustlens.stimuli.patches`): one of
    the folder ``paintings`` (``exclude``: without those that cannot be read), or else one that is drawn for it. Raises InputError for
    ``paintings`` of a rendered scene.
    """
    if origin.get("kind") == "embedded":
        if paintings is not None:
            raise InputError("stylized: paintings", "none for an embedded source, whose scenes are drawn again", paintings)
        return render_scene(image_id, shape, texture, origin["seed"], texture_kind="unrelated").pixels
    from robustlens.stimuli.patches import transfer_texture

    height, width = pixels.shape[:2]
    if paintings is None:
        return transfer_texture(pixels, draw_painting(image_id, seed, height, width))
    return transfer_texture(pixels, read_painting(choose_painting(list_paintings(paintings), image_id, seed, exclude), height, width))
