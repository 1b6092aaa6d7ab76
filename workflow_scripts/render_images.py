"""Render one shard of an embedded source, with the masks of its objects."""

from robustlens.images import read_manifest, shard_rows
from robustlens.stimuli.scenes import write_scenes


def main(manifest: str, shard_file: str, *, name: str, source: dict, seed: int, shard: int, images_per_shard: int) -> None:
    """``source``: its entry in the config; ``shard``: the number of the shard."""
    write_scenes(shard_file, shard_rows(read_manifest(manifest), int(shard), images_per_shard), name, source, seed)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
