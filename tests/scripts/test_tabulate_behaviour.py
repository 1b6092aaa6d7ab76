"""tabulate_behaviour: three tables from the predictions of all models."""

import pandas as pd
import pytest

import tiny
from tabulate_behaviour import main

FILES = ("accuracy.csv", "accuracy_both_correct.csv", "shape_bias.csv")


@pytest.fixture
def predictions(tmp_path):
    return tiny.write_predictions(tmp_path)


def test_three_tables(tmp_path, predictions):
    main(predictions, *(str(tmp_path / name) for name in FILES), pairs=tiny.STUDY["pairs"], conflict="conflict")
    accuracy, both, bias = (pd.read_csv(tmp_path / name) for name in FILES)
    of_s = accuracy[accuracy["model"] == "s"].set_index("stimulus")["top1"]
    assert of_s.to_dict() == {**{name: n / 100 for name, n in tiny.RIGHT["s"].items()}, "conflict": 0.2}
    rows = both[both["stimulus"] == "silhouette"]
    assert rows[["pair", "model", "n_images", "top1"]].to_numpy().tolist() == [["net", "s", 90, 0.333333], ["net", "r", 90, 0.944444]]
    assert bias[["model", "n_images", "n_decided", "shape_bias"]].to_numpy().tolist() == [
        ["s", 100, 90, 0.222222],
        ["r", 100, 90, 0.722222],
    ]


def test_the_order_of_the_models_is_kept_and_nothing_else_moves(tmp_path, predictions):
    for name, paths in (("a", predictions), ("b", predictions[::-1])):
        main(paths, *(str(tmp_path / name / file) for file in FILES), pairs=tiny.STUDY["pairs"], conflict="conflict")
    for file in FILES:
        one, other = (pd.read_csv(tmp_path / name / file) for name in "ab")
        assert one["model"].iloc[0] == "s" and other["model"].iloc[0] == "r"
        columns = list(one.columns)
        assert one.sort_values(columns).reset_index(drop=True).equals(other.sort_values(columns).reset_index(drop=True))


def test_a_study_without_pairs_and_conflict_images(tmp_path, predictions):
    main(predictions[:1], *(str(tmp_path / name) for name in FILES), pairs={}, conflict=None)
    accuracy, both, bias = (pd.read_csv(tmp_path / name) for name in FILES)
    assert len(accuracy) == 8 and not len(both) and not len(bias)
    assert bias.columns.tolist() == ["model", "n_images", "n_decided", "shape", "texture", "shape_bias", "low", "high"]
