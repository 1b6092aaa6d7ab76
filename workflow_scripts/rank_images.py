"""The images that drive each unit hardest (rule rank_images)."""

import pandas as pd

from robustlens.images import write_parquet
from robustlens.neurons.top_images import TopImages
from robustlens.store import open_store


def main(activations: str, top_images: str, *, model: str, k: int) -> None:
    """Write ``top_images``, the ``k`` images of strongest response of every unit, from an activation view."""
    frames = []
    with open_store(activations) as store:
        for layer in store.layers:
            strongest = TopImages(store.shape(layer)[1], k)
            for rows, maps in store.blocks(layer):
                strongest.add(store.image_ids[rows], maps)
            frames.append(strongest.result().assign(model=model, layer=layer))
    table = pd.concat(frames, ignore_index=True)
    write_parquet(top_images, table[["model", "layer", *table.columns.drop(["model", "layer"])]])


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
