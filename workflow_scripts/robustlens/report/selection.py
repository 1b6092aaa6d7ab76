"""The images that both networks of a pair label correctly (the paper's ImageNet-CL), beside a published list of them."""

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from robustlens.errors import InputError, refusing
from robustlens.imagenet import SIXTEEN, membership
from robustlens.report.behaviour import both_correct

SELECTION = ["pair", "class", "n_images", "n_published", "n_common", "only_here", "only_published"]


def select(predictions: pd.DataFrame, manifest: pd.DataFrame, pair: dict) -> pd.DataFrame:
    """The rows of ``manifest``, in its order, of the images that both networks of ``pair`` label correctly."""
    return manifest[manifest["image_id"].isin(both_correct(predictions, pair))].reset_index(drop=True)


def read_published(path: str | Path) -> np.ndarray:
    """Names of pictures, a text array [n_published] in NumPy's format. Raises InputError for other content, pickles and repeated names."""
    with refusing(path, "a NumPy file of picture names"):
        names = np.load(path, mmap_mode="r", allow_pickle=False)  # which compares the size that is claimed with that of the file
        if isinstance(names, np.ndarray):
            names = np.array(names)
            names.tolist()  # signs that are none
    if not isinstance(names, np.ndarray) or names.ndim != 1 or names.dtype.kind != "U":
        got = f"{names.dtype} {list(names.shape)}" if isinstance(names, np.ndarray) else "several arrays"
        raise InputError(path, "a NumPy file of picture names, one dimension of text", got)
    once, counts = np.unique(names, return_counts=True)
    if (counts > 1).any():
        raise InputError(path, "every name once", f"{once[counts > 1][0]} more than once")
    return names


def compare(pair: str, manifest: pd.DataFrame, selected: pd.DataFrame, published: str | None = None) -> pd.DataFrame:
    """The rows ``SELECTION`` of a pair: of class ``all``, and with a published list of each of the 16 classes of Geirhos et al.

    Pictures are matched by the name of their file, without folder and ending. Of the published names only those count whose picture
    is in ``manifest``, so that a study of some of the images compares like with like; without a list their columns are empty. Raises
    InputError where none of them is, and where two pictures have one name.
    """
    here = manifest["image_id"].isin(selected["image_id"]).to_numpy()
    if published is None:
        return _table([(pair, "all", int(here.sum()), *[pd.NA] * 4)])
    names, listed = _names(manifest), {PurePosixPath(name).stem for name in read_published(published).tolist()}
    if repeated := names[names.duplicated()].tolist():
        raise InputError(published, "pictures of different names in the source", f"{repeated[0]} more than once")
    there = names.isin(listed).to_numpy()
    if not there.any():
        raise InputError(published, "names of pictures of the source", f"none of its pictures, but {min(listed, default='no name')}")
    label = manifest["label"].to_numpy()
    of_class = {"all": np.ones(len(manifest), bool)}
    of_class |= {name: np.isin(label, np.flatnonzero(column)) for name, column in zip(SIXTEEN, membership().T, strict=True)}
    return _table([(pair, name, *_counts(here & among, there & among)) for name, among in of_class.items()])


def _names(manifest: pd.DataFrame) -> pd.Series:
    """Name of each picture's file without folder and ending; of its id where it has no file of its own."""
    path = manifest["path"].fillna("")
    return path.where(path != "", manifest["image_id"]).map(lambda text: PurePosixPath(text).stem)


def _counts(here: np.ndarray, there: np.ndarray) -> tuple[int, ...]:
    return tuple(int(found.sum()) for found in (here, there, here & there, here & ~there, there & ~here))


def _table(rows: list[tuple]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=SELECTION)
    return table.astype(dict.fromkeys(SELECTION[2:], "Int64"))
