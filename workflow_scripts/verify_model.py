"""Compare the accuracy of one imported network on clean with the one that the config expects (rule verify_model)."""

from functools import partial

import pandas as pd

from robustlens.files import write_json
from robustlens.images import count_rows, read_shard
from robustlens.inference import Blocks
from robustlens.models.registry import load_model
from robustlens.predictions import predict
from robustlens.verification import spread, verify


def main(
    weights: str,
    card: str,
    shards: list[str],
    verified: str,
    *,
    expected: float | None,
    classes: str | None,
    sixteen_by: str,
    n_images: int | None,
    device: str,
    batch_size: int,
) -> None:
    """``expected``: accuracy, None where unknown; ``classes``: among which is decided; ``n_images``: of all shards, None for all."""
    model = load_model(weights, card, device)
    sizes = [count_rows(path) for path in shards]
    rows, start, parts = spread(sum(sizes), n_images), 0, []
    blocks = Blocks(model.device, batch_size, len(rows))
    answer = partial(predict, model, stimulus="clean", classes=classes, sixteen_by=sixteen_by)
    for path, size in zip(shards, sizes, strict=True):
        chosen = rows[(rows >= start) & (rows < start + size)] - start
        start += size
        if len(chosen):
            parts.append(answer(read_shard(path).take(chosen), blocks=blocks, probabilities=False))
    first = answer(read_shard(shards[0]).take(rows[:1]), blocks=Blocks(model.device, batch_size, 1))
    n_classes = len(first["probabilities"].iloc[0])
    found = verify(model.card["model"], pd.concat(parts, ignore_index=True), expected, n_classes)
    write_json(verified, found)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
