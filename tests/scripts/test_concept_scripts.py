"""The scripts of a concept set: drawn in Broden's layout, packed, and its images indexed."""

import importlib

import numpy as np
import pytest

from robustlens.broden import read_broden
from robustlens.concepts import open_labels
from robustlens.errors import InputError
from robustlens.images import read_manifest, read_shard

render_concepts, pack_concepts, index_concepts = (
    importlib.import_module(name) for name in ("render_concepts", "pack_concepts", "index_concepts")
)

CATEGORIES = ["object", "part", "scene", "texture", "color", "material"]


@pytest.fixture
def broden(tmp_path):
    render_concepts.main(str(tmp_path / "broden"), name="scenes", concept_set={"kind": "embedded", "n_images": 24}, seed=0)
    return tmp_path / "broden"


def pack(broden, categories=CATEGORIES, n_images=24):
    files = {name: str(broden.parent / name) for name in ("labels.h5", "concepts.parquet", "manifest.parquet")}
    pack_concepts.main(str(broden), *files.values(), categories=categories, n_images=n_images)
    return files


def test_render_concepts_draws_every_category(broden):
    opened = read_broden(broden, CATEGORIES)
    assert len(opened) == 24 and opened.categories == ["color", "object", "part", "material", "scene", "texture"]
    assert opened.index["image_id"].iloc[0] == "concepts-scenes-000000.png"
    assert opened.planes(0).shape == (5, 48, 48) and opened.image_labels(0).shape == (1,)


def test_render_concepts_draws_the_same_again(broden, tmp_path):
    render_concepts.main(str(tmp_path / "fewer"), name="scenes", concept_set={"n_images": 3}, seed=0)
    for path in sorted((tmp_path / "fewer" / "images").iterdir()):
        assert path.read_bytes() == (broden / "images" / path.name).read_bytes()


def test_pack_concepts_agrees_with_the_set(broden):
    files = pack(broden)
    opened = read_broden(broden, CATEGORIES)
    with open_labels(files["labels.h5"], files["concepts.parquet"]) as labels:
        assert labels.image_ids == read_manifest(files["manifest.parquet"])["image_id"].tolist() == opened.index["image_id"].tolist()
        for row in (0, 23):
            assert np.array_equal(labels.planes(row), opened.planes(row))
            assert np.array_equal(labels.image_labels(row), opened.image_labels(row))
        counts = np.bincount(labels.planes(slice(None)).ravel(), minlength=100)
        mapped = labels.concepts[labels.concepts["category"] != "scene"]
        assert (counts[mapped["number"]] == mapped["pixels"]).all() and counts[1:].sum() == mapped["pixels"].sum()
    rows = read_manifest(files["manifest.parquet"])
    assert (rows[["label", "shape", "texture"]] == -1).all(axis=None) and rows["path"].equals(rows["image_id"])


def test_pack_concepts_refuses_another_count(broden):
    with pytest.raises(InputError, match="expected 25 images with labels, got 24"):
        pack(broden, n_images=25)


def test_index_concepts_reads_the_images_in_place(broden, tmp_path):
    files = pack(broden)
    for shard in (0, 1):
        path = str(tmp_path / f"shard-{shard}.parquet")
        index_concepts.main(str(broden), files["manifest.parquet"], path, shard=shard, images_per_shard=20, geometry=None)
    opened = read_shard(tmp_path / "shard-1.parquet")
    assert len(opened) == 4 and opened.pixels().shape == (4, 48, 48, 3)
    index_concepts.main(str(broden), files["manifest.parquet"], path, shard=0, images_per_shard=20, geometry={"resize": 32, "crop": 24})
    assert read_shard(path).pixels(0, 2).shape == (2, 24, 24, 3)
