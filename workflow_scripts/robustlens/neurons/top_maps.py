"""The map of each unit on each of the images that drive it hardest, in a file. Contract: docs/data.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from robustlens.errors import refusing
from robustlens.hdf5 import REMAKE, open_hdf5, write_values, writing_hdf5

FORMAT = "robustlens-top-maps-1"


def write_top_maps(path: str | Path, layers: dict[str, np.ndarray]) -> None:
    """Write float16 ``[n_units, n_ranks, height, width]`` of each layer; the file appears when it is complete."""
    with writing_hdf5(path, {"format": FORMAT, "layers": list(layers)}) as file:
        for number, maps in enumerate(layers.values()):  # a layer's name may hold a slash
            write_values(file, str(number), maps)


@contextmanager
def open_top_maps(path: str | Path) -> Iterator[dict[str, h5py.Dataset]]:
    """Layer -> float16 ``[n_units, n_ranks, height, width]``. Raises InputError for a file that is cut off or of another kind."""
    with open_hdf5(path, FORMAT, "a complete file of maps", ("layers",)) as (file, attributes):
        with refusing(path, "a complete file of maps", REMAKE):
            maps = {layer: file[str(number)] for number, layer in enumerate(attributes["layers"])}
        yield maps
