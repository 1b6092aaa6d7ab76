"""Tables of units: counted by hand."""

import numpy as np
import pandas as pd
import pytest

import tiny
from robustlens.report import units
from robustlens.report.statistics import mean_interval

PAIRS = {"net": {"standard": "s", "robust": "r"}}


def few_units(**columns) -> pd.DataFrame:
    """Four units of S and two of R in one layer."""
    table = pd.DataFrame({"concept_set": "scenes", "model": list("ssssrr"), "layer": "conv1", "unit": [0, 1, 2, 3, 0, 1]})
    names = {"name": ["star", "star", "red", "star", "red", "red"], "category": ["object", "object", "color", "object", "color", "color"]}
    return table.assign(**names, iou=[0.3, 0.04, 0.2, 0.039, 0.1, 0.1]).assign(**columns)


# ------------------------------------------------------------------------------------------------------------ total variation
def test_total_variation_on_paper():
    table = units.total_variation(tiny.filters_table(), tiny.smoothness_table(), 200)
    assert table.columns.tolist() == units.TOTAL_VARIATION
    of_s = table[table["model"] == "s"].set_index(["layer", "statistic"])
    expected = {
        ("conv1.0", "filter"): (6, 20.25),
        ("conv1.0", "filter-unit-norm"): (6, 10.125),
        ("conv1.0", "filter-unit-norm-initial"): (6, 25.0),
        ("conv2.0", "filter"): (6, 21.25),
        ("conv2.0", "filter-unit-norm"): (6, 10.625),
        ("conv2.0", "filter-unit-norm-initial"): (6, 25.0),
        ("conv1", "activation-clean"): (6, 51 / 6),
        ("conv1", "activation-noisy"): (6, (51 * 1.4 + 1) / 6),
        ("conv1", "relative-change"): (5, 0.52),  # unit 5 is silent
        ("conv2", "activation-clean"): (6, 201 / 6),
        ("conv2", "activation-noisy"): (6, (201 * 1.4 + 1) / 6),
        ("conv2", "relative-change"): (5, 0.52),
    }
    assert set(of_s.index) == set(expected)
    for key, (n_units, mean) in expected.items():
        assert of_s.loc[key, "n_units"] == n_units and of_s.loc[key, "mean"] == pytest.approx(mean), key
        assert of_s.loc[key, "low"] <= mean + 1e-9 and mean <= of_s.loc[key, "high"] + 1e-9


def test_kernels_of_one_cell_have_no_total_variation():
    filters = tiny.filters_table()
    filters.loc[filters["layer"] == "conv2.0", ["kernel_height", "kernel_width"]] = 1
    table = units.total_variation(filters, pd.DataFrame(), 200)
    assert table["layer"].unique().tolist() == ["conv1.0"]
    filters.loc[filters["layer"] == "conv2.0", "kernel_width"] = 3
    assert table["layer"].nunique() < units.total_variation(filters, pd.DataFrame(), 200)["layer"].nunique()


# ----------------------------------------------------------------------------------------------------------------- dissection
def test_categories_on_paper():
    """An IoU at the cut counts, one below it does not."""
    table = units.dissection(few_units(), ["object", "color", "scene"], 0.04)
    assert table.to_numpy().tolist() == [
        ["s", "conv1", "object", 2, 0.5],
        ["s", "conv1", "color", 1, 0.25],
        ["s", "conv1", "scene", 0, 0.0],
        ["s", "conv1", "none", 1, 0.25],
        ["r", "conv1", "object", 0, 0.0],
        ["r", "conv1", "color", 2, 1.0],
        ["r", "conv1", "scene", 0, 0.0],
        ["r", "conv1", "none", 0, 0.0],
    ]
    assert table.columns.tolist() == units.DISSECTION


def test_concept_shift_on_paper():
    table = units.concept_shift(pd.concat([few_units(), few_units(layer="conv2", concept_set="photos")]), PAIRS, 0.04)
    assert table.columns.tolist() == units.SHIFT
    assert table.to_numpy().tolist() == [
        [concept_set, "net", *row]
        for concept_set in ("scenes", "photos")
        for row in (["star", "object", 2, 0, -2], ["red", "color", 1, 2, 1])
    ]


def test_concept_shift_where_a_network_detects_nothing():
    only_s = few_units(iou=[0.3, 0.3, 0.3, 0.3, 0, 0])
    assert units.concept_shift(only_s, PAIRS, 0.04)[["standard", "robust", "difference"]].to_numpy().tolist() == [[3, 0, -3], [1, 0, -1]]
    for table in (few_units(iou=0.0), few_units(model="another")):
        shift = units.concept_shift(table, PAIRS, 0.04)
        assert shift.columns.tolist() == units.SHIFT and not len(shift)


def test_complexity_on_paper():
    table = units.complexity(tiny.complexity_table(), 200)
    assert table.columns.tolist() == units.COMPLEXITY
    row = table[(table["model"] == "s") & (table["layer"] == "conv2") & (table["threshold"] == 0.01)].iloc[0]
    values = np.array([6.0, 7, 6, 7, 6, 0])
    assert (row["n_units"], row["mean"], row["low"], row["high"]) == (6, *mean_interval(values, 200, "s", "conv2", 0.01))
    assert row["mean"] == 32 / 6


# ------------------------------------------------------------------------------------------------------------------- ablation
def test_ablation_on_paper():
    scores = pd.DataFrame({"model": "s", "layer": "conv1", "unit": [0, 1, 2, 3], "n_shape": 20, "n_texture": 0})
    scores = scores.assign(shape_score=[4, 8, 1, 0], texture_score=0)
    table = units.ablation(scores, few_units(), 0.04)
    assert table.columns.tolist() == units.ABLATION
    assert table.iloc[:, :7].to_numpy().tolist() == [
        ["s", "conv1", "object", 2, 6.0, 0.0, 0.3],
        ["s", "conv1", "color", 1, 1.0, 0.0, 0.05],
        ["s", "conv1", "none", 1, 0.0, 0.0, 0.0],
    ]
    assert table["texture_rate"].isna().all()  # of no texture decisions


def test_units_are_matched_by_layer_and_number():
    scores = pd.DataFrame({"model": "s", "layer": "conv1", "unit": [3, 2, 1, 0], "shape_score": [3, 2, 1, 0]})
    labelled = units.with_category(scores, few_units().sample(frac=1, random_state=0), 0.04)
    assert labelled[["shape_score", "category"]].to_numpy().tolist() == [[3, "none"], [2, "color"], [1, "object"], [0, "object"]]
    both = pd.concat([few_units(), few_units(concept_set="photos", category="scene")])
    assert units.with_category(scores, both, 0.04)["category"].tolist() == ["none", "color", "object", "object"]  # of the first set
    assert units.with_category(scores, pd.DataFrame(), 0.04)["category"].unique().tolist() == ["any"]


# ----------------------------------------------------------------------------------------------------------- nothing measured
def test_tables_of_nothing():
    nothing, no_units = pd.DataFrame(), pd.DataFrame(columns=units.UNITS)
    found = {
        "TOTAL_VARIATION": units.total_variation(nothing, nothing, 200),
        "DISSECTION": units.dissection(no_units, ["object"], 0.04),
        "SHIFT": units.concept_shift(no_units, PAIRS, 0.04),
        "COMPLEXITY": units.complexity(nothing, 200),
        "ABLATION": units.ablation(nothing, no_units, 0.04),
    }
    for name, table in found.items():
        assert table.columns.tolist() == getattr(units, name) and not len(table)


def test_tables_are_read_as_one(tmp_path):
    for model in "ab":
        pd.DataFrame({"model": [model] * 2, "unit": [0, 1]}).to_parquet(tmp_path / f"{model}.parquet")
    table = units.read_tables([str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")])
    assert table["model"].tolist() == list("aabb") and table.index.tolist() == [0, 1, 2, 3]
    assert units.read_tables([], ["model", "epoch"]).columns.tolist() == ["model", "epoch"]
