"""Tables of what the hidden units became: total variation, concepts, complexity, ablation. Definitions: docs/methods.md."""

from pathlib import Path

import numpy as np
import pandas as pd

from robustlens.report.statistics import mean_interval

TOTAL_VARIATION = ["model", "layer", "statistic", "n_units", "mean", "low", "high"]
DISSECTION = ["model", "layer", "category", "n_units", "share"]
COMPLEXITY = ["model", "layer", "threshold", "n_units", "mean", "low", "high"]
ABLATION = ["model", "layer", "category", "n_units", "shape_score", "texture_score", "shape_rate", "texture_rate"]
UNITS = ["concept_set", "model", "layer", "unit", "threshold", "n_above", "n_cells", "concept", "name", "category", "iou"]
SHIFT = ["concept_set", "pair", "name", "category", "standard", "robust", "difference"]


def read_tables(paths: list[str], columns: list[str] | None = None) -> pd.DataFrame:
    """Several Parquet tables as one; without paths an empty table with ``columns``."""
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True) if paths else pd.DataFrame(columns=columns or [])


def read_sets(paths: list[str]) -> pd.DataFrame:
    """The tables of all concept sets as one, with the name of each file's folder as ``concept_set``; empty without paths."""
    frames = [pd.read_parquet(path).assign(concept_set=Path(path).parent.name) for path in paths]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def total_variation(filters: pd.DataFrame, smoothness: pd.DataFrame, count: int) -> pd.DataFrame:
    """Mean over units, with bootstrap interval over units, of each smoothness statistic by layer."""
    rows = []
    for (model, layer, weights), group in filters.groupby(["model", "layer", "weights"], sort=False) if len(filters) else ():
        if group["kernel_height"].iloc[0] * group["kernel_width"].iloc[0] == 1:
            continue  # a 1x1 kernel has no neighbours: its total variation is 0 by definition
        names = {"filter-unit-norm-initial": "total_variation_unit_norm"}
        if weights == "trained":
            names = {"filter": "total_variation", "filter-unit-norm": "total_variation_unit_norm"}
        rows += [_row(model, layer, statistic, group[column].dropna(), count) for statistic, column in names.items()]
    names = {"activation-clean": "tv_clean", "activation-noisy": "tv_noisy", "relative-change": "relative_change"}
    if len(smoothness):
        for (model, layer), group in smoothness.groupby(["model", "layer"], sort=False):
            rows += [_row(model, layer, statistic, group[column].dropna(), count) for statistic, column in names.items()]
    return pd.DataFrame(rows, columns=TOTAL_VARIATION)


def _row(model: str, layer: str, statistic: str, values: pd.Series, count: int) -> tuple:
    return model, layer, statistic, len(values), *mean_interval(values.to_numpy(float), count, model, layer, statistic)


def named_category(units: pd.DataFrame, iou: float) -> pd.Series:
    """Category of each unit's best concept, ``none`` where its IoU is below ``iou``."""
    return units["category"].where(units["iou"] >= iou, "none")


def dissection(units: pd.DataFrame, categories: list[str], iou: float) -> pd.DataFrame:
    """Units per layer by category of their best concept (``none`` below ``iou``); share of all units of the layer."""
    rows = []
    for (model, layer), group in units.groupby(["model", "layer"], sort=False):
        counts = named_category(group, iou).value_counts()
        rows += [(model, layer, c, int(counts.get(c, 0)), counts.get(c, 0) / len(group)) for c in [*categories, "none"]]
    return pd.DataFrame(rows, columns=DISSECTION)


def concept_shift(units: pd.DataFrame, pairs: dict[str, dict], iou: float) -> pd.DataFrame:
    """For each pair and concept: how many units (all layers, best IoU >= ``iou``) of S and of R it names, and R - S."""
    rows = []
    named = units[units["iou"] >= iou]
    for concept_set, in_set in named.groupby("concept_set", sort=False):
        for pair, members in pairs.items():
            counts = {
                role: in_set[in_set["model"] == members[role]].groupby(["name", "category"]).size() for role in ("standard", "robust")
            }
            both = pd.DataFrame(counts).fillna(0).astype(int)
            both["difference"] = both["robust"] - both["standard"]
            both = both.reset_index().sort_values(["difference", "name"])
            rows += [(concept_set, pair, *row) for row in both.itertuples(index=False)]
    return pd.DataFrame(rows, columns=SHIFT)


def complexity(counts: pd.DataFrame, count: int) -> pd.DataFrame:
    """Mean number of concepts per unit by layer and IoU threshold, bootstrap interval over units."""
    rows = []
    if len(counts):
        for (model, layer, threshold), group in counts.groupby(["model", "layer", "threshold"], sort=False):
            values = group["n_concepts"].to_numpy(float)
            rows.append((model, layer, threshold, len(values), *mean_interval(values, count, model, layer, threshold)))
    return pd.DataFrame(rows, columns=COMPLEXITY)


def ablation(scores: pd.DataFrame, units: pd.DataFrame, iou: float) -> pd.DataFrame:
    """Mean shape and texture score of the units of each category (``none`` below ``iou``), as counts and as rates.

    Units are labelled by the first concept set; a study without one has the single category ``any``.
    """
    if not len(scores):
        return pd.DataFrame(columns=ABLATION)
    table = with_category(scores, units, iou)
    rows = []
    for (model, layer, category), group in table.groupby(["model", "layer", "category"], sort=False):
        means = [group[column].mean() for column in ("shape_score", "texture_score")]
        rates = [
            mean / group[total].iloc[0] if group[total].iloc[0] else np.nan
            for mean, total in zip(means, ("n_shape", "n_texture"), strict=True)
        ]
        rows.append((model, layer, category, len(group), *means, *rates))
    return pd.DataFrame(rows, columns=ABLATION)


def with_category(scores: pd.DataFrame, units: pd.DataFrame, iou: float) -> pd.DataFrame:
    """``scores`` with the ``category`` of each unit, matched by model, layer and unit."""
    if not len(units):
        return scores.assign(category="any")
    labels = units[units["concept_set"] == units["concept_set"].iloc[0]]
    labels = labels.assign(category=named_category(labels, iou))[["model", "layer", "unit", "category"]]
    return scores.merge(labels, on=["model", "layer", "unit"], how="left", validate="one_to_one")
