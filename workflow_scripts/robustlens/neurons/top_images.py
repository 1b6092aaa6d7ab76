"""The images that drive each unit hardest, and its maps on them: a running top-k over streamed activations."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from robustlens.errors import InputError


class TopImages:
    """The ``k`` images with the strongest response of each unit of a layer: the maximum over its map.

    Equal responses are ordered by image_id, so that neither the order of the images nor that of merging matters.
    """

    def __init__(self, n_units: int, k: int):
        if k < 1:
            raise InputError("top_images", "at least 1", k)
        self.n_units, self.k = n_units, k
        self._activation = np.zeros((n_units, 0), np.float32)
        self._image_id = np.zeros((n_units, 0), np.str_)
        self._cell = np.zeros((n_units, 0, 2), np.int32)
        self._slot = np.zeros((n_units, 0), np.intp)  # where in _maps the map of each rank lies: few images enter, so few maps are copied
        self._maps: np.ndarray | None = None

    def add(self, image_ids: list[str], maps: np.ndarray) -> None:
        """Add images never added before: float16 or float32 ``maps`` [n_images, n_units, height, width]."""
        by_id = np.argsort(np.array(image_ids, np.str_))
        flat = maps.reshape(len(maps), self.n_units, -1)
        peak = flat.max(axis=2)[by_id].T.astype(np.float32)
        best = np.argsort(-peak, axis=1, kind="stable")[:, : self.k]
        image = by_id[best]
        cell = flat[image, np.arange(self.n_units)[:, None]].argmax(axis=2)
        place = np.stack(np.divmod(cell, maps.shape[3]), axis=2).astype(np.int32)
        taken = np.take_along_axis(peak, best, axis=1), np.array(image_ids, np.str_)[image], place
        self._keep(*taken, maps.shape[2:], lambda unit, rank: maps[image[unit, rank], unit])

    def merge(self, other: "TopImages") -> None:
        """Add what another accumulator of the same layer has seen (of other images)."""
        self.restore(other.arrays())

    def arrays(self) -> dict[str, np.ndarray]:
        """What has been kept, for `restore`: of each unit the strongest images."""
        return {"activation": self._activation, "image_id": self._image_id, "cell": self._cell, "maps": self.maps()}

    def maps(self) -> np.ndarray:
        """float16 [n_units, n_ranks, height, width]: the map of each unit on each of its images, strongest first."""
        if self._maps is None:
            return np.zeros((self.n_units, 0, 0, 0), np.float16)
        return np.take_along_axis(self._maps, self._slot[..., None, None], axis=1)

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Add what `arrays` of another accumulator of the same layer gave (of other images)."""
        maps = arrays["maps"]
        self._keep(arrays["activation"], arrays["image_id"], arrays["cell"], maps.shape[2:], lambda unit, rank: maps[unit, rank])

    def result(self) -> pd.DataFrame:
        """One row a unit and rank, strongest first: ``unit, rank, image_id, activation, row, column`` (docs/data.md)."""
        n_ranks = self._activation.shape[1]
        columns = {
            "unit": np.repeat(np.arange(self.n_units, dtype=np.int32), n_ranks),
            "rank": np.tile(np.arange(n_ranks, dtype=np.int32), self.n_units),
            "image_id": self._image_id.ravel().astype(object),
            "activation": self._activation.ravel(),
            "row": self._cell[..., 0].ravel(),
            "column": self._cell[..., 1].ravel(),
        }
        return pd.DataFrame(columns)

    def _keep(
        self,
        activation: np.ndarray,
        image_id: np.ndarray,
        cell: np.ndarray,
        size: tuple[int, int],
        maps_of: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> None:
        """Take candidates in; ``maps_of(unit, rank)`` are the maps, of ``size``, of those of them that stay."""
        n_before = self._activation.shape[1]
        activation = np.concatenate([self._activation, activation], axis=1)
        image_id = np.concatenate([self._image_id, image_id], axis=1)
        cell = np.concatenate([self._cell, cell], axis=1)
        names = np.unique(image_id, return_inverse=True)[1].reshape(image_id.shape)
        best = np.lexsort((names, -activation), axis=1)[:, : self.k]
        self._activation = np.take_along_axis(activation, best, axis=1)
        self._image_id = np.take_along_axis(image_id, best, axis=1)
        self._cell = np.take_along_axis(cell, best[..., None], axis=1)
        self._keep_maps(best, n_before, size, maps_of)

    def _keep_maps(self, best: np.ndarray, n_before: int, size: tuple[int, int], maps_of: Callable) -> None:
        """Put the maps of new images into the slots of those that fell out; ``best``: what stays, new ones from ``n_before`` on."""
        if self._maps is None:
            self._maps = np.zeros((self.n_units, self.k, *size), np.float16)
        is_new = best >= n_before
        slot = np.take_along_axis(np.pad(self._slot, ((0, 0), (0, best.max(initial=0) + 1))), best, axis=1)
        taken = np.zeros((self.n_units, self.k), bool)
        unit, rank = np.nonzero(~is_new)
        taken[unit, slot[unit, rank]] = True
        free = np.argsort(taken, axis=1, kind="stable")  # of each unit the free slots first
        unit, rank = np.nonzero(is_new)
        slot[unit, rank] = free[unit, is_new.cumsum(axis=1)[unit, rank] - 1]
        self._maps[unit, slot[unit, rank]] = maps_of(unit, best[unit, rank] - n_before)
        self._slot = slot
