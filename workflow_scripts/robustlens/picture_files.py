"""Picture files of strangers, opened so that no other program is started, nothing is waited for, and no other folder is read."""

import os
import stat
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from PIL import Image

from robustlens.errors import InputError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # no other reader of Pillow is asked: that of EPS starts Ghostscript
MOST_BYTES = 2**31  # of a file: more than the largest picture that Pillow opens has in 8 bits, uncompressed


def open_picture(file: str | Path | BinaryIO) -> Image.Image:
    """Pillow's picture of a file in one of the ``FORMATS``, whatever its name; its pixels are not read yet."""
    return Image.open(file, formats=FORMATS)


def read_file(path: Path, where: object, expected: str = "a readable picture") -> bytes:
    """The bytes of a file. Raises InputError for what may have no end (a pipe, a device, a link to one) and for more than ``MOST_BYTES``.

    OSError for one that is not there or may not be read.
    """
    about = os.stat(path)
    if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):  # of a folder the system says so itself
        raise InputError(where, expected, "a pipe, socket or device", "remove it")
    if about.st_size > MOST_BYTES:
        raise InputError(where, f"{expected} of at most {MOST_BYTES:,} bytes", f"{about.st_size:,}", "remove it")
    return path.read_bytes()


def below(folder: Path, name: str, where: object) -> Path:
    """``folder / name``. Raises InputError for a name, given in a file ``where``, that leads out of the folder."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise InputError(where, f"the name of a file below {folder}", name)
    return folder / name
