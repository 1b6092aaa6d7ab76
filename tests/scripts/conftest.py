"""Inputs that several tests of scripts share: an image folder, a drawn source, a drawn concept set."""

import numpy as np
import pytest
from PIL import Image

import list_images
import render_concepts
import render_images
import render_source
from robustlens.images import Shard
from synthetic.report import reported


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    """Complete made-up results of the study that ships, with their report: those that the tests of the library have."""
    return reported(tmp_path_factory.getbasetemp(), "embedded_study")


@pytest.fixture(scope="session")
def single(tmp_path_factory):
    """Those of one network on photographs."""
    return reported(tmp_path_factory.getbasetemp(), "single_study")


@pytest.fixture
def digests():
    """image_id -> sha256 of the picture, over shards."""

    def gather(shards: list[Shard]) -> dict[str, str]:
        return {name: digest for shard in shards for name, digest in zip(shard.rows["image_id"], shard.rows["sha256"], strict=True)}

    return gather


@pytest.fixture
def drawn(tmp_path):
    """A function that draws a source of ten scenes in shards of a size, and gives their paths."""

    def draw(images_per_shard: int = 10, seed: int = 0) -> list[str]:
        source, folder = {"kind": "embedded", "n_images": 10}, tmp_path / f"drawn-{images_per_shard}-{seed}"
        paths = [str(folder / f"shard-{shard}.parquet") for shard in range(-(-10 // images_per_shard))]
        common = {"name": "clean", "source": source, "seed": seed, "images_per_shard": images_per_shard}
        render_source.main(str(folder / "manifest.parquet"), paths[0], **common)
        for shard, path in enumerate(paths[1:], start=1):
            render_images.main(str(folder / "manifest.parquet"), path, shard=shard, **common)
        return paths

    return draw


@pytest.fixture
def folder(tmp_path):
    """The config of a source of three pictures of three sizes in two class folders."""
    root = tmp_path / "pictures"
    for name, size in (("cat/a.png", (60, 40)), ("cat/b.png", (50, 50)), ("dog/c.png", (40, 70))):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*size, 3), 100, np.uint8)).save(root / name)
    return {"kind": "image-folder", "root": str(root), "n_images": 3, "geometry": {"resize": 40, "crop": 32}}


@pytest.fixture
def indexed(tmp_path, folder):
    """The manifest of ``folder``."""
    list_images.main(str(tmp_path / "indexed.parquet"), name="real", source=folder)
    return str(tmp_path / "indexed.parquet")


@pytest.fixture
def broden(tmp_path):
    """A concept set of 24 scenes in Broden's layout."""
    render_concepts.main(str(tmp_path / "broden"), name="scenes", concept_set={"kind": "embedded", "n_images": 24}, seed=0)
    return tmp_path / "broden"
