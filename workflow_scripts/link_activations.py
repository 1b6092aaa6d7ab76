"""Link the activation shards of a network on an image set into one view (rule link_activations)."""

from robustlens.images import read_manifest
from robustlens.store import link_shards


def main(manifest: str, shards: list[str], view: str, *, n_images: int | None = None) -> None:
    """Write ``view`` over ``shards``, which together hold the first ``n_images`` images of ``manifest`` (None: all)."""
    link_shards(shards, view, read_manifest(manifest)["image_id"].tolist()[:n_images])


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
