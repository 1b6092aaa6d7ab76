"""Tables of what the units of R are against those of S: noise blocked, filters matched, categories moved (docs/methods.md)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from robustlens.neurons.filter_matching import MATCHES, match_filters
from robustlens.report.units import LAYERS_TOGETHER, named_category
from robustlens.statistics import interval, mean_interval, resamples, wilson

NOISE_BLOCKING = ["pair", "model", "layer", "n_images", "n_units", "change", "low", "high"]
NOISE_BLOCKING += ["n_outliers", "outliers", "outliers_low", "outliers_high"]
NOISE_OUTLIERS = ["pair", "model", "layer", "unit", "n_images", "tv_clean", "tv_noisy", "change"]
FILTER_MATCHES = ["pair", "layer", *MATCHES]
CATEGORY_SHIFT = ["concept_set", "pair", "layer", "cut", "category", "n_units", "n_standard", "n_robust", "ratio"]
CATEGORY_SHIFT += ["difference", "low", "high"]
OUTLIER = 0.2  # of the mean clean total variation of S's layer: the rule of the study's code
LOW_LEVEL, HIGH_LEVEL = ("color", "texture"), ("object", "part")


# --------------------------------------------------------------------------------------------------------------------- noise
def noise_changes(smoothness: pd.DataFrame, pairs: dict[str, dict]) -> pd.DataFrame:
    """The rows of smoothness.parquet of every pair, with ``pair`` and ``change``: (TV noisy - TV clean) / mean TV clean of S's layer.

    ``change`` is NaN where all maps of S's layer are constant on the clean images.
    """
    frames = []
    for pair, members in pairs.items() if len(smoothness) else ():
        standard = smoothness[smoothness["model"] == members["standard"]]
        level = standard.groupby("layer")["tv_clean"].mean()
        for role in ("standard", "robust"):
            rows = smoothness[smoothness["model"] == members[role]].assign(pair=pair)
            of_layer = rows["layer"].map(level)
            frames.append(rows.assign(change=(rows["tv_noisy"] - rows["tv_clean"]) / of_layer.where(of_layer > 0)))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*NOISE_OUTLIERS])


def noise_blocking(changes: pd.DataFrame, count: int) -> pd.DataFrame:
    """By pair, network and layer: mean ``change`` over units (bootstrap), and the share of outliers (Wilson)."""
    rows = []
    for (pair, model, layer), group in changes.groupby(["pair", "model", "layer"], sort=False):
        values = group["change"].dropna().to_numpy(float)
        outliers = int((np.abs(values) >= OUTLIER).sum())
        change = mean_interval(values, count, pair, model, layer, "noise blocking")
        share = outliers / len(values) if len(values) else np.nan
        rows.append((pair, model, layer, group["n_images"].iloc[0], len(values), *change, outliers, share, *wilson(outliers, len(values))))
    return pd.DataFrame(rows, columns=NOISE_BLOCKING)


def noise_outliers(changes: pd.DataFrame) -> pd.DataFrame:
    """The units whose total variation changes by at least ``OUTLIER``, of each network and layer the largest change first."""
    found = changes[changes["change"].abs() >= OUTLIER].copy()
    place = {key: n for n, key in enumerate(dict.fromkeys(map(tuple, found[["pair", "model", "layer"]].to_numpy())))}
    found["place"] = [place[key] for key in map(tuple, found[["pair", "model", "layer"]].to_numpy())]
    found["size"] = -found["change"].abs().astype(float)
    return found.sort_values(["place", "size", "unit"])[NOISE_OUTLIERS].reset_index(drop=True)


# ------------------------------------------------------------------------------------------------------------------- filters
def filter_matches(first_filters: dict[str, dict[str, np.ndarray]], pairs: dict[str, dict]) -> pd.DataFrame:
    """Of every pair each filter of S's first convolution and the one of R's that resembles it most.

    ``first_filters``: model -> layer -> [n_units, n_inputs, height, width]; a network without convolutions has no layer, and no rows.
    """
    frames = [pd.DataFrame(columns=FILTER_MATCHES)]
    for pair, members in pairs.items():
        standard, robust = (first_filters[members[role]] for role in ("standard", "robust"))
        for (layer, of_s), of_r in zip(standard.items(), robust.values(), strict=True):
            frames.append(match_filters(of_s, of_r).assign(pair=pair, layer=layer)[FILTER_MATCHES])
    return pd.concat(frames[1:] or frames, ignore_index=True)


# ------------------------------------------------------------------------------------------------------------------ concepts
def category_shift(units: pd.DataFrame, pairs: dict[str, dict], categories: list[str], iou: float, count: int) -> pd.DataFrame:
    """Units of S and of R by category, by layer and over all layers, of all units (``cut`` 0) and with ``none`` below ``iou``."""
    rows = []
    for concept_set, in_set in units.groupby("concept_set", sort=False):
        for pair, members in pairs.items():
            tables = [in_set[in_set["model"] == members[role]] for role in ("standard", "robust")]
            for layer in [*tables[0]["layer"].unique(), LAYERS_TOGETHER]:
                parts = [rows if layer == LAYERS_TOGETHER else rows[rows["layer"] == layer] for rows in tables]
                for cut in (0.0, iou):
                    key = (concept_set, pair, layer, cut)
                    rows += [(*key, *row) for row in _shifts(parts, categories, cut, count, key)] if all(map(len, parts)) else []
    return pd.DataFrame(rows, columns=CATEGORY_SHIFT).astype({"n_standard": "Int64", "n_robust": "Int64"})  # empty where units only moved


def _shifts(parts: list[pd.DataFrame], categories: list[str], cut: float, count: int, key: tuple) -> Iterator[tuple]:
    """The cells after ``cut`` of each category, of low and high level together, and of the units that moved to the lower level."""
    kinds = {category: (category,) for category in [*categories, "none"]} | {"low-level": LOW_LEVEL, "high-level": HIGH_LEVEL}
    labels = [named_category(rows, cut) for rows in parts]
    marks = [np.stack([label.isin(kind) for kind in kinds.values()], axis=1).astype(float) for label in labels]
    shares = [
        np.concatenate([weights @ mark / len(mark) for weights in resamples(len(mark), count, *key, role, strata=rows["layer"].to_numpy())])
        for mark, rows, role in zip(marks, parts, ("standard", "robust"), strict=True)
    ]
    n = f"{len(marks[0])}+{len(marks[1])}"
    difference, drawn = marks[1].mean(0) - marks[0].mean(0), shares[1] - shares[0]
    for k, kind in enumerate(kinds):
        n_s, n_r = (int(mark[:, k].sum()) for mark in marks)
        yield kind, n, n_s, n_r, n_r / n_s if n_s else np.nan, difference[k], *interval(drawn[:, k])
    yield "moved-lower", n, np.nan, np.nan, np.nan, float(moved_lower(difference[None])[0]), *interval(moved_lower(drawn))


def moved_lower(difference: np.ndarray) -> np.ndarray:
    """float [n], the least share of units that must have moved from high to low level, of ``difference`` [n, ..., low, high] of shares.

    Units of two networks have no counterparts, so that only the counts can tell: the gain of the low-level share or the loss of the
    high-level share, whichever is smaller, and 0 where either is none.
    """
    return np.clip(np.minimum(difference[:, -2], -difference[:, -1]), 0, None)
