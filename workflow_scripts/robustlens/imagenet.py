"""The classes of ImageNet: their index, WordNet id and name, and the smaller sets that are made of them."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from robustlens.errors import InputError

TABLE = Path(__file__).resolve().parents[2] / "resources/imagenet_classes.csv"
SIXTEEN = (
    *("airplane", "bear", "bicycle", "bird", "boat", "bottle", "car", "cat"),
    *("chair", "clock", "dog", "elephant", "keyboard", "knife", "oven", "truck"),
)  # the classes of Geirhos et al. (arXiv 1811.12231), in alphabetical order


@cache
def classes() -> pd.DataFrame:
    """One row a class, in order: ``index`` (rank of the WordNet id), ``wnid``, ``name``, ``sixteen`` (the class of Geirhos et al., or
    empty), ``imagenet_a``, ``imagenet_r`` (1 where the class is among the 200 of that set).
    """
    return pd.read_csv(TABLE, dtype={"wnid": str, "name": str, "sixteen": str}, keep_default_na=False)


@cache
def _indices() -> dict[str, int]:
    return dict(zip(classes()["wnid"], classes()["index"].tolist(), strict=True))


def index_of(wnid: str) -> int | None:
    """The class index of a WordNet id; None where ImageNet's 1000 classes do not have it."""
    return _indices().get(wnid)


def members(name: str) -> np.ndarray:
    """int64 ``[200]``: the class indices of ``imagenet-a`` or ``imagenet-r``, ascending. Raises InputError for another set."""
    if name not in ("imagenet-a", "imagenet-r"):
        raise InputError("classes", "imagenet-a or imagenet-r", name)
    return np.flatnonzero(classes()[name.replace("-", "_")].to_numpy() == 1)


@cache
def membership() -> np.ndarray:
    """float64 ``[1000, 16]``: 1 where a class belongs to one of the SIXTEEN."""
    return np.stack([(classes()["sixteen"] == name).to_numpy(float) for name in SIXTEEN], axis=1)
