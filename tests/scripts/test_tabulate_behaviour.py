"""tabulate_behaviour: eleven tables from the predictions of all models."""

import json

import numpy as np
import pandas as pd
import pytest

import tiny
from robustlens.errors import InputError
from robustlens.images import read_manifest, write_manifest, write_parquet
from robustlens.report.behaviour import (
    BY_CLASS,
    PAIRED,
    ROBUSTNESS,
    SHAPE_BIAS,
    accuracy,
    accuracy_both_correct,
    read_predictions,
    shape_bias,
    top5,
)
from robustlens.report.corruptions import CORRUPTION_ERRORS, MCE
from robustlens.report.selection import SELECTION
from tabulate_behaviour import TRAINING, main

FILES = ("accuracy.csv", "top5.csv", "accuracy_both_correct.csv", "shape_bias.csv", "both_correct.csv", "corruption_errors.csv", "mce.csv")
FILES += ("robustness.csv", "accuracy_paired.csv", "shape_bias_by_class.csv", "training.csv")
STUDY = {
    "pairs": tiny.STUDY["pairs"],
    "expected": {},
    "learned": [],
    "conflict": "conflict",
    "corruptions": {"blur": {"corruption": "defocus-blur", "severity": 2}, "noise": {"corruption": "gaussian-noise", "severity": 1}},
    "baseline": "s",
    "resamples": 100,
}
NOTHING = {"pairs": {}, "expected": {}, "learned": [], "conflict": None, "corruptions": {}, "baseline": None, "resamples": 100}


@pytest.fixture
def predictions(tmp_path):
    return tiny.write_predictions(tmp_path)


@pytest.fixture
def manifest(tmp_path):
    """The 100 clean images, in another order."""
    ids = [f"image-{number}" for number in range(100)][::-1]
    write_manifest(tmp_path / "clean.parquet", pd.DataFrame({"image_id": ids, "label": 0, "shape": 0, "texture": 0, "path": ""}))
    return [str(tmp_path / "clean.parquet")]


def run(folder, predictions, study=STUDY, manifest=(), training=(), verified=()) -> list[pd.DataFrame]:
    selected = [str(folder / pair / "selected.parquet") for pair in study["pairs"] if manifest]
    main(predictions, [], list(training), list(verified), list(manifest), selected, *(str(folder / name) for name in FILES), **study)
    return [pd.read_csv(folder / name) for name in FILES]


def test_tables_of_decisions(tmp_path, predictions):
    accuracies, five, both, bias, *_ = run(tmp_path, predictions)
    of_s = accuracies[accuracies["model"] == "s"].set_index("stimulus")["top1"]
    assert of_s.to_dict() == {**{name: n / 100 for name, n in tiny.RIGHT["s"].items()}, "conflict": 0.2}
    assert (five["top5"] == 1).all()  # of three classes
    rows = both[both["stimulus"] == "silhouette"]
    assert rows[["pair", "model", "n_images", "top1"]].to_numpy().tolist() == [["net", "s", 90, 0.333333], ["net", "r", 90, 0.944444]]
    assert bias[["model", "n_images", "n_decided", "shape_bias"]].to_numpy().tolist() == [
        ["s", 100, 90, 0.222222],
        ["r", 100, 90, 0.722222],
    ]


def test_both_networks_on_the_same_images(tmp_path, predictions):
    """The first images are always the ones that are right: of 100 clean ones S alone has eight, of attacked ones R alone 58."""
    table = run(tmp_path, predictions)[8]
    assert table.columns.tolist() == PAIRED
    assert set(table["stimulus"]) == set(tiny.RIGHT["s"])  # without the conflict images, of which accuracy means nothing
    rows = table.set_index("stimulus")
    assert rows.loc["clean", ["n_images", "standard", "robust", "only_standard", "only_robust", "effect"]].tolist() == [
        *(100, 0.98, 0.9, 8, 0, -1),
    ]
    assert rows.loc["pgd", ["only_standard", "only_robust", "effect"]].tolist() == [0, 58, 1]
    assert rows.loc["clean", "p"] == pytest.approx(2 * 0.5**8) and (rows["test"] == "mcnemar").all()
    assert rows.loc["pgd", "p_holm"] == pytest.approx(len(rows) * 2 * 0.5**58, rel=1e-4)
    assert ((rows["low"] <= rows["difference"]) & (rows["difference"] <= rows["high"])).all()


def test_one_model_at_a_time_gives_the_tables_of_all_at_once(tmp_path, predictions):
    found, whole = run(tmp_path, predictions), read_predictions(predictions)
    expected = accuracy(whole), top5(whole), accuracy_both_correct(whole, STUDY["pairs"]), shape_bias(whole, "conflict")
    for table, other in zip(found, expected, strict=False):
        pd.testing.assert_frame_equal(table, other, check_dtype=False, rtol=1e-5)


def test_tables_of_corruptions(tmp_path, predictions):
    """S errs on 4 noisy and 5 blurred images of 100, R on 20 and 15; two sets are not ImageNet-C."""
    errors, scores = run(tmp_path, predictions)[5:7]
    assert errors.columns.tolist() == CORRUPTION_ERRORS and scores.columns.tolist() == MCE
    assert errors[["model", "corruption", "severity", "n_images", "error"]].to_numpy().tolist() == [
        ["s", "gaussian-noise", 1, 100, 0.04],
        ["s", "defocus-blur", 2, 100, 0.05],
        ["r", "gaussian-noise", 1, 100, 0.2],
        ["r", "defocus-blur", 2, 100, 0.15],
    ]
    means = scores[scores["statistic"] == "mean-error"]
    assert means[["model", "n_images", "n_corruptions", "value"]].to_numpy().tolist() == [["s", 100, 2, 0.045], ["r", 100, 2, 0.175]]
    others = scores[scores["statistic"] != "mean-error"]
    assert others["statistic"].unique().tolist() == ["mce", "mce-baseline", "relative-mce-baseline"] and others["value"].isna().all()


def test_images_that_both_label_correctly(tmp_path, predictions, manifest):
    """S is right on the first 98, R on the first 90."""
    counts = run(tmp_path, predictions, manifest=manifest)[4]
    rows = read_manifest(tmp_path / "net/selected.parquet")
    pd.testing.assert_frame_equal(rows, read_manifest(manifest[0])[10:].reset_index(drop=True))
    assert counts[["pair", "class", "n_images"]].to_numpy().tolist() == [["net", "all", 90]]
    run(tmp_path, predictions[::-1], manifest=manifest)
    pd.testing.assert_frame_equal(read_manifest(tmp_path / "net/selected.parquet"), rows)


def test_a_published_list_is_compared(tmp_path, predictions, manifest):
    path = tmp_path / "list.npy"
    np.save(path, np.array([f"image-{number}.JPEG" for number in range(80, 95)]))
    study = {**STUDY, "pairs": {"net": {**STUDY["pairs"]["net"], "published": str(path)}}}
    table = run(tmp_path, predictions, study, manifest)[4]
    assert table.columns.tolist() == SELECTION
    assert table.iloc[0].tolist() == ["net", "all", 90, 15, 10, 80, 5] and len(table) == 17
    (tmp_path / "net/selected.parquet").unlink()
    path.write_text("image-1.JPEG")
    with pytest.raises(InputError, match="list.npy: expected a NumPy file of picture names"):
        run(tmp_path, predictions, study, manifest)
    assert not (tmp_path / "net/selected.parquet").exists()


def test_the_order_of_the_models_is_kept_and_nothing_else_moves(tmp_path, predictions):
    for name, paths in (("a", predictions), ("b", predictions[::-1])):
        run(tmp_path / name, paths)
    for file in FILES:
        one, other = (pd.read_csv(tmp_path / name / file) for name in "ab")
        if file not in ("both_correct.csv", "robustness.csv", "accuracy_paired.csv", "training.csv"):
            assert one["model"].iloc[0] == "s" and other["model"].iloc[0] == "r"
        columns = list(one.columns)
        assert one.sort_values(columns).reset_index(drop=True).equals(other.sort_values(columns).reset_index(drop=True))


def test_a_study_without_pairs_conflict_images_and_corruptions(tmp_path, predictions):
    accuracies, *others = run(tmp_path, predictions[:1], NOTHING)
    assert len(accuracies) == len(others[0]) == 8 and not any(map(len, others[1:]))
    expected = [SHAPE_BIAS, SELECTION, CORRUPTION_ERRORS, MCE, ROBUSTNESS, PAIRED, BY_CLASS, TRAINING]
    assert [table.columns.tolist() for table in others[2:]] == expected


def test_the_accuracy_on_clean_is_checked_against_the_config_of_today(tmp_path, predictions):
    """It is 0.98 of 100 images for s, and 0.9 for r."""
    verified = tmp_path / "s/verified.json"
    verified.parent.mkdir()
    verified.write_text(json.dumps({"n_classes": 3}))
    run(tmp_path, predictions, STUDY | {"expected": {"s": 0.97}}, verified=[verified])
    with pytest.raises(InputError, match=r"models.s.top1: expected 0.5000 on clean, .*, got 0.9800 \(98 of 100 images"):
        run(tmp_path, predictions, STUDY | {"expected": {"s": 0.5}}, verified=[verified])


def test_a_network_trained_here_that_guesses_on_clean_is_refused(tmp_path):
    table = tiny.predictions_table().query("model == 's' and stimulus == 'clean'").assign(label=[0, 1] * 50, decision=0)
    top5 = [[first, *({0, 1, 2} - {first})] for first in table["decision"]]
    path = tmp_path / "predictions.parquet"
    write_parquet(path, table.drop(columns=["decision", "correct"]).assign(top5=top5, probabilities=[[0.5]] * len(table), loss=1.0))
    curve = pd.DataFrame({"model": "s", "epoch": [1, 2], "loss": 1.0, "accuracy": [0.5, 0.99]})
    write_parquet(tmp_path / "training.parquet", curve)
    training = [str(tmp_path / "training.parquet")]
    study = NOTHING | {"learned": ["s"]}
    with pytest.raises(InputError, match=r"models.s: expected more correct .* 2 classes, after 0.9900 in training, got 0.5000 \(50 of 100"):
        run(tmp_path, [str(path)], study, training=training)
    run(tmp_path, [str(path)], NOTHING, training=training)  # one that learned another cue
