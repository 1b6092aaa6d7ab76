"""Whether a unit has enough positions above its threshold for a concept to be named (docs/methods.md says how many, and why)."""

import pandas as pd

LEAST = {"embedded": 30, "broden": 300}  # by kind of concept set


def min_positions(config: dict) -> dict[str, int]:
    """Concept set -> positions above the threshold that a unit needs: the config's, else those of the set's kind."""
    given = (config.get("dissection") or {}).get("min_positions")
    return {name: given or LEAST.get(spec.get("kind"), max(LEAST.values())) for name, spec in (config.get("concepts") or {}).items()}


def has_positions(units: pd.DataFrame, least: dict[str, int]) -> pd.Series:
    """bool [n_units]: whether a concept can be named, or be said not to be there.

    ``units``: ``concept_set, model, layer, n_above``. A unit without any position above its threshold detects nothing, which can be said
    where units of its layer have enough.
    """
    if not len(units):
        return pd.Series(False, units.index)
    needed = units["concept_set"].map(least).fillna(1)
    most = units.groupby(["concept_set", "model", "layer"], sort=False)["n_above"].transform("max")
    return (units["n_above"] >= needed) | ((units["n_above"] == 0) & (most >= needed))


def refused(units: pd.DataFrame, least: dict[str, int]) -> pd.DataFrame:
    """The layers of which units are too few positions: ``concept_set, model, layer, n_units, n_too_few, n_above`` (the most of a unit) and
    ``needed``."""
    marked = units.assign(too_few=~has_positions(units, least))
    groups = marked.groupby(["concept_set", "model", "layer"], sort=False)
    table = groups.agg(n_units=("unit", "size"), n_too_few=("too_few", "sum"), n_above=("n_above", "max")).reset_index()
    table = table[table["n_too_few"] > 0]
    return table.assign(needed=table["concept_set"].map(least)).reset_index(drop=True)
