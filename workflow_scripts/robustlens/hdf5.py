"""HDF5 files in which damage is noticed: structures, values and attributes have checksums. Attributes are JSON text.

Structures have theirs in the form of files that HDF5 1.10 brought. The heap in which HDF5 keeps text of any length has none, and at some
damage of it the library never returns; so text is of a fixed length here. Virtual datasets lie in that heap; a file that has them is
sealed: the digest of all its bytes stands in front of them.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom, BufferedReader
from pathlib import Path

import h5py
import numpy as np

from robustlens.errors import InputError, refusing
from robustlens.files import replacing

FORM = ("v110", "v110")
CHECKED = {"fletcher32": True}  # of a dataset: each chunk is compared with its checksum when it is read
PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
PACKED_FROM = 1000  # values
SIGNATURE = b"\x89HDF\r\n\x1a\n"  # of HDF5, where a file is not sealed
SEAL, SEAL_BYTES = b"sha256 ", 512  # HDF5 leaves so many bytes, at least, to others
REMAKE = "delete it and run again"


@contextmanager
def writing_hdf5(path: str | Path, attributes: dict, *, sealed: bool = False, **options: object) -> Iterator[h5py.File]:
    """A new file with ``attributes`` (what JSON can hold), which appears under ``path`` when the context ends well; ``options`` of h5py."""
    with replacing(path) as temporary:
        room = {"userblock_size": SEAL_BYTES} if sealed else {}
        with h5py.File(temporary, "w", locking="best-effort", libver=FORM, **room, **options) as file:
            for name, value in attributes.items():
                file.attrs[name] = np.bytes_(json.dumps(value))
            yield file
        if sealed:
            with open(temporary, "r+b") as file:
                file.seek(SEAL_BYTES)
                seal = SEAL + _digest(file)
                file.seek(0)
                file.write(seal)


def check_seal(path: str | Path, expected: str) -> None:
    """Raise InputError for a file that does not begin as HDF5, and for a sealed one with other bytes than were written."""
    with open(path, "rb") as file:
        head = file.read(SEAL_BYTES)
        if not head.startswith((SIGNATURE, SEAL)):
            raise InputError(path, expected, "another kind of file, or a damaged one", REMAKE)
        if head.startswith(SEAL) and head != (SEAL + _digest(file)).ljust(SEAL_BYTES, b"\0"):
            raise InputError(path, f"{expected} with the bytes that were written", "others", REMAKE)


def _digest(file: BufferedReader | BufferedRandom) -> bytes:
    """Hex SHA-256 of the rest of a file."""
    return hashlib.file_digest(file, "sha256").hexdigest().encode()


def write_values(file: h5py.File, place: str, values: np.ndarray) -> None:
    """Write an array with checksums, packed if it is large; text as UTF-8 of one length. A single number has no checksum."""
    if values.dtype.kind == "U":
        values = np.char.encode(values, "utf-8")
        values = values.astype(h5py.string_dtype("utf-8", max(1, values.dtype.itemsize)))
    cut = CHECKED if values.size and values.ndim else {}  # HDF5 cuts neither nothing nor one number into chunks
    packed = PACKED if values.size > PACKED_FROM and values.dtype.kind != "S" else {}
    file.create_dataset(place, data=values, **cut, **packed)


@contextmanager
def open_hdf5(path: str | Path, kind: str, expected: str, needed: tuple[str, ...]) -> Iterator[tuple[h5py.File, dict]]:
    """A file whose attribute ``format`` is ``kind``, and its attributes, ``needed`` among them. Raises InputError for another one."""
    with refusing(path, expected, REMAKE):
        check_seal(path, expected)
        file = h5py.File(Path(path).resolve(), "r", locking="best-effort")  # a view's shards lie beside the file, not beside a link to it
    with file:
        try:
            attributes = {name: json.loads(value) for name, value in file.attrs.items()}
        except Exception:  # attributes of another kind of file, or damaged ones
            attributes = {}
        if attributes.get("format") != kind:
            raise InputError(path, f"attribute format {kind!r}", repr(attributes.get("format", "another kind of HDF5 file")), REMAKE)
        missing = [key for key in needed if key not in attributes]
        if missing:
            raise InputError(path, f"the attributes {', '.join(needed)}", f"no {', '.join(missing)}", REMAKE)
        yield file, attributes
