"""Write the manifest of a source: the list of its images, their labels, and the names of its classes."""

import logging

from robustlens.errors import InputError
from robustlens.images import write_manifest
from robustlens.stimuli.inventory import describe
from robustlens.stimuli.sources import KINDS, list_labelled

log = logging.getLogger("robustlens")


def main(manifest: str, *, name: str, source: dict, class_list: list[str] | dict | None = None) -> None:
    """``name``, ``source``: a source in the config that is read in place; ``class_list``: in which its class names are found."""
    if source["kind"] not in KINDS:
        raise InputError(f"sources.{name}.kind", ", ".join(KINDS), source["kind"])
    rows, classes = list_labelled(source, class_list)
    for line in describe(rows, classes, source["root"]):
        log.info(line)
    write_manifest(manifest, rows, classes)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
