"""The tables of a dissection: what the accumulators of all layers of a network found, as files."""

import pandas as pd

from robustlens.images import write_parquet
from robustlens.neurons.dissection import TallyAccumulator, Thresholds, best_by_category, unit_table


def write_dissection(
    iou: str, categories: str, units: str, model: str, thresholds: dict[str, Thresholds], tallies: dict[str, TallyAccumulator]
) -> None:
    """``iou``: every unit and concept; ``categories``: a unit's best concept in each category; ``units``: threshold and best concept."""
    matrices = {layer: tally.result() for layer, tally in tallies.items()}
    write_layers(units, model, {layer: unit_table(thresholds[layer], matrix) for layer, matrix in matrices.items()})
    write_layers(categories, model, {layer: best_by_category(matrix) for layer, matrix in matrices.items()})
    write_layers(iou, model, matrices)


def write_layers(path: str, model: str, tables: dict[str, pd.DataFrame]) -> None:
    """Write the tables of all layers as one, with the columns ``model, layer`` in front."""
    stamped = [table.assign(model=model, layer=layer)[["model", "layer", *table.columns]] for layer, table in tables.items()]
    write_parquet(path, pd.concat(stamped, ignore_index=True))
