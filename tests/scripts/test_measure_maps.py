"""measure_maps: two image sets, matched by image_id, and the strongest images of the units of every layer."""

import numpy as np
import pandas as pd
import pytest

from measure_maps import main
from robustlens.errors import InputError
from robustlens.images import write_manifest
from robustlens.neurons.top_maps import open_top_maps
from robustlens.store import ActivationWriter

ATTRIBUTES = {"model": "net", "image_set": "clean", "weights_sha256": "abc", "preprocessing": "[0,1]"}


def shards(folder, image_ids, values, **attributes):
    """Two shards; image n has ``values[n]`` in the first of 4 positions of its only unit."""
    maps, paths = np.zeros((len(values), 1, 2, 2), np.float32), []
    maps[:, 0, 0, 0] = values
    for number, rows in enumerate((slice(0, 1), slice(1, None))):
        paths.append(str(folder / f"shard-{number}.h5"))
        with ActivationWriter(paths[-1], image_ids[rows], {"conv": (1, 2, 2)}, {**ATTRIBUTES, **attributes}, "none") as writer:
            writer.write("conv", 0, maps[rows])
    return paths


def measure(folder, image_ids, clean, noisy, k=1):
    """The tables of smoothness and of the strongest images."""
    write_manifest(folder / "manifest.parquet", pd.DataFrame({"image_id": image_ids, "label": 0, "shape": 0, "texture": 0, "path": ""}))
    tables = [str(folder / name) for name in ("smoothness.parquet", "top.parquet", "top.h5")]
    main(clean, noisy, str(folder / "manifest.parquet"), *tables, model="net", n_images=3, k=k)
    return [pd.read_parquet(path) for path in tables[:2]]


def test_images_are_matched_by_id(tmp_path):
    """Of the first three images of the manifest; the two sets are cut in the same order."""
    clean = shards(tmp_path / "clean", ["a", "b", "c"], [1, 2, 5])
    noisy = shards(tmp_path / "noisy", ["a", "b", "c"], [1, 4, 5], image_set="noisy")
    table, _ = measure(tmp_path, ["a", "b", "c", "d"], clean[::-1], noisy)
    assert table.columns.tolist() == ["model", "layer", "unit", "n_images", "tv_clean", "tv_noisy", "relative_change"]
    assert table.iloc[0].tolist() == ["net", "conv", 0, 3, 2 * 8 / 3, 2 * 10 / 3, 2 / 8]


def test_other_images_and_other_weights_are_refused(tmp_path):
    clean = shards(tmp_path / "clean", ["a", "b"], [1, 2])
    with pytest.raises(InputError, match="noisy: expected the 2 images .* got 1 missing, first 'b'"):
        measure(tmp_path, ["a", "b"], clean, shards(tmp_path / "noisy", ["a", "c"], [1, 2]))
    with pytest.raises(InputError, match="expected weights_sha256 'abc'"):
        measure(tmp_path, ["a", "b"], clean, shards(tmp_path / "noisy", ["a", "b"], [1, 2], weights_sha256="x"))


def test_strongest_images_of_every_layer(tmp_path):
    maps = np.zeros((3, 1, 2, 2), np.float32)
    maps[:, 0, 1, 0] = 2, 7, 2
    with ActivationWriter(tmp_path / "shard-0.h5", ["b", "c", "a"], {"conv": (1, 2, 2), "deep": (1, 2, 2)}, ATTRIBUTES, "none") as writer:
        writer.write("conv", 0, maps)
        writer.write("deep", 0, -maps)
    paths = [str(tmp_path / "shard-0.h5")]
    _, table = measure(tmp_path, ["b", "c", "a"], paths, paths, k=2)
    assert table.columns.tolist() == ["model", "layer", "unit", "rank", "image_id", "activation", "row", "column"]
    assert list(table.itertuples(index=False, name=None)) == [
        ("net", "conv", 0, 0, "c", 7, 1, 0),
        ("net", "conv", 0, 1, "a", 2, 1, 0),
        ("net", "deep", 0, 0, "a", 0, 0, 0),
        ("net", "deep", 0, 1, "b", 0, 0, 0),
    ]
    with open_top_maps(tmp_path / "top.h5") as found:
        assert list(found) == ["conv", "deep"]
        assert (found["conv"][0] == maps[[1, 2], 0]).all() and (found["deep"][0] == -maps[[2, 0], 0]).all()
