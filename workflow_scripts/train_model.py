"""Train one network by its recipe, to the end: weights, initial weights, card, training curve."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from robustlens.code_digest import user_code_digest
from robustlens.images import count_rows, read_shard, write_parquet
from robustlens.models.parallel import Task, train
from robustlens.models.registry import Classifier, check_layers, save_model, save_weights
from robustlens.models.training import curve
from robustlens.models.training_state import read_state


def main(
    shards: list[str],
    held_out: list[str],
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
    gpu: int,
    sizes: dict[str, tuple[int, int]] | None = None,
    layers: Sequence[str] = (),
):
    """``spec``: what the config says of the network; ``source``: the name of the training images; ``recipe``: the training recipe;
    ``sizes``: height and width in px of the images that the network will see, by set, those that it is trained on first.

    ``held_out``: shards of images for the curve alone; ``before``: what the job before put down, where the training is cut into several;
    each may be empty. ``gpu``: how many GPUs train it, where ``device`` is one; ``layers``: those that will be studied,
    refused before the training where the network has no such module.
    """
    task = Task(shards, model, spec, recipe, seed, recipe["epochs"], str(before or ""), held_out, sizes)
    network, n_processes = task.network(), 1 if device == "cpu" else gpu
    check_layers(model, network, layers)
    save_weights(Path(initial), network)
    with TemporaryDirectory(dir=Path(initial).parent) as folder:
        train(task, Path(folder, "state"), device=device, n_processes=n_processes)
        state, _, numbers = read_state(Path(folder, "state"))
    network.load_state_dict(state)
    classifier = Classifier(network.eval(), layers=[], **task.normalisation(), card=None)
    classifier.choose_order((sizes or {}).values())
    description = {
        "model": model,
        **{key: spec[key] for key in ("architecture", "arguments", "python_path") if key in spec},
        "code": user_code_digest(spec["architecture"], spec.get("python_path")),
        **task.normalisation(),
        "input": "[0,1] RGB",
        "classes": read_shard(shards[0]).classes,
        "training": {"recipe": recipe, "source": source, "n_images": sum(map(count_rows, shards)), "seed": seed, "processes": n_processes},
        "source": "trained by this workflow",
        **classifier.order(),
    }
    save_model(Path(card).parent, network, description)
    write_parquet(training, curve(numbers["history"]))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
