"""Write the manifest of a source: the list of its images."""

from robustlens.errors import InputError
from robustlens.images import write_manifest
from robustlens.stimuli.sources import KINDS, list_source


def main(manifest: str, *, name: str, source: dict) -> None:
    """``name``, ``source``: a source in the config that is read in place."""
    if source["kind"] not in KINDS:
        raise InputError(f"sources.{name}.kind", ", ".join(KINDS), source["kind"])
    write_manifest(manifest, list_source(source))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
