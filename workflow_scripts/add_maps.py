"""Smoothness and strongest images of every unit, from what was compared on all shards (rule add_maps)."""

import pandas as pd

from robustlens.counts import add_counts
from robustlens.images import read_manifest, write_parquet
from robustlens.neurons.top_images import TopImages
from robustlens.neurons.top_maps import write_top_maps
from robustlens.neurons.total_variation import SmoothnessAccumulator


def main(counts: list[str], manifest: str, smoothness: str, top_images: str, top_maps: str, *, model: str, n_images: int, k: int) -> None:
    """Write the same files as ``measure_maps.py``, of the first ``n_images`` of ``manifest``."""

    def start(_: str, arrays: dict) -> dict[str, object]:
        n_units = arrays["smoothness"]["sums"].shape[2]
        return {"smoothness": SmoothnessAccumulator(n_units), "top": TopImages(n_units, k)}

    layers = add_counts(counts, read_manifest(manifest)["image_id"].tolist()[:n_images], {"smoothness", "top"}, start)
    write_top_maps(top_maps, {layer: accumulators["top"].maps() for layer, accumulators in layers.items()})
    for path, name in ((smoothness, "smoothness"), (top_images, "top")):
        frames = [accumulators[name].result().assign(model=model, layer=layer) for layer, accumulators in layers.items()]
        table = pd.concat(frames, ignore_index=True)
        write_parquet(path, table[["model", "layer", *table.columns.drop(["model", "layer"])]])


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
