"""Tables of the errors on ImageNet-C (Hendrycks and Dietterich, arXiv 1903.12261): by corruption and severity, and summed up as mCE.

Definitions: docs/methods.md. ``corruptions`` is everywhere: image set -> its ``corruption`` and ``severity``.
"""

from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd

from robustlens.errors import InputError
from robustlens.shorthand import COMMON, EXTRA
from robustlens.statistics import interval, resamples

ALEXNET = Path(__file__).resolve().parents[3] / "resources" / "alexnet_errors.csv"
CORRUPTION_ERRORS = ["model", "corruption", "severity", "n_images", "error", "low", "high"]
MCE = ["model", "statistic", "n_images", "n_corruptions", "value", "low", "high"]
SEVERITIES = [1, 2, 3, 4, 5]


def severities(corruptions: dict[str, dict]) -> dict[str, list[int]]:
    """Corruption -> its severities in order. Raises InputError for one that ImageNet-C does not have, and for one that is there twice."""
    found: dict[str, list[int]] = {}
    for name, entry in corruptions.items():
        if entry["corruption"] not in (*COMMON, *EXTRA):
            raise InputError(f"corruption of {name}", "one of ImageNet-C", entry["corruption"])
        if entry["severity"] not in SEVERITIES or entry["severity"] in found.get(entry["corruption"], []):
            level = f"{entry['corruption']} of severity {entry['severity']}"
            raise InputError(f"corruption of {name}", "severity 1 to 5, each in one image set", level)
        found.setdefault(entry["corruption"], []).append(entry["severity"])
    return {kind: sorted(found[kind]) for kind in (*COMMON, *EXTRA) if kind in found}


def corruption_errors(accuracies: pd.DataFrame, corruptions: dict[str, dict]) -> pd.DataFrame:
    """Top-1 error per model, corruption and severity with Wilson's interval, from the table of accuracies."""
    order = [(kind, severity) for kind, levels in severities(corruptions).items() for severity in levels]
    sets = {(entry["corruption"], entry["severity"]): name for name, entry in corruptions.items()}
    rows = []
    for model, of_model in accuracies.groupby("model", sort=False):
        found = of_model.set_index("stimulus")
        for level in order:
            if sets[level] in found.index:
                row = found.loc[sets[level]]
                rows.append((model, *level, row["n_images"], 1 - row["top1"], 1 - row["high"], 1 - row["low"]))
    return pd.DataFrame(rows, columns=CORRUPTION_ERRORS)


def image_errors(predictions: pd.DataFrame, corruptions: dict[str, dict], original: str = "clean") -> pd.DataFrame:
    """Of one model, image by image: its mean error over the severities of each corruption, and its error on the ``original``.

    Float64 [n_images, n_corruptions + 1] on [0, 1], the columns named by corruption and ``clean`` (NaN where there is no original), the
    index the image ids, sorted. Images that lack one of the sets, or the label, are left out.
    """
    kinds = {kind: place for place, kind in enumerate(severities(corruptions))}
    rows = predictions[predictions["stimulus"].isin(list(corruptions)) & (predictions["label"] >= 0)]
    image, ids = pd.factorize(rows["image_id"], sort=True)
    number, names = pd.factorize(rows["stimulus"])
    kind = np.array([kinds[corruptions[name]["corruption"]] for name in names], np.int64)
    cell = image * len(kinds) + (kind[number] if len(rows) else 0)
    shape = (len(ids), len(kinds))
    seen = np.bincount(cell, minlength=np.prod(shape)).reshape(shape)
    wrong = np.bincount(cell, ~rows["correct"].to_numpy(bool), np.prod(shape)).reshape(shape)
    found = pd.DataFrame(wrong / np.maximum(seen, 1), columns=list(kinds), index=pd.Index(ids.astype(str), name="image_id"))
    found = found[seen.sum(1) == len(corruptions)]
    clean = predictions[(predictions["stimulus"] == original) & (predictions["label"] >= 0)]
    of_id = pd.Series(1.0 - clean["correct"].to_numpy(float), index=clean["image_id"].astype(str))
    return found.assign(clean=of_id.reindex(found.index).to_numpy())


def read_alexnet(path: str | Path = ALEXNET) -> dict[str, float]:
    """Corruption -> published top-1 error of AlexNet, mean over the five severities; found by name, in whatever order they stand."""
    table = pd.read_csv(path)
    counts = table.groupby("corruption")["severity"].agg(sorted)
    for kind in COMMON:
        if kind not in counts or counts[kind] != SEVERITIES:
            raise InputError(path, f"severities 1 to 5 of {kind}, each once", counts.get(kind, "none"))
    return table.groupby("corruption")["error"].mean().to_dict()


def corruption_scores(errors: dict[str, pd.DataFrame], corruptions: dict[str, dict], *, baseline: str | None, count: int) -> pd.DataFrame:
    """The table ``MCE`` of all models, with bootstrap intervals over images.

    ``errors``: model -> :func:`image_errors`. All networks are compared on the images that all of them have; an image is drawn with
    all its severities and for all networks at once. ``baseline``: the model that statistics of that name are relative to. What needs
    corruptions, originals or a baseline that are not there has no value.
    """
    levels = severities(corruptions)
    if not errors or not levels:
        return pd.DataFrame(columns=MCE)
    ids = reduce(pd.Index.intersection, (table.index for table in errors.values()))
    values = np.stack(
        [errors[model].loc[ids.sort_values()].to_numpy() for model in errors], axis=1
    )  # [n_images, n_models, n_corruptions + 1]
    observed, resampled = _means(values, count)
    complete = [kind for kind, found in levels.items() if found == SEVERITIES]
    scores = _Scores([*levels, "clean"], complete, read_alexnet())
    own = list(errors).index(baseline) if baseline in errors else None
    rows = []
    for number, model in enumerate(errors):
        pairs = zip(scores.of(observed, number, own), scores.of(resampled, number, own), strict=True)
        rows += [(model, name, len(values), n, float(value[0]), *interval(drawn)) for (name, n, value), (_, _, drawn) in pairs]
    return pd.DataFrame(rows, columns=MCE)


def _means(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Means over images of ``values`` [n_images, ...]: as observed [1, ...], and of ``count`` resamples [count, ...]."""
    n, shape = len(values), values.shape[1:]
    if n == 0:
        return np.full((1, *shape), np.nan), np.full((count, *shape), np.nan)
    flat = values.reshape(n, -1)
    drawn = np.concatenate([weights @ flat for weights in resamples(n, count, "corruption errors")]) / n
    return values.mean(0, keepdims=True), drawn.reshape(count, *shape)


class _Scores:
    """The statistics of a network as functions of mean errors [n, n_models, n_columns], on [0, 1]."""

    def __init__(self, columns: list[str], complete: list[str], alexnet: dict[str, float]):
        self.columns, self.complete, self.alexnet = columns, complete, alexnet
        self.all_there = set(COMMON) <= set(complete)

    def of(self, means: np.ndarray, model: int, baseline: int | None) -> Iterator[tuple[str, int, np.ndarray]]:
        """(name, n_corruptions, values [n]) of each statistic."""
        of_model = dict(zip(self.columns, np.moveaxis(means[:, model], 1, 0), strict=True))
        nothing = np.full(len(means), np.nan)
        there = [kind for kind in COMMON if kind in of_model]
        yield "mean-error", len(there), np.mean([of_model[kind] for kind in there], axis=0) if there else nothing
        ratios = {"ce": {kind: of_model[kind] / self.alexnet[kind] for kind in self.complete if kind in self.alexnet}}
        ratios |= {"ce-baseline": {}, "relative-ce-baseline": {}}
        if baseline is not None:
            of_baseline = dict(zip(self.columns, np.moveaxis(means[:, baseline], 1, 0), strict=True))
            for kind in self.complete:
                ratios["ce-baseline"][kind] = _ratio(of_model[kind], of_baseline[kind])
                more, more_of_baseline = (found[kind] - found["clean"] for found in (of_model, of_baseline))
                ratios["relative-ce-baseline"][kind] = _ratio(more, more_of_baseline)
        for name, found in ratios.items():
            mean = np.mean([found[kind] for kind in COMMON], axis=0) if self.all_there and found else nothing
            yield name.replace("ce", "mce", 1), sum(kind in COMMON for kind in self.complete), mean
        for name, found in ratios.items():
            yield from ((f"{name}-{kind}", 1, value) for kind, value in found.items())


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """NaN where ``below`` is not positive: there is nothing to compare with."""
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
