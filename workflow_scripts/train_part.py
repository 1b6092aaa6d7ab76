"""Train one network for some of its epochs and put the training down for the next job (rule train_part)."""

from robustlens.models.training import begin_training


def main(
    shards: list[str],
    before: str | list[str],
    after: str,
    *,
    model: str,
    spec: dict,
    recipe: dict,
    epochs: list[int],
    seed: int,
    device: str,
) -> None:
    """``epochs``: how many were done before and how many are done after; ``before``: what the job before put down, if any."""
    under_way = begin_training(shards, model=model, spec=spec, recipe=recipe, seed=seed, device=device)
    if before:
        under_way.resume(before)
    under_way.run(epochs[1])
    under_way.save(after)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
