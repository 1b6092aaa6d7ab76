"""Zeroing the units that carry a concept, in both networks of a pair, on one shard of each stimulus (rule ablate_concepts)."""

from pathlib import Path

import pandas as pd

from robustlens.errors import InputError
from robustlens.images import read_shard, write_parquet
from robustlens.models.registry import load_model
from robustlens.neurons.concept_ablation import ConceptAblation
from robustlens.neurons.concept_units import ROLES, concept_units
from robustlens.neurons.positions import has_positions


def main(
    weights: list[str],
    cards: list[str],
    units: list[str],
    shards: list[str],
    counts: str,
    *,
    pair: str,
    stimuli: dict[str, str | None],
    n_images: dict[str, int],
    selection: dict,
    min_positions: dict[str, int],
    seed: int,
    sixteen_by: str,
    device: str,
    batch_size: int,
) -> None:
    """``weights``, ``cards``, ``units``: of the standard and of the robust network. ``stimuli``: names of what the ``shards`` hold, and
    among which classes is decided; ``n_images``: how many images of each, in order; ``selection``: ``ablation.concepts`` of the config;
    ``min_positions``: concept set -> positions above its threshold that a unit needs to carry a concept.

    Raises InputError where the two networks share no concept.
    """
    tables = {role: pd.read_parquet(path).assign(concept_set=Path(path).parent.name) for role, path in zip(ROLES, units, strict=True)}
    tables = {role: table[has_positions(table, min_positions)] for role, table in tables.items()}
    sets = concept_units(tables, selection["select"], selection["k"], selection["scope"], selection["fewest"], seed)
    if not sets:
        raise InputError("ablation.concepts", f"a concept that {selection['fewest']} units carry in both networks of {pair}", "none")
    models = {role: load_model(path, card, device) for role, path, card in zip(ROLES, weights, cards, strict=True)}
    ablation = ConceptAblation(models, sets, batch_size)
    found = []
    for (stimulus, classes), path in zip(stimuli.items(), shards, strict=True):
        table = ablation.count(read_shard(path), n_images=n_images[stimulus], classes=classes, sixteen_by=sixteen_by)
        table.insert(0, "stimulus", stimulus)
        table.insert(0, "pair", pair)
        found.append(table)
    write_parquet(counts, pd.concat(found, ignore_index=True))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
