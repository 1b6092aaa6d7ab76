"""Shards of pictures that stay in their place."""

import hashlib
from pathlib import Path

from index_images import main
from robustlens.images import read_shard


def test_pictures_stay_in_place_and_are_read_with_their_geometry(tmp_path, folder, indexed):
    main(indexed, str(tmp_path / "shard.parquet"), name="real", source=folder, shard=1, images_per_shard=2)
    shard = read_shard(tmp_path / "shard.parquet")
    assert shard.rows["image_id"].tolist() == ["dog/c.png"] and shard.mask(0) is None
    assert shard.rows["sha256"].tolist() == [hashlib.sha256(Path(folder["root"], "dog/c.png").read_bytes()).hexdigest()]
    assert shard.pixels().shape == (1, 32, 32, 3) and (shard.pixels() == 100).all()
