"""Bring a network that was trained elsewhere: its checkpoint becomes safetensors and a card; nothing in it is executed."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robustlens.images import write_parquet
from robustlens.models.importing import import_network
from robustlens.models.registry import check_layers, save_model


def main(
    weights: str,
    card: str,
    training: str,
    *,
    model: str,
    spec: dict,
    n_classes: int | None = None,
    sizes: dict[str, tuple[int, int]] | None = None,
    layers: Sequence[str] = (),
) -> None:
    """``spec``: the model's entry in the config, with ``weights`` (a file); ``n_classes``: None if unknown; ``sizes``: height and width in
    px of the images that the network will see, by set, those of clean first; ``layers``: those that will be studied."""
    network, description = import_network(model, spec, n_classes, sizes)
    check_layers(model, network, layers)
    save_model(Path(card).parent, network, description)
    write_parquet(training, pd.DataFrame({"model": [], "epoch": [], "loss": [], "accuracy": []}))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
