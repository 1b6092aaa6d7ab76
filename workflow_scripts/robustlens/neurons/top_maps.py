"""The map of each unit on each of the images that drive it hardest, in a file. Contract: docs/data.md."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from robustlens.errors import refusing
from robustlens.images import replacing
from robustlens.store import REMAKE, open_hdf5

FORMAT = "robustlens-top-maps-1"


def write_top_maps(path: str | Path, layers: dict[str, np.ndarray]) -> None:
    """Write float16 ``[n_units, n_ranks, height, width]`` of each layer; the file appears when it is complete."""
    with replacing(path) as temporary, h5py.File(temporary, "w", locking="best-effort") as file:
        file.attrs["format"], file.attrs["layers"] = json.dumps(FORMAT), json.dumps(list(layers))
        for number, maps in enumerate(layers.values()):  # a layer's name may hold a slash
            packing = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if maps.size > 1000 else {}
            file.create_dataset(str(number), data=maps, **packing)


@contextmanager
def open_top_maps(path: str | Path) -> Iterator[dict[str, h5py.Dataset]]:
    """Layer -> float16 ``[n_units, n_ranks, height, width]``. Raises InputError for a file that is cut off or of another kind."""
    with open_hdf5(path, FORMAT, "a complete file of maps", ("layers",)) as (file, attributes):
        with refusing(path, "a complete file of maps", REMAKE):
            maps = {layer: file[str(number)] for number, layer in enumerate(attributes["layers"])}
        yield maps
