"""Pictures where a user keeps them: a file each, rows of Parquet files with an image column as the datasets libraries write it, or rows of
the files of CIFAR-10 and of idx files."""

import re
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.parquet as pq

from robustlens.cifar_files import CifarFile
from robustlens.errors import InputError, refusing
from robustlens.idx_files import PICTURES, IdxFile
from robustlens.picture_files import below, read_file

BLOCK = 64  # rows of a Parquet file that are read at once; two blocks are kept
REFERENCE = re.compile(
    rf"(?P<file>.*\.parquet|(?P<cifar>(data_batch_[1-5]|test_batch)(\.bin|\.png)?)|(?P<idx>{PICTURES})|)#(?P<row>\d+)",
    re.IGNORECASE | re.DOTALL,
)


class Originals:
    """Encoded pictures below ``root``, by path: ``<file>``, ``<file>.parquet#<row>``, or ``#<row>`` where ``root`` is the Parquet file;
    ``test_batch#<row>`` and the like in CIFAR-10, ``t10k-images-idx3-ubyte#<row>`` in idx files.

    Safe among threads. Rows of Parquet files are quick in rising order; a step back starts at the row group again. Of files of CIFAR-10
    and idx files the last one is kept in memory.
    """

    def __init__(self, root: str | Path | None):
        self.root = Path(root or "")
        self._lock = Lock()
        self._blocks: _Blocks | CifarFile | IdxFile | None = None

    def where(self, path: str) -> str:
        """What to call the picture in a message."""
        return f"{self.root}{path}" if path.startswith("#") else str(self.root / path)

    def read(self, path: str) -> bytes:
        """The picture's bytes. Raises InputError for one that is not there."""
        reference = REFERENCE.fullmatch(path)
        with refusing(self.where(path), "a readable picture"):
            if not reference:
                return read_file(self.root / path, self.where(path))
            kind = CifarFile if reference["cifar"] else IdxFile if reference["idx"] else _Blocks
            return self._row(kind, self.root / reference["file"], int(reference["row"]), path)

    def _row(self, kind: type, file: Path, row: int, path: str) -> bytes:
        with self._lock:
            if self._blocks is None or self._blocks.file != file:
                self._blocks = kind(file)
            if row >= len(self._blocks):
                raise InputError(f"{file}#{row}", f"a row below {len(self._blocks)}", row, "delete the source's manifest and run again")
            image = self._blocks.image(row)
        if image is None or not (image.get("bytes") or image.get("path")):
            raise InputError(self.where(path), "a picture in the column image", "none")
        if image.get("bytes"):
            return image["bytes"]
        return read_file(below(file.parent, image["path"], self.where(path)), self.where(path))


class _Blocks:
    """The image column of one Parquet file, a few rows at a time, so that a row group of any size fits into memory.

    What is held is a few pages of the file; pyarrow writes up to 1024 pictures to a page, datasets libraries end a row group, and with it
    the page, after 100.
    """

    def __init__(self, file: Path):
        self.file = file
        self._parquet = pq.ParquetFile(file, memory_map=True)  # a page is copied once less than through a buffer
        metadata = self._parquet.metadata
        ends = [0]
        for group in range(metadata.num_row_groups):
            ends.append(ends[-1] + metadata.row_group(group).num_rows)
        self._starts = ends  # the first row of each row group, then the number of rows
        self._kept: list[tuple[int, pa.Array]] = []
        self._following: Iterator[tuple[int, pa.Array]] = iter(())

    def __len__(self) -> int:
        return self._starts[-1]

    def image(self, row: int) -> dict | None:
        found = self._find(row)
        if found is None and not (self._kept and self._kept[-1][0] <= row < self._end_of_group(self._kept[-1][0])):
            self._following = self._group_of(row)
        while found is None:
            self._kept = [*self._kept[-1:], next(self._following)]
            found = self._find(row)
        return found.as_py()

    def _find(self, row: int) -> pa.Scalar | None:
        for start, block in self._kept:
            if start <= row < start + len(block):
                return block[row - start]
        return None

    def _group(self, row: int) -> int:
        return next(group for group, end in enumerate(self._starts[1:]) if row < end)

    def _end_of_group(self, row: int) -> int:
        return self._starts[self._group(row) + 1]

    def _group_of(self, row: int) -> Iterator[tuple[int, pa.Array]]:
        """``(first row, images)`` of the blocks of the row group that holds ``row``."""
        group = self._group(row)
        start = self._starts[group]
        for batch in self._parquet.iter_batches(BLOCK, row_groups=[group], columns=["image"], use_threads=False):
            yield start, batch.column(0)
            start += batch.num_rows
