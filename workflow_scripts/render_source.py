"""List the images of an embedded source, and render the first shard of them with the masks of its objects."""

from robustlens.images import shard_rows, write_manifest
from robustlens.stimuli.cues import SHAPES, list_scenes
from robustlens.stimuli.scenes import write_scenes


def main(manifest: str, shard_file: str, *, name: str, source: dict, seed: int, images_per_shard: int) -> None:
    """``source``: its entry in the config. The ids of the images begin with its ``name``."""
    rows = list_scenes(name, source["n_images"], source.get("cues", "both"), seed)
    write_manifest(manifest, rows, list(SHAPES))
    write_scenes(shard_file, shard_rows(rows, 0, images_per_shard), name, source, seed)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
