"""Picture files of strangers, opened so that no other program is started, nothing is waited for, and no other folder is read."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from robustlens.errors import InputError, refusing

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # no other reader of Pillow is asked: that of EPS starts Ghostscript
EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")  # of their names, in any case
MOST_BYTES = 2**31  # of a file: more than the largest picture that Pillow opens has in 8 bits, uncompressed
PngImagePlugin.MAX_TEXT_CHUNK = 64 * 2**20  # bytes of one text or colour profile, unpacked: descriptions of 1 MB, Pillow's limit, are usual
PngImagePlugin.MAX_TEXT_MEMORY = 64 * 2**20  # of all in a file
MOST_PIXELS = 2 * 89_478_485  # of an image, those of 512 MB in RGB: where Pillow stops, which warns from half of it on without a path
Image.MAX_IMAGE_PIXELS = None  # `opened_picture` looks itself


@contextmanager
def opened_picture(file: Path | bytes, where: object, expected: str = "a readable picture", mend: str = "") -> Iterator[Image.Image]:
    """Pillow's image of a file, or of its bytes, in one of the ``FORMATS``, whatever its name; its pixels are not read yet.

    The one door for image files: whatever Pillow raises within, of a dozen kinds, becomes an InputError that names ``where``, and ``mend``.
    """
    with refusing(where, expected, mend):
        data = file if isinstance(file, bytes) else read_file(file, where, expected)
        try:
            opened = Image.open(io.BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError as error:  # its own words tell an address in memory
            raise InputError(where, expected, f"{len(data)} bytes that begin like no picture", mend) from error
        with opened as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise InputError(where, f"{expected} of at most {MOST_PIXELS:,} px", f"{picture.width:,} x {picture.height:,} px", mend)
            yield picture


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
