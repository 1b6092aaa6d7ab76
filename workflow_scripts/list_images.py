"""Write the manifest of a source: the list of its images."""

from robustlens.errors import InputError
from robustlens.images import write_manifest
from robustlens.stimuli.cues import list_scenes
from robustlens.stimuli.sources import KINDS, list_source


def main(manifest: str, *, name: str, source: dict, seed: int) -> None:
    """``source``: its entry in the config. Pictures that are drawn have ids that begin with its ``name``."""
    if source["kind"] == "embedded":
        rows = list_scenes(name, source["n_images"], source.get("cues", "both"), seed)
    elif source["kind"] in KINDS:
        rows = list_source(source)
    else:
        raise InputError(f"sources.{name}.kind", f"embedded, {', '.join(KINDS)}", source["kind"])
    write_manifest(manifest, rows)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
