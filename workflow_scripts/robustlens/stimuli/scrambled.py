"""Scrambled pictures: equal blocks in another order. Texture stays, shape goes."""

import numpy as np

from robustlens.errors import InputError
from robustlens.randomness import generator

MOVES_THE_OBJECT = True
SHARED_SEED = 212  # of NumPy's frozen legacy generator; gives the study's order of a 2 x 2 grid: source blocks 2, 3, 1, 0


def scrambled(pixels: np.ndarray, image_id: str, seed: int, *, grid: int, permutation: str = "image") -> np.ndarray:
    """uint8 ``[height, width, 3]``: ``grid`` x ``grid`` blocks in another order, row by row.

    ``permutation``: ``image`` (any order but the original one, of the image's own) or ``shared`` (the study's: one order for all
    images). Raises InputError where the blocks do not divide the picture.
    """
    height, width = pixels.shape[:2]
    if grid < 2:
        raise InputError("scrambled: grid", "2 or more blocks a side", grid)
    if height % grid or width % grid:
        raise InputError(f"scrambled: {image_id}", f"sides that {grid} blocks divide", f"{height} x {width} px", "choose another grid")
    if permutation == "shared":
        order = np.random.RandomState(SHARED_SEED).permutation(grid * grid)
    elif permutation == "image":
        order = _changed_order(generator(seed, "scrambled", grid, image_id), grid * grid)
    else:
        raise InputError("scrambled: permutation", "image or shared", permutation)
    blocks = pixels.reshape(grid, height // grid, grid, width // grid, -1).swapaxes(1, 2)
    moved = blocks.reshape(grid * grid, *blocks.shape[2:])[order].reshape(blocks.shape)
    return moved.swapaxes(1, 2).reshape(pixels.shape)


def _changed_order(random: np.random.Generator, n: int) -> np.ndarray:
    """Uniform among the permutations of ``n`` blocks that move at least one."""
    order = np.arange(n)
    while (order == np.arange(n)).all():
        order = random.permutation(n)
    return order
