"""The figures over the strength of a change: what is drawn where, at every size of study, and why one is left out."""

import numpy as np
import pandas as pd
import pytest

from robustlens.report import captions
from robustlens.report.figures import LeftOut, save_figure
from robustlens.report.figures_curves import draw_corruptions, draw_robustness
from robustlens.report.figures_pictures import Pictures
from robustlens.report.figures_top_images import TopPictures
from robustlens.report.results import COLUMNS, Results
from robustlens.shorthand import COMMON, EXTRA

STUDY = {
    "models": {"s": {}, "r": {}},
    "pairs": {"net": {"standard": "s", "robust": "r"}},
    "attacks": {"pgd": {"norm": "l2", "eps": 1.0, "step": 0.1, "steps": 20}},
    "robustness": {"attack": "pgd"},
}


def results(**tables: pd.DataFrame) -> Results:
    return Results(STUDY, tables)


def inputs(found: Results) -> captions.Inputs:
    return captions.Inputs(found, Pictures(), pd.DataFrame(), pd.DataFrame(), TopPictures())


def curve(radii: list[float]) -> pd.DataFrame:
    rows = [(model, eps, 200, 0.9 - eps / 10, 0.8 - eps / 10, 0.95 - eps / 10) for model in "sr" for eps in radii]
    return pd.DataFrame(rows, columns=COLUMNS["robustness"])


def errors(kinds: tuple[str, ...], severities: list[int]) -> pd.DataFrame:
    rows = [(m, kind, level, 800, level / 10, level / 10 - 0.05, level / 10 + 0.05) for m in "sr" for kind in kinds for level in severities]
    return pd.DataFrame(rows, columns=COLUMNS["corruption_errors"])


def points(axis) -> list[list[tuple[float, float]]]:
    return [list(zip(*map(np.ndarray.tolist, map(np.asarray, lines[0].get_data())), strict=True)) for lines in axis.containers]


def test_accuracy_is_drawn_in_the_order_of_the_radius():
    figure = draw_robustness(results(robustness=curve([2.0, 0.0, 1.0])))
    (axis,) = figure.axes
    standard, robust = points(axis)
    assert standard == robust and [x for x, _ in standard] == [0, 1, 2]
    assert [y for _, y in standard] == pytest.approx([0.9, 0.8, 0.7])
    assert axis.get_xlabel() == "radius ε, L2"


@pytest.mark.parametrize(("radii", "why"), [([], "names no attack of several radii"), ([0.0, 1.0], "two radii at least")])
def test_a_curve_of_one_radius_is_left_out(radii, why):
    with pytest.raises(LeftOut, match=why):
        draw_robustness(results(robustness=curve(radii)))


@pytest.mark.parametrize(("kinds", "severities"), [(COMMON[:1], [3]), (COMMON[:4], [1, 3, 5]), ((*COMMON, *EXTRA), [1, 2, 3, 4, 5])])
def test_each_corruption_has_its_panel_with_its_severities(tmp_path, kinds, severities):
    figure = draw_corruptions(results(corruption_errors=errors(kinds, severities)))
    drawn = [axis for axis in figure.axes if axis.axison]
    assert [axis.get_title(loc="left") for axis in drawn] == [kind.replace("-", " ") for kind in kinds]
    for axis in drawn:
        for line in points(axis):
            assert line == [(level, level / 10) for level in severities]
    assert save_figure(figure, tmp_path / "corruptions") == ["corruptions.svg", "corruptions.pdf"]


def test_no_corruptions_are_left_out():
    with pytest.raises(LeftOut, match="no corrupted images"):
        draw_corruptions(results())


def test_captions_state_n_and_the_mean_error_or_mce():
    assert "20 steps" in captions.of_robustness(inputs(results(robustness=curve([0, 1, 2]))))
    rows = [("s", "mean-error", 800, 4, 0.25, 0.2, 0.3), ("s", "mce", 800, 15, np.nan, np.nan, np.nan)]
    summed = pd.DataFrame(rows, columns=COLUMNS["mce"])
    found = results(corruption_errors=errors(COMMON[:4], [1]), mce=summed)
    text = captions.of_corruptions(inputs(found))
    assert "n = 800 images" in text and "over 4 of the 15 corruptions" in text and "net S 25.0 % (20.0 to 30.0)." in text
    summed.loc[1, ["value", "low", "high"]] = [0.767, 0.76, 0.77]
    assert "mCE" in captions.of_corruptions(inputs(found)) and "Mean error" not in captions.of_corruptions(inputs(found))
