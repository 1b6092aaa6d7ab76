"""Train one network by its recipe, to the end: weights, initial weights, card, training curve."""

from pathlib import Path

import pandas as pd

from robustlens.images import write_parquet
from robustlens.models.registry import save_model, save_weights
from robustlens.models.training import begin_training


def main(
    shards: list[str],
    before: str | list[str],
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
    """``spec``: what the config says of the network; ``source``: the name of the training images; ``recipe``: the training recipe.

    ``before``: what the job before put down, where the training is cut into several; else empty.
    """
    under_way = begin_training(shards, model=model, spec=spec, recipe=recipe, seed=seed, device=device)
    network = under_way.classifier.network
    save_weights(Path(initial), network)
    if before:
        under_way.resume(before)
    under_way.run(recipe["epochs"])
    description = {
        "model": model,
        **{key: spec[key] for key in ("architecture", "arguments", "mean", "std", "python_path") if key in spec},
        "input": "[0,1] RGB",
        "training": {"recipe": recipe, "source": source, "n_images": len(under_way.images), "seed": seed},
        "source": "trained by this workflow",
    }
    save_model(Path(card).parent, network.cpu().eval(), description)
    write_parquet(training, pd.DataFrame(under_way.history))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
