"""Maps on clean and on noisy images without storing them: total variation, change, strongest images, on one shard (rule compare_maps)."""

from robustlens.counts import write_counts
from robustlens.images import read_shard
from robustlens.models.layers import studied_layers
from robustlens.neurons.top_images import TopImages
from robustlens.neurons.total_variation import SmoothnessAccumulator
from robustlens.streaming import describe_input, open_model, streamed


def main(
    weights: str,
    card: str,
    clean: str,
    noisy: str,
    counts: str,
    *,
    layers: list[str] | None,
    n_images: int,
    k: int,
    device: str,
    batch_size: int,
) -> None:
    """Write ``counts`` of the first ``n_images`` of both shards.

    ``k``: strongest images of a unit; ``layers``: names, None for the default ones.
    """
    model, images = open_model(weights, card, device, "own"), [read_shard(clean), read_shard(noisy)]
    model.layers = studied_layers(model.network, model.card, layers, images[0].pixels(0, 1).shape[1])
    n_images = min(n_images, len(images[0]))
    ids = images[0].rows["image_id"].iloc[:n_images].tolist()
    found: dict[str, dict] = {}
    for rows, (first, second) in streamed(model, images, n_images, batch_size):
        for layer in first:
            maps, changed = first[layer].cpu().numpy(), second[layer].cpu().numpy()
            of_layer = found.setdefault(layer, {"smoothness": SmoothnessAccumulator(maps.shape[1]), "top": TopImages(maps.shape[1], k)})
            of_layer["smoothness"].add(maps, changed)
            of_layer["top"].add(ids[rows], maps)
    write_counts(counts, found, ids, describe_input(model.card, "clean", "own"))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
