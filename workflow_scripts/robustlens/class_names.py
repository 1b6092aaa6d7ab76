"""Names of classes: labels by one list become labels by another, and what is refused on the way is said by name."""

import numpy as np
import pandas as pd

from robustlens.errors import InputError

FEW = 6  # names in a sentence
LIST = "list the classes as `classes` of the config, in the order of the networks' outputs"
INDICES = ["label", "shape", "texture"]  # columns of class indices


def check_unique(where: object, names: list[str]) -> None:
    """Raise InputError for a class that stands twice in a list."""
    if len(set(names)) < len(names):
        raise InputError(where, "every class once", f"{next(name for name in names if names.count(name) > 1)} more than once")


def relabel(where: object, rows: pd.DataFrame, own: list[str], wanted: list[str]) -> pd.DataFrame:
    """``rows`` of a manifest whose class indices are those of ``own``, with the places of the same names in ``wanted``; -1 stays.

    Raises InputError for a class of ``rows`` that ``wanted`` does not have.
    """
    check_range(where, rows, own)
    check_known(where, [own[index] for index in np.unique(rows[INDICES]) if index >= 0], wanted)
    places = {name: place for place, name in enumerate(wanted)}
    table = np.array([places.get(name, -1) for name in own] + [-1])  # the last one answers for -1
    return rows.assign(**{name: table[rows[name].to_numpy()] for name in INDICES})


def check_range(where: object, rows: pd.DataFrame, names: list[str]) -> None:
    """Raise InputError for a class index without a name."""
    if (largest := rows[INDICES].to_numpy().max(initial=-1)) >= len(names):
        raise InputError(where, f"labels of {len(names)} classes ({shown(names)}), from 0", largest)


def check_known(where: object, names: list[str], wanted: list[str]) -> None:
    """Raise InputError for class names that are not in the list ``wanted``."""
    known = set(wanted)
    if foreign := [name for name in names if name not in known]:
        asked = f"classes among the {len(wanted)} of the study ({shown(wanted)})"
        found = f"{len(names)} classes, of which {shown(foreign)} {'is' if len(foreign) == 1 else 'are'} none of them"
        raise InputError(where, asked, found, f"rename or move what is called otherwise, or {LIST}")


def missing(names: list[str], wanted: list[str]) -> list[str]:
    """The classes of ``wanted`` that are not among ``names``, in order."""
    there = set(names)
    return [name for name in wanted if name not in there]


def shown(names: list[str]) -> str:
    """Class names in a sentence, of many the first and the last."""
    return ", ".join(names[:FEW]) + (f" ... {names[-1]}" if len(names) > FEW else "")
