"""Shape and texture score of every hidden unit of one model: zero it and decide the cue-conflict images again."""

import pandas as pd

from robustlens.errors import InputError
from robustlens.images import read_shard, write_parquet
from robustlens.models.registry import load_model
from robustlens.neurons.ablation import ablate_units, sum_scores


def main(weights: str, card: str, shards: list[str], units: str, *, layers: list[str], n_images: int | None, device: str, batch_size: int):
    """``n_images``: how many of the conflict images, in order, are decided again; None for all."""
    model, tables, left = load_model(weights, card, device, layers), [], n_images
    for path in shards:
        shard = read_shard(path)
        if left is None or left > 0:
            tables.append(ablate_units(model, shard, batch_size=batch_size, n_images=left))
            left = None if left is None else left - len(shard)
    scores = sum_scores(pd.concat(tables))
    if not scores["n_images"].any():
        raise InputError("ablation.stimulus", "images whose shape and texture belong to different classes", "none")
    write_parquet(units, scores)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
