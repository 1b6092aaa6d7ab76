"""list_layers: one row a module, what it gives, and which are studied."""

import pandas as pd

from list_layers import main
from robustlens.models.architectures import build_network
from tiny import HALF, make_model

VIT = {"image_size": 16, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16, "num_classes": 3}


def listed(tmp_path, model, layers, input_size=16) -> pd.DataFrame:
    main(*model, str(tmp_path / "layers.csv"), layers=layers, input_size=input_size)
    return pd.read_csv(tmp_path / "layers.csv").set_index("layer")


def test_the_modules_of_a_small_alexnet(tmp_path):
    table = listed(tmp_path, make_model(tmp_path / "net"), ["conv1", "conv3"])
    assert table.index[:3].tolist() == ["conv1.0", "conv1.1", "conv1.2"] and (table["model"] == "net").all()
    row = table.loc["conv3"]
    assert row[["module", "output", "n_units", "height", "width", "runs", "carries_all"]].tolist() == ["Sequential", "maps", 8, 2, 2, 1, 1]
    assert table.index[table["studied"] == 1].tolist() == ["conv1", "conv3"]
    assert table.index[table["default"] == 1].tolist() == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert table.loc["head", ["output", "n_units", "height"]].tolist() == ["vector", 5, 0]


def test_tokens_of_a_vision_transformer(tmp_path):
    spec = {"architecture": "torchvision.models:VisionTransformer", "arguments": VIT, **HALF}
    network = build_network("models.net", spec["architecture"], VIT)
    table = listed(tmp_path, make_model(tmp_path / "net", network=network, spec=spec), None)
    blocks = ["encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1"]
    assert table.index[table["studied"] == 1].tolist() == table.index[table["default"] == 1].tolist() == blocks
    assert table.loc[blocks[0], ["output", "n_units", "height", "width"]].tolist() == ["tokens", 8, 2, 2]
    assert table.loc["conv_proj", ["output", "n_units", "height", "width"]].tolist() == ["maps", 8, 2, 2]
    assert "encoder.layers.encoder_layer_0.self_attention" not in table.index  # it gives no tensor but a pair
