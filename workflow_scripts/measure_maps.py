"""Smoothness and strongest images of every unit, from stored activations (rule measure_maps)."""

import pandas as pd

from robustlens.errors import InputError
from robustlens.images import read_manifest, write_parquet
from robustlens.neurons.top_images import TopImages
from robustlens.neurons.top_maps import write_top_maps
from robustlens.neurons.total_variation import SmoothnessAccumulator
from robustlens.store import ActivationStore, open_shards

N_BYTES = 8_000_000  # of a block; it becomes several float64 arrays of four times the size


def main(
    clean: list[str], noisy: list[str], manifest: str, smoothness: str, top_images: str, top_maps: str, *, model: str, n_images: int, k: int
) -> None:
    """Write ``smoothness``, ``top_images`` and ``top_maps`` (of the clean images) from the activations of one network on two image sets.

    Shards of each, which together hold the first ``n_images`` of ``manifest``; images are matched by image_id.
    """
    image_ids = read_manifest(manifest)["image_id"].tolist()[:n_images]
    tables: dict[str, list[pd.DataFrame]] = {smoothness: [], top_images: []}
    strongest = {}
    with open_shards(clean, image_ids) as first, open_shards(noisy, image_ids) as second:
        _check_same(first, second, clean[0], noisy[0])
        for layer in first.layers:
            n_units = first.shape(layer)[1]
            total_variation, top = SmoothnessAccumulator(n_units), TopImages(n_units, k)
            for rows, maps in first.blocks(layer, N_BYTES):
                ids = first.image_ids[rows]
                total_variation.add(maps, second.images(layer, ids))
                top.add(ids, maps)
            for path, table in ((smoothness, total_variation.result()), (top_images, top.result())):
                tables[path].append(table.assign(model=model, layer=layer))
            strongest[layer] = top.maps()
    write_top_maps(top_maps, strongest)
    for path, frames in tables.items():
        table = pd.concat(frames, ignore_index=True)
        write_parquet(path, table[["model", "layer", *table.columns.drop(["model", "layer"])]])


def _check_same(first: ActivationStore, second: ActivationStore, clean: str, noisy: str) -> None:
    for key in ("model", "layers", "weights_sha256", "preprocessing"):
        if first.attributes[key] != second.attributes[key]:
            raise InputError(noisy, f"{key} {first.attributes[key]!r} as in {clean}", repr(second.attributes[key]))
    if set(first.image_ids) != set(second.image_ids):
        raise InputError(noisy, f"the images of {clean}", "others")


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
