"""Adversarial images of one model: PGD on one shard of the clean images."""

from robustlens.images import read_shard, write_shard
from robustlens.models.registry import load_model
from robustlens.stimuli.adversarial import attack, describe_attack


def main(weights: str, card: str, shard: str, adversarial: str, *, spec: dict, seed: int, device: str, batch_size: int):
    """``spec``: the attack's entry in the config."""
    model = load_model(weights, card, device)
    images = read_shard(shard)
    pixels, rows = attack(model, images, spec, seed=seed, batch_size=batch_size)
    write_shard(adversarial, rows, pixels=iter(pixels), origin=describe_attack(model, spec, seed), classes=images.classes)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
