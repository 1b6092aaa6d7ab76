"""Compiled code, and the loops of it that files of activations need: values in C order, checksums of chunks. One thread each."""

from functools import cache, wraps

import numpy as np

FOLD = 1 << 20  # words whose sums 64 bits hold


def compiled(function):
    """``function``, compiled at its first call; the machine code is kept beside the source or in the user's cache, if it can."""

    @cache
    def machine_code():
        from numba import njit  # slow to import, with all of scipy.linalg

        try:
            return njit(cache=True, nogil=True)(function)
        except RuntimeError:  # numba finds no folder for it
            return njit(nogil=True)(function)

    @wraps(function)
    def call(*arguments):
        return machine_code()(*arguments)

    return call


def contiguous(maps: np.ndarray, room: np.ndarray | None = None) -> np.ndarray:
    """``maps`` float16 [n_images, n_units, height, width] in C order; of a CPU's networks the units lie innermost, which is undone fast.

    ``room``: float16, of at least as many values, into which they are put whatever their order was.
    """
    innermost = maps.transpose(0, 2, 3, 1)
    if maps.flags.c_contiguous or not innermost.flags.c_contiguous:
        if room is None:
            return np.ascontiguousarray(maps)
        kept = room[: maps.size].reshape(maps.shape)
        kept[...] = maps
        return kept
    import cv2  # slow to import

    n_images, height, width, n_units = innermost.shape
    turned = (np.empty(maps.size, np.float16) if room is None else room[: maps.size]).reshape(maps.shape)
    bits = innermost.view(np.uint16).reshape(n_images, height * width, n_units)
    for image, place in zip(bits, turned.view(np.uint16).reshape(n_images, n_units, height * width), strict=True):
        cv2.transpose(image, place)
    return turned


def fletcher32(words: np.ndarray) -> int:
    """The checksum that HDF5's filter of this name appends to a chunk, of its bytes as uint16 [n], little end first."""
    return sum(_swapped(residue) << shift for shift, residue in zip((0, 16), _residues(words), strict=True))


def _swapped(residue: int) -> int:
    """HDF5 adds up words with the big end first: modulo 2^16 - 1 that is 256 times the sum, the same with its bytes swapped."""
    return (int(residue) & 0xFF) << 8 | int(residue) >> 8


@compiled
def _residues(words):
    """Sum of ``words`` and sum of its partial sums modulo 65535; 65535 and not 0 where the sum is not 0 itself."""
    one, two = np.uint64(0), np.uint64(0)
    for start in range(0, words.size, FOLD):
        for place in range(start, min(start + FOLD, words.size)):
            one += np.uint64(words[place])
            two += one
        one = (one - np.uint64(1)) % np.uint64(65535) + np.uint64(1) if one else one
        two = (two - np.uint64(1)) % np.uint64(65535) + np.uint64(1) if two else two
    return one, two
