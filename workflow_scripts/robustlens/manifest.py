"""The check of every gather: each image of the manifest is there exactly once."""

from collections.abc import Iterable

import pandas as pd

from robustlens.errors import InputError


def check_exactly_once(where: str, expected: Iterable[str], found: Iterable[str]) -> None:
    """Raise InputError naming the first image of ``expected`` that is missing, repeated, or not in the list at all."""
    counts = pd.Series(list(found), dtype=object).value_counts()
    wanted = pd.Index(list(expected))
    for problem, ids in (
        ("missing", wanted.difference(counts.index)),
        ("there more than once", counts.index[counts > 1]),
        ("not in the manifest", counts.index.difference(wanted)),
    ):
        if len(ids):
            raise InputError(where, f"the {len(wanted)} images of the manifest, each once", f"{len(ids)} {problem}, first {ids[0]!r}")
