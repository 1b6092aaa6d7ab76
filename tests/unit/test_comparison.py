"""Runs against one another: intervals of changes, means over runs, and which rows of their tables belong together."""

import json
import re
from math import hypot, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from robustlens.errors import InputError
from robustlens.report import comparison
from robustlens.report.comparison import Run, difference, difference_over_runs, mean_over_runs, moved
from robustlens.report.results import COLUMNS
from robustlens.statistics import wilson

T1, T2 = 12.7062047, 4.3026527  # 97.5 % quantiles of t with 1 and 2 degrees, as tables have them
CLAIMS, ACCURACY = COLUMNS["claims"], COLUMNS["accuracy"]


def run(name: str, claims: list[tuple] = (), group: str = "", settings: dict | None = None, **tables) -> Run:
    made = {"claims": pd.DataFrame(claims, columns=CLAIMS), **tables}
    return Run(group or name, name, name, made, settings or {})


def found(*runs: Run) -> pd.DataFrame:
    return pd.concat([comparison.quantities(one) for one in runs], ignore_index=True)


def claim(difference: float, half: float, verdict: str = "supported", name: str = "C1") -> tuple:
    return (name, "alexnet", "accuracy", 0.2, 0.2 + difference, difference, difference - half, difference + half, "800", verdict)


# ----------------------------------------------------------------------------------------------------- one run against one
def test_distances_of_3_and_4_give_5():
    assert difference((0, -3, 3), (10, 6, 14)) == (10, 5, 15)


def test_each_side_for_itself():
    """Down: from 10 to 4 and from 0 up to 8; up: from 10 to 15 and from 0 down to -3."""
    assert difference((0, -3, 8), (10, 4, 15)) == (10, 10 - hypot(6, 8), 10 + hypot(5, 3))


def test_two_shares_as_newcombe_gives_them():
    """56 of 70 against 48 of 80: 0.0524 to 0.3339, method 10 of Newcombe 1998, Table II."""
    first, second = (48 / 80, *wilson(48, 80)), (56 / 70, *wilson(56, 70))
    assert np.round(difference(first, second), 4) == pytest.approx([0.2, 0.0524, 0.3339])


def test_an_estimate_beyond_its_own_interval_does_not_narrow_the_other():
    assert difference((0, 1, 2), (10, 7, 13)) == (10, 10 - hypot(3, 2), 13)


def test_what_rests_on_a_handful_is_not_said_to_move():
    """60 % of 5 decided images against 10 % of 300, intervals apart or not; of n units of S + R the fewer count."""
    bias = COLUMNS["shape_bias"]
    many = pd.DataFrame([("net", 400, 300, 0.1, 0.7, 0.1, 0.08, 0.12)], columns=bias)
    few = pd.DataFrame([("net", 400, 5, 0.1, 0.7, 0.6, 0.5, 0.7)], columns=bias)
    runs = [
        run(name, [(*claim(0.3, 0.01)[:8], n, "supported")], shape_bias=table)
        for name, table, n in (("a", many, "40+9"), ("b", few, "40+40"))
    ]
    changed = comparison.changes(found(*runs)).set_index("table")
    assert changed["moved"].to_dict() == {"claims": "", "shape_bias": ""} and changed.loc["shape_bias", "change"] == 0.5
    same = comparison.changes(found(run("a", shape_bias=many), run("b", shape_bias=few.assign(n_decided=10))))
    assert same["moved"].tolist() == ["true"]
    for fewest, answer in (("11", ""), ("5", "true")):  # either run's own, n of decided images, not the 400
        own = {"statistics.fewest": fewest}
        pair = run("a", shape_bias=many), run("b", settings=own, shape_bias=few.assign(n_decided=10 if fewest == "11" else 5))
        assert comparison.changes(found(*pair))["moved"].tolist() == [answer]


def test_without_an_interval_nothing_is_said_to_move():
    change, low, high = difference((0, np.nan, np.nan), (10, 9, 11))
    assert change == 10 and moved(low, high) == ""


@pytest.mark.parametrize(("ends", "answer"), [((0.1, 2), "true"), ((-2, -0.1), "true"), ((-1, 1), "false"), ((0, 1), "false")])
def test_moved_leaves_out_zero(ends, answer):
    assert moved(*ends) == answer


def test_of_equal_shares_one_in_twenty_moves_and_fewer_on_the_same_images():
    """4,000 pairs of runs with a true share of 0.7 on 400 images: independent, and agreeing on 3 images in 4."""
    random, n = np.random.default_rng(0), 400
    shared = random.random((4000, 1, n)) < 0.7
    own = random.random((4000, 2, n)) < 0.7
    share_moved = {}
    for name, correct in {"other images": own, "same images": np.where(random.random((4000, 1, n)) < 0.75, shared, own)}.items():
        counts = correct.sum(2)
        pairs = [[(k / n, *wilson(int(k), n)) for k in pair] for pair in counts]
        share_moved[name] = np.mean([moved(*difference(*pair)[1:]) == "true" for pair in pairs])
    assert share_moved["other images"] == pytest.approx(0.05, abs=0.01)
    assert share_moved["same images"] < 0.005


# --------------------------------------------------------------------------------------------------------------- several runs
def test_mean_over_three_runs():
    assert mean_over_runs([1, 2, 3]) == pytest.approx((2, 1, 2 - T2 / sqrt(3), 2 + T2 / sqrt(3)))


def test_two_runs_are_shown_as_wide_as_they_are():
    assert mean_over_runs([0, 1]) == pytest.approx((0.5, sqrt(0.5), 0.5 - T1 / 2, 0.5 + T1 / 2))


def test_one_run_has_no_spread_and_equal_runs_have_none():
    assert mean_over_runs([3])[0] == 3 and np.isnan(mean_over_runs([3])[1:]).all()
    assert mean_over_runs([2, 2]) == (2, 0, 2, 2)


def test_groups_of_two():
    """Variances 2 and 2, so 1 + 1 under the root and 2 degrees."""
    half = T2 * sqrt(2)
    assert difference_over_runs([0, 2], [5, 7]) == pytest.approx((5, 5 - half, 5 + half))


def test_groups_as_scipy_has_them():
    random = np.random.default_rng(1)
    first, second = random.normal(0, 1, 4), random.normal(1, 5, 7)
    theirs = stats.ttest_ind(second, first, equal_var=False).confidence_interval(0.95)
    assert difference_over_runs(first, second)[1:] == pytest.approx((theirs.low, theirs.high))


def test_one_run_against_a_group_is_one_more_run_of_it():
    half = T2 * sqrt(4 / 3)
    assert difference_over_runs([1, 2, 3], [10]) == pytest.approx((8, 8 - half, 8 + half))
    assert difference_over_runs([10], [1, 2, 3]) == pytest.approx((-8, -8 - half, -8 + half))


def test_groups_without_spread():
    assert difference_over_runs([1, 1], [2, 2]) == (1, 1, 1)


# --------------------------------------------------------------------------------------------------------------------- tables
def test_rows_belong_together_by_their_names_not_their_places():
    rows = [("s", "clean", 10, 0.5, 0.4, 0.6), ("s", "blur", 10, 0.3, 0.2, 0.4)]
    a, b = (run(name, accuracy=pd.DataFrame(own, columns=ACCURACY)) for name, own in (("a", rows), ("b", rows[::-1])))
    changed = comparison.changes(found(a, b))
    assert list(changed.columns) == comparison.CHANGES
    assert list(changed["quantity"]) == ["s | clean", "s | blur"]
    assert (changed["change"] == 0).all() and (changed["moved"] == "false").all()


def test_several_numbers_of_a_row_and_numbers_that_name_a_row():
    columns = ["pair", "layer", "threshold", "n_units", "change", "low", "high", "outliers", "outliers_low", "outliers_high", "p"]
    table = pd.DataFrame([("alexnet", 3, 0.005, 24, 0.5, 0.4, 0.6, 0.1, 0.0, 0.2, 0.01)], columns=columns)
    own = found(run("a", noise=table))
    assert list(own["quantity"]) == ["alexnet | 3 | 0.005 | change", "alexnet | 3 | 0.005 | outliers"]
    assert own[["value", "low", "high"]].to_numpy().tolist() == [[0.5, 0.4, 0.6], [0.1, 0.0, 0.2]]


NAMES = {  # in the tables that have intervals, what a row is of
    "claims.csv": "claim,architecture,statistic",
    "accuracy.csv": "model,stimulus",
    "accuracy_paired.csv": "pair,stimulus",
    "top5.csv": "model,stimulus",
    "shape_bias.csv": "model",
    "shape_bias_by_class.csv": "model,class",
    "corruption_errors.csv": "model,corruption,severity",
    "mce.csv": "model,statistic",
    "robustness.csv": "model,eps",
    "total_variation.csv": "model,layer,statistic",
    "concept_shift.csv": "concept_set,pair,name,category",
    "detectors.csv": "concept_set,model,layer",
    "category_shift.csv": "concept_set,pair,layer,cut,category",
    "category_shares.csv": "concept_set,model,layer,cut,category",
    "ablation_rates.csv": "model,layer,category,statistic",
    "noise_blocking.csv": "pair,model,layer",
    "complexity.csv": "model,layer,threshold",
    "complexity_distribution.csv": "model,threshold,at_least",
    "concept_ablation.csv": "pair,stimulus,model,layer,concept,name,category,select",
}


def test_what_names_a_row_in_every_documented_table():
    text = (Path(__file__).resolve().parents[2] / "docs/data.md").read_text(encoding="utf-8").partition("`results/reports/figures/`: ")[0]
    columns = {table: names.split(",") for table, names in re.findall(r"^\| (\w+\.csv) \| `([\w,]+)`", text, re.M)} | {"claims.csv": CLAIMS}
    named = {table: ",".join(comparison.naming_columns(pd.DataFrame(columns=own))) for table, own in columns.items() if "low" in str(own)}
    assert named == NAMES


def test_two_rows_of_one_name_are_refused():
    table = pd.DataFrame([("s", "clean", 10, 0.5, 0.4, 0.6)] * 2, columns=ACCURACY)
    with pytest.raises(InputError, match=r"accuracy.csv: expected each quantity once, got s \| clean twice"):
        found(run("a", accuracy=table))


def test_what_one_run_lacks_has_no_change_and_what_no_run_measured_is_left_out():
    nothing = ("C9", np.nan, np.nan, *[np.nan] * 5, "0", "not measured")
    changed = comparison.changes(found(run("a", [claim(0.5, 0.1), nothing]), run("b", [claim(0.5, 0.1, name="C2"), nothing])))
    assert list(changed["quantity"]) == ["C1 | alexnet | accuracy", "C2 | alexnet | accuracy"]
    assert changed["change"].isna().all() and (changed["moved"] == "").all()


def test_claims_of_two_runs_side_by_side():
    runs = [run("a", [claim(0.5, 0.03)]), run("b", [claim(0.6, 0.04)]), run("c", [claim(0.55, 0.04, "undecided")])]
    changed = comparison.changes(found(*runs))
    table = comparison.comparison(runs, changed)
    assert list(table.columns) == comparison.COMPARISON
    assert list(table["run"]) == ["a", "b", "c"] and list(table["moved"]) == ["", "true", "false"]
    assert table.loc[1, ["change", "change_low", "change_high"]].tolist() == pytest.approx([0.1, 0.05, 0.15])
    assert set(changed["basis"]) == {comparison.OWN} and comparison.seeds(found(*runs)).empty


def test_repeated_runs_are_taken_together():
    runs = [
        run(f"a-{k}", [claim(value, 0.01, verdict)], "a") for k, (value, verdict) in enumerate([(0.1, "undecided"), (0.2, "supported")])
    ]
    runs.append(run("b", [claim(0.9, 0.01)]))
    own = found(*runs)
    seeds = comparison.seeds(own).iloc[0]
    assert (seeds["group"], seeds["n_runs"], seeds["mean"]) == ("a", 2, pytest.approx(0.15))
    assert (seeds["low"], seeds["robust"]) == pytest.approx((0.15 - T1 * 0.05, 0.35))
    assert seeds[["supported", "contradicted", "undecided", "not_measured"]].tolist() == [1, 0, 1, 0]
    changed = comparison.changes(own).iloc[0]
    assert (changed["basis"], changed["moved"]) == (comparison.MIXED, "false")
    assert changed["high"] - changed["change"] == pytest.approx(T1 * sqrt(0.005 * 1.5))


def test_a_group_of_which_one_run_lacks_a_number_has_no_change():
    runs = [run("a-1", [claim(0.1, 0.01)], "a"), run("a-2", [claim(0.1, 0.01, name="C2")], "a"), run("b", [claim(0.9, 0.01)])]
    changed = comparison.changes(found(*runs)).set_index("quantity")
    assert np.isnan(changed.loc["C1 | alexnet | accuracy", "change"])
    assert list(comparison.seeds(found(*runs))["n_runs"]) == [1, 1]


# ------------------------------------------------------------------------------------------------------------------- settings
def test_settings_that_differ():
    one, other = {"study": "s", "seed": "0", "attacks.pgd.eps": "1"}, {"study": "s", "seed": "1", "attacks.pgd.eps": "1", "new": "x"}
    table = comparison.settings([run("a", settings=one), run("b", settings=other), run("silent")])
    assert table.to_numpy().tolist() == [
        *[["seed", name, value] for name, value in (("a", "0"), ("b", "1"), ("silent", ""))],
        *[["new", name, value] for name, value in (("a", ""), ("b", "x"), ("silent", ""))],
    ]


def test_a_config_by_dotted_key():
    flat = comparison.flatten({"seed": 0, "models": {"a": {"layers": ["x", "y"], "arguments": {}}}, "noise": None})
    assert flat == {"seed": "0", "models.a.layers": '["x", "y"]', "models.a.arguments": "{}", "noise": "null"}


def test_settings_are_read_from_the_folder(tmp_path):
    assert comparison.read_settings(tmp_path) == {}
    for path, text in (
        ("reports/study.json", '{"study": "s", "seed": 3}'),
        ("models/m/card.json", '{"model": "m", "sha256": "0123456789abcdef"}'),
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    assert comparison.read_settings(tmp_path) == {"study": "s", "seed": "3", "weights of m": "0123456789ab"}
    (tmp_path / "models/m/card.json").write_text(json.dumps(["no card"]))
    with pytest.raises(InputError, match=r"card.json: expected the settings of a run \(JSON\)"):
        comparison.read_settings(tmp_path)
