"""Tables of what the networks decide: accuracy by stimulus, shape against texture. Definitions: docs/methods.md."""

import numpy as np
import pandas as pd

from robustlens.report.statistics import wilson

ACCURACY = ["model", "stimulus", "n_images", "top1", "low", "high"]
BOTH_CORRECT = ["pair", *ACCURACY]
SHAPE_BIAS = ["model", "n_images", "n_decided", "shape", "texture", "shape_bias", "low", "high"]


def read_predictions(paths: list[str]) -> pd.DataFrame:
    """All models' predictions without the probabilities, and ``decision`` (most probable class) and ``correct``."""
    columns = ["model", "stimulus", "image_id", "label", "shape", "texture", "top5"]
    if not paths:
        return pd.DataFrame(columns=[*columns[:-1], "decision", "correct"])
    table = pd.concat([pd.read_parquet(path, columns=columns) for path in paths], ignore_index=True)
    table["decision"] = table["top5"].str[0].astype(np.int32)
    table["correct"] = table["decision"] == table["label"]
    return table.drop(columns="top5")


def accuracy(predictions: pd.DataFrame) -> pd.DataFrame:
    """Top-1 accuracy per model and stimulus over the images with a known label, Wilson 95 %."""
    rows = []
    for (model, stimulus), group in predictions[predictions["label"] >= 0].groupby(["model", "stimulus"], sort=False):
        correct, n = int(group["correct"].sum()), len(group)
        rows.append((model, stimulus, n, correct / n, *wilson(correct, n)))
    return pd.DataFrame(rows, columns=ACCURACY)


def conflicting(predictions: pd.DataFrame, stimulus: str | None) -> pd.DataFrame:
    """The rows of the images of ``stimulus`` that carry two known cues of different classes."""
    conflict = (predictions["shape"] >= 0) & (predictions["texture"] >= 0) & (predictions["shape"] != predictions["texture"])
    return predictions[conflict & (predictions["stimulus"] == stimulus)]


def both_correct(predictions: pd.DataFrame, pair: dict, original: str = "clean") -> pd.Index:
    """Ids of the original images that both networks of a pair label correctly (the paper's ImageNet-CL)."""
    clean = predictions[predictions["stimulus"] == original]
    correct = [clean["image_id"][(clean["model"] == pair[role]) & clean["correct"]] for role in ("standard", "robust")]
    return pd.Index(correct[0]).intersection(correct[1])


def accuracy_both_correct(predictions: pd.DataFrame, pairs: dict[str, dict]) -> pd.DataFrame:
    """Accuracy of a pair's networks on the modified images of which both label the original correctly."""
    tables = []
    for name, pair in pairs.items():
        members = predictions["model"].isin([pair["standard"], pair["robust"]])
        kept = predictions[members & predictions["image_id"].isin(both_correct(predictions, pair))]
        table = accuracy(kept)
        table.insert(0, "pair", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=BOTH_CORRECT)


def shape_bias(predictions: pd.DataFrame, stimulus: str | None) -> pd.DataFrame:
    """Shape and texture decisions on cue-conflict images (arXiv 2006.09373): shares of all images; bias = shape / (shape + texture)."""
    rows = []
    for model, group in conflicting(predictions, stimulus).groupby("model", sort=False):
        shape, texture = (int((group["decision"] == group[cue]).sum()) for cue in ("shape", "texture"))
        n, decided = len(group), shape + texture
        bias = shape / decided if decided else np.nan
        rows.append((model, n, decided, shape / n, texture / n, bias, *wilson(shape, decided)))
    return pd.DataFrame(rows, columns=SHAPE_BIAS)
