"""Write the manifest of a source whose bad pictures are excluded, and the list of these: every picture is decoded once."""

import logging

from robustlens.images import write_manifest, write_parquet
from robustlens.stimuli.inventory import describe
from robustlens.stimuli.sifting import sift
from robustlens.stimuli.sources import list_labelled

log = logging.getLogger("robustlens")


def main(manifest: str, excluded: str, *, source: dict, class_list: list[str] | dict | None = None) -> None:
    """``source``: its entry in the config; its ``n_images`` counts all pictures, also the bad ones; ``class_list``: in which its class
    names are found."""
    found, classes = list_labelled(source, class_list)
    rows, bad = sift(found, source["root"], source.get("geometry"))
    for picture in bad.itertuples():
        log.warning("excluded %s: %s", picture.path, picture.fault)
    for line in describe(rows, classes, source["root"]):
        log.info(line)
    write_parquet(excluded, bad)
    write_manifest(manifest, rows, classes)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
