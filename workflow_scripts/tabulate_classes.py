"""The classes of the study of which a source has no image, of all sources in one table."""

from pathlib import Path

import pandas as pd

from robustlens.class_names import missing
from robustlens.images import read_classes, read_manifest
from robustlens.report.tables import write_csv


def main(manifests: list[str], missing_csv: str, *, sources: list[str]) -> None:
    """``manifests``: that of each of ``sources``."""
    rows = []
    for source, manifest in zip(sources, manifests, strict=True):
        names, labels = read_classes(manifest) or [], read_manifest(manifest)["label"]
        there = [names[label] for label in labels.unique() if 0 <= label < len(names)]
        rows += [(source, len(names), name) for name in missing(there, names)]
    write_csv(Path(missing_csv), pd.DataFrame(rows, columns=["source", "n_classes", "class"]))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
