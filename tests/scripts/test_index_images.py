"""Shards of pictures that stay in their place."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from index_images import main
from robustlens.errors import InputError
from robustlens.images import read_shard


def test_pictures_stay_in_place_and_are_read_with_their_geometry(tmp_path, folder, indexed):
    main(indexed, str(tmp_path / "shard.parquet"), name="real", source=folder, shard=1, images_per_shard=2)
    shard = read_shard(tmp_path / "shard.parquet")
    assert shard.rows["image_id"].tolist() == ["dog/c.png"] and shard.mask(0) is None
    assert shard.rows["sha256"].tolist() == [hashlib.sha256(Path(folder["root"], "dog/c.png").read_bytes()).hexdigest()]
    assert shard.pixels().shape == (1, 32, 32, 3) and (shard.pixels() == 100).all()


@pytest.mark.parametrize("fault", ["cut short", "no picture", "too small"])
def test_a_picture_that_cannot_be_read_is_found_before_any_network_sees_it(tmp_path, folder, indexed, fault):
    path = Path(folder["root"], "dog/c.png")
    if fault == "too small":
        Image.new("RGB", (200, 20)).save(path)
        folder["geometry"] = {"crop": 32}
    else:
        path.write_bytes(path.read_bytes()[:60] if fault == "cut short" else b"GIF, or so")
    with pytest.raises(InputError, match="dog/c.png: expected (a readable picture|at least 32 x 32 px)"):
        main(indexed, str(tmp_path / "shard.parquet"), name="real", source=folder, shard=0, images_per_shard=3)
    assert not (tmp_path / "shard.parquet").exists()
