"""Drawn shards: the cut changes no picture, the seed changes all."""

from render_source import main as render_source
from robustlens.images import read_manifest, read_shard


def test_the_size_of_the_shards_changes_no_picture(drawn, digests):
    whole, parts = [read_shard(path) for path in drawn(10)], [read_shard(path) for path in drawn(3)]
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    assert digests(parts) == digests(whole) and len(digests(whole)) == 10


def test_pictures_masks_and_origin(drawn):
    shard = read_shard(drawn()[0])
    assert shard.pixels().shape == (10, 32, 32, 3) and shard.mask(0).shape == (32, 32)
    assert shard.origin == {"kind": "embedded", "source": "clean", "seed": 0}


def test_another_seed_draws_other_pictures(drawn, digests):
    one, other = (digests([read_shard(path) for path in drawn(10, seed)]) for seed in (0, 1))
    assert all(one[image_id] != other[image_id] for image_id in one)


def test_a_source_has_both_cues_unless_it_says_otherwise(tmp_path):
    paths = [str(tmp_path / name) for name in ("manifest.parquet", "shard.parquet")]
    render_source(*paths, name="clean", source={"kind": "embedded", "n_images": 10}, seed=0, images_per_shard=4)
    rows = read_manifest(paths[0])
    assert rows["label"].tolist() == rows["texture"].tolist() == [*range(8), 0, 1]
    assert read_shard(paths[1]).rows["image_id"].tolist() == rows["image_id"].tolist()[:4]
    render_source(*paths, name="x", source={"kind": "embedded", "n_images": 10, "cues": "conflict"}, seed=0, images_per_shard=4)
    assert (read_manifest(paths[0])["texture"] != read_manifest(paths[0])["shape"]).all()
