"""Which units carry a concept in both networks of a pair, and which sets of them are zeroed together (concept ablation)."""

from dataclasses import dataclass

import pandas as pd

from robustlens.randomness import generator

ROLES = ("standard", "robust")
WHOLE = "all"  # in place of a layer, where units of all layers are zeroed at once


@dataclass(frozen=True)
class UnitSet:
    """Units that are zeroed together. ``chosen``: those of the concept; ``control``: as many by chance, of the same layer or, where
    units of all layers are zeroed at once, of all; both are tuples of (layer, unit)."""

    role: str
    layer: str
    concept: int
    name: str
    category: str
    select: str
    chosen: tuple[tuple[str, int], ...]
    control: tuple[tuple[str, int], ...]


def concept_units(units: dict[str, pd.DataFrame], select: list[str], k: int, scope: str, fewest: int, seed: int) -> list[UnitSet]:
    """The sets for both networks, by layer and concept.

    ``units``: role -> units.parquet of one concept set. A unit carries its best concept, whatever the IoU (arXiv 2006.09373, released
    code). ``scope`` ``layer``: each layer for itself; ``network``: units of all layers at once. Only concepts that at least ``fewest``
    units carry in both networks. ``select``: ``all`` of them; ``top-k``: the ``k`` of largest IoU; ``equal``: in both networks
    as many as the one with fewer has, those of largest IoU. Of equal IoU the first.
    """
    tables = {role: table.assign(place=WHOLE if scope == "network" else table["layer"].astype(str)) for role, table in units.items()}
    found = []
    for place in tables["standard"]["place"].unique():
        here = {role: table[table["place"] == place] for role, table in tables.items()}
        carriers = {role: _carriers(table) for role, table in here.items()}
        for concept in sorted(set(carriers["standard"]) & set(carriers["robust"])):
            present = {role: carriers[role][concept] for role in ROLES}
            fewer = min(map(len, present.values()))
            if fewer < fewest:
                continue
            for role in ROLES:
                label = {column: str(present[role][column].iloc[0]) for column in ("name", "category")}
                order = generator(seed, "ablate at random", role, place, int(concept)).permutation(len(here[role]))
                for chosen in select:
                    n_units = {"all": len(present[role]), "top-k": min(k, len(present[role])), "equal": fewer}[chosen]
                    sets = _pairs(present[role].iloc[:n_units]), _pairs(here[role].iloc[order[:n_units]])
                    found.append(UnitSet(role, place, int(concept), **label, select=chosen, chosen=sets[0], control=sets[1]))
    return found


def _carriers(units: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """Concept -> the units that carry it, by falling IoU."""
    ranked = units[units["iou"] > 0].sort_values("iou", ascending=False, kind="stable")
    return dict(list(ranked.groupby("concept")))


def _pairs(units: pd.DataFrame) -> tuple[tuple[str, int], ...]:
    return tuple((str(layer), int(unit)) for layer, unit in zip(units["layer"], units["unit"], strict=True))
