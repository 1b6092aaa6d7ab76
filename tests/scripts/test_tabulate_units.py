"""tabulate_units: the tables of the hidden units, with the columns that docs/data.md names."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

import tiny
from robustlens.report import unit_pairs, units
from tabulate_units import main

TABLES = (
    "total_variation",
    "dissection",
    "dissection_units",
    "concept_shift",
    "complexity",
    "complexity_distribution",
    "ablation",
    "concepts",
)
PAIRS = ("category_shares", "ablation_rates", "detectors", "category_shift", "noise_blocking", "noise_outliers", "filter_matches")


def write_networks(folder) -> list[list[str]]:
    """Weights and cards of S and R; R has the filters of S in reverse order."""
    bank, paths = np.random.default_rng(0).normal(size=(4, 3, 3, 3)), [[], []]
    for model, kernel in (("s", bank), ("r", bank[::-1].copy())):
        (folder / "models" / model).mkdir(parents=True, exist_ok=True)
        save_file({"conv1.0.weight": kernel, "conv2.0.weight": kernel}, folder / "models" / model / "weights.safetensors")
        (folder / "models" / model / "card.json").write_text(json.dumps({"convolutions": ["conv1.0", "conv2.0"]}))
        for kind, name in zip(paths, ("weights.safetensors", "card.json"), strict=True):
            kind.append(str(folder / "models" / model / name))
    return paths


@pytest.fixture
def tabulate(tmp_path):
    """A function that gives the tables of what :func:`tiny.write_units` wrote, or of nothing where names say so."""

    def run(*missing, concept_sets=("scenes",), least=100):
        inputs = {name: [] if name in missing else paths for name, paths in tiny.write_units(tmp_path, concept_sets).items()}
        outputs = [str(tmp_path / "tables" / f"{name}.csv") for name in (*TABLES, *PAIRS)]
        order = [inputs[name] for name in ("filters", "smoothness", "units", "complexity", "ablation", "concepts")]
        main(
            *order,
            *write_networks(tmp_path),
            outputs,
            pairs=tiny.STUDY["pairs"],
            categories=["object", "part", "texture", "color"],
            iou=0.04,
            min_positions=dict.fromkeys(concept_sets, least),
            resamples=200,
        )
        return {name: pd.read_csv(path) for name, path in zip((*TABLES, *PAIRS), outputs, strict=True)}

    return run


def test_all_tables(tabulate):
    tables = tabulate()
    columns = {
        "total_variation": units.TOTAL_VARIATION,
        "dissection": units.DISSECTION,
        "dissection_units": [*units.UNITS, "enough"],
        "concept_shift": units.SHIFT,
        "complexity": units.COMPLEXITY,
        "complexity_distribution": units.DISTRIBUTION,
        "ablation": units.ABLATION,
        "concepts": ["concept_set", "number", "name", "category", "perimetric_complexity"],
        "category_shares": units.CATEGORY_SHARES,
        "ablation_rates": units.ABLATION_RATES,
        "detectors": units.DETECTORS,
        "category_shift": unit_pairs.CATEGORY_SHIFT,
        "noise_blocking": unit_pairs.NOISE_BLOCKING,
        "noise_outliers": unit_pairs.NOISE_OUTLIERS,
        "filter_matches": unit_pairs.FILTER_MATCHES,
    }
    assert {name: table.columns.tolist() for name, table in tables.items()} == columns
    assert len(tables["total_variation"]) == 4 * 2 * 3 + 2 * 2 * 3 + 4 * 2
    assert tables["dissection_units"].equals(tiny.units_table().assign(enough=1))
    shares = tables["dissection"].groupby(["model", "layer"])["share"].sum()
    assert shares.tolist() == pytest.approx([1.0] * 8, abs=1e-5)  # of six digits each
    shift = tables["concept_shift"].set_index("name")[["standard", "robust", "difference"]]
    assert shift.to_numpy().tolist() == [[6, 0, -6], [2, 0, -2], [0, 2, 2], [0, 2, 2], [2, 6, 4]]
    assert shift.index.tolist() == ["star", "edge", "disc", "red", "stripes"]
    texture = tables["ablation"].set_index(["model", "layer", "category"]).loc[("s", "conv1", "texture")]
    assert tables["filter_matches"]["unit_robust"].tolist() == [3, 2, 1, 0] and (tables["filter_matches"]["rho"] == 1).all()
    blocked = tables["noise_blocking"].set_index(["model", "layer"])["change"]
    assert blocked["s", "conv1"] > 3 * blocked["r", "conv1"] > 0  # noise adds 40 % to the maps of S, 10 % to those of R
    assert texture.tolist() == [1, 2, 6, 0.1, pytest.approx(6 / 70, abs=1e-6)]


def test_the_first_concept_set_labels_the_layers(tabulate):
    tables = tabulate(concept_sets=("scenes", "photos"))
    alone = tabulate()
    for name in ("total_variation", "dissection", "complexity", "ablation"):
        assert tables[name].equals(alone[name]), name
    for name in ("dissection_units", "concept_shift", "concepts", "detectors", "category_shift"):
        assert tables[name]["concept_set"].unique().tolist() == ["scenes", "photos"]
        assert len(tables[name]) == 2 * len(alone[name])


def test_a_study_without_concepts_noise_and_conflict_images(tabulate):
    tables = tabulate("smoothness", "units", "complexity", "ablation", "concepts")
    assert len(tables["total_variation"]) == 4 * 2 * 3 + 4 * 2 and len(tables["filter_matches"]) == 4
    others = dict.fromkeys((*TABLES[1:], *PAIRS[:-1]), 0)
    assert {name: len(table) for name, table in tables.items() if name not in ("total_variation", "filter_matches")} == others
    without_concepts = tabulate("units", "complexity", "concepts")["ablation"]
    assert without_concepts["category"].unique().tolist() == ["any"] and len(without_concepts) == 4


def test_units_with_too_few_positions_are_listed_and_counted_nowhere(tabulate, caplog):
    """All units of the made-up study have 100 positions above their threshold."""
    with caplog.at_level("INFO", logger="robustlens"):
        tables = tabulate(least=101)
    assert (tables["dissection_units"]["enough"] == 0).all() and len(tables["dissection_units"]) == len(tiny.units_table())
    for name in ("dissection", "concept_shift", "complexity", "complexity_distribution", "category_shares", "category_shift"):
        assert len(tables[name]) == 0, name
    assert tables["detectors"]["n_units"].unique().tolist() == [0] and (tables["detectors"]["n_too_few"] >= 6).all()
    assert tables["ablation"]["category"].unique().tolist() == ["any"]
    assert (
        "scenes, s, conv1: no concept is named of 6 of 6 units, which have at most 100 positions above their threshold; 101 are needed"
        in caplog.text
    )
