"""tabulate_units: the tables of the hidden units, with the columns that docs/data.md names."""

import pandas as pd
import pytest

import tiny
from robustlens.report import units
from tabulate_units import main

TABLES = ("total_variation", "dissection", "dissection_units", "concept_shift", "complexity", "ablation", "concepts")


@pytest.fixture
def tabulate(tmp_path):
    """A function that gives the tables of what :func:`tiny.write_units` wrote, or of nothing where names say so."""

    def run(*missing, concept_sets=("scenes",)):
        inputs = {name: [] if name in missing else paths for name, paths in tiny.write_units(tmp_path, concept_sets).items()}
        outputs = [str(tmp_path / "tables" / f"{name}.csv") for name in TABLES]
        order = [inputs[name] for name in ("filters", "smoothness", "units", "complexity", "ablation", "concepts")]
        main(*order, *outputs, pairs=tiny.STUDY["pairs"], categories=["object", "part", "texture", "color"], iou=0.04, resamples=200)
        return {name: pd.read_csv(path) for name, path in zip(TABLES, outputs, strict=True)}

    return run


def test_all_tables(tabulate):
    tables = tabulate()
    columns = {
        "total_variation": units.TOTAL_VARIATION,
        "dissection": units.DISSECTION,
        "dissection_units": units.UNITS,
        "concept_shift": units.SHIFT,
        "complexity": units.COMPLEXITY,
        "ablation": units.ABLATION,
        "concepts": ["concept_set", "number", "name", "category", "perimetric_complexity"],
    }
    assert {name: table.columns.tolist() for name, table in tables.items()} == columns
    assert len(tables["total_variation"]) == 4 * 2 * 3 + 2 * 2 * 3
    assert tables["dissection_units"].equals(tiny.units_table())
    shares = tables["dissection"].groupby(["model", "layer"])["share"].sum()
    assert shares.tolist() == pytest.approx([1.0] * 8, abs=1e-5)  # of six digits each
    shift = tables["concept_shift"].set_index("name")[["standard", "robust", "difference"]]
    assert shift.to_numpy().tolist() == [[6, 0, -6], [2, 0, -2], [0, 2, 2], [0, 2, 2], [2, 6, 4]]
    assert shift.index.tolist() == ["star", "edge", "disc", "red", "stripes"]
    texture = tables["ablation"].set_index(["model", "layer", "category"]).loc[("s", "conv1", "texture")]
    assert texture.tolist() == [1, 2, 6, 0.1, pytest.approx(6 / 70, abs=1e-6)]


def test_the_first_concept_set_labels_the_layers(tabulate):
    tables = tabulate(concept_sets=("scenes", "photos"))
    alone = tabulate()
    for name in ("total_variation", "dissection", "complexity", "ablation"):
        assert tables[name].equals(alone[name]), name
    for name in ("dissection_units", "concept_shift", "concepts"):
        assert tables[name]["concept_set"].unique().tolist() == ["scenes", "photos"]
        assert len(tables[name]) == 2 * len(alone[name])


def test_a_study_without_concepts_noise_and_conflict_images(tabulate):
    tables = tabulate("smoothness", "units", "complexity", "ablation", "concepts")
    assert len(tables["total_variation"]) == 4 * 2 * 3
    assert {name: len(table) for name, table in tables.items() if name != "total_variation"} == dict.fromkeys(TABLES[1:], 0)
    without_concepts = tabulate("units", "complexity", "concepts")["ablation"]
    assert without_concepts["category"].unique().tolist() == ["any"] and len(without_concepts) == 4
