"""measure_maps: two views, matched by image_id, and the strongest images of the units of every layer."""

import numpy as np
import pandas as pd
import pytest

from measure_maps import main
from robustlens.errors import InputError
from robustlens.neurons.top_maps import open_top_maps
from robustlens.store import ActivationWriter, link_shards

ATTRIBUTES = {"model": "net", "image_set": "clean", "weights_sha256": "abc", "preprocessing": "[0,1]"}


def view(folder, image_ids, values, **attributes):
    """A view over one shard; image n has ``values[n]`` in the first of 4 cells of its only unit."""
    maps = np.zeros((len(values), 1, 2, 2), np.float32)
    maps[:, 0, 0, 0] = values
    with ActivationWriter(folder / "shard-0.h5", image_ids, {"conv": (1, 2, 2)}, {**ATTRIBUTES, **attributes}, "none") as writer:
        writer.write("conv", 0, maps)
    link_shards([folder / "shard-0.h5"], folder / "view.h5", image_ids)
    return str(folder / "view.h5")


def test_images_are_matched_by_id(tmp_path):
    clean = view(tmp_path / "clean", ["a", "b", "c"], [1, 2, 5])
    noisy = view(tmp_path / "noisy", ["c", "a", "b"], [5, 1, 4], image_set="noisy")
    main(clean, noisy, str(tmp_path / "smoothness.parquet"), str(tmp_path / "top.parquet"), str(tmp_path / "top.h5"), model="net", k=1)
    table = pd.read_parquet(tmp_path / "smoothness.parquet")
    assert table.columns.tolist() == ["model", "layer", "unit", "n_images", "tv_clean", "tv_noisy", "relative_change"]
    assert table.iloc[0].tolist() == ["net", "conv", 0, 3, 2 * 8 / 3, 2 * 10 / 3, 2 / 8]


def test_other_images_and_other_weights_are_refused(tmp_path):
    clean = view(tmp_path / "clean", ["a", "b"], [1, 2])
    with pytest.raises(InputError, match="expected the images of"):
        main(
            clean,
            view(tmp_path / "noisy", ["a", "c"], [1, 2]),
            str(tmp_path / "s.parquet"),
            str(tmp_path / "t.parquet"),
            str(tmp_path / "t.h5"),
            model="net",
            k=1,
        )
    with pytest.raises(InputError, match="expected weights_sha256 'abc'"):
        main(
            clean,
            view(tmp_path / "noisy", ["a", "b"], [1, 2], weights_sha256="x"),
            str(tmp_path / "s.parquet"),
            str(tmp_path / "t.parquet"),
            str(tmp_path / "t.h5"),
            model="net",
            k=1,
        )


def test_strongest_images_of_every_layer(tmp_path):
    maps = np.zeros((3, 1, 2, 2), np.float32)
    maps[:, 0, 1, 0] = 2, 7, 2
    with ActivationWriter(tmp_path / "shard-0.h5", ["b", "c", "a"], {"conv": (1, 2, 2), "deep": (1, 2, 2)}, ATTRIBUTES, "none") as writer:
        writer.write("conv", 0, maps)
        writer.write("deep", 0, -maps)
    link_shards([tmp_path / "shard-0.h5"], tmp_path / "view.h5", ["b", "c", "a"])
    view = str(tmp_path / "view.h5")
    main(view, view, str(tmp_path / "smoothness.parquet"), str(tmp_path / "top.parquet"), str(tmp_path / "top.h5"), model="net", k=2)
    table = pd.read_parquet(tmp_path / "top.parquet")
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
