"""Shape bias class by class: the table by counts written down first, and its figure."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from robustlens.report.behaviour import BY_CLASS, shape_bias_by_class
from robustlens.report.captions import of_class_bias
from robustlens.report.figures import LeftOut
from robustlens.report.figures_behaviour import MOST_CLASSES, draw_class_bias
from robustlens.report.results import COLUMNS, Results
from robustlens.statistics import wilson

STUDY = {"models": {"s": {}, "r": {}}, "pairs": {"net": {"standard": "s", "robust": "r"}}, "classes": ["disc", "square", "star"]}


def test_decisions_are_counted_by_the_class_of_the_shape():
    """Class 0: shape, shape, texture, neither; class 1: neither; the image of equal cues and that of another set count nowhere."""
    shape, texture = [0, 0, 0, 0, 1, 2, 0], [1, 2, 1, 2, 0, 2, 1]
    table = pd.DataFrame({"shape": shape, "texture": texture, "decision": [0, 0, 1, 1, 2, 2, 0]})
    table = table.assign(model="s", stimulus=["conflict"] * 6 + ["clean"])
    found = shape_bias_by_class(table, "conflict")
    assert found.columns.tolist() == BY_CLASS == COLUMNS["shape_bias_by_class"]
    assert found.iloc[0].tolist() == ["s", 0, 4, 3, 0.5, 0.25, 2 / 3, *wilson(2, 3)]
    assert found.iloc[1, :6].tolist() == ["s", 1, 1, 0, 0, 0] and np.isnan(found.iloc[1, 6:].astype(float)).all()
    assert len(found) == 2
    assert shape_bias_by_class(table, None).columns.tolist() == BY_CLASS


def by_class(n: int) -> Results:
    rows = [(model, k, 10, 8, 0.4, 0.4, 0.5 if k else np.nan, 0.3, 0.7) for model in "sr" for k in range(n)]
    overall = [(model, 30, 24, 0.4, 0.4, 0.5, 0.4, 0.6) for model in "sr"]
    tables = {"shape_bias_by_class": rows, "shape_bias": overall}
    return Results(STUDY, {name: pd.DataFrame(rows, columns=COLUMNS[name]) for name, rows in tables.items()})


def test_classes_are_named_and_one_without_a_decision_has_no_marker():
    (axis,) = draw_class_bias(by_class(3)).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["disc", "square", "star"]
    for drawn in axis.containers:
        assert drawn[0].get_ydata().tolist() == [1, 2]


def test_a_bias_of_nine_decided_images_is_no_line():
    results = by_class(3)
    results.tables["shape_bias"].loc[0, "n_decided"] = 9
    drawn = []
    for fewest in (10, 9):
        (axis,) = draw_class_bias(Results({**STUDY, "statistics": {"fewest": fewest}}, results.tables)).axes
        lines = [line for line in axis.lines if (list(line.get_xdata()), list(line.get_ydata())) == ([0.5, 0.5], [0, 1])]
        drawn.append((len(lines), len(axis.patches)))
    assert drawn == [(1, 1), (2, 2)]
    assert "fewer than 10 decided images has no line" in of_class_bias(SimpleNamespace(results=results))


def test_the_sixteen_classes_of_published_conflict_images_are_named():
    sources = {"cue-conflict": {"kind": "cue-conflict"}}
    names = Results({**STUDY, "sources": sources, "claims": {"cue_conflict": "cue-conflict"}}).conflict_classes()
    assert len(names) == 16 and names[0] == "airplane" and names[-1] == "truck"


@pytest.mark.parametrize(("n", "why"), [(0, "no cue-conflict images"), (MOST_CLASSES + 1, "41 classes, too many")])
def test_no_class_or_too_many_are_left_out(n, why):
    with pytest.raises(LeftOut, match=why):
        draw_class_bias(by_class(n))
