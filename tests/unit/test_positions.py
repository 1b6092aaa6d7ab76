"""How many positions a unit needs before a concept is named: the rule, the reason for its numbers, and who keeps to it."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import tiny
from judge_claims import main as judge_claims
from robustlens.neurons.positions import LEAST, has_positions, min_positions, refused
from robustlens.report import findings_units
from robustlens.report.results import Results
from robustlens.report.units import detectors

QUANTILE, IOU = 0.005, 0.04


def units_of(layers: dict[str, list[int]], **columns) -> pd.DataFrame:
    """Units of one network by layer, with so many positions above their threshold each."""
    rows = [("scenes", "s", layer, unit, n) for layer, numbers in layers.items() for unit, n in enumerate(numbers)]
    return pd.DataFrame(rows, columns=["concept_set", "model", "layer", "unit", "n_above"]).assign(**columns)


def test_the_config_says_how_many_or_the_kind_of_set_does():
    config = {"concepts": {"scenes": {"kind": "embedded"}, "found": {"kind": "broden"}}, "dissection": {"min_positions": None}}
    assert min_positions(config) == {"scenes": 30, "found": 300} and min_positions({}) == {}
    assert min_positions({**config, "dissection": {"min_positions": 12}}) == {"scenes": 12, "found": 12}


def chance(n: int, areas: np.ndarray, labelled: float = 1.0) -> float:
    """How many concepts are named, on average, of a unit whose ``n`` positions are anywhere; ``areas``: of each, as a share of all pixels;
    ``labelled``: share f of the images that have labels of their category, on which alone positions count.

    I of n positions on a concept give an IoU of I / (f n + n a / q - I), which reaches IOU from I / n = IOU (f + a / q) / (1 + IOU) on.
    """
    needed = IOU * (labelled + areas / QUANTILE) / (1 + IOU)
    reached = binom.sf(np.ceil(n * needed - 1e-9) - 1, n, areas)
    return float(np.where(needed > 1, 0, reached).sum())


def test_why_30_and_300():
    """Less than 1 unit in 100 is named by chance: of 1,200 concepts of the worst size, of 47 textures that share 9 % of the images, and
    of 40 concepts of at least 1 % of the pixels; 14 are too few by far."""
    sizes = np.geomspace(1e-5, 0.2, 2000)
    worst = {n: max(chance(n, sizes[k : k + 1]) for k in range(len(sizes))) for n in (14, 60, LEAST["broden"])}
    assert 1200 * worst[LEAST["broden"]] < 0.01 < 1200 * worst[60] and 1200 * worst[14] > 50
    textures = {n: chance(n, np.full(47, 0.089 / 47), 0.089) for n in (80, LEAST["broden"])}
    assert textures[80] > 0.4 and textures[LEAST["broden"]] < 0.01
    large = sizes[sizes >= 0.01]
    assert 40 * max(chance(LEAST["embedded"], large[k : k + 1]) for k in range(len(large))) < 0.02
    assert 40 * max(chance(14, large[k : k + 1]) for k in range(len(large))) > 0.3


def test_units_with_enough_positions():
    """2 x 2 maps on 700 images have 2,800 positions, of which 14 lie above the threshold. A silent unit elsewhere detects nothing."""
    table = units_of({"conv1": [640, 640, 29, 0], "conv5": [14, 14, 13, 0]})
    assert has_positions(table, {"scenes": 30}).tolist() == [True, True, False, True, False, False, False, False]
    assert has_positions(table, {"scenes": 14})[4:].tolist() == [True, True, False, True]
    found = refused(table, {"scenes": 30}).set_index("layer")
    assert found[["n_units", "n_too_few", "n_above", "needed"]].to_numpy().tolist() == [[4, 1, 640, 30], [4, 4, 14, 30]]
    assert has_positions(table.iloc[:0], {"scenes": 30}).tolist() == []


def test_no_detectors_are_counted_where_positions_are_too_few():
    table = units_of({"conv1": [640] * 4, "conv5": [14] * 96}, iou=0.3, concept=1)
    table["enough"] = has_positions(table, {"scenes": 30}).astype(int)
    found = detectors(table, IOU).set_index("layer")
    assert found[["n_units", "n_detectors", "n_too_few"]].to_numpy().tolist() == [[4, 4, 0], [0, 0, 96], [4, 4, 96]]
    assert found["share"].isna().tolist() == [False, True, False]


def test_the_report_says_where_no_concept_is_named():
    table = units_of({"conv1": [640] * 4, "conv5": [14] * 3}, name="disc", category="object", iou=0.3, enough=[1] * 4 + [0] * 3)
    study = {"concepts": {"scenes": {"kind": "embedded"}}, "models": {"s": {}}}
    (said,) = findings_units.find_unnamed(Results(study, {"dissection_units": table}))
    where = "where fewer than 30 positions lie above a unit's threshold"
    assert said == f"No concept is named in conv5 {where} (s: 3 of 3 units, at most 14 positions)."
    assert findings_units.find_unnamed(Results(study, {"dissection_units": table.drop(columns="enough")})) == []


@pytest.mark.parametrize(("least", "measured"), [(100, True), (101, False)])
def test_claims_on_units_stand_on_units_with_enough_positions(tmp_path, least, measured):
    """The units of the made-up study have 100 positions each."""
    files = tiny.write_units(tmp_path)
    study = json.loads(json.dumps(tiny.STUDY)) | {"dissection": {**tiny.STUDY["dissection"], "min_positions": least}}
    order = [files[name] for name in ("filters", "smoothness", "units", "concepts", "complexity", "ablation")]
    judge_claims(tiny.write_predictions(tmp_path), *order, str(tmp_path / "claims.csv"), str(tmp_path / "tests.csv"), study=study)
    claims = pd.read_csv(tmp_path / "claims.csv").set_index("claim")
    for claim in ("C8", "C9", "C11", "C12"):
        assert (claims.loc[[claim], "verdict"] != "not measured").any() == measured, claim
    assert (claims.loc[["C6"], "verdict"] != "not measured").any()
