"""Write the manifest of a source whose bad pictures are excluded, and the list of these: every picture is decoded once."""

import logging

from robustlens.images import write_manifest, write_parquet
from robustlens.stimuli.sifting import sift
from robustlens.stimuli.sources import list_source

log = logging.getLogger("robustlens")


def main(manifest: str, excluded: str, *, source: dict) -> None:
    """``source``: its entry in the config; its ``n_images`` counts all pictures, also the bad ones."""
    rows, bad = sift(list_source(source), source["root"], source.get("geometry"))
    for picture in bad.itertuples():
        log.warning("excluded %s: %s", picture.path, picture.fault)
    write_parquet(excluded, bad)
    write_manifest(manifest, rows)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
