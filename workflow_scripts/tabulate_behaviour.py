"""Tables of accuracy by stimulus, of shape against texture and of corruption errors, from all models' predictions."""

import json
from pathlib import Path

import pandas as pd

from robustlens.images import read_classes, read_manifest, write_manifest
from robustlens.report.behaviour import (
    BOTH_CORRECT,
    accuracy,
    accuracy_both_correct,
    accuracy_by_radius,
    accuracy_paired,
    accuracy_pairs,
    read_predictions,
    shape_bias,
    shape_bias_by_class,
    top5,
)
from robustlens.report.corruptions import corruption_errors, corruption_scores, image_errors
from robustlens.report.selection import SELECTION, compare, select
from robustlens.report.tables import read_parquets, write_csv
from robustlens.verification import check_accuracy, check_trained, measured

TRAINING = ["model", "epoch", "loss", "accuracy", "clean_accuracy", "robust_accuracy"]


def main(
    predictions: list[str],
    robustness: list[str],
    training: list[str],
    verified: list[str],
    manifest: list[str],
    selected: list[str],
    accuracy_csv: str,
    top5_csv: str,
    both_correct_csv: str,
    shape_bias_csv: str,
    selection_csv: str,
    corruption_errors_csv: str,
    mce_csv: str,
    robustness_csv: str,
    paired_csv: str,
    by_class_csv: str,
    training_csv: str,
    *,
    pairs: dict,
    expected: dict,
    learned: list[str],
    conflict: str | None,
    corruptions: dict,
    baseline: str | None,
    resamples: int,
):
    """``predictions``: one Parquet file a model, of which two at most are in memory; ``manifest``: that of ``clean``, if it was predicted;
    ``selected``: then one manifest a pair, of the clean images that both its networks label correctly; ``robustness``:
    decisions by epsilon; ``training``: the learning curve of each network that is trained here, on the labels of its images if ``learned``;
    ``verified``: one file a user-supplied network; ``expected``: model -> known accuracy on clean, of those that have one.
    ``conflict``: the cue-conflict stimulus; ``corruptions``: image set -> ``corruption``, ``severity``; ``baseline``: the model that
    corruption errors are relative to. None, or empty, where there is none.
    """
    paths, accuracies, fives, biases, by_class, errors = {}, [], [], [], [], {}
    curves = read_parquets(training, TRAINING)
    n_classes = len((read_classes(manifest[0]) if manifest else None) or [])
    for path in predictions:
        table = read_predictions([path])
        model = table["model"].iloc[0]
        paths[model] = path
        _check(table, {Path(file).parent.name: file for file in verified}, expected, curves[curves["model"].isin(learned)], n_classes)
        accuracies.append(accuracy(table))
        fives.append(top5(table))
        biases.append(shape_bias(table, conflict))
        by_class.append(shape_bias_by_class(table, conflict))
        errors[model] = image_errors(table, corruptions)
    write_csv(Path(accuracy_csv), pd.concat(accuracies, ignore_index=True))
    write_csv(Path(top5_csv), pd.concat(fives, ignore_index=True))
    write_csv(Path(shape_bias_csv), pd.concat(biases, ignore_index=True))
    write_csv(Path(by_class_csv), pd.concat(by_class, ignore_index=True))
    write_csv(Path(corruption_errors_csv), corruption_errors(pd.concat(accuracies, ignore_index=True), corruptions))
    write_csv(Path(mce_csv), corruption_scores(errors, corruptions, baseline=baseline, count=resamples))
    write_csv(Path(robustness_csv), accuracy_by_radius(robustness))
    write_csv(Path(training_csv), curves)
    both_correct, paired = _of_pairs(paths, pairs, conflict, resamples)
    write_csv(Path(both_correct_csv), both_correct)
    write_csv(Path(paired_csv), paired)
    write_csv(Path(selection_csv), _select(paths, pairs, manifest, selected))


def _check(table: pd.DataFrame, verified: dict[str, str], expected: dict, curves: pd.DataFrame, named: int) -> None:
    """Raise InputError for a model whose accuracy on clean images is not what it should be (:mod:`robustlens.verification`).

    ``named``: how many class names the labels of clean index, 0 where these are numbers: then as many as the labels show.
    """
    model, clean = table["model"].iloc[0], table[table["stimulus"] == "clean"]
    curve = curves.loc[curves["model"] == model, "accuracy"]
    n_classes = max(named, int(table["label"].max()) + 1, 2)
    if model in verified:
        n_classes = json.loads(Path(verified[model]).read_text())["n_classes"]
    found = measured(model, clean["label"], clean["decision"], n_classes)
    if model in verified or expected.get(model) is not None:
        check_accuracy(found, expected.get(model))
    elif len(clean) and len(curve):
        check_trained(found, curve.iloc[-1])


def _of_pairs(paths: dict[str, str], pairs: dict, conflict: str | None, resamples: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracy on the images that both networks of a pair decide correctly, and on the same images."""
    rows, paired = [], {}
    for name, pair in pairs.items():
        table = read_predictions(_of_pair(paths, pair))
        rows.append(accuracy_both_correct(table, {name: pair}))
        paired[name] = accuracy_paired(table[table["stimulus"] != conflict], pair, resamples)
    return _stacked(rows, BOTH_CORRECT), accuracy_pairs(paired)


def _select(paths: dict[str, str], pairs: dict, manifest: list[str], selected: list[str]) -> pd.DataFrame:
    """Write what both networks of each pair label correctly; the table of how many images these are."""
    rows = []
    for (name, pair), path in zip(pairs.items(), selected, strict=bool(manifest)):
        images = read_manifest(manifest[0])
        found = select(read_predictions(_of_pair(paths, pair), ["clean"]), images, pair)
        rows.append(compare(name, images, found, pair.get("published")))
        write_manifest(path, found, read_classes(manifest[0]))
    return _stacked(rows, SELECTION)


def _of_pair(paths: dict[str, str], pair: dict) -> list[str]:
    return [path for model, path in paths.items() if model in (pair["standard"], pair["robust"])]


def _stacked(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
