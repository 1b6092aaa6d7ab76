"""rank_images: the strongest images of the units of every layer."""

import numpy as np
import pandas as pd

from rank_images import main
from robustlens.store import ActivationWriter, link_shards

ATTRIBUTES = {"model": "net", "image_set": "clean", "weights_sha256": "abc", "preprocessing": "[0,1]"}


def test_strongest_images_of_every_layer(tmp_path):
    maps = np.zeros((3, 1, 2, 2), np.float32)
    maps[:, 0, 1, 0] = 2, 7, 2
    with ActivationWriter(tmp_path / "shard-0.h5", ["b", "c", "a"], {"conv": (1, 2, 2), "deep": (1, 2, 2)}, ATTRIBUTES, "none") as writer:
        writer.write("conv", 0, maps)
        writer.write("deep", 0, -maps)
    link_shards([tmp_path / "shard-0.h5"], tmp_path / "view.h5", ["b", "c", "a"])
    main(str(tmp_path / "view.h5"), str(tmp_path / "top.parquet"), model="net", k=2)
    table = pd.read_parquet(tmp_path / "top.parquet")
    assert table.columns.tolist() == ["model", "layer", "unit", "rank", "image_id", "activation", "row", "column"]
    assert list(table.itertuples(index=False, name=None)) == [
        ("net", "conv", 0, 0, "c", 7, 1, 0),
        ("net", "conv", 0, 1, "a", 2, 1, 0),
        ("net", "deep", 0, 0, "a", 0, 0, 0),
        ("net", "deep", 0, 1, "b", 0, 0, 0),
    ]
