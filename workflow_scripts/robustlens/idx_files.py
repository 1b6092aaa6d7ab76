"""Reads idx files (LeCun et al. 1998).

An idx file is two zero bytes, a byte for the type (8: whole bytes), one for the number of axes, the length of each axis as four bytes, the
highest first, and the values; it may be compressed with gzip.
"""

import gzip
from math import prod
from pathlib import Path

import numpy as np

from robustlens.errors import InputError, refusing

MOST = 2**31  # values of a file: 45 times the pictures of MNIST
PICTURES = r"(train|t10k)-images[-.]idx3-ubyte(\.gz)?"  # the name of a file of pictures, as a regular expression


class IdxFile:
    """The pictures of one file, by row; all of them are in memory while it is open, 47 MB of the 60,000 of MNIST."""

    def __init__(self, file: Path):
        self.file = file
        self._pixels = read_idx(file, 3)
        self._header = f"P5 {self._pixels.shape[2]} {self._pixels.shape[1]} 255\n".encode()  # of a PGM file: the rest is the pixels

    def __len__(self) -> int:
        return len(self._pixels)

    def image(self, row: int) -> dict | None:
        """``bytes``: the picture as a PGM file, of one grey value a pixel."""
        return {"bytes": self._header + self._pixels[row].tobytes()}


def read_idx(path: Path, axes: int) -> np.ndarray:
    """uint8 with ``axes`` axes. Raises InputError for a file with another beginning or length, and one that gzip cannot read."""
    header = 4 + 4 * axes
    with refusing(path, "a complete idx file"), (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        head = file.read(header)
        if head[:4] != bytes([0, 0, 8, axes]):
            raise InputError(path, f"an idx file of bytes with {axes} axes (0000080{axes})", head[:4].hex() or "an empty file")
        shape = np.frombuffer(head[4:].ljust(4 * axes, b"\0"), ">u4").tolist()
        if prod(shape) > MOST:
            raise InputError(path, f"at most {MOST:,} values", f"the shape {shape}")
        data = file.read(prod(shape) + 1)  # no more than the file says that there is, whatever it inflates to
    if len(head) + len(data) != header + prod(shape):
        found = f"{len(head) + len(data)}{' or more' * (len(data) > prod(shape))}"
        raise InputError(path, f"{header + prod(shape)} bytes for the shape {shape}", found)
    return np.frombuffer(data, np.uint8).reshape(shape)
