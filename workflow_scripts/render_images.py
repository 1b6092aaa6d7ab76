"""Draw one shard of an embedded source, with the masks of its objects."""

from robustlens.images import read_manifest, shard_rows, write_shard
from robustlens.stimuli.embedded import render_scene


def main(manifest: str, shard_file: str, *, name: str, source: dict, seed: int, shard: int, images_per_shard: int) -> None:
    rows = shard_rows(read_manifest(manifest), int(shard), images_per_shard)
    scenes = [render_scene(row.image_id, row.shape, row.texture, seed) for row in rows.itertuples()]
    write_shard(
        shard_file,
        rows,
        pixels=(scene.pixels for scene in scenes),
        masks=[scene.mask for scene in scenes],
        origin={"kind": source["kind"], "source": name, "seed": seed},
    )


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
