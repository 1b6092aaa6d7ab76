"""Shards of every kind of stimulus."""

import pytest

import index_images
import make_stimulus
from robustlens.errors import InputError
from robustlens.images import read_shard

STIMULI = [
    {"kind": "gaussian-blur", "sigma": 1.0},
    {"kind": "gaussian-noise", "sigma": 0.1},
    {"kind": "scrambled", "grid": 4},
    {"kind": "silhouette"},
    {"kind": "stylized"},
    {"kind": "black-and-white", "threshold": "otsu"},
    {"kind": "contour", "width": 2.0},
]


def main(source: str, path: str, **values) -> None:
    make_stimulus.main(source, [], path, **values, device="cpu", batch_size=20)


@pytest.mark.parametrize("stimulus", STIMULI, ids=lambda stimulus: stimulus["kind"])
def test_the_size_of_the_shards_changes_no_picture(tmp_path, drawn, digests, stimulus):
    made = {}
    for images_per_shard in (10, 4):
        for source in drawn(images_per_shard):
            path = str(tmp_path / "stimulus.parquet")
            main(source, path, stimulus={"source": "clean", "preserves": "both", **stimulus}, seed=0)
            made.setdefault(images_per_shard, []).append(read_shard(path))
    assert digests(made[10]) == digests(made[4]) and len(digests(made[10])) == 10


def test_rows_masks_and_origin_of_the_source_stay(tmp_path, drawn):
    source, path = drawn()[0], str(tmp_path / "stimulus.parquet")
    main(source, path, stimulus={"kind": "gaussian-blur", "sigma": 1.0, "source": "clean", "preserves": "both"}, seed=0)
    columns = ["image_id", "label", "shape", "texture"]
    assert read_shard(path).rows[columns].equals(read_shard(source).rows[columns])
    assert (read_shard(path).mask(3) == read_shard(source).mask(3)).all()
    assert read_shard(path).origin == {"kind": "gaussian-blur", "sigma": 1.0, "seed": 0, "made_from": read_shard(source).origin}
    main(source, path, stimulus={"kind": "scrambled", "grid": 2, "source": "clean", "preserves": "texture"}, seed=0)
    assert read_shard(path).mask(3) is None


def test_pictures_of_the_users_own(tmp_path, folder, indexed):
    source, path = str(tmp_path / "source.parquet"), tmp_path / "stimulus.parquet"
    index_images.main(indexed, source, name="real", source=folder, shard=0, images_per_shard=3)
    with pytest.raises(InputError, match=r"silhouette: cat/a\.png"):
        main(source, str(path), stimulus={"kind": "silhouette"}, seed=0)
    assert not path.exists()
    main(source, str(path), stimulus={"kind": "gaussian-blur", "sigma": 2}, seed=0)
    assert read_shard(path).pixels().shape == (3, 32, 32, 3)  # the geometry is applied before, and only once
