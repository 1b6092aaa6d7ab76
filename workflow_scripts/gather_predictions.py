"""All predictions of every model: the shards of its suites joined, every image of every stimulus there exactly once."""

from collections import Counter
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from robustlens import imagenet
from robustlens.class_names import shown
from robustlens.errors import InputError
from robustlens.files import replacing
from robustlens.images import REMAKE, read_classes, read_manifest, read_table
from robustlens.manifest import ImageCount

LEAST = 0.01  # share of a stimulus's labelled images that must show something: of fewer a mistake is likelier than a choice


def main(shards: list[str], manifests: list[str], predictions: list[str], *, models: list[str], sources: dict):
    """``shards``: equally many of each of ``models``, in their order; ``manifests``: one a source; ``predictions``: one file a model.

    ``sources``: stimulus name -> position of its source's manifest in that list.
    """
    check_lists(manifests)
    rows = [read_manifest(path) for path in manifests]
    images = [pd.Index(table["image_id"]) for table in rows]
    labelled = {stimulus: int((rows[number]["label"] >= 0).sum()) for stimulus, number in sources.items()}
    n_shards = len(shards) // len(models)
    for number, (model, path) in enumerate(zip(models, predictions, strict=True)):
        of_model = shards[number * n_shards : (number + 1) * n_shards]
        join(model, of_model, path, {stimulus: ImageCount(images[number]) for stimulus, number in sources.items()}, labelled)


def check_lists(manifests: list[str]) -> None:
    """Raise InputError for manifests whose labels index two lists of class names; those of ImageNet and of its 16 classes are numbers to
    all networks of ImageNet, whatever the study calls them."""
    published = (None, imagenet.classes()["wnid"].tolist(), list(imagenet.SIXTEEN))
    named = {path: names for path in manifests if (names := read_classes(path)) not in published}
    for path, names in named.items():
        first, expected = next(iter(named.items()))
        if names != expected:
            asked = f"labels by the list of {first}: {len(expected)} classes ({shown(expected)})"
            raise InputError(path, asked, f"{len(names)}: {shown(names)}", REMAKE)


def join(model: str, shards: list[str], predictions: str, counts: dict[str, ImageCount], labelled: dict[str, int]) -> None:
    """Write ``predictions`` of one model; ``labelled``: how many images with labels each stimulus is made of.

    Raises InputError for a shard of another model, a stimulus that is not in ``counts``, images that are not there once, and for a stimulus
    of which less than ``LEAST`` of the images are left with a label.
    """
    left = Counter[str]()
    with replacing(predictions) as temporary:
        writer: Any = None
        for path in shards:
            table = read_table(path)
            if others := set(table["model"].unique().to_pylist()) - {model}:
                raise InputError(path, f"predictions of {model}", f"those of {', '.join(sorted(others))}", "delete it and run again")
            for stimulus, rows in table.select(["stimulus", "image_id", "label"]).to_pandas().groupby("stimulus", sort=False):
                if stimulus not in counts:
                    raise InputError(path, f"the stimuli {', '.join(counts)}", f"{stimulus} too")
                counts[stimulus].add(rows["image_id"])
                left[stimulus] += int((rows["label"] >= 0).sum())
            writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd")
            writer.write_table(table)
        writer.close()
        for stimulus, count in counts.items():
            count.check(f"{predictions} [{stimulus}]")
        for stimulus, n in labelled.items():
            if n and left[stimulus] < max(1, LEAST * n):
                mend = f"logs/make_stimulus/{stimulus}_*.log (or compute_stimulus) count why; check its masks or parameters"
                raise InputError(
                    f"stimuli.{stimulus}", f"images that show something, {LEAST:.0%} or more", f"{left[stimulus]} of {n}", mend
                )


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
