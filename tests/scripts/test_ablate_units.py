"""ablate_units: scores of every unit, added up over shards."""

import numpy as np
import pandas as pd
import pytest

from ablate_units import main
from robustlens.errors import InputError
from tiny import cut_shards, image_rows, make_model, make_shard, pictures

COLUMNS = ["model", "layer", "unit", "n_images", "n_shape", "n_texture", "shape_score", "texture_score", "n_changed"]
ROWS = image_rows(30, shape=np.arange(30) % 5, texture=np.arange(2, 32) % 5)


@pytest.fixture
def ablate(tmp_path):
    weights, card = make_model(tmp_path / "net")

    def run(size, n_images=None, layers=("conv1", "conv2"), batch_size=20):
        shards = [str(shard.path) for shard in cut_shards(tmp_path / str(size), pictures(30), ROWS, size)]
        settings = {"layers": list(layers), "n_images": n_images, "device": "cpu", "batch_size": batch_size}
        main(weights, card, shards, str(tmp_path / "units.parquet"), **settings)
        return pd.read_parquet(tmp_path / "units.parquet")

    return run


def test_every_unit_has_its_scores(ablate):
    table = ablate(30)
    assert table.columns.tolist() == COLUMNS and {str(dtype) for dtype in table.dtypes[2:]} == {"int32"}
    assert table[["layer", "unit"]].to_numpy().tolist() == [["conv1", unit] for unit in range(4)] + [["conv2", unit] for unit in range(8)]
    assert (table["n_images"] == 30).all() and table["n_shape"].nunique() == table["n_texture"].nunique() == 1
    assert (table["shape_score"] <= table["n_shape"]).all() and (table["texture_score"] <= table["n_texture"]).all()
    assert (table["shape_score"] + table["texture_score"] <= table["n_changed"]).all()
    assert table["shape_score"].max() > 0 and table["texture_score"].max() > 0


@pytest.mark.parametrize("n_images", [None, 13, 20, 99])
def test_shards_and_batches_change_no_score(ablate, n_images):
    whole, parts = ablate(30, n_images), ablate(10, n_images, batch_size=3)
    pd.testing.assert_frame_equal(whole, parts)
    assert whole["n_images"].iloc[0] == min(n_images or 30, 30)


def test_layers_that_cannot_be_ablated_and_unknown_ones_are_refused(ablate, tmp_path):
    with pytest.raises(InputError, match="models.net.layers: expected a module such as conv1"):
        ablate(30, layers=["conv7"])
    assert not (tmp_path / "units.parquet").exists()


def test_images_without_cues_are_refused(tmp_path):
    shard = make_shard(tmp_path / "plain.parquet", pictures(3), image_rows(3))
    with pytest.raises(
        InputError, match="ablation.stimulus: expected images whose shape and texture belong to different classes, got none"
    ):
        main(
            *make_model(tmp_path / "net"),
            [str(shard.path)],
            str(tmp_path / "u"),
            layers=["conv1"],
            n_images=None,
            device="cpu",
            batch_size=9,
        )
