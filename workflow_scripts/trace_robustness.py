"""Decisions of one model on one shard of images that are attacked ever more strongly."""

from robustlens.images import read_shard, write_parquet
from robustlens.models.registry import load_model
from robustlens.stimuli.adversarial import decide_by_radius


def main(
    weights: str,
    card: str,
    shard: str,
    decisions: str,
    *,
    spec: dict,
    radii: list[float],
    n_images: int,
    seed: int,
    device: str,
    batch_size: int,
):
    """``spec``: the attack's entry in the config; ``n_images``: how many of the first images of the shard are attacked."""
    model = load_model(weights, card, device)
    table = decide_by_radius(model, read_shard(shard), spec, radii, seed=seed, batch_size=batch_size, n_images=n_images)
    write_parquet(decisions, table)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
