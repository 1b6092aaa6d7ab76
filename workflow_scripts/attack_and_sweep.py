"""Adversarial examples of one model on one shard, and its decisions under the same attack at several epsilons."""

from robustlens.images import read_shard, write_parquet, write_shard
from robustlens.models.registry import load_model
from robustlens.stimuli.adversarial import attack, decide_by_epsilon, describe_attack


def main(
    weights: str,
    card: str,
    shard: str,
    adversarial: str,
    decisions: str,
    *,
    spec: dict,
    epsilons: list[float],
    n_images: int,
    seed: int,
    device: str,
    batch_size: int,
):
    """``spec``: the attack's entry in the config; ``n_images``: how many of the first images of the shard are attacked at each epsilon."""
    model, images = load_model(weights, card, device), read_shard(shard)
    pixels, rows = attack(model, images, spec, seed=seed, batch_size=batch_size)
    write_shard(adversarial, rows, pixels=iter(pixels), origin=describe_attack(model, spec, seed), classes=images.classes)
    found = pixels[:n_images]
    table = decide_by_epsilon(model, images, spec, epsilons, seed=seed, batch_size=batch_size, n_images=n_images, found=found)
    write_parquet(decisions, table)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
