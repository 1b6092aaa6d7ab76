"""Drawn shards: the cut changes no picture, the seed changes all."""

from robustlens.images import read_shard


def test_the_size_of_the_shards_changes_no_picture(drawn, digests):
    whole, parts = [read_shard(path) for path in drawn(10)], [read_shard(path) for path in drawn(3)]
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    assert digests(parts) == digests(whole) and len(digests(whole)) == 10


def test_pictures_masks_and_origin(drawn):
    shard = read_shard(drawn()[0])
    assert shard.pixels().shape == (10, 48, 48, 3) and shard.mask(0).shape == (48, 48)
    assert shard.origin == {"kind": "embedded", "source": "clean", "seed": 0}


def test_another_seed_draws_other_pictures(drawn, digests):
    one, other = (digests([read_shard(path) for path in drawn(10, seed)]) for seed in (0, 1))
    assert all(one[image_id] != other[image_id] for image_id in one)
