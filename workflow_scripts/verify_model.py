"""Compare the accuracy of one user-supplied network on clean images with the one that the config expects (rule verify_model)."""

from functools import partial

import pandas as pd

from robustlens.files import write_json
from robustlens.inference import Blocks
from robustlens.models.registry import load_model
from robustlens.predictions import predict
from robustlens.stimuli.samples import Sample
from robustlens.verification import check_accuracy, measured


def main(
    weights: str,
    card: str,
    verified: str,
    *,
    source: dict,
    seed: int,
    n_images: int | None,
    exclude: bool,
    classes: str | None,
    class_list: list[str] | dict | None = None,
    sixteen_by: str,
    expected: float | None,
    device: str,
    batch_size: int,
) -> None:
    """``source``: the entry of clean in the config, of which ``n_images``, spread evenly (None: all), are read in place.

    ``exclude``: those that cannot be read are left out; ``classes``: among which is decided; ``class_list``: in which the class names of
    clean are found (:func:`robustlens.stimuli.sources.list_labelled`); ``expected``: accuracy, None where unknown.
    """
    model = load_model(weights, card, device)
    sample = Sample("clean", source, seed, n_images, exclude, class_list)
    blocks = Blocks(model.device, batch_size, len(sample))
    answer = partial(predict, model, stimulus="clean", classes=classes, sixteen_by=sixteen_by, blocks=blocks)
    parts, n_classes = [], 0
    for shard in sample.shards():
        found = answer(shard)
        n_classes = len(found["probabilities"].iloc[0])
        parts.append(found[["label", "top5"]])
    answers = pd.concat(parts, ignore_index=True)
    result = measured(model.card["model"], answers["label"], answers["top5"].str[0], n_classes)
    check_accuracy(result, expected)
    write_json(verified, result)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
