"""All predictions of every model: the shards of its suites joined, every image of every stimulus there exactly once."""

from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from robustlens.errors import InputError
from robustlens.files import replacing
from robustlens.images import read_manifest, read_table
from robustlens.manifest import ImageCount


def main(shards: list[str], manifests: list[str], predictions: list[str], *, models: list[str], sources: dict):
    """``shards``: equally many of each of ``models``, in their order; ``manifests``: one a source; ``predictions``: one file a model.

    ``sources``: stimulus name -> position of its source's manifest in that list.
    """
    rows = [read_manifest(path) for path in manifests]
    images = [pd.Index(table["image_id"]) for table in rows]
    labelled = {stimulus for stimulus, number in sources.items() if (rows[number]["label"] >= 0).any()}
    n_shards = len(shards) // len(models)
    for number, (model, path) in enumerate(zip(models, predictions, strict=True)):
        of_model = shards[number * n_shards : (number + 1) * n_shards]
        join(model, of_model, path, {stimulus: ImageCount(images[number]) for stimulus, number in sources.items()}, labelled)


def join(model: str, shards: list[str], predictions: str, counts: dict[str, ImageCount], labelled: set[str]) -> None:
    """Write ``predictions`` of one model; ``labelled``: the stimuli that are made of images with labels.

    Raises InputError for a shard of another model, a stimulus that is not in ``counts``, images that are not there once, and for a stimulus
    of which no image is left with a label.
    """
    unusable = set(labelled)
    with replacing(predictions) as temporary:
        writer: Any = None
        for path in shards:
            table = read_table(path)
            if others := set(table["model"].unique().to_pylist()) - {model}:
                raise InputError(path, f"predictions of {model}", f"those of {', '.join(sorted(others))}", "delete it and run again")
            for stimulus, rows in table.select(["stimulus", "image_id", "label"]).to_pandas().groupby("stimulus", sort=False):
                if stimulus not in counts:
                    raise InputError(path, f"the stimuli {', '.join(counts)}", f"{stimulus} too")
                counts[stimulus].add(rows["image_id"])
                if (rows["label"] >= 0).any():
                    unusable.discard(stimulus)
            writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd")
            writer.write_table(table)
        writer.close()
        for stimulus, count in counts.items():
            count.check(f"{predictions} [{stimulus}]")
        if unusable:
            why = "none: each is blank, or shows no object, too little or too much of one"
            raise InputError(f"stimuli.{min(unusable)}", "an image that shows something", why, "check its masks or parameters")


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
