"""How many concepts a unit responds to: the study's diversity score (arXiv 2006.09373)."""

import pandas as pd

from robustlens.errors import InputError

UNIT = ["model", "layer", "unit"]


def count_concepts(iou: pd.DataFrame, thresholds: list[float]) -> pd.DataFrame:
    """Concepts of any category with IoU >= each threshold, by unit: ``model, layer, unit, threshold, n_concepts``.

    ``iou``: the table of iou.parquet (docs/data.md), all concepts of every unit. A unit without a concept has the count 0.
    Raises InputError for a threshold outside (0, 1]: at 0 every concept would count.
    """
    outside = [threshold for threshold in thresholds if not 0 < threshold <= 1]
    if outside:
        raise InputError("complexity.curve", "IoU thresholds in (0, 1]", outside[0])
    frames = []
    for threshold in thresholds:
        reached = iou[UNIT].assign(n_concepts=iou["iou"] >= threshold)
        counts = reached.groupby(UNIT, sort=False, observed=True)["n_concepts"].sum().reset_index()
        counts.insert(3, "threshold", float(threshold))
        frames.append(counts.astype({"model": str, "layer": str, "n_concepts": "int32"}))
    return pd.concat(frames, ignore_index=True)
