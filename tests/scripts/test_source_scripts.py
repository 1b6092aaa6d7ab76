"""The scripts that make image shards: manifests, drawn and indexed images, stimuli."""

import importlib

import numpy as np
import pytest
from PIL import Image

from robustlens.errors import InputError
from robustlens.images import read_manifest, read_shard

list_images, render_images, index_images, make_stimulus = (
    importlib.import_module(name) for name in ("list_images", "render_images", "index_images", "make_stimulus")
)

SOURCE = {"kind": "embedded", "n_images": 10}


@pytest.fixture
def manifest(tmp_path):
    list_images.main(str(tmp_path / "manifest.parquet"), name="clean", source=SOURCE, seed=0)
    return str(tmp_path / "manifest.parquet")


def render(manifest, path, shard, images_per_shard, seed=0):
    render_images.main(manifest, str(path), name="clean", source=SOURCE, seed=seed, shard=shard, images_per_shard=images_per_shard)
    return read_shard(path)


def digests(shards):
    return {image_id: digest for shard in shards for image_id, digest in zip(shard.rows["image_id"], shard.rows["sha256"], strict=True)}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pictures"
    for name, size in (("cat/a.png", (60, 40)), ("cat/b.png", (50, 50)), ("dog/c.png", (40, 70))):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*size, 3), 100, np.uint8)).save(root / name)
    return {"kind": "image-folder", "root": str(root), "n_images": 3, "geometry": {"resize": 40, "crop": 32}}


def test_list_images_of_each_kind_of_source(tmp_path, manifest, folder):
    assert read_manifest(manifest)["label"].tolist() == [*range(8), 0, 1]
    list_images.main(str(tmp_path / "c.parquet"), name="conflict", source=SOURCE | {"cues": "conflict"}, seed=0)
    assert (read_manifest(tmp_path / "c.parquet")["shape"] != read_manifest(tmp_path / "c.parquet")["texture"]).all()
    list_images.main(str(tmp_path / "f.parquet"), name="real", source=folder, seed=0)
    assert read_manifest(tmp_path / "f.parquet")["label"].tolist() == [0, 0, 1]
    with pytest.raises(InputError, match=r"sources\.x\.kind: expected embedded or image-folder"):
        list_images.main(str(tmp_path / "x.parquet"), name="x", source={"kind": "web"}, seed=0)


def test_render_images_does_not_depend_on_the_shards(tmp_path, manifest):
    whole = render(manifest, tmp_path / "whole.parquet", 0, 10)
    parts = [render(manifest, tmp_path / f"part-{i}.parquet", i, 3) for i in range(4)]
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    assert digests(parts) == digests([whole]) and len(digests([whole])) == 10
    assert whole.mask(0).shape == (48, 48) and whole.origin == {"kind": "embedded", "source": "clean", "seed": 0}
    assert digests([render(manifest, tmp_path / "other.parquet", 0, 10, seed=1)]) != digests([whole])


def test_index_images_leaves_the_pictures_in_place(tmp_path, folder):
    list_images.main(str(tmp_path / "m.parquet"), name="real", source=folder, seed=0)
    index_images.main(str(tmp_path / "m.parquet"), str(tmp_path / "s.parquet"), name="real", source=folder, shard=1, images_per_shard=2)
    shard = read_shard(tmp_path / "s.parquet")
    assert shard.rows["image_id"].tolist() == ["dog/c.png"] and shard.pixels().shape == (1, 32, 32, 3) and shard.mask(0) is None


@pytest.mark.parametrize(
    "stimulus",
    [
        {"kind": "gaussian-blur", "sigma": 1.0},
        {"kind": "gaussian-noise", "sigma": 0.1},
        {"kind": "scrambled", "grid": 4},
        {"kind": "silhouette"},
        {"kind": "stylized"},
        {"kind": "black-and-white", "threshold": "otsu"},
        {"kind": "contour", "width": 2.0},
    ],
    ids=lambda stimulus: stimulus["kind"],
)
def test_make_stimulus_does_not_depend_on_the_shards(tmp_path, manifest, stimulus):
    stimulus = {"source": "clean", "preserves": "both", **stimulus}
    made = {}
    for images_per_shard in (10, 4):
        for shard in range(-(-10 // images_per_shard)):
            render(manifest, tmp_path / "source.parquet", shard, images_per_shard)
            path = tmp_path / f"{images_per_shard}-{shard}.parquet"
            make_stimulus.main(str(tmp_path / "source.parquet"), str(path), stimulus=stimulus, seed=0)
            made.setdefault(images_per_shard, []).append(read_shard(path))
    assert digests(made[10]) == digests(made[4]) and len(digests(made[10])) == 10
    assert made[10][0].origin["kind"] == stimulus["kind"] and made[10][0].origin["made_from"]["source"] == "clean"
    assert (made[10][0].mask(0) is None) == (stimulus["kind"] == "scrambled")
    assert made[10][0].rows["label"].tolist() == [*range(8), 0, 1]


def test_make_stimulus_from_pictures_of_the_users_own(tmp_path, folder):
    list_images.main(str(tmp_path / "m.parquet"), name="real", source=folder, seed=0)
    index_images.main(str(tmp_path / "m.parquet"), str(tmp_path / "s.parquet"), name="real", source=folder, shard=0, images_per_shard=3)
    make_stimulus.main(str(tmp_path / "s.parquet"), str(tmp_path / "b.parquet"), stimulus={"kind": "gaussian-blur", "sigma": 2}, seed=0)
    assert read_shard(tmp_path / "b.parquet").pixels().shape == (3, 32, 32, 3)  # the geometry is applied before, and only once
    for kind in ("silhouette", "stylized"):
        with pytest.raises(InputError, match="cat/a.png"):
            make_stimulus.main(str(tmp_path / "s.parquet"), str(tmp_path / "x.parquet"), stimulus={"kind": kind}, seed=0)
        assert not (tmp_path / "x.parquet").exists()
