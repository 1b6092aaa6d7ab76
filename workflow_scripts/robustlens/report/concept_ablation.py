"""The table of concept ablation: counts of all shards added up, shares and their intervals."""

import pandas as pd

from robustlens.statistics import wilson

KEY = ["pair", "stimulus", "model", "layer", "concept", "name", "category", "select", "n_units"]
COUNTS = ["n_images", "n_wrong", "n_wrong_control"]
SHARES = ["drop", "drop_low", "drop_high", "control", "control_low", "control_high"]
CONCEPT_ABLATION = [*KEY, *COUNTS, *SHARES]


def concept_ablation(shards: list[pd.DataFrame]) -> pd.DataFrame:
    """One row a stimulus, network, layer, concept and selection, with the columns CONCEPT_ABLATION.

    ``drop`` = n_wrong / n_images, ``control`` = n_wrong_control / n_images, each with its 95 % Wilson interval; empty for no image.
    """
    if not shards:
        return pd.DataFrame(columns=CONCEPT_ABLATION)
    table = pd.concat(shards, ignore_index=True).groupby(KEY, sort=False, as_index=False)[COUNTS].sum()
    for name, count in (("drop", "n_wrong"), ("control", "n_wrong_control")):
        table[name] = table[count] / table["n_images"].where(table["n_images"] > 0)
        limits = [wilson(wrong, n) for wrong, n in zip(table[count], table["n_images"], strict=True)]
        table[[f"{name}_low", f"{name}_high"]] = pd.DataFrame(limits, index=table.index, dtype=float)
    return table[CONCEPT_ABLATION]
