"""measure_smoothness: two views, matched by image_id."""

import numpy as np
import pandas as pd
import pytest

from measure_smoothness import main
from robustlens.errors import InputError
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
    main(clean, noisy, str(tmp_path / "smoothness.parquet"), model="net")
    table = pd.read_parquet(tmp_path / "smoothness.parquet")
    assert table.columns.tolist() == ["model", "layer", "unit", "n_images", "tv_clean", "tv_noisy", "relative_change"]
    assert table.iloc[0].tolist() == ["net", "conv", 0, 3, 2 * 8 / 3, 2 * 10 / 3, 2 / 8]


def test_other_images_and_other_weights_are_refused(tmp_path):
    clean = view(tmp_path / "clean", ["a", "b"], [1, 2])
    with pytest.raises(InputError, match="expected the images of"):
        main(clean, view(tmp_path / "noisy", ["a", "c"], [1, 2]), str(tmp_path / "s.parquet"), model="net")
    with pytest.raises(InputError, match="expected weights_sha256 'abc'"):
        main(clean, view(tmp_path / "noisy", ["a", "b"], [1, 2], weights_sha256="x"), str(tmp_path / "s.parquet"), model="net")
