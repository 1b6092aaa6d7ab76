"""ablate_units: scores of every unit on a shard of cue-conflict images."""

import numpy as np
import pandas as pd
import pytest
import torch

from ablate_units import main
from robustlens.errors import InputError
from robustlens.imagenet import membership
from robustlens.models.registry import load_model
from tiny import SCORES, image_rows, make_model, make_shard, pictures, random_network, spec_of

ROWS = image_rows(30, shape=np.arange(30) % 5, texture=np.arange(2, 32) % 5)


@pytest.fixture
def ablate(tmp_path):
    weights, card = make_model(tmp_path / "net")
    shard = make_shard(tmp_path / "shard.parquet", pictures(30), ROWS)

    def run(n_images=30, layers=("conv1", "conv2"), batch_size=20):
        scores = tmp_path / "scores.parquet"
        asked = {"layers": list(layers), "n_images": n_images, "classes": None, "sixteen_by": "mean"}
        main(weights, card, str(shard.path), str(scores), **asked, device="cpu", batch_size=batch_size)
        return pd.read_parquet(scores)

    return run


def test_every_unit_has_its_scores(ablate):
    table = ablate()
    assert table.columns.tolist() == SCORES and {str(dtype) for dtype in table.dtypes[2:]} == {"int32"}
    assert table[["layer", "unit"]].to_numpy().tolist() == [["conv1", unit] for unit in range(4)] + [["conv2", unit] for unit in range(8)]
    assert (table["n_images"] == 30).all() and table["n_shape"].nunique() == table["n_texture"].nunique() == 1
    assert (table["shape_score"] <= table["n_shape"]).all() and (table["texture_score"] <= table["n_texture"]).all()
    assert (table["shape_score"] + table["texture_score"] <= table["n_changed"]).all()
    assert table["shape_score"].max() > 0 and table["texture_score"].max() > 0


@pytest.mark.parametrize("n_images", [13, 20, 30])
def test_batches_change_no_score(ablate, n_images):
    table = ablate(n_images)
    pd.testing.assert_frame_equal(table, ablate(n_images, batch_size=3))
    assert table["n_images"].iloc[0] == n_images


def test_sixteen_classes_are_decided_from_a_thousand(tmp_path):
    weights, card = make_model(tmp_path / "wide", "net", random_network(classes=1000, width=8), spec_of(classes=1000, width=8))
    shard = make_shard(tmp_path / "cues.parquet", pictures(12), image_rows(12, shape=np.arange(12) % 16, texture=np.arange(3, 15) % 16))
    found = {}
    for classes in ("imagenet-16", None):
        asked = {"layers": ["conv1"], "n_images": 12, "classes": classes, "sixteen_by": "mean"}
        main(weights, card, str(shard.path), str(tmp_path / "s.parquet"), **asked, device="cpu", batch_size=12)
        found[classes] = pd.read_parquet(tmp_path / "s.parquet")
    model = load_model(weights, card, "cpu")
    scores = model(torch.from_numpy(pictures(12)).permute(0, 3, 1, 2) / 255).softmax(1).numpy() @ (membership() / membership().sum(0))
    assert (found["imagenet-16"]["n_shape"] == (scores.argmax(1) == np.arange(12) % 16).sum()).all()
    assert not found[None].equals(found["imagenet-16"])


def test_unknown_layers_are_refused(ablate, tmp_path):
    with pytest.raises(InputError, match="models.net.layers: expected a module such as conv1"):
        ablate(layers=["conv7"])
    assert not (tmp_path / "scores.parquet").exists()
