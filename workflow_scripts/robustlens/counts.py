"""What accumulators have counted on one shard of images, in a file each, and the sum of all shards. Contract: docs/data.md.

HDF5: a group a layer, in it a group an accumulator with its arrays; attributes are JSON text, as in activation files.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from robustlens.errors import InputError, refusing
from robustlens.hdf5 import REMAKE, open_hdf5, write_values, writing_hdf5
from robustlens.manifest import ImageCount
from robustlens.store import HEAD, IDENTITY, image_list_sha256

FORMAT = "robustlens-counts-1"
Accumulators = dict[str, Any]  # name -> accumulator with `arrays` and `restore`


def write_counts(path: str | Path, layers: dict[str, Accumulators], image_ids: list[str], attributes: dict) -> None:
    """Write what the accumulators of each layer have counted on the images named; the file appears when it is complete.

    ``attributes``: what JSON can hold, the keys of :data:`robustlens.store.IDENTITY` among them.
    """
    head = {**attributes, "format": FORMAT, "layers": list(layers), "image_list_sha256": image_list_sha256(image_ids)}
    with writing_hdf5(path, head) as file:
        write_values(file, "image_id", np.array(image_ids))
        for number, accumulators in enumerate(layers.values()):  # a layer's name may hold a slash
            for name, accumulator in accumulators.items():
                for key, values in accumulator.arrays().items():
                    write_values(file, f"{number}/{name}/{key}", values)


def add_counts(
    paths: list[str],
    image_ids: list[str],
    statistics: set[str],
    start: Callable[[str, dict[str, dict[str, np.ndarray]]], Accumulators],
) -> dict[str, Accumulators]:
    """The accumulators of each layer, in order, with the counts of all files, which hold each of ``image_ids`` once.

    ``statistics``: names of the accumulators that the files hold. ``start(layer, arrays)``: fresh ones, where ``arrays`` are those of the
    first file. Raises InputError for a file that is cut off, of another kind or of other statistics, for parts of different networks,
    inputs or layers, and for an image that is missing or there twice.
    """
    found: dict[str, Accumulators] = {}
    first: dict[str, Any] = {}
    count = ImageCount(image_ids)
    for path in paths:
        with open_hdf5(path, FORMAT, "a complete file of counts", HEAD) as (file, attributes):
            first = first or attributes
            for key in (*IDENTITY, "layers"):
                if attributes[key] != first[key]:
                    raise InputError(path, f"{key} {first[key]!r} as in {paths[0]}", repr(attributes[key]), REMAKE)
            with refusing(path, "a complete file of counts", REMAKE):
                count.add(file["image_id"].asstr()[:])
            for number, layer in enumerate(attributes["layers"]):
                with refusing(path, f"counts of layer {layer}", REMAKE):
                    arrays = {name: {key: _read(values) for key, values in group.items()} for name, group in file[str(number)].items()}
                if set(arrays) != statistics:
                    raise InputError(path, f"counts of {', '.join(sorted(statistics))}", ", ".join(sorted(arrays)), REMAKE)
                with refusing(path, f"counts that fit those of layer {layer}", REMAKE):
                    for name, accumulator in found.setdefault(layer, start(layer, arrays)).items():
                        accumulator.restore(arrays[name])
    count.check(Path(paths[0]).parent.as_posix())
    return found


def _read(values: h5py.Dataset) -> np.ndarray:
    """As it was written; text as numpy's own."""
    if h5py.check_string_dtype(values.dtype):
        return np.array(values.asstr()[()], dtype=np.str_)
    return values[()]
