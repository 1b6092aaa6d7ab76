"""How rough filters and activation maps are: total variation (arXiv 2006.09373), and how much of a map noise changes.

Total variation here is anisotropic, as in the study's code: the sum of absolute vertical and horizontal first differences, not
divided by the size. Compare it within a layer only.
"""

import numpy as np
import pandas as pd

from robustlens.compiled import contiguous
from robustlens.errors import InputError
from robustlens.neurons.kernels import N_KEYS, map_sums

NO_WEIGHTS = {"": np.empty((0, 1, 1, 1))}
STATISTICS = ("tv_clean", "tv_noisy", "change", "magnitude")  # in the order of `map_sums`
_VALUES = np.arange(N_KEYS, dtype=np.uint16).view(np.float16).astype(np.float64)


def total_variation(maps: np.ndarray) -> np.ndarray:
    """float64 [...], the total variation of each map in ``maps`` [..., height, width] (any float type), in the maps' unit.

    0 for a constant map and for a map of one cell.
    """
    maps = np.asarray(maps, np.float64)
    vertical = np.abs(np.diff(maps, axis=-2)).sum(axis=(-2, -1))
    return vertical + np.abs(np.diff(maps, axis=-1)).sum(axis=(-2, -1))


def filter_statistics(weights: dict[str, np.ndarray]) -> pd.DataFrame:
    """One row an output filter of every convolution; columns ``layer`` to ``colour_share`` of filters.parquet (docs/data.md).

    ``weights``: layer -> [n_units, n_inputs, kernel_height, kernel_width], in forward order: the order gives ``depth``.
    ``total_variation_unit_norm`` of a filter that is all zero is NaN; a network without convolutions has no rows. Raises InputError for
    weights that are not 4-D or finite.
    """
    frames = []
    for depth, (layer, kernel) in enumerate((weights or NO_WEIGHTS).items()):
        if kernel.ndim != 4 or not np.isfinite(kernel).all():
            found = f"{kernel.ndim} dimensions" if kernel.ndim != 4 else "NaN or inf"
            raise InputError(f"weights of layer {layer}", "finite values [n_units, n_inputs, kernel_height, kernel_width]", found)
        kernel = kernel.astype(np.float64)
        variation = total_variation(kernel).sum(axis=1)
        norm = np.sqrt((kernel**2).sum(axis=(1, 2, 3)))
        columns = {
            "layer": layer,
            "depth": np.int32(depth),
            "unit": np.arange(len(kernel), dtype=np.int32),
            "kernel_height": np.int32(kernel.shape[2]),
            "kernel_width": np.int32(kernel.shape[3]),
            "n_inputs": np.int32(kernel.shape[1]),
            "total_variation": variation,
            "total_variation_unit_norm": np.divide(variation, norm, out=np.full_like(norm, np.nan), where=norm > 0),
            "colour_share": _colour_share(kernel),
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _colour_share(kernel: np.ndarray) -> np.ndarray:
    """float64 [n_units] in [0, 1]: 0 = all three input channels alike, 1 = they cancel; NaN without three inputs or energy."""
    energy = (kernel**2).sum(axis=(1, 2, 3))
    grey = kernel.shape[1] * (kernel.mean(axis=1) ** 2).sum(axis=(1, 2))
    share = np.full(len(kernel), np.nan)
    if kernel.shape[1] == 3:
        np.divide(energy - grey, energy, out=share, where=energy > 0)
        share = share.clip(0, 1)  # rounding may leave -1e-16
    return share


class SmoothnessAccumulator:
    """Total variation of a layer's maps on clean and on noisy images, and how much the noise changes them.

    Sums are kept as whole part and fraction. float16 activations are multiples of 2**-24, so float64 adds both parts without
    rounding (a map's total variation below 2**29, fewer than 2**22 images): cutting the data otherwise changes no bit.
    """

    def __init__(self, n_units: int):
        self.n_images = 0
        self._sums = np.zeros((2, len(STATISTICS), n_units))

    def add(self, clean: np.ndarray, noisy: np.ndarray) -> None:
        """Add float16 [n_images, n_units, height, width] of the same images, clean and noisy, in the same order."""
        if clean.shape != noisy.shape:
            raise InputError("noisy activations", f"the clean ones' shape {clean.shape}", noisy.shape)
        clean, noisy = (contiguous(maps).view(np.uint16) for maps in (clean, noisy))
        values = map_sums(clean, noisy, _VALUES)
        whole = np.floor(values)
        self._sums += np.stack([whole, values - whole]).sum(axis=2)
        self.n_images += len(clean)

    def merge(self, other: "SmoothnessAccumulator") -> None:
        """Add what another accumulator of the same layer has seen (of other images)."""
        self.restore(other.arrays())

    def arrays(self) -> dict[str, np.ndarray]:
        """What has been added up, for `restore`."""
        return {"sums": self._sums, "n_images": np.array(self.n_images)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Add what `arrays` of another accumulator of the same layer gave (of other images)."""
        self._sums += arrays["sums"]
        self.n_images += int(arrays["n_images"])

    def result(self) -> pd.DataFrame:
        """One row a unit: ``unit, n_images, tv_clean, tv_noisy, relative_change`` (docs/data.md). Raises InputError for no image."""
        if not self.n_images:
            raise InputError("smoothness", "at least one image", 0)
        sums = dict(zip(STATISTICS, self._sums.sum(axis=0), strict=True))
        magnitude = sums["magnitude"]
        columns = {
            "unit": np.arange(len(magnitude), dtype=np.int32),
            "n_images": np.int32(self.n_images),
            "tv_clean": sums["tv_clean"] / self.n_images,
            "tv_noisy": sums["tv_noisy"] / self.n_images,
            "relative_change": np.divide(sums["change"], magnitude, out=np.full_like(magnitude, np.nan), where=magnitude > 0),
        }
        return pd.DataFrame(columns)
