"""measure_filters: trained and initial filters in the order of the card."""

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


def test_trained_and_initial_filters(model):
    main(
        str(model / "weights.safetensors"),
        str(model / "card.json"),
        str(model / "filters.parquet"),
        model="net",
        initial=str(model / "initial.safetensors"),
    )
    table = pd.read_parquet(model / "filters.parquet")
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


@pytest.mark.parametrize("initial", [None, []])
def test_an_imported_model_has_no_initial_weights(model, initial):
    main(str(model / "weights.safetensors"), str(model / "card.json"), str(model / "filters.parquet"), model="net", initial=initial)
    assert pd.read_parquet(model / "filters.parquet")["weights"].unique().tolist() == ["trained"]


def test_weights_that_do_not_fit_the_card_are_refused(model):
    (model / "card.json").write_text(json.dumps({"convolutions": ["missing"]}))
    with pytest.raises(InputError, match=r"weights.safetensors: .*missing"):
        main(str(model / "weights.safetensors"), str(model / "card.json"), str(model / "filters.parquet"), model="net")
    (model / "weights.safetensors").write_bytes(b"not tensors")
    with pytest.raises(InputError, match=r"weights.safetensors: expected a safetensors file"):
        main(str(model / "weights.safetensors"), str(model / "card.json"), str(model / "filters.parquet"), model="net")


def test_a_network_without_convolutions_has_no_filters(model):
    (model / "card.json").write_text(json.dumps({"convolutions": []}))
    main(str(model / "weights.safetensors"), str(model / "card.json"), str(model / "none.parquet"), model="mixer", initial=None)
    table = pd.read_parquet(model / "none.parquet")
    assert len(table) == 0 and table.columns[:6].tolist() == ["model", "layer", "depth", "weights", "unit", "kernel_height"]
    assert table["total_variation"].dtype == np.float64 and table["unit"].dtype == np.int32
