"""Total variation and colour share of every convolution filter of a network (rule measure_filters)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from robustlens.errors import InputError
from robustlens.images import write_parquet
from robustlens.neurons.total_variation import filter_statistics


def main(weights: str, card: str, filters: str, *, model: str, initial: str | None = None) -> None:
    """Write ``filters`` from the state dicts ``weights`` and ``initial`` (before training; None where unknown).

    The order of the convolutions comes from the key ``convolutions`` of ``card``: a safetensors file keeps none.
    """
    names = json.loads(Path(card).read_text())["convolutions"]
    frames = []
    for state, path in {"trained": weights, "initial": initial}.items():
        if path:  # Snakemake gives an empty list where there is no file
            frame = filter_statistics(read_kernels(path, names))
            frame.insert(2, "weights", state)
            frames.append(frame)
    table = pd.concat(frames, ignore_index=True)
    table.insert(0, "model", model)
    write_parquet(filters, table)


def read_kernels(path: str, names: list[str]) -> dict[str, np.ndarray]:
    """The tensors ``<name>.weight`` of a safetensors file, in the order of ``names``."""
    try:
        with safe_open(path, framework="numpy") as state:
            return {name: state.get_tensor(f"{name}.weight") for name in names}
    except (SafetensorError, OSError) as error:
        raise InputError(path, "a safetensors file with the weights of the card's convolutions", str(error).splitlines()[0]) from error


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
