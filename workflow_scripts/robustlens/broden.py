"""Concept-labelled images in Broden's layout, as read and as written.

``images/`` holds the pictures and, beside them, label PNGs: R + 256 * G of a px is a label number, 0 none. ``index.csv`` names them, one
row an image; a cell of a category's column holds items parted by ``;``: a number (a label of the whole image) or the path of a label PNG.
``label.csv`` is the table of labels, ``category.csv`` that of categories; ``c_<category>.csv`` says how much of the set each label covers.
"""

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from robustlens.errors import InputError, refusing
from robustlens.files import replacing
from robustlens.images import encode_png
from robustlens.picture_files import below, opened_picture

SIZES = ["ih", "iw", "sh", "sw"]  # px: height and width of the image, height and width of its label PNGs
LARGEST_NUMBER = 2**16 - 1  # of a label: R + 256 * G
LARGEST_SIDE = 2**15  # px
TRAIN_SHARE = 0.7  # of the images, by the digest of their path


# ------------------------------------------------------------------------------------------------------------------- reading
@dataclass(frozen=True)
class Broden:
    """The images of a set that have a label in one of the selected ``categories``, and the table of labels."""

    folder: Path
    categories: list[str]  # in category order: that of their first label number
    index: pd.DataFrame  # image_id (path below images/), split, ih, iw, sh, sw, maps (lists of paths), whole (lists of label numbers)
    labels: pd.DataFrame  # number, name, category (the primary one among the selected)

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """``(image_id, planes, image_labels)`` of each image in order."""
        for row, image_id in enumerate(self.index["image_id"]):
            yield image_id, self.planes(row), self.image_labels(row)

    def planes(self, row: int) -> np.ndarray:
        """uint16 ``[n_planes, sh, sw]``: label numbers, 0 = none; one plane a label PNG, in category order."""
        image = self.index.iloc[row]
        planes = [self._plane(self._below_images(path), (image.sh, image.sw)) for path in image.maps]
        return np.array(planes, np.uint16).reshape(-1, image.sh, image.sw)

    def image_labels(self, row: int) -> np.ndarray:
        """uint16 ``[n_image_labels]``: numbers of the labels that hold for the whole image, in category order."""
        return np.array(self.index["whole"].iloc[row], np.uint16)

    def _plane(self, path: Path, size: tuple[int, int]) -> np.ndarray:
        with opened_picture(path, path, "a readable label PNG") as picture:
            red_green = np.asarray(picture.convert("RGB"))[..., :2].astype(np.uint16)
        plane = red_green[..., 0] + 256 * red_green[..., 1]
        if plane.shape != size:
            raise InputError(path, f"{size[0]} x {size[1]} px (sh x sw of index.csv)", f"{plane.shape[0]} x {plane.shape[1]} px")
        self._check_numbers(path, np.flatnonzero(np.bincount(plane.ravel())).tolist())
        return plane

    def _below_images(self, name: str) -> Path:
        return below(self.folder / "images", name, self.folder / "index.csv")

    def _check_numbers(self, where: object, numbers: Iterable[int]) -> None:
        unknown = set(numbers) - self._numbers
        if unknown:
            raise InputError(where, f"label numbers of label.csv (up to {max(self._numbers)})", min(unknown))

    @cached_property
    def _numbers(self) -> set[int]:
        return {0, *self.labels["number"]}

    def check(self) -> None:
        """Raise InputError for a label of a whole image that is not in the table, or an image that is not there."""
        for row in self.index.itertuples():
            self._check_numbers(f"{self.folder / 'index.csv'} [{row.image_id}]", row.whole)
            if not self._below_images(row.image_id).is_file():
                raise InputError(self._below_images(row.image_id), "the image that index.csv lists", "no such file")


def read_broden(folder: str | Path, categories: Iterable[str]) -> Broden:
    """Open a set, for the labels of ``categories``.

    Images without a label in any of them are left out, as Network Dissection does. A label that several categories hold has one
    primary category: the one where it covers most, by ``coverage`` of the ``c_*.csv`` of ``categories``; ties go to the last category.
    Raises InputError for a missing table, column or image, an unknown category, or a label number that is not in label.csv.
    """
    folder = Path(folder)
    order = _category_order(folder, list(categories))
    broden = Broden(folder, order, _index(folder, order), _labels(folder, order))
    broden.check()
    return broden


def _read_table(path: Path, columns: dict[str, type]) -> pd.DataFrame:
    """The ``columns`` of a CSV file, by name, each of its type."""
    if not path.is_file():
        raise InputError(path, "a table of a set in Broden's layout", "no such file")
    with refusing(path, "a table (CSV in UTF-8) with as many cells in each row as in the first"), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # of cells that it drops where all rows have too many
        table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False).fillna("")
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(path, f"the columns {', '.join(columns)}", f"no {', '.join(missing)}")
    with refusing(path, "numbers where the layout has numbers"):
        return table[list(columns)].astype(columns)


def _check_once(path: Path, column: str, values: pd.Series) -> None:
    repeated = values[values.duplicated()]
    if len(repeated):
        raise InputError(path, f"every {column} once", f"{repeated.iloc[0]} twice or more")


def _category_order(folder: Path, selected: list[str]) -> list[str]:
    table = _read_table(folder / "category.csv", {"name": str, "first": int})
    _check_once(folder / "category.csv", "name", table["name"])
    for name in selected:
        if name not in set(table["name"]):
            raise InputError(folder / "category.csv", f"the category {name}", ", ".join(table["name"]), "see `dissection.categories`")
    chosen = table[table["name"].isin(selected)]
    return list(chosen.sort_values("first", kind="stable")["name"])


def _labels(folder: Path, categories: list[str]) -> pd.DataFrame:
    """``number, name, category`` of label.csv, with the primary category among ``categories``."""
    labels = _read_table(folder / "label.csv", {"number": int, "name": str})
    labels = labels[labels["number"] > 0].reset_index(drop=True)
    _check_once(folder / "label.csv", "number", labels["number"])
    if len(labels) and labels["number"].max() > LARGEST_NUMBER:
        raise InputError(folder / "label.csv", f"label numbers up to {LARGEST_NUMBER}", labels["number"].max())
    coverage = np.zeros((len(labels), len(categories)))
    for column, category in enumerate(categories):
        table = _read_table(folder / f"c_{category}.csv", {"number": int, "coverage": float})
        _check_once(folder / f"c_{category}.csv", "number", table["number"])
        if not np.isfinite(table["coverage"]).all():
            raise InputError(folder / f"c_{category}.csv", "finite coverages", "NaN or inf")
        covered = pd.Series(table["coverage"].to_numpy(), table["number"])
        coverage[:, column] = covered.reindex(labels["number"]).fillna(0)
    last_largest = len(categories) - 1 - coverage[:, ::-1].argmax(axis=1)
    return labels.assign(category=np.array(categories)[last_largest])


def _index(folder: Path, categories: list[str]) -> pd.DataFrame:
    path = folder / "index.csv"
    table = _read_table(path, dict.fromkeys(["image", "split", *categories], str) | dict.fromkeys(SIZES, int))
    _check_once(path, "image", table["image"].map(lambda name: str(PurePosixPath(name))))  # ./a.png is a.png
    if len(wrong := table[~table[SIZES].isin(range(1, LARGEST_SIDE + 1)).all(axis=1)]):
        sizes = ", ".join(map(str, wrong[SIZES].iloc[0]))
        raise InputError(f"{path} [{wrong['image'].iloc[0]}]", f"sizes ({', '.join(SIZES)}) from 1 to {LARGEST_SIDE} px", sizes)
    cells = [";".join(row).split(";") for row in table[categories].itertuples(index=False, name=None)]
    cells = [[item for item in items if item not in ("", "0")] for items in cells]
    table["maps"] = [[item for item in items if not item.isdecimal()] for items in cells]
    with refusing(path, "label numbers that the layout can hold"):
        table["whole"] = [[int(item) for item in items if item.isdecimal()] for items in cells]
    labelled = table[[bool(items) for items in cells]].reset_index(drop=True)
    if labelled.empty:
        raise InputError(path, f"images with a label of {', '.join(categories)}", "none")
    return labelled.rename(columns={"image": "image_id"}).drop(columns=categories)


# ------------------------------------------------------------------------------------------------------------------- writing
@dataclass(frozen=True)
class LabelledImage:
    """One image to write, and its labels."""

    name: str  # of the file below images/, with its extension
    pixels: np.ndarray  # uint8 [height, width, 3], RGB
    maps: dict[str, np.ndarray]  # category -> int [height, width], 1 + index into the names of the category, 0 = none
    whole: dict[str, list[str]]  # category -> names that hold for the whole image


def write_broden(folder: str | Path, names: Mapping[str, Iterable[str]], images: Iterable[LabelledImage]) -> None:
    """Write a set in Broden's layout: pictures as PNG, one label PNG a map, the tables last.

    ``names``: category -> names of its labels, in category order; no name twice. Labels are numbered from 1 in that order.
    """
    labels = pd.DataFrame([(name, category) for category, group in names.items() for name in group], columns=["name", "category"])
    labels.insert(0, "number", np.arange(1, len(labels) + 1))
    if labels["name"].duplicated().any():
        raise InputError("write_broden: names", "every name once", labels["name"][labels["name"].duplicated()].iloc[0])
    number = dict(zip(labels["name"], labels["number"], strict=True))
    first = labels.groupby("category", sort=False)["number"].min().to_dict()
    frequency, coverage = np.zeros(len(labels) + 1, int), np.zeros(len(labels) + 1)

    rows = []
    with replacing(folder) as temporary:
        (temporary / "images").mkdir(parents=True)
        for image in images:
            height, width = image.pixels.shape[:2]
            (temporary / "images" / image.name).write_bytes(encode_png(image.pixels))
            row = dict.fromkeys(["image", "split", *SIZES, *names], "")
            row |= {"image": image.name, "split": _split(image.name), "ih": height, "iw": width, "sh": height, "sw": width}
            for category, codes in image.maps.items():
                plane = np.where(codes > 0, codes + first[category] - 1, 0)
                row[category] = f"{Path(image.name).with_suffix('')}_{category}.png"
                (temporary / "images" / row[category]).write_bytes(encode_png(_red_green(plane)))
                share = np.bincount(plane.ravel(), minlength=len(frequency)) / plane.size
                frequency += share > 0
                coverage += share
            for category, held in image.whole.items():
                numbers = [number[name] for name in held]
                row[category] = ";".join(map(str, numbers))
                frequency[numbers] += 1
                coverage[numbers] += 1
            rows.append(row)
        for name, table in _tables(labels.assign(frequency=frequency[1:], coverage=coverage[1:])).items():
            table.to_csv(temporary / name, index=False)
        pd.DataFrame(rows).to_csv(temporary / "index.csv", index=False)


def _tables(labels: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables on labels (``number, name, category, frequency, coverage``) by the names of their files."""
    tables, groups = {}, labels.groupby("category", sort=False)
    for category, group in groups:
        table = group.sort_values("frequency", ascending=False, kind="stable")
        table.insert(0, "code", np.arange(1, len(table) + 1))
        tables[f"c_{category}.csv"] = table.drop(columns="category")
    summary = groups.agg(first=("number", "min"), last=("number", "max"), count=("number", "size"), frequency=("frequency", "sum"))
    tables["category.csv"] = summary.rename_axis("name").reset_index()
    held_by = labels["category"] + "(" + labels["frequency"].astype(str) + ")"
    return {**tables, "label.csv": labels.assign(category=held_by, syns="")}


def _red_green(plane: np.ndarray) -> np.ndarray:
    """uint8 ``[height, width, 3]``: label numbers as R + 256 * G, B = 0."""
    return np.stack([plane % 256, plane // 256, np.zeros_like(plane)], axis=-1).astype(np.uint8)


def _split(name: str) -> str:
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return "train" if int(digest[:8], 16) < TRAIN_SHARE * 2**32 else "val"
