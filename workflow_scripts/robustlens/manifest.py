"""The check of every gather: each image of the manifest is there exactly once."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from robustlens.errors import InputError


class ImageCount:
    """How often each image of a manifest was found, shard by shard; memory does not grow with what is found."""

    def __init__(self, expected: Iterable[str]):
        self.expected = expected if isinstance(expected, pd.Index) else pd.Index(list(expected), dtype=object)
        self._counts = np.zeros(len(self.expected), np.int32)
        self._strangers: set[str] = set()

    def add(self, found: Iterable[str]) -> None:
        """Count the ids ``found``."""
        ids = np.array(list(found), object)
        rows = self.expected.get_indexer(ids)
        np.add.at(self._counts, rows[rows >= 0], 1)
        self._strangers.update(ids[rows < 0])

    def check(self, where: str) -> None:
        """Raise InputError naming the first image that is missing, repeated, or not in the manifest at all."""
        for problem, ids in (
            ("missing", self.expected[self._counts == 0]),
            ("there more than once", self.expected[self._counts > 1]),
            ("not in the manifest", sorted(self._strangers)),
        ):
            if len(ids):
                expected = f"the {len(self.expected)} images of the manifest, each once"
                raise InputError(where, expected, f"{len(ids)} {problem}, first {ids[0]!r}")


def check_exactly_once(where: str, expected: Iterable[str], found: Iterable[str]) -> None:
    """Raise InputError naming the first image of ``expected`` that is missing, repeated, or not in the list at all."""
    count = ImageCount(expected)
    count.add(found)
    count.check(where)
