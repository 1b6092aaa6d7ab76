"""Network Dissection, exact: which labelled concept does each unit's strongest response cover (Bau et al., arXiv 1704.05796)?

Two passes over the activations. The first finds each unit's threshold T, an order statistic of its stored float16 values. The
second upsamples each map to the label maps, takes the pixels strictly above T as the unit's mask M, and counts

    IoU(unit, concept) = I / (A + G - I)

I: pixels of the concept inside M. G: pixels of the concept. A: pixels of M on the images that contain any label whose primary
category is the concept's (the denominators of the Network Dissection paper); in the mode ``lite`` on the images where such a label lies
inside M, and 1e-10 is added to the denominator, as in NetDissect-Lite. A pixel that bears a label in two planes counts
twice; a label of the whole image counts as one on all its pixels. Everything is counted image by image in integers, so that
results do not depend on how the images are cut into blocks or shards.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from robustlens.compiled import contiguous
from robustlens.errors import InputError
from robustlens.neurons.kernels import N_KEYS, SIGN, count_keys, count_masks, list_labels

DENOMINATORS = {"paper": 0.0, "lite": 1e-10}  # which images count in A, and what is added to the union
_INFINITE = 0x7C00  # bits of float16 infinity


# ---------------------------------------------------------------------------------------------------------------- thresholds
def order_keys(bits: np.ndarray) -> np.ndarray:
    """uint16 keys in the order of the float16 values whose bit patterns are ``bits`` (uint16); -0 has the key of +0."""
    keys = np.where(bits & SIGN, ~bits, bits | SIGN)
    return np.where(bits == SIGN, np.uint16(SIGN), keys)


def key_values(keys: np.ndarray) -> np.ndarray:
    """float32 values of ``keys`` (uint16), the inverse of `order_keys`."""
    return np.where(keys & SIGN, keys & ~np.uint16(SIGN), ~keys).astype(np.uint16).view(np.float16).astype(np.float32)


_KEYS = order_keys(np.arange(N_KEYS, dtype=np.uint16))
_VALUES = np.arange(N_KEYS, dtype=np.uint16).view(np.float16).astype(np.float32)


class Thresholds(NamedTuple):
    """Of each unit: ``threshold`` float32 [n_units], ``n_above`` int64 [n_units] (cells strictly above it), and ``n_cells``."""

    threshold: np.ndarray
    n_above: np.ndarray
    n_cells: int


class ThresholdAccumulator:
    """Exact upper quantiles of float16 activations: a histogram over all 65,536 values, 256 KB a unit; from 2**32 cells on 512 KB."""

    def __init__(self, n_units: int):
        self.n_cells = 0
        self._counts = np.zeros((n_units, N_KEYS), np.uint32)

    def add(self, maps: np.ndarray) -> None:
        """Count float16 ``maps`` [n_images, n_units, height, width]."""
        self._count_cells(maps[:, 0].size)
        count_keys(self._counts, contiguous(maps).view(np.uint16), _KEYS)

    def merge(self, other: "ThresholdAccumulator") -> None:
        """Add what another accumulator of the same layer has seen (of other images)."""
        self._count_cells(other.n_cells)
        self._counts += other._counts

    def arrays(self) -> dict[str, np.ndarray]:
        """What has been counted, for `restore`: of each value that was met, its unit, its key and how often."""
        unit, key = np.nonzero(self._counts)
        found: dict[str, np.ndarray] = {"unit": unit.astype(np.uint32), "key": key.astype(np.uint16), "count": self._counts[unit, key]}
        return {**found, "n_cells": np.array(self.n_cells), "n_units": np.array(len(self._counts))}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Add what `arrays` of another accumulator of the same layer gave (of other images)."""
        _check_alike(arrays, {"n_units": len(self._counts)})
        self._count_cells(int(arrays["n_cells"]))
        self._counts[arrays["unit"], arrays["key"]] += arrays["count"]

    def result(self, quantile: float) -> Thresholds:
        """Thresholds with at most ``floor(quantile * n_cells)`` cells above: the next smaller value, of each unit.

        ``quantile`` in [0, 1) is taken as written in decimal (0.005 * 600 is 3). Raises InputError for activations that are not
        finite, and where there are none.
        """
        if not 0 <= quantile < 1 or not self.n_cells:
            raise InputError("dissection.quantile", "a share in [0, 1) of at least one cell", f"{quantile} of {self.n_cells}")
        infinite = int(_KEYS[_INFINITE])
        if self._counts[:, infinite:].any() or self._counts[:, : N_KEYS - infinite].any():
            raise InputError("activations", "finite values", "NaN or inf")
        allowed = int(Fraction(str(quantile)) * self.n_cells)
        keys, n_above = np.zeros(len(self._counts), np.uint16), np.zeros(len(self._counts), np.int64)
        for unit, counts in enumerate(self._counts):
            from_top = np.cumsum(counts[::-1], dtype=np.int64)
            place = int(np.searchsorted(from_top, allowed, side="right"))
            keys[unit] = N_KEYS - 1 - place
            n_above[unit] = from_top[place - 1]  # place > 0: the topmost key, a NaN, is empty
        return Thresholds(key_values(keys), n_above, self.n_cells)

    def _count_cells(self, n: int) -> None:
        """Called before ``n`` cells of each unit are counted: from 2**32 on, one value may occur more often than a uint32 can say."""
        self.n_cells += n
        if self.n_cells >= 1 << 32:
            self._counts = self._counts.astype(np.uint64, copy=False)


# --------------------------------------------------------------------------------------------------------------------- masks
@lru_cache
def _cells(n_from: int, n_to: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 [n_from + 1]: from which of ``n_to`` positions on each cell is the lower neighbour; float32 [n_to]: weight of the upper one."""
    lower, _, weight = neighbours(n_from, n_to)
    return np.searchsorted(lower, np.arange(n_from + 1)), weight


@lru_cache
def neighbours(n_from: int, n_to: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower cell, upper cell and float32 weight of the upper one, for each of ``n_to`` positions on an axis of ``n_from`` cells."""
    centre = np.maximum((np.arange(n_to) + 0.5) * n_from / n_to - 0.5, 0)
    lower = centre.astype(np.intp)
    return lower, np.minimum(lower + 1, n_from - 1), (centre - lower).astype(np.float32)


def upsample(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear resampling of ``maps`` [n, h, w] to float32 [n, height, width]: cells are squares, borders are extended.

    The convention ``align_corners=False``. Computed as a + t * (b - a), which gives a constant region exactly its value: no
    pixel rises above the highest cell around it by rounding.
    """
    maps = maps.astype(np.float32)
    lower, upper, weight = neighbours(maps.shape[2], width)
    left = maps[:, :, lower]
    wide = left + weight * (maps[:, :, upper] - left)
    lower, upper, weight = neighbours(maps.shape[1], height)
    top = wide[:, lower]
    return top + weight[:, None] * (wide[:, upper] - top)


# -------------------------------------------------------------------------------------------------------------------- tallies
@dataclass(frozen=True)
class ImageLabels:
    """The labels of one image, ready to be counted; made by `ConceptIndex.labels`."""

    first: np.ndarray  # int32 [n_pixels + 1] and ...
    label: np.ndarray  # ... uint16 [n]: the labels of pixel p are label[first[p] : first[p + 1]]
    whole: np.ndarray  # uint16 [n], labels of the whole image
    pixels: np.ndarray  # int64 [n_numbers], pixels of each label
    categories: np.ndarray  # bool [n_categories], which have a label on the image

    def by_pixel(self) -> tuple[np.ndarray, np.ndarray]:
        """``(numbers int64 [n], counts float32 [n_pixels, n])``: how often each pixel bears each label that some pixel bears."""
        numbers, which = np.unique(self.label, return_inverse=True)
        counts = np.zeros((len(self.first) - 1, len(numbers)), np.float32)
        np.add.at(counts, (np.repeat(np.arange(len(counts)), np.diff(self.first)), which), 1)
        return numbers.astype(np.int64), counts


class ConceptIndex:
    """The concepts of a dissection by number: ``concepts`` has the columns ``number, name, category`` (docs/data.md)."""

    def __init__(self, concepts: pd.DataFrame):
        self.table = concepts[["number", "name", "category"]].sort_values("number", ignore_index=True)
        self.numbers = self.table["number"].to_numpy()
        self.categories = sorted(self.table["category"].unique())
        self.category = np.full(int(self.numbers.max()) + 1, -1)  # by number; -1 where there is no such concept
        self.category[self.numbers] = [self.categories.index(category) for category in self.table["category"]]

    def labels(self, image_id: str, planes: np.ndarray, whole: np.ndarray) -> ImageLabels:
        """The labels of an image: uint16 ``planes`` [n_planes, height, width], uint16 ``whole`` [n]; 0 = none.

        Raises InputError for a label that is not among the concepts.
        """
        planes = planes.reshape(len(planes), planes.shape[1] * planes.shape[2])  # there may be no plane at all
        pixels = np.bincount(planes.ravel(), minlength=len(self.category))
        whole = whole[whole > 0]
        np.add.at(pixels, whole[whole < len(pixels)], planes.shape[1])
        pixels[0] = 0
        present = np.append(np.flatnonzero(pixels), whole[whole >= len(pixels)])
        unknown = [number for number in present if number >= len(self.category) or self.category[number] < 0]
        if unknown:
            raise InputError(f"labels of image {image_id}", "numbers in concepts.parquet", unknown[0])
        categories = np.zeros(len(self.categories), bool)
        categories[self.category[present]] = True
        first, label = list_labels(planes)
        return ImageLabels(first, label, whole, pixels, categories)


class TallyAccumulator:
    """Intersections, concept pixels and activated pixels of a layer: int64, additive over images."""

    def __init__(self, thresholds: np.ndarray, index: ConceptIndex, height: int, width: int, denominator: str = "paper"):
        """``thresholds`` float32 [n_units]; ``height, width`` of the label maps in pixels; ``denominator``: ``paper`` or ``lite``."""
        if denominator not in DENOMINATORS:
            raise InputError("dissection.denominator", " or ".join(DENOMINATORS), denominator)
        self.thresholds, self.index, self.size, self.denominator = thresholds, index, (height, width), denominator
        n_units, n_numbers = len(thresholds), len(index.category)
        self._intersections = np.zeros((n_units, n_numbers), np.int64)
        self._activated = np.zeros((n_units, len(index.categories)), np.int64)
        self._concept_pixels = np.zeros(n_numbers, np.int64)

    def add(self, maps: np.ndarray, labels: list[ImageLabels]) -> None:
        """Count float16 ``maps`` [n_images, n_units, height, width] and the labels of the same images in the same order."""
        bits = contiguous(maps).view(np.uint16)
        (rows, row_weight), (columns, column_weight) = (_cells(n, to) for n, to in zip(maps.shape[2:], self.size, strict=True))
        area = np.empty(len(self.thresholds), np.int64)
        for image, label in zip(bits, labels, strict=True):
            seen = np.zeros(self._activated.shape, bool)
            where = (self.thresholds, rows, columns, row_weight, column_weight, label.first, label.label, self.index.category)
            count_masks(image, _VALUES, *where, self._intersections, area, seen)
            self._count_whole(label, area, seen)

    def _count_whole(self, label: ImageLabels, area: np.ndarray, seen: np.ndarray) -> None:
        """What of an image counts by the area of the masks [n_units]; ``seen``: categories with a label of pixels in the mask."""
        self._concept_pixels += label.pixels
        for number in label.whole:
            self._intersections[:, number] += area
        if self.denominator == "lite":
            seen[:, self.index.category[label.whole]] = True
        else:
            seen[:] = label.categories
        self._activated += area[:, None] * seen

    def merge(self, other: "TallyAccumulator") -> None:
        """Add what another accumulator with the same thresholds has seen (of other images)."""
        self.restore(other.arrays())

    def arrays(self) -> dict[str, np.ndarray]:
        """What has been counted, for `restore`."""
        counted = {"intersections": self._intersections, "activated": self._activated, "concept_pixels": self._concept_pixels}
        return {**counted, "thresholds": self.thresholds, "denominator": np.array(self.denominator)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Add what `arrays` of another accumulator with the same thresholds gave (of other images)."""
        _check_alike(arrays, {"thresholds": self.thresholds, "denominator": self.denominator})
        self._intersections += arrays["intersections"]
        self._activated += arrays["activated"]
        self._concept_pixels += arrays["concept_pixels"]

    def result(self) -> pd.DataFrame:
        """The full matrix, one row a unit and concept, by unit and number: ``unit`` and the columns from ``concept`` to ``iou``
        of iou.parquet (docs/data.md). IoU is 0 where union and intersection are empty."""
        numbers, n_units = self.index.numbers, len(self.thresholds)
        intersection = self._intersections[:, numbers]
        activated = self._activated[:, self.index.category[numbers]]
        concept_pixels = np.broadcast_to(self._concept_pixels[numbers], intersection.shape)
        union = activated + concept_pixels - intersection + DENOMINATORS[self.denominator]
        iou = np.divide(intersection, union, out=np.zeros(union.shape), where=union > 0)
        columns = {
            "unit": np.repeat(np.arange(n_units, dtype=np.int32), len(numbers)),
            "concept": np.tile(numbers.astype(np.int32), n_units),
            "name": _repeated(self.index.table["name"], n_units),
            "category": _repeated(self.index.table["category"], n_units),
            "intersection": intersection.ravel(),
            "activated": activated.ravel(),
            "concept_pixels": concept_pixels.ravel(),
            "iou": iou.ravel(),
        }
        return pd.DataFrame(columns)


def _check_alike(arrays: dict[str, np.ndarray], expected: dict[str, int | str | np.ndarray]) -> None:
    """Raise InputError where the counts of another accumulator are not of the same kind."""
    for name, value in expected.items():
        if not np.array_equal(arrays[name], value):
            raise InputError(f"counts of another part of the images, {name}", "those of this part", "others", "count it again")


def _repeated(values: pd.Series, n: int) -> pd.Categorical:
    """``values`` n times over, as a categorical: a matrix of millions of rows has only as many names as concepts."""
    codes, categories = pd.factorize(values)
    return pd.Categorical.from_codes(np.tile(codes, n), categories=categories)


def best_concepts(matrix: pd.DataFrame) -> pd.DataFrame:
    """Each unit's concept of highest IoU over all categories: ``unit, concept, name, category, iou``.

    ``matrix``: the result of a tally. Ties go to the lowest number: a unit that meets no concept has that one, with IoU 0.
    """
    best = matrix.loc[matrix.groupby("unit", sort=False)["iou"].idxmax(), ["unit", "concept", "name", "category", "iou"]]
    return best.astype({"name": str, "category": str}).reset_index(drop=True)


def best_by_category(matrix: pd.DataFrame) -> pd.DataFrame:
    """Each unit's concept of highest IoU in each category, by unit and category: ``unit, category, concept, name, iou``; ties as above."""
    rows = matrix.groupby(["unit", "category"], sort=False, observed=True)["iou"].idxmax()
    best = matrix.loc[rows, ["unit", "category", "concept", "name", "iou"]]
    return best.astype({"name": str, "category": str}).sort_values(["unit", "category"], ignore_index=True)


def unit_table(thresholds: Thresholds, matrix: pd.DataFrame) -> pd.DataFrame:
    """One row a unit of a layer: the columns from ``unit`` to ``iou`` of units.parquet (docs/data.md)."""
    best = best_concepts(matrix)
    return pd.concat([best[["unit"]], pd.DataFrame(thresholds._asdict()), best.drop(columns="unit")], axis=1)
