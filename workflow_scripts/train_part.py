"""Train one network for some of its epochs and put the training down for the next job (rule train_part)."""

from collections.abc import Sequence

from robustlens.models.parallel import Task, train
from robustlens.models.registry import check_layers


def main(
    shards: list[str],
    held_out: list[str],
    before: str | list[str],
    after: str,
    *,
    model: str,
    spec: dict,
    recipe: dict,
    epochs: list[int],
    seed: int,
    device: str,
    gpu: int,
    sizes: dict[str, tuple[int, int]] | None = None,
    layers: Sequence[str] = (),
) -> None:
    """``epochs``: how many were done before and how many are done after; the rest as in ``train_model.py``."""
    task = Task(shards, model, spec, recipe, seed, epochs[1], str(before or ""), held_out, sizes)
    check_layers(model, task.network(), layers)
    train(task, after, device=device, n_processes=1 if device == "cpu" else gpu)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
