"""Total variation and colour share of every convolution filter of all networks (rule measure_filters)."""

import pandas as pd

from robustlens.images import write_parquet
from robustlens.models.filters import read_filters
from robustlens.neurons.total_variation import filter_statistics


def main(weights: list[str], cards: list[str], initial: list[str], filters: str, *, models: list[str], trained: list[str]) -> None:
    """Write ``filters`` of the convolutions of ``cards``, from the state dicts ``weights``, one of each of ``models``.

    ``initial``: those before training, of the networks ``trained`` here.
    """
    before, frames = dict(zip(trained, initial, strict=True)), []
    for model, path, card in zip(models, weights, cards, strict=True):
        states = {"trained": path} | ({"initial": before[model]} if model in before else {})
        for state, file in states.items():
            frame = filter_statistics(read_filters(file, card))
            frame.insert(0, "model", model)
            frame.insert(3, "weights", state)
            frames.append(frame)
    write_parquet(filters, pd.concat(frames, ignore_index=True))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
