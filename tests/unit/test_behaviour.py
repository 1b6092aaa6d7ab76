"""Tables of decisions: small ones whose answers are counted by hand, and published shape biases."""

import numpy as np
import pandas as pd
import pytest

from robustlens.report.behaviour import (
    ACCURACY,
    BOTH_CORRECT,
    SHAPE_BIAS,
    accuracy,
    accuracy_both_correct,
    both_correct,
    conflicting,
    read_predictions,
    shape_bias,
)
from robustlens.report.statistics import wilson

PAIR = {"standard": "s", "robust": "r"}


def decisions(model: str, stimulus: str, labels: list[int], found: list[int], **cues) -> pd.DataFrame:
    """Predictions as :func:`read_predictions` gives them, of images a, b, c ..."""
    table = pd.DataFrame({"image_id": list("abcdefgh"[: len(labels)]), "label": labels, "decision": found})
    table = table.assign(model=model, stimulus=stimulus, shape=cues.get("shape", labels), texture=cues.get("texture", labels))
    return table.assign(correct=table["decision"] == table["label"])


@pytest.fixture
def predictions():
    """On the originals S errs on c and R on a: both are right on b and d."""
    return pd.concat(
        [
            decisions("s", "clean", [0, 1, 2, 3], [0, 1, 0, 3]),
            decisions("s", "noise", [0, 1, 2, 3], [0, 0, 2, 3]),
            decisions("r", "clean", [0, 1, 2, 3], [1, 1, 2, 3]),
            decisions("r", "noise", [0, 1, 2, 3], [1, 1, 1, 3]),
            decisions("other", "clean", [0, 1, 2, 3], [3, 3, 3, 3]),
        ],
        ignore_index=True,
    )


def test_predictions_are_read_without_probabilities(tmp_path):
    for model, top5 in (("s", [[2, 0, 1], [0, 2, 1]]), ("r", [[1, 0, 2], [1, 2, 0]])):
        table = pd.DataFrame({"model": model, "stimulus": "clean", "image_id": ["a", "b"], "label": [2, 1], "shape": 0, "texture": 1})
        table.assign(top5=top5, probabilities=[[0.1]] * 2, loss=1.0).to_parquet(tmp_path / f"{model}.parquet")
    table = read_predictions([str(tmp_path / "s.parquet"), str(tmp_path / "r.parquet")])
    assert table.columns.tolist() == ["model", "stimulus", "image_id", "label", "shape", "texture", "decision", "correct"]
    assert table["decision"].tolist() == [2, 0, 1, 1]
    assert table["correct"].tolist() == [True, False, False, True]
    assert read_predictions([]).columns.tolist() == table.columns.tolist()


def test_accuracy_on_paper(predictions):
    table = accuracy(predictions)
    assert table.columns.tolist() == ACCURACY
    assert table.iloc[:, :4].to_numpy().tolist() == [
        ["s", "clean", 4, 0.75],
        ["s", "noise", 4, 0.75],
        ["r", "clean", 4, 0.75],
        ["r", "noise", 4, 0.5],
        ["other", "clean", 4, 0.25],
    ]
    assert table.iloc[3][["low", "high"]].tolist() == list(wilson(2, 4))


def test_images_without_a_label_do_not_count():
    table = accuracy(decisions("s", "clean", [0, -1, -1, 1], [0, 0, -1, 0]))
    assert table.iloc[0, :4].tolist() == ["s", "clean", 2, 0.5]
    assert not len(accuracy(decisions("s", "clean", [-1], [0])))


def test_the_images_that_both_label_correctly(predictions):
    assert both_correct(predictions, PAIR).tolist() == ["b", "d"]
    assert not len(both_correct(predictions[predictions["stimulus"] == "noise"], PAIR))
    table = accuracy_both_correct(predictions, {"net": PAIR})
    assert table.columns.tolist() == BOTH_CORRECT
    assert table.iloc[:, :5].to_numpy().tolist() == [
        ["net", "s", "clean", 2, 1.0],
        ["net", "s", "noise", 2, 0.5],
        ["net", "r", "clean", 2, 1.0],
        ["net", "r", "noise", 2, 1.0],
    ]
    assert accuracy_both_correct(predictions, {}).columns.tolist() == BOTH_CORRECT


# ------------------------------------------------------------------------------------------------------------------ shape bias
@pytest.mark.parametrize(("shape", "texture", "percent"), [(283, 376, 42.94), (228, 503, 31.19), (130, 625, 17.22)])
def test_published_shape_biases(shape, texture, percent):
    """Counts and percentages as rgeirhos/texture-vs-shape publishes them, for AlexNet, GoogLeNet and VGG-16 on 1,200 images."""
    found = [0] * shape + [1] * texture + [2] * (1200 - shape - texture)
    table = pd.DataFrame({"image_id": [f"i{n}" for n in range(1200)], "decision": found})
    table = table.assign(model="net", stimulus="conflict", label=0, shape=0, texture=1, correct=table["decision"] == 0)
    row = shape_bias(table, "conflict").iloc[0]
    assert round(100 * row["shape_bias"], 2) == percent
    assert row["n_images"] == 1200 and row["n_decided"] == shape + texture
    assert (row["shape"], row["texture"]) == (shape / 1200, texture / 1200)
    assert (row["low"], row["high"]) == wilson(shape, shape + texture)


def test_images_whose_cues_agree_or_are_unknown_do_not_count():
    cues = {"shape": [0, 0, 0, 2, -1, 0], "texture": [1, 1, 1, 2, 1, -1]}
    table = decisions("s", "conflict", [0] * 6, [0, 1, 3, 2, 1, 0], **cues)
    assert conflicting(table, "conflict")["image_id"].tolist() == ["a", "b", "c"]
    row = shape_bias(table, "conflict").iloc[0]
    assert row.iloc[:6].tolist() == ["s", 3, 2, 1 / 3, 1 / 3, 0.5]


def test_no_decision_for_either_cue_has_no_bias():
    table = decisions("s", "conflict", [0, 0], [2, 3], shape=[0, 0], texture=[1, 1])
    row = shape_bias(table, "conflict").iloc[0]
    assert row.iloc[:5].tolist() == ["s", 2, 0, 0, 0]
    assert np.isnan(row.iloc[5:].astype(float)).all()


def test_no_conflict_images_give_an_empty_table(predictions):
    for stimulus in ("clean", "elsewhere", None):
        table = shape_bias(predictions, stimulus)
        assert table.columns.tolist() == SHAPE_BIAS and not len(table)
