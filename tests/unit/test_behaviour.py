"""Tables of decisions: small ones whose answers are counted by hand, and published shape biases."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import robustlens.report.behaviour as behaviour
import tiny
from robustlens.errors import InputError
from robustlens.report.behaviour import (
    ACCURACY,
    BOTH_CORRECT,
    READ,
    SHAPE_BIAS,
    TOP5,
    accuracy,
    accuracy_both_correct,
    both_correct,
    conflicting,
    read_predictions,
    shape_bias,
    top5,
)
from robustlens.statistics import compare, weighted_mean, wilson

PAIR = {"standard": "s", "robust": "r"}


def decisions(model: str, stimulus: str, labels: list[int], found: list[int], **cues) -> pd.DataFrame:
    """Predictions as :func:`read_predictions` gives them, of images a, b, c ...; the label is among the first five where it is below 3."""
    table = pd.DataFrame({"image_id": list("abcdefgh"[: len(labels)]), "label": labels, "decision": found})
    table = table.assign(model=model, stimulus=stimulus, shape=cues.get("shape", labels), texture=cues.get("texture", labels))
    return table.assign(correct=table["decision"] == table["label"], in_top5=table["label"] < 3)


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


@pytest.fixture
def files(tmp_path):
    """Predictions of two models of seven classes on disk; S has no label for image b of ``sketch``."""
    paths = []
    for model, five in (("s", [[2, 0, 1, 3, 4], [0, 2, 3, 4, 1]]), ("r", [[1, 0, 3, 4, 5], [6, 2, 0, 3, 5]])):
        for stimulus in ("sketch", "clean"):
            rows = pd.DataFrame({"model": model, "stimulus": stimulus, "image_id": ["b", "a"], "label": [2, 1], "shape": 0, "texture": 1})
            if stimulus == "sketch":
                rows.loc[0, "label"] = -1
            paths.append(rows.astype(dict.fromkeys(("label", "shape", "texture"), "int32")).assign(top5=five, probabilities=[[0.1]] * 2))
    for number, model in enumerate(("s", "r")):
        table = pd.concat(paths[2 * number : 2 * number + 2]).assign(loss=1.0)
        table.to_parquet(tmp_path / f"{model}.parquet", row_group_size=3)
    return [str(tmp_path / f"{model}.parquet") for model in ("s", "r")]


# -------------------------------------------------------------------------------------------------------------------- reading
def test_predictions_as_they_are_read(files):
    table = read_predictions(files)
    assert table.columns.tolist() == READ
    assert table["model"].tolist() == ["s"] * 4 + ["r"] * 4 and table["image_id"].tolist() == ["b", "a"] * 4
    assert table["stimulus"].tolist() == ["sketch", "sketch", "clean", "clean"] * 2
    assert table["decision"].tolist() == [2, 0, 2, 0, 1, 6, 1, 6]
    assert table["correct"].tolist() == [False, False, True, False] + [False] * 4
    assert table["in_top5"].tolist() == [False, True, True, True, False, False, False, False]
    assert table["label"].tolist() == [-1, 1, 2, 1] * 2


def test_predictions_are_kept_small(files):
    """Names as numbers into a sorted list, so that tables sort by them as by the names."""
    table = read_predictions(files[::-1])
    assert table.dtypes.astype(str).tolist() == ["category"] * 3 + ["int32"] * 4 + ["bool"] * 2
    assert table["model"].cat.categories.tolist() == ["r", "s"] and table["image_id"].cat.categories.tolist() == ["a", "b"]


def test_some_of_the_stimuli(files):
    table, whole = read_predictions(files, ["clean", "nowhere"]), read_predictions(files)
    expected = whole[whole["stimulus"] == "clean"].reset_index(drop=True)
    pd.testing.assert_frame_equal(table.astype({"stimulus": str}), expected.astype({"stimulus": str}))
    assert table["stimulus"].cat.categories.tolist() == ["clean"]
    for nothing in (read_predictions([]), read_predictions(files, []), read_predictions(files, ["nowhere"])):
        assert nothing.columns.tolist() == READ and not len(nothing)


def test_parts_of_a_file_change_nothing(files, monkeypatch):
    whole = read_predictions(files)
    for rows in (1, 3):
        monkeypatch.setattr(behaviour, "ROWS", rows)
        pd.testing.assert_frame_equal(read_predictions(files), whole)


def test_tables_of_what_was_read_are_those_of_names_as_text(files):
    table = read_predictions(files)
    text = table.astype(dict.fromkeys(("model", "stimulus", "image_id"), str))
    pair = {"standard": "s", "robust": "s"}
    pd.testing.assert_frame_equal(accuracy(table), accuracy(text))
    assert accuracy(table)["stimulus"].tolist() == ["sketch", "clean"] * 2  # as they come
    pd.testing.assert_frame_equal(accuracy_both_correct(table, {"net": pair}), accuracy_both_correct(text, {"net": pair}))
    assert both_correct(table, pair).tolist() == ["b"]
    pd.testing.assert_frame_equal(shape_bias(table, "clean"), shape_bias(text, "clean"))


def test_another_file_is_refused(tmp_path, files):
    (tmp_path / "text.parquet").write_text("no")
    whole = (tmp_path / "s.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    for name in ("text", "cut", "missing"):
        with pytest.raises(InputError, match=f"{name}.parquet: expected a complete Parquet file, got"):
            read_predictions([str(tmp_path / f"{name}.parquet")])
    table = pq.read_table(files[0]).drop_columns(["top5"])
    pq.write_table(table, tmp_path / "others.parquet")
    with pytest.raises(InputError, match="others.parquet: expected predictions, with the columns .*, got no top5"):
        read_predictions([str(tmp_path / "others.parquet")])


# ------------------------------------------------------------------------------------------------------------------- accuracy
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
    five = top5(predictions)
    assert five.columns.tolist() == TOP5 and five[["model", "stimulus", "n_images"]].equals(table[["model", "stimulus", "n_images"]])
    assert (five["top5"] == 0.75).all() and five.iloc[3][["low", "high"]].tolist() == list(wilson(3, 4))


def test_contracts_that_others_rely_on():
    assert ACCURACY == ["model", "stimulus", "n_images", "top1", "low", "high"] and BOTH_CORRECT[1:] == ACCURACY


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
    table = table.assign(model="net", stimulus="conflict", label=0, shape=0, texture=1, correct=table["decision"] == 0, in_top5=True)
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


# ---------------------------------------------------------------------------------------------------------- on the same images
def test_counts_resampled_are_images_resampled():
    """The interval from the numbers of images on which only one is right is that of the paired bootstrap over the images."""
    table = tiny.predictions_table()
    rows = behaviour.accuracy_paired(table, tiny.STUDY["pairs"]["net"], 20_000).set_index("stimulus")
    right = [(np.arange(100) < tiny.RIGHT[model]["silhouette"]).astype(float) for model in "sr"]
    expected = compare(*map(weighted_mean, right), 100, 20_000)
    assert rows.loc["silhouette", ["standard", "robust", "difference"]].tolist() == pytest.approx(expected[:3])
    assert rows.loc["silhouette", ["low", "high"]].tolist() == pytest.approx(expected[3:], abs=0.011)  # a step is 0.01


def test_only_images_that_both_have_are_compared():
    table = tiny.predictions_table()
    few = table[(table["model"] == "s") | (table["image_id"] < "image-5")].sample(frac=1, random_state=0)
    rows = behaviour.accuracy_paired(few, tiny.STUDY["pairs"]["net"], 100).set_index("stimulus")
    n = len({f"image-{k}" for k in range(100) if f"image-{k}" < "image-5"})
    assert rows.loc["clean", "n_images"] == n == 45 and rows.loc["clean", "standard"] == 1
    assert behaviour.accuracy_paired(table[table["model"] == "s"], tiny.STUDY["pairs"]["net"], 100).empty


def test_the_correction_is_over_all_pairs():
    paired = behaviour.accuracy_paired(tiny.predictions_table(), tiny.STUDY["pairs"]["net"], 100)
    table = behaviour.accuracy_pairs({"net": paired, "other": paired, "empty": paired.iloc[:0]})
    assert table.columns.tolist() == behaviour.PAIRED and table["pair"].unique().tolist() == ["net", "other"]
    assert table["p_holm"].min() == pytest.approx(len(table) * table["p"].min())
    assert behaviour.accuracy_pairs({}).columns.tolist() == behaviour.PAIRED
