"""Total variation of activation maps on clean and noisy images, by unit (rule measure_smoothness)."""

import pandas as pd

from robustlens.errors import InputError
from robustlens.images import write_parquet
from robustlens.neurons.total_variation import SmoothnessAccumulator
from robustlens.store import open_store

N_BYTES = 8_000_000  # of a block; it becomes several float64 arrays of four times the size


def main(clean: str, noisy: str, smoothness: str, *, model: str) -> None:
    """Write ``smoothness`` from two activation views of one network on the same images, matched by image_id."""
    frames = []
    with open_store(clean) as first, open_store(noisy) as second:
        for key in ("model", "layers", "weights_sha256", "preprocessing"):
            if first.attributes[key] != second.attributes[key]:
                raise InputError(noisy, f"{key} {first.attributes[key]!r} as in {clean}", repr(second.attributes[key]))
        if set(first.image_ids) != set(second.image_ids):
            raise InputError(noisy, f"the images of {clean}", "others")
        for layer in first.layers:
            accumulator = SmoothnessAccumulator(first.shape(layer)[1])
            for rows, maps in first.blocks(layer, N_BYTES):
                accumulator.add(maps, second.images(layer, first.image_ids[rows]))
            frames.append(accumulator.result().assign(model=model, layer=layer))
    table = pd.concat(frames, ignore_index=True)
    write_parquet(smoothness, table[["model", "layer", *table.columns.drop(["model", "layer"])]])


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
