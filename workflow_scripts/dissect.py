"""Network Dissection of every layer of a network on a concept set (rule dissect)."""

from robustlens.concepts import open_labels
from robustlens.errors import InputError
from robustlens.images import read_manifest
from robustlens.neurons.dissection import ConceptIndex, TallyAccumulator, ThresholdAccumulator, Thresholds
from robustlens.neurons.dissection_tables import write_dissection
from robustlens.store import ActivationStore, open_shards


def main(
    activations: list[str],
    manifest: str,
    labels: str,
    concepts: str,
    iou: str,
    categories: str,
    units: str,
    *,
    model: str,
    quantile: float,
    denominator: str = "paper",
) -> None:
    """Write what :func:`robustlens.neurons.dissection_tables.write_dissection` does, in two passes over the shards ``activations``.

    The images of the activations, of ``manifest`` and of the labels must be the same; they are matched by image_id.
    """
    image_ids = read_manifest(manifest)["image_id"].tolist()
    with open_shards(activations, image_ids) as store, open_labels(labels, concepts) as labelled:
        if set(store.image_ids) != set(labelled.image_ids):
            raise InputError(activations[0], f"the images of {labels}", "others", "dump the activations of this concept set")
        thresholds = {layer: layer_thresholds(store, layer, quantile) for layer in store.layers}
        index = ConceptIndex(labelled.concepts)
        size = labelled.height, labelled.width
        tallies = {layer: TallyAccumulator(thresholds[layer].threshold, index, *size, denominator) for layer in store.layers}
        for rows in store.slices(*store.layers):
            ids = store.image_ids[rows]
            found = [index.labels(i, labelled.planes(i), labelled.image_labels(i)) for i in ids]
            for layer, tally in tallies.items():
                tally.add(store.images(layer, ids), found)
    write_dissection(iou, categories, units, model, thresholds, tallies)


def layer_thresholds(store: ActivationStore, layer: str, quantile: float) -> Thresholds:
    """The first pass over a layer."""
    histogram = ThresholdAccumulator(store.shape(layer)[1])
    for _, maps in store.blocks(layer):
        histogram.add(maps)
    return histogram.result(quantile)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
