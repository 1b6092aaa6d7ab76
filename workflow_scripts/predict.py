"""Predictions of one model on one shard of every stimulus of a suite."""

from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from robustlens.files import replacing
from robustlens.images import count_rows, read_shard
from robustlens.inference import Blocks
from robustlens.models.registry import load_model
from robustlens.predictions import predict


def main(
    weights: str,
    card: str,
    shards: list[str],
    predictions: str,
    *,
    stimuli: list[str],
    classes: dict[str, str | None],
    sixteen_by: str,
    probabilities: bool,
    device: str,
    batch_size: int,
):
    """``shards``: an image shard for each name in ``stimuli``, in that order; ``classes``: among which is decided for each.

    ``probabilities``: whether those of all classes are kept.
    """
    model = load_model(weights, card, device)
    blocks = Blocks(model.device, batch_size, n_images=sum(count_rows(path) for path in shards))
    answer = partial(predict, model, blocks=blocks, sixteen_by=sixteen_by, probabilities=probabilities)
    schema = pa.schema(
        [(name, pa.string()) for name in ("model", "stimulus", "image_id")]
        + [(name, pa.int32()) for name in ("label", "shape", "texture")]
        + [("top5", pa.list_(pa.int32())), ("probabilities", pa.list_(pa.float32())), ("loss", pa.float32())]
    )
    with replacing(predictions) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for name, path in zip(stimuli, shards, strict=True):
            rows = answer(read_shard(path), stimulus=name, classes=classes[name])
            writer.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
