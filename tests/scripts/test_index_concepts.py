"""Shards of a concept set's images."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from index_concepts import main
from robustlens.errors import InputError
from robustlens.images import read_shard, write_manifest


@pytest.fixture
def manifest(broden, tmp_path):
    names = [f"concepts-scenes-{i:06d}.png" for i in range(24)]
    rows = pd.DataFrame({"image_id": names, "label": -1, "shape": -1, "texture": -1, "path": names})
    write_manifest(tmp_path / "manifest.parquet", rows)
    return str(tmp_path / "manifest.parquet")


def test_images_are_read_in_place(broden, manifest, tmp_path):
    main(str(broden), manifest, str(tmp_path / "shard.parquet"), shard=1, images_per_shard=20)
    shard = read_shard(tmp_path / "shard.parquet")
    assert len(shard) == 4 and shard.pixels().shape == (4, 32, 32, 3)
    assert np.array_equal(shard.pixels(0, 1)[0], np.asarray(Image.open(broden / "images" / "concepts-scenes-000020.png")))


def test_a_picture_that_cannot_be_read_is_named(broden, manifest, tmp_path):
    (broden / "images" / "concepts-scenes-000003.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="000003.png: expected a readable picture"):
        main(str(broden), manifest, str(tmp_path / "shard.parquet"), shard=0, images_per_shard=20)
    assert not (tmp_path / "shard.parquet").exists()


def test_images_have_the_size_that_the_index_says(broden, manifest, tmp_path):
    """By it networks are tried, before any image is read."""
    Image.new("RGB", (40, 48)).save(broden / "images" / "concepts-scenes-000000.png")
    with pytest.raises(InputError, match=r"shard.parquet \[concepts-scenes-000000.png\]: expected images of 32 x 32 px, got 48 x 40 px"):
        main(str(broden), manifest, str(tmp_path / "shard.parquet"), shard=0, images_per_shard=1)
    assert not (tmp_path / "shard.parquet").exists()
