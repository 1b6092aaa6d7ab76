"""Write one shard of pictures that stay in their place: their digests are taken, and every one is read once."""

from robustlens.errors import InputError
from robustlens.images import check_pictures, read_classes, read_manifest, shard_rows, write_shard


def main(manifest: str, shard_file: str, *, name: str, source: dict, shard: int, images_per_shard: int) -> None:
    rows = shard_rows(read_manifest(manifest), int(shard), images_per_shard)
    if rows.empty:  # shards are counted by `n_images`, bad pictures included
        mend = "give the source another `images_per_shard`"
        raise InputError(manifest, f"pictures for shard {shard}", "none: all of it was excluded", mend)
    origin = {"kind": source["kind"], "source": name}
    root, resize_crop = source["root"], source.get("geometry")
    write_shard(shard_file, rows, root=root, geometry=resize_crop, origin=origin, classes=read_classes(manifest))
    check_pictures(shard_file)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
