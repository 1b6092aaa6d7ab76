"""measure_filters: trained and initial filters of every network in the order of its card."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from measure_filters import main
from robustlens.errors import InputError


@pytest.fixture
def model(tmp_path):
    kernels = {"z.first.weight": np.zeros((2, 3, 2, 2), np.float32), "a.second.weight": np.ones((1, 2, 1, 1), np.float32)}
    kernels["z.first.weight"][1, 0, 0, 0] = -3  # total variation 3 down and 3 across
    save_file({**kernels, "fc.weight": np.ones((8, 4), np.float32)}, tmp_path / "weights.safetensors")
    save_file({name: 2 * kernel for name, kernel in kernels.items()}, tmp_path / "initial.safetensors")
    (tmp_path / "card.json").write_text(json.dumps({"convolutions": ["z.first", "a.second"]}))
    return tmp_path


def measure(model, trained=(), names=("net",)) -> pd.DataFrame:
    """The table of the same network under several names, some of them trained here."""
    files = {"weights.safetensors": names, "card.json": names, "initial.safetensors": trained}
    main(
        *([str(model / file)] * len(chosen) for file, chosen in files.items()),
        str(model / "filters.parquet"),
        models=list(names),
        trained=list(trained),
    )
    return pd.read_parquet(model / "filters.parquet")


def test_trained_and_initial_filters(model):
    table = measure(model, ["net"])
    assert table.columns.tolist() == [
        *("model", "layer", "depth", "weights", "unit", "kernel_height", "kernel_width", "n_inputs"),
        *("total_variation", "total_variation_unit_norm", "colour_share"),
    ]
    assert list(zip(table["weights"], table["layer"], table["depth"], table["unit"], table["total_variation"], strict=True)) == [
        ("trained", "z.first", 0, 0, 0.0),
        ("trained", "z.first", 0, 1, 6.0),
        ("trained", "a.second", 1, 0, 0.0),
        ("initial", "z.first", 0, 0, 0.0),
        ("initial", "z.first", 0, 1, 12.0),
        ("initial", "a.second", 1, 0, 0.0),
    ]
    assert table["total_variation_unit_norm"].iloc[1] == table["total_variation_unit_norm"].iloc[4] == 2.0


def test_an_imported_model_has_no_initial_weights(model):
    table = measure(model, ["own"], ("imported", "own"))
    assert table.groupby("model", sort=False)["weights"].unique().map(list).to_dict() == {
        "imported": ["trained"],
        "own": ["trained", "initial"],
    }


def test_weights_that_do_not_fit_the_card_are_refused(model):
    (model / "card.json").write_text(json.dumps({"convolutions": ["missing"]}))
    with pytest.raises(InputError, match=r"weights.safetensors: .*missing"):
        measure(model)
    (model / "weights.safetensors").write_bytes(b"not tensors")
    with pytest.raises(InputError, match=r"weights.safetensors: expected a safetensors file"):
        measure(model)


def test_a_network_without_convolutions_has_no_filters(model):
    (model / "card.json").write_text(json.dumps({"convolutions": []}))
    table = measure(model, names=("mixer",))
    assert len(table) == 0 and table.columns[:6].tolist() == ["model", "layer", "depth", "weights", "unit", "kernel_height"]
    assert table["total_variation"].dtype == np.float64 and table["unit"].dtype == np.int32
