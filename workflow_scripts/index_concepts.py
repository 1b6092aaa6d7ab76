"""Write one shard of the images of a concept set, which stay in their place; every one is read once."""

from pathlib import Path

from robustlens.images import check_pictures, read_manifest, shard_rows, write_shard
from robustlens.plan.image_sizes import size_of


def main(broden: str, manifest: str, shard_file: str, *, shard: int, images_per_shard: int) -> None:
    """``broden``: the folder of the concept set; ``manifest``: the list of its images."""
    rows = shard_rows(read_manifest(manifest), int(shard), images_per_shard)
    write_shard(shard_file, rows, root=Path(broden, "images"), origin={"kind": "concepts", "source": broden})
    listed = size_of({"kind": "broden", "root": broden})  # by which networks were tried
    check_pictures(shard_file, expected=None if isinstance(listed, str) else listed)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
