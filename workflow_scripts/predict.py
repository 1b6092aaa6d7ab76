"""Predictions of one model on one shard of every stimulus of a suite."""

import pandas as pd
import pyarrow as pa

from robustlens.images import count_rows, read_shard, write_parquet
from robustlens.inference import Blocks, predict
from robustlens.models.registry import load_model


def main(weights: str, card: str, shards: list[str], predictions: str, *, stimuli: list[str], device: str, batch_size: int):
    """``shards``: an image shard for each name in ``stimuli``, in that order."""
    model = load_model(weights, card, device)
    blocks = Blocks(model.device, batch_size, n_images=sum(count_rows(path) for path in shards))
    tables = [predict(model, read_shard(path), stimulus=name, blocks=blocks) for name, path in zip(stimuli, shards, strict=True)]
    schema = pa.schema(
        [(name, pa.string()) for name in ("model", "stimulus", "image_id")]
        + [(name, pa.int32()) for name in ("label", "shape", "texture")]
        + [("top5", pa.list_(pa.int32())), ("probabilities", pa.list_(pa.float32())), ("loss", pa.float32())]
    )
    write_parquet(predictions, pa.Table.from_pandas(pd.concat(tables, ignore_index=True), schema=schema, preserve_index=False))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
