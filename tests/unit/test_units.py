"""Tables of units: counted by hand."""

import numpy as np
import pandas as pd
import pytest

import tiny
from robustlens.report import units
from robustlens.statistics import mean_interval, wilson

PAIRS = {"net": {"standard": "s", "robust": "r"}}


def few_units(**columns) -> pd.DataFrame:
    """Four units of S and two of R in one layer."""
    table = pd.DataFrame({"concept_set": "scenes", "model": list("ssssrr"), "layer": "conv1", "unit": [0, 1, 2, 3, 0, 1]})
    names = {"name": ["star", "star", "red", "star", "red", "red"], "category": ["object", "object", "color", "object", "color", "color"]}
    return table.assign(**names, iou=[0.3, 0.04, 0.2, 0.039, 0.1, 0.1], enough=1).assign(**columns)


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
        ("all", "network-filter"): (12, 20.75),
        ("all", "network-filter-unit-norm"): (12, 10.375),
    }
    assert set(of_s.index) == set(expected)
    for key, (n_units, mean) in expected.items():
        assert of_s.loc[key, "n_units"] == n_units and of_s.loc[key, "mean"] == pytest.approx(mean), key
        assert of_s.loc[key, "low"] <= mean + 1e-9 and mean <= of_s.loc[key, "high"] + 1e-9


def test_kernels_of_one_cell_have_no_total_variation():
    filters = tiny.filters_table()
    filters.loc[filters["layer"] == "conv2.0", ["kernel_height", "kernel_width"]] = 1
    table = units.total_variation(filters, pd.DataFrame(), 200)
    assert table["layer"].unique().tolist() == ["conv1.0", "all"]
    assert table["n_units"][table["layer"] == "all"].unique().tolist() == [12]  # a network's mean counts them
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
    table = units.concept_shift(pd.concat([few_units(), few_units(layer="conv2", concept_set="photos")]), PAIRS, 0.04, 200)
    assert table.columns.tolist() == units.SHIFT
    assert (
        (table["n_units"] == "4+2").all() and (table["low"] <= table["difference"]).all() and (table["difference"] <= table["high"]).all()
    )
    assert table.iloc[:, :7].to_numpy().tolist() == [
        [concept_set, "net", *row]
        for concept_set in ("scenes", "photos")
        for row in (["star", "object", 2, 0, -2], ["red", "color", 1, 2, 1])
    ]


def test_concept_shift_where_a_network_detects_nothing():
    only_s = few_units(iou=[0.3, 0.3, 0.3, 0.3, 0, 0])
    assert units.concept_shift(only_s, PAIRS, 0.04, 200)[["standard", "robust", "difference"]].to_numpy().tolist() == [
        [3, 0, -3],
        [1, 0, -1],
    ]
    for table in (few_units(iou=0.0), few_units(model="another")):
        shift = units.concept_shift(table, PAIRS, 0.04, 200)
        assert shift.columns.tolist() == units.SHIFT and not len(shift)


def test_the_interval_of_a_shift_is_that_of_its_units():
    """25 of 100 units of S and 50 of 100 of R in two layers each: R - S = 25, by the binomial within layers 25 +- 1.96 sd."""
    marks = {"s": [1] * 25 + [0] * 75, "r": [1] * 50 + [0] * 50}
    rows = [
        ("scenes", model, f"conv{n % 2}", n, "red", "color", 0.3 if marked else 0.0)
        for model, of_model in marks.items()
        for n, marked in enumerate(of_model)
    ]
    table = pd.DataFrame(rows, columns=["concept_set", "model", "layer", "unit", "name", "category", "iou"])
    row = units.concept_shift(table, PAIRS, 0.04, 4000).iloc[0]
    half = 1.96 * (100 * 0.25 * 0.75 + 100 * 0.5 * 0.5) ** 0.5
    assert (row["difference"], row["n_units"]) == (25, "100+100")
    assert row["high"] - row["low"] == pytest.approx(2 * half, rel=0.08)


def test_detectors_on_paper():
    """Of S three units detect two concepts, of R two units one; with a second layer the concepts are counted once over both."""
    concepts = {"concept": [3, 3, 1, 3, 1, 1]}
    table = units.detectors(pd.concat([few_units(**concepts), few_units(**concepts, layer="conv2")]), 0.04)
    assert table.columns.tolist() == units.DETECTORS
    counts = table[["model", "layer", "n_units", "n_detectors", "share", "n_unique"]].to_numpy().tolist()
    assert counts == [
        ["s", "conv1", 4, 3, 0.75, 2],
        ["s", "conv2", 4, 3, 0.75, 2],
        ["s", "all", 8, 6, 0.75, 2],
        ["r", "conv1", 2, 2, 1.0, 1],
        ["r", "conv2", 2, 2, 1.0, 1],
        ["r", "all", 4, 4, 1.0, 1],
    ]
    assert (table["low"] < table["share"]).all() and (table["share"] <= table["high"]).all()


def test_complexity_on_paper():
    table = units.complexity(tiny.complexity_table(), 200)
    assert table.columns.tolist() == units.COMPLEXITY
    row = table[(table["model"] == "s") & (table["layer"] == "conv2") & (table["threshold"] == 0.01)].iloc[0]
    values = np.array([6.0, 7, 6, 7, 6, 0])
    assert (row["n_units"], row["mean"], row["low"], row["high"]) == (6, *mean_interval(values, 200, "s", "conv2", 0.01))
    assert row["mean"] == 32 / 6


# ------------------------------------------------------------------------------------------------------------------- ablation
def test_the_distribution_of_concepts_on_paper():
    """Of four units, in two layers, one has none, two have one and one has three."""
    counts = pd.DataFrame({"model": "s", "layer": ["a", "a", "b", "b"], "threshold": 0.01, "n_concepts": [0, 1, 1, 3]})
    table = units.complexity_distribution(counts)
    assert table.columns.tolist() == units.DISTRIBUTION
    assert table[["at_least", "n_units", "share"]].to_numpy().tolist() == [[0, 4, 1], [1, 4, 0.75], [2, 4, 0.25], [3, 4, 0.25]]
    assert table.iloc[1][["low", "high"]].tolist() == pytest.approx(wilson(3, 4))
    assert units.complexity_distribution(counts[:0]).columns.tolist() == units.DISTRIBUTION


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
    rates = units.ablation_rates(scores, few_units(), 0.04, 500)
    assert rates.columns.tolist() == units.ABLATION_RATES and len(rates) == 3 * 2
    first = rates.iloc[0].tolist()
    assert first[:7] == ["s", "conv1", "object", "shape_rate", 2, 20, pytest.approx(0.3)]
    assert first[7:] == pytest.approx([0.2, 0.4])  # either unit may be drawn twice
    assert rates.loc[rates["statistic"] == "texture_rate", "mean"].isna().all()


def test_category_shares_on_paper():
    """Of four units two are objects, one a colour; one detects nothing, and is taken for its best concept without a cut."""
    table = units.category_shares(few_units()[:4], ["object", "color"], 0.04)
    assert table.columns.tolist() == units.CATEGORY_SHARES and table["layer"].drop_duplicates().tolist() == ["conv1", "all"]
    rows = table[(table["layer"] == "conv1") & (table["cut"] == 0.04)].set_index("category")
    assert rows["n_named"].to_dict() == {"object": 2, "color": 1, "none": 1} and (rows["n_units"] == 4).all()
    assert rows.loc["object", ["share", "low", "high"]].tolist() == pytest.approx([0.5, *wilson(2, 4)])
    without = table[(table["layer"] == "all") & (table["cut"] == 0)].set_index("category")
    assert without.loc["none", "n_named"] == 0 and without["n_named"].sum() == 4


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
        "SHIFT": units.concept_shift(no_units, PAIRS, 0.04, 200),
        "DETECTORS": units.detectors(no_units.assign(enough=1), 0.04),
        "COMPLEXITY": units.complexity(nothing, 200),
        "ABLATION": units.ablation(nothing, no_units, 0.04),
    }
    for name, table in found.items():
        assert table.columns.tolist() == getattr(units, name) and not len(table)
