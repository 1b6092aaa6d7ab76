"""Shape and texture score of every hidden unit of one model on one shard: zero it and decide the cue-conflict images again."""

from robustlens.images import read_shard, write_parquet
from robustlens.models.layers import studied_layers
from robustlens.models.registry import load_model
from robustlens.neurons.ablation import ablate_units


def main(
    weights: str,
    card: str,
    shard: str,
    scores: str,
    *,
    layers: list[str] | None,
    n_images: int,
    classes: str | None,
    sixteen_by: str,
    device: str,
    batch_size: int,
):
    """``layers``: names, None for the default ones; ``n_images``: how many images of the shard, in order, are decided again; ``classes``,
    ``sixteen_by``: among which classes."""
    model, images = load_model(weights, card, device), read_shard(shard)
    model.layers = studied_layers(model.network, model.card, layers, images.pixels(0, 1).shape[1])
    found = ablate_units(model, images, batch_size=batch_size, n_images=n_images, classes=classes, sixteen_by=sixteen_by)
    write_parquet(scores, found)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
