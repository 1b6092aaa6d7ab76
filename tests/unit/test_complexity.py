"""Concepts per unit, counted by hand."""

import pandas as pd
import pytest

from robustlens.errors import InputError
from robustlens.neurons.complexity import count_concepts


@pytest.fixture
def matrix():
    iou = {("b", 0): [0.04, 0.039, 0.5], ("b", 1): [0, 0, 0], ("a", 0): [0.01, 0.2, 0.01]}
    rows = [("net", layer, unit, number + 1, value) for (layer, unit), values in iou.items() for number, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["model", "layer", "unit", "concept", "iou"])


def test_concepts_at_or_above_the_threshold(matrix):
    table = count_concepts(matrix, [0.01, 0.04])
    assert table.columns.tolist() == ["model", "layer", "unit", "threshold", "n_concepts"]
    assert list(table.itertuples(index=False, name=None)) == [
        ("net", "b", 0, 0.01, 3),
        ("net", "b", 1, 0.01, 0),
        ("net", "a", 0, 0.01, 3),
        ("net", "b", 0, 0.04, 2),
        ("net", "b", 1, 0.04, 0),
        ("net", "a", 0, 0.04, 1),
    ]
    assert str(table["n_concepts"].dtype) == "int32"


def test_the_order_of_the_rows_changes_no_count(matrix):
    keys = ["layer", "unit", "threshold"]
    shuffled = count_concepts(matrix.sample(frac=1, random_state=0), [0.04]).sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(shuffled, count_concepts(matrix, [0.04]).sort_values(keys, ignore_index=True))


@pytest.mark.parametrize("threshold", [0, -0.1, 1.5, float("nan")])
def test_a_threshold_outside_0_to_1_is_refused(matrix, threshold):
    with pytest.raises(InputError, match="complexity.curve"):
        count_concepts(matrix, [0.04, threshold])
