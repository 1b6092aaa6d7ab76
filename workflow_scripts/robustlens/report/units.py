"""Tables of what the hidden units became: total variation, concepts, complexity, ablation. Definitions: docs/methods.md."""

from pathlib import Path

import numpy as np
import pandas as pd

from robustlens.report.tables import read_parquet
from robustlens.statistics import interval, mean_interval, resampled, resamples, weighted_mean, wilson

TOTAL_VARIATION = ["model", "layer", "statistic", "n_units", "mean", "low", "high"]
DISSECTION = ["model", "layer", "category", "n_units", "share"]
COMPLEXITY = ["model", "layer", "threshold", "n_units", "mean", "low", "high"]
ABLATION = ["model", "layer", "category", "n_units", "shape_score", "texture_score", "shape_rate", "texture_rate"]
UNITS = ["concept_set", "model", "layer", "unit", "threshold", "n_above", "n_cells", "concept", "name", "category", "iou"]
SHIFT = ["concept_set", "pair", "name", "category", "standard", "robust", "difference", "n_units", "low", "high"]
DISTRIBUTION = ["model", "threshold", "at_least", "n_units", "share", "low", "high"]
CATEGORY_SHARES = ["concept_set", "model", "layer", "cut", "category", "n_units", "n_named", "share", "low", "high"]
ABLATION_RATES = ["model", "layer", "category", "statistic", "n_units", "n_decisions", "mean", "low", "high"]
DETECTORS = ["concept_set", "model", "layer", "n_units", "n_detectors", "share", "low", "high", "n_unique", "n_too_few"]
LAYERS_TOGETHER = "all"


def read_sets(paths: list[str], columns: list[str] | None = None) -> pd.DataFrame:
    """The tables of all concept sets as one, with the name of each file's folder as ``concept_set``.

    In the order of ``columns``, those that are not named after them; without paths an empty table with ``columns``.
    """
    frames = [read_parquet(path).assign(concept_set=Path(path).parent.name) for path in paths]
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns or [])
    first = columns or []
    return table[[*first, *(name for name in table if name not in first)]]


def same_units(table: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table with ``concept_set, model, layer, unit`` whose unit is among ``units``."""
    keys = ["concept_set", "model", "layer", "unit"]
    return table.merge(units[keys], on=keys, how="inner", validate="many_to_one") if len(table) else table


def first_set(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first concept set, which labels the units of the layers' tables."""
    return table[table["concept_set"] == table["concept_set"].iloc[0]] if len(table) else table


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
    return pd.DataFrame([*rows, *_of_networks(filters, count)], columns=TOTAL_VARIATION)


def _of_networks(filters: pd.DataFrame, count: int) -> list[tuple]:
    """The same over all filters of a network, 1x1 kernels included: the layers' means weighted by channels, as in the study's code."""
    rows = []
    trained = filters[filters["weights"] == "trained"] if len(filters) else filters
    for model, group in trained.groupby("model", sort=False) if len(trained) else ():
        names = {"network-filter": "total_variation", "network-filter-unit-norm": "total_variation_unit_norm"}
        for statistic, column in names.items():
            known = group.dropna(subset=[column])
            mean, strata = weighted_mean(known[column].to_numpy(float)), known["layer"].to_numpy()
            spread = interval(resampled(mean, len(known), count, model, statistic, strata=strata)) if len(known) else (np.nan, np.nan)
            rows.append((model, LAYERS_TOGETHER, statistic, len(known), known[column].mean(), *spread))
    return rows


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


def category_shares(units: pd.DataFrame, categories: list[str], iou: float) -> pd.DataFrame:
    """The same with Wilson's interval, for every concept set, also over all layers, and of all units whatever their IoU (``cut`` 0)."""
    rows = []
    for (concept_set, model), of_model in units.groupby(["concept_set", "model"], sort=False):
        for layer, group in [*of_model.groupby("layer", sort=False), (LAYERS_TOGETHER, of_model)]:
            for cut in (0.0, iou):
                counts, n = named_category(group, cut).value_counts(), len(group)
                for category in [*categories, "none"]:
                    found = int(counts.get(category, 0))
                    rows.append((concept_set, model, layer, cut, category, n, found, found / n, *wilson(found, n)))
    return pd.DataFrame(rows, columns=CATEGORY_SHARES)


def detectors(units: pd.DataFrame, iou: float) -> pd.DataFrame:
    """By concept set, network and layer, and over all layers: units that detect a concept, and how many distinct concepts they detect.

    ``n_too_few``: units that have too few positions above their threshold (``enough`` of ``units`` is 0), which ``n_units`` does not count.
    """
    rows = []
    for (concept_set, model), of_model in units.groupby(["concept_set", "model"], sort=False):
        for layer, group in [*of_model.groupby("layer", sort=False), (LAYERS_TOGETHER, of_model)]:
            known = group[group["enough"] == 1]
            named = known[known["iou"] >= iou]
            n, found = len(known), len(named)
            share = found / n if n else np.nan
            rows.append((concept_set, model, layer, n, found, share, *wilson(found, n), named["concept"].nunique(), len(group) - n))
    return pd.DataFrame(rows, columns=DETECTORS)


def concept_shift(units: pd.DataFrame, pairs: dict[str, dict], iou: float, count: int) -> pd.DataFrame:
    """For each pair and concept: how many units (all layers, best IoU >= ``iou``) of S and of R it names, and R - S.

    With a bootstrap interval over units, resampled within their layer.
    """
    frames = []
    for concept_set, in_set in units.groupby("concept_set", sort=False):
        for pair, members in pairs.items():
            frames.append(
                _shift_of_pair(concept_set, pair, [in_set[in_set["model"] == members[r]] for r in ("standard", "robust")], iou, count)
            )
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=SHIFT)


def _shift_of_pair(concept_set: str, pair: str, tables: list[pd.DataFrame], iou: float, count: int) -> pd.DataFrame:
    keys = [pd.MultiIndex.from_frame(rows[["name", "category"]]) for rows in tables]
    named = [(rows["iou"] >= iou).to_numpy() for rows in tables]
    concepts = keys[0][named[0]].append(keys[1][named[1]]).unique().sort_values()
    counts, drawn = [], []
    for rows, key, known, role in zip(tables, keys, named, ("standard", "robust"), strict=True):
        marks = (concepts.get_indexer(key)[:, None] == np.arange(len(concepts))) & known[:, None]
        counts.append(marks.sum(0))
        blocks = resamples(len(rows), count, concept_set, pair, role, strata=rows["layer"].to_numpy()) if len(rows) else ()
        drawn.append(np.concatenate([weights @ marks for weights in blocks] or [np.zeros((count, len(concepts)))]))
    low, high = np.array([interval(of_concept) for of_concept in (drawn[1] - drawn[0]).T]).reshape(-1, 2).T
    table = concepts.to_frame(index=False, name=["name", "category"]).assign(standard=counts[0], robust=counts[1])
    table = table.assign(concept_set=concept_set, pair=pair, difference=counts[1] - counts[0], low=low, high=high)
    return table.assign(n_units=f"{len(tables[0])}+{len(tables[1])}").sort_values(["difference", "name"])[SHIFT]


def complexity(counts: pd.DataFrame, count: int) -> pd.DataFrame:
    """Mean number of concepts per unit by layer and IoU threshold, bootstrap interval over units."""
    rows = []
    if len(counts):
        for (model, layer, threshold), group in counts.groupby(["model", "layer", "threshold"], sort=False):
            values = group["n_concepts"].to_numpy(float)
            rows.append((model, layer, threshold, len(values), *mean_interval(values, count, model, layer, threshold)))
    return pd.DataFrame(rows, columns=COMPLEXITY)


def complexity_distribution(counts: pd.DataFrame) -> pd.DataFrame:
    """By network and IoU threshold the share of units, of all layers together, with ``at_least`` so many concepts; Wilson 95 %."""
    rows = []
    for (model, threshold), group in counts.groupby(["model", "threshold"], sort=False) if len(counts) else ():
        values = group["n_concepts"].to_numpy()
        for least in range(int(values.max()) + 1):
            found = int((values >= least).sum())
            rows.append((model, threshold, least, len(values), found / len(values), *wilson(found, len(values))))
    return pd.DataFrame(rows, columns=DISTRIBUTION)


def ablation(scores: pd.DataFrame, units: pd.DataFrame, iou: float) -> pd.DataFrame:
    """Mean shape and texture score of the units of each category (``none`` below ``iou``), as counts and as rates.

    Units are labelled by the first concept set; those that it does not hold, and all of a study without one, have the category ``any``.
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


def ablation_rates(scores: pd.DataFrame, units: pd.DataFrame, iou: float, count: int) -> pd.DataFrame:
    """The rates of :func:`ablation` with a bootstrap interval over units: ``mean, low, high`` of a unit's score / ``n_decisions``."""
    rows = []
    if len(scores):
        for (model, layer, category), group in with_category(scores, units, iou).groupby(["model", "layer", "category"], sort=False):
            for cue in ("shape", "texture"):
                n = int(group[f"n_{cue}"].iloc[0])
                values = group[f"{cue}_score"].to_numpy(float) / n if n else np.empty(0)
                mean = mean_interval(values, count, model, layer, category, cue, "ablation")
                rows.append((model, layer, category, f"{cue}_rate", len(group), n, *mean))
    return pd.DataFrame(rows, columns=ABLATION_RATES)


def with_category(scores: pd.DataFrame, units: pd.DataFrame, iou: float) -> pd.DataFrame:
    """``scores`` with the ``category`` of each unit, matched by model, layer and unit."""
    if not len(units):
        return scores.assign(category="any")
    labels = units[units["concept_set"] == units["concept_set"].iloc[0]]
    labels = labels.assign(category=named_category(labels, iou))[["model", "layer", "unit", "category"]]
    labelled = scores.merge(labels, on=["model", "layer", "unit"], how="left", validate="one_to_one")
    return labelled.fillna({"category": "any"})
