"""Train one network by its recipe: weights, initial weights, card, training curve."""

from pathlib import Path

from robustlens.images import read_shard, write_parquet
from robustlens.models.registry import Classifier, build_network, checked_device, save_model, save_weights
from robustlens.models.training import TrainingImages, initialise, train


def main(
    shards: list[str],
    weights: str,
    initial: str,
    card: str,
    training: str,
    *,
    model: str,
    spec: dict,
    source: str,
    recipe: dict,
    seed: int,
    device: str,
):
    """``spec``: what the config says of the network; ``source``: the name of the training images; ``recipe``: the training recipe."""
    images = TrainingImages([read_shard(path) for path in shards])
    network = initialise(lambda: build_network(f"models.{model}", spec["architecture"], spec["arguments"]), seed, model)
    classifier = Classifier(network, spec["mean"], spec["std"], [], {"model": model})
    save_weights(Path(initial), network)
    history = train(classifier, images, recipe, seed=seed, model=model, device=checked_device(device))
    description = {
        "model": model,
        **{key: spec[key] for key in ("architecture", "arguments", "mean", "std")},
        "input": "[0,1] RGB",
        "training": {"recipe": recipe, "source": source, "n_images": len(images), "seed": seed},
        "source": "trained by this workflow",
    }
    save_model(Path(card).parent, network.cpu().eval(), description)
    write_parquet(training, history)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
