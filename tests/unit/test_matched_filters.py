"""Filters of S beside those of R: which are shown, in which order, and why none are."""

import numpy as np
import pandas as pd
import pytest

from robustlens.report.figures import LeftOut
from robustlens.report.figures_pictures import Pictures, draw_matched_filters, filter_picture
from robustlens.report.results import COLUMNS, Results

STUDY = {"models": {"s": {}, "r": {}}, "pairs": {"net": {"standard": "s", "robust": "r"}}}
MATCHES = pd.DataFrame(
    [("net", "conv1", 0, 1, 0.25, 75), ("net", "conv1", 1, 2, 0.75, 75), ("net", "conv1", 2, -1, np.nan, 75)],
    columns=COLUMNS["filter_matches"],
)


def pictures() -> Pictures:
    random = np.random.default_rng(0)
    return Pictures(weights={model: {"conv1.weight": random.normal(size=(3, 3, 5, 5)).astype(np.float32)} for model in "sr"})


def test_the_best_match_comes_first_and_a_constant_filter_has_none():
    bank = pictures()
    (axis,) = draw_matched_filters(Results(STUDY, {"filter_matches": MATCHES}), bank).axes
    assert [text.get_text() for text in axis.texts] == ["0.75", "0.25"]
    shown = [np.asarray(image.get_array()) for image in axis.images]
    expected = [("s", 1), ("r", 2), ("s", 0), ("r", 1)]
    assert len(shown) == 4
    for picture, (model, unit) in zip(shown, expected, strict=True):
        assert np.array_equal(picture, filter_picture(bank.weights[model]["conv1.weight"][unit]))


@pytest.mark.parametrize(("matches", "bank"), [(MATCHES.iloc[:0], pictures()), (MATCHES, Pictures())])
def test_without_matches_or_filters_it_is_left_out(matches, bank):
    with pytest.raises(LeftOut, match="no first convolution of S"):
        draw_matched_filters(Results(STUDY, {"filter_matches": matches}), bank)
