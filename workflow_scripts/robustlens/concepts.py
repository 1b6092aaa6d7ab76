"""The labels of a concept set, packed for Network Dissection: label maps in HDF5, one table of concepts. Contract: docs/data.md."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from robustlens.broden import Broden
from robustlens.errors import InputError, refusing
from robustlens.hdf5 import CHECKED, write_values, writing_hdf5
from robustlens.images import read_table, write_parquet

MEND = "make it with pack_concepts"
CHUNK_BYTES = 2**20  # of label maps packed together
CONCEPT_COLUMNS = {
    "number": np.int32,
    "name": str,
    "category": str,
    "n_images": np.int32,
    "pixels": np.int64,
    "area": np.float64,
    "perimetric_complexity": np.float64,
}


# ------------------------------------------------------------------------------------------------------------------- packing
def pack_labels(broden: Broden, labels_path: str | Path, concepts_path: str | Path) -> None:
    """Write ``labels.h5`` and ``concepts.parquet``, image by image. Raises InputError if images, or label maps, are not of one size."""
    for what, columns in (("images", ["ih", "iw"]), ("label maps", ["sh", "sw"])):
        sizes = broden.index[columns].drop_duplicates().to_numpy()
        if len(sizes) > 1:
            first, other = (f"{height} x {width} px" for height, width in sizes[:2])
            raise InputError(broden.folder / "index.csv", f"{what} of one size ({', '.join(columns)}), {first} as at first", other)
    tally = ConceptTally(broden.labels["number"].max())
    with writing_hdf5(labels_path, {"categories": broden.categories}) as file:
        _write_planes(file, broden, tally)
        write_values(file, "image_labels", _padded(broden.index["whole"]))
        write_values(file, "image_id", broden.index["image_id"].to_numpy(str))
        write_parquet(concepts_path, tally.result(broden.labels))


def _write_planes(file: h5py.File, broden: Broden, tally: "ConceptTally") -> None:
    """Write the dataset ``planes`` in blocks of whole chunks; every image also goes to ``tally``."""
    height, width = (int(side) for side in broden.index[["sh", "sw"]].iloc[0])
    shape = (len(broden), int(broden.index["maps"].map(len).max()), height, width)
    block = min(len(broden), max(1, CHUNK_BYTES // max(1, 2 * shape[1] * height * width)))
    packing = {"chunks": (block, *shape[1:]), "compression": "gzip", "shuffle": True, **CHECKED} if shape[1] else {}
    planes = file.create_dataset("planes", shape, np.uint16, **packing)
    for start in range(0, len(broden), block):
        rows = range(start, min(start + block, len(broden)))
        maps = np.zeros((len(rows), *shape[1:]), np.uint16)
        for row in rows:
            held = broden.planes(row)
            maps[row - start, : len(held)] = held
            tally.add(held, broden.image_labels(row), height * width)
        planes[rows.start : rows.stop] = maps


def _padded(lists: pd.Series) -> np.ndarray:
    """uint16 ``[n_lists, longest]``, filled with 0."""
    padded = np.zeros((len(lists), lists.map(len).max()), np.uint16)
    for row, held in enumerate(lists):
        padded[row, : len(held)] = held
    return padded


class ConceptTally:
    """Size and outline of every concept, gathered image by image."""

    def __init__(self, highest: int):
        """``highest`` label number."""
        self.images = np.zeros(highest + 1, np.int64)  # images where the label is present
        self.pixels = np.zeros(highest + 1, np.int64)  # over all images and planes
        self.shares = np.zeros(highest + 1)  # sum over images of the share that the label covers
        self.outlined = np.zeros(highest + 1, np.int64)  # images where the label has px of its own
        self.complexity = np.zeros(highest + 1)  # sum over those images

    def add(self, planes: np.ndarray, image_labels: np.ndarray, n_pixels: int) -> None:
        """One image: label numbers uint16 ``[n_planes, height, width]`` and those of the whole image; ``n_pixels`` = height * width."""
        highest = len(self.pixels) - 1
        counts = np.array([np.bincount(plane.ravel(), minlength=highest + 1) for plane in planes], np.int64).reshape(-1, highest + 1)
        counts[:, 0] = 0
        area, perimeter = counts.sum(axis=0), sum((label_perimeters(plane, highest) for plane in planes), np.zeros(highest + 1))
        self.pixels += area
        for number in np.flatnonzero((counts > 0).sum(axis=0) > 1):  # in several planes: the union counts
            union = (planes == number).any(axis=0)
            area[number], perimeter[number] = union.sum(), label_perimeters(union.astype(np.uint16), 1)[1]
        present = area > 0
        self.outlined += present
        self.complexity[present] += perimeter[present] ** 2 / (4 * np.pi * area[present])
        np.add.at(self.pixels, image_labels, n_pixels)
        area[image_labels] = n_pixels
        self.images += area > 0
        self.shares += area / n_pixels

    def result(self, labels: pd.DataFrame) -> pd.DataFrame:
        """``concepts.parquet`` of the labels that occur; ``labels``: ``number, name, category``."""
        present = labels[self.images[labels["number"]] > 0].sort_values("number")
        number = present["number"].to_numpy()
        with np.errstate(invalid="ignore"):  # 0 / 0 = NaN for labels of whole images
            complexity = self.complexity[number] / self.outlined[number]
        measured = {
            "n_images": self.images[number],
            "pixels": self.pixels[number],
            "area": self.shares[number] / self.images[number],
            "perimetric_complexity": complexity,
        }
        return present.assign(**measured)[list(CONCEPT_COLUMNS)].astype(CONCEPT_COLUMNS).reset_index(drop=True)


def label_perimeters(plane: np.ndarray, highest: int) -> np.ndarray:
    """float64 ``[highest + 1]``: length in px of the outline of every label of ``plane`` (uint16 ``[height, width]``); 0 for label 0.

    Crofton's formula for lines in four directions: pi / 8 x (changes along rows and columns + changes along diagonals / sqrt 2). Right
    for a disc to about 1 %; an upright square comes out 5 % short, so its perimetric complexity is 1.14 and not 4 / pi = 1.27.
    The border of the picture counts as outline.
    """
    framed = np.pad(plane, 1)
    length = np.zeros(highest + 1)
    neighbours = [
        (framed[:, :-1], framed[:, 1:], 1.0),
        (framed[:-1], framed[1:], 1.0),
        (framed[:-1, :-1], framed[1:, 1:], np.sqrt(0.5)),
        (framed[:-1, 1:], framed[1:, :-1], np.sqrt(0.5)),
    ]
    for one, other, spacing in neighbours:
        changes = one != other
        for side in (one, other):
            length += spacing * np.bincount(side[changes], minlength=highest + 1)
    length[0] = 0
    return np.pi / 8 * length


# ------------------------------------------------------------------------------------------------------------------- reading
class Labels:
    """The packed labels of a concept set, read on demand; a context manager."""

    def __init__(self, file: h5py.File, concepts: pd.DataFrame):
        self._file = file
        self._planes = file["planes"]
        self._image_labels = file["image_labels"]
        self.concepts = concepts  # concepts.parquet
        self.categories: list[str] = json.loads(file.attrs["categories"])
        self.image_ids: list[str] = [str(name) for name in file["image_id"].asstr()[:]]
        self.n_planes, self.height, self.width = self._planes.shape[1:]
        self._rows = {image_id: row for row, image_id in enumerate(self.image_ids)}

    def __len__(self) -> int:
        return len(self.image_ids)

    def __enter__(self) -> "Labels":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def row(self, image_id: str) -> int:
        """Where ``image_id`` stands. Raises InputError if it is not in the set."""
        if image_id not in self._rows:
            raise InputError(self._file.filename, f"labels of {image_id}", "none")
        return self._rows[image_id]

    def planes(self, which: str | int | slice) -> np.ndarray:
        """uint16 ``[n_planes, height, width]`` of an image id or row, ``[n_images, n_planes, height, width]`` of a slice of rows."""
        return self._read(self._planes, which)

    def image_labels(self, which: str | int | slice) -> np.ndarray:
        """uint16 ``[n_image_labels]``, 0 = padding, of an image id or row; ``[n_images, n_image_labels]`` of a slice of rows."""
        return self._read(self._image_labels, which)

    def _read(self, dataset: h5py.Dataset, which: str | int | slice) -> np.ndarray:
        with refusing(self._file.filename, "labels that can be read", MEND):
            return dataset[self.row(which) if isinstance(which, str) else which]


def open_labels(labels_path: str | Path, concepts_path: str | Path) -> Labels:
    """Open ``labels.h5`` and ``concepts.parquet``. Raises InputError if they are not what ``pack_labels`` writes."""
    with refusing(labels_path, "an HDF5 file of labels"):
        file = h5py.File(labels_path, "r", locking="best-effort", rdcc_nbytes=8 * CHUNK_BYTES)
        missing = [name for name in ("image_id", "planes", "image_labels") if name not in file]
        if missing or "categories" not in file.attrs:
            raise InputError(labels_path, "packed labels", f"no {', '.join(missing) or 'attribute categories'}", MEND)
    concepts = read_table(concepts_path).to_pandas(ignore_metadata=True)
    absent = [name for name in CONCEPT_COLUMNS if name not in concepts.columns]
    if absent:
        raise InputError(concepts_path, f"the columns {', '.join(CONCEPT_COLUMNS)}", f"no {', '.join(absent)}")
    with refusing(labels_path, "packed labels", MEND):
        return Labels(file, concepts)
