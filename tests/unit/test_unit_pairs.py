"""Units of R against those of S: counted by hand."""

import numpy as np
import pandas as pd
import pytest

import tiny
from robustlens.report import unit_pairs
from robustlens.statistics import wilson

PAIRS = tiny.STUDY["pairs"]


# --------------------------------------------------------------------------------------------------------------------- noise
def smoothness(clean: dict, noisy: dict) -> pd.DataFrame:
    rows = [(model, "conv1", unit, 40, clean[model][unit], noisy[model][unit]) for model in clean for unit in range(len(clean[model]))]
    return pd.DataFrame(rows, columns=["model", "layer", "unit", "n_images", "tv_clean", "tv_noisy"])


def test_outliers_are_measured_by_the_layer_of_s():
    """S: clean 5, 10, 15, mean 10, so that an outlier changes by 2; of R the same 10, though its own mean is 100."""
    changed = smoothness({"s": [5, 10, 15], "r": [100, 100]}, {"s": [7, 11.5, 10], "r": [101.75, 97]})
    changes = unit_pairs.noise_changes(changed, PAIRS)
    assert changes["change"].tolist() == pytest.approx([0.2, 0.15, -0.5, 0.175, -0.3])
    table = unit_pairs.noise_blocking(changes, 200)
    assert table.columns.tolist() == unit_pairs.NOISE_BLOCKING
    assert table[["pair", "model", "layer", "n_images", "n_units", "n_outliers"]].to_numpy().tolist() == [
        ["net", "s", "conv1", 40, 3, 2],
        ["net", "r", "conv1", 40, 2, 1],
    ]
    np.testing.assert_allclose(table[["change", "outliers"]], [[-0.05, 2 / 3], [-0.0625, 1 / 2]])
    np.testing.assert_allclose(table[["outliers_low", "outliers_high"]], [wilson(2, 3), wilson(1, 2)])
    assert (table["low"] <= table["change"]).all() and (table["change"] <= table["high"]).all()
    listed = unit_pairs.noise_outliers(changes)
    assert listed.columns.tolist() == unit_pairs.NOISE_OUTLIERS
    assert listed[["model", "unit"]].to_numpy().tolist() == [["s", 2], ["s", 0], ["r", 1]]  # the largest change first


def test_noise_where_s_is_silent_or_nothing_was_measured():
    changes = unit_pairs.noise_changes(smoothness({"s": [0, 0], "r": [1, 1]}, {"s": [1, 1], "r": [1, 2]}), PAIRS)
    table = unit_pairs.noise_blocking(changes, 200)
    assert table["n_units"].tolist() == [0, 0] and table["change"].isna().all() and not len(unit_pairs.noise_outliers(changes))
    nothing = unit_pairs.noise_changes(pd.DataFrame(), PAIRS)
    assert unit_pairs.noise_blocking(nothing, 200).columns.tolist() == unit_pairs.NOISE_BLOCKING
    assert unit_pairs.noise_outliers(nothing).columns.tolist() == unit_pairs.NOISE_OUTLIERS


# ------------------------------------------------------------------------------------------------------------------- filters
def test_filters_of_a_pair():
    bank = np.random.default_rng(0).normal(size=(4, 3, 3, 3))
    table = unit_pairs.filter_matches({"s": {"conv1": bank}, "r": {"conv1": bank[::-1]}}, PAIRS)
    assert table.columns.tolist() == unit_pairs.FILTER_MATCHES
    assert table["unit_robust"].tolist() == [3, 2, 1, 0] and table["layer"].unique().tolist() == ["conv1"]
    assert unit_pairs.filter_matches({"s": {}, "r": {}}, PAIRS).columns.tolist() == unit_pairs.FILTER_MATCHES


# ----------------------------------------------------------------------------------------------------------------- categories
def test_categories_of_both_networks_on_paper():
    """A layer has six units. S: object 3 (one more below the cut), part 1, texture 1; R: texture 3 (one more below), colour, object."""
    table = unit_pairs.category_shift(tiny.units_table(), PAIRS, ["object", "part", "texture", "color"], 0.04, 300)
    assert table.columns.tolist() == unit_pairs.CATEGORY_SHIFT
    assert table[["layer", "cut"]].drop_duplicates().to_numpy().tolist() == [
        [layer, cut] for layer in ("conv1", "conv2", "all") for cut in (0, 0.04)
    ]
    rows = table[(table["layer"] == "all") & (table["cut"] == 0.04)].set_index("category")
    assert rows[["n_standard", "n_robust"]].iloc[:-1].to_numpy().tolist() == [[6, 2], [2, 0], [2, 6], [0, 2], [2, 2], [2, 8], [8, 2]]
    assert rows.index.tolist() == ["object", "part", "texture", "color", "none", "low-level", "high-level", "moved-lower"]
    assert rows["ratio"].iloc[:-1].tolist() == pytest.approx([1 / 3, 0, 3, np.nan, 1, 4, 1 / 4], nan_ok=True)
    assert rows.loc["low-level", "difference"] == rows.loc["moved-lower", "difference"] == 0.5 == -rows.loc["high-level", "difference"]
    assert (rows["n_units"] == "12+12").all()
    without = table[(table["layer"] == "conv1") & (table["cut"] == 0)].set_index("category")
    assert without.loc[["object", "texture", "none"], ["n_standard", "n_robust"]].to_numpy().tolist() == [[4, 1], [1, 4], [0, 0]]
    assert (table["low"] <= table["difference"] + 1e-9).all() and (table["difference"] <= table["high"] + 1e-9).all()
    turned = unit_pairs.category_shift(tiny.units_table(), {"net": {"standard": "r", "robust": "s"}}, ["object"], 0.04, 300)
    assert (turned["difference"][turned["category"] == "moved-lower"] == 0).all()


def test_moved_lower_is_what_both_counts_demand():
    """Gains of the low level and losses of the high level, and the least share that explains both."""
    difference = np.array([[0.3, -0.3], [0.3, -0.1], [0.1, -0.4], [0.2, 0.1], [-0.2, -0.2]])
    assert unit_pairs.moved_lower(difference).tolist() == pytest.approx([0.3, 0.1, 0.1, 0, 0])


def test_no_units_no_categories():
    table = unit_pairs.category_shift(tiny.units_table()[lambda rows: rows["model"] == "s"], PAIRS, ["object"], 0.04, 300)
    assert table.columns.tolist() == unit_pairs.CATEGORY_SHIFT and not len(table)
