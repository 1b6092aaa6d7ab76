"""Pack the labels of a concept set for dissection, and list its images."""

from robustlens.broden import read_broden
from robustlens.concepts import pack_labels
from robustlens.errors import InputError
from robustlens.images import write_manifest


def main(broden: str, labels: str, concepts: str, manifest: str, *, categories: list[str], n_images: int) -> None:
    """Reads the folder ``broden``, writes the other three files; of images with a label of ``categories`` there must be ``n_images``."""
    opened = read_broden(broden, categories)
    if len(opened) != n_images:
        raise InputError(broden, f"{n_images} images with labels", len(opened), "correct `n_images` of the concept set")
    pack_labels(opened, labels, concepts)
    image_ids = opened.index["image_id"]
    write_manifest(manifest, image_ids.to_frame().assign(label=-1, shape=-1, texture=-1, path=image_ids))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
