"""Batches of training images: the same for any number of threads, read ahead but not far, and light on memory."""

import threading

import numpy as np
import pytest
import torch

from robustlens import images as image_sets
from robustlens.errors import InputError
from robustlens.images import read_shard, write_shard
from robustlens.models import loading
from robustlens.models.loading import AHEAD, TrainingImages
from robustlens.randomness import generator
from tiny import image_rows, make_shard, pictures

ALL = ["random-resized-crop", "pad-crop", "color-jitter", "lighting"]
STEPS = [np.array(rows) for rows in ([4, 0, 9], [1, 2, 3], [11, 10, 5], [8, 7, 6], [0, 1, 2])]


def draw(row):
    return generator(0, row)


@pytest.fixture
def shard(tmp_path):
    return make_shard(tmp_path / "shard.parquet", pictures(12, 20), labels=range(12))


@pytest.mark.parametrize("names", [[], ["pad-crop"], ALL])
@pytest.mark.parametrize("cached", [True, False])
def test_no_number_of_threads_changes_a_batch(shard, monkeypatch, names, cached):
    monkeypatch.setattr(loading, "CACHE_BYTES", 2**30 if cached else 0)
    expected = [TrainingImages([shard], names).batch(rows, draw) for rows in STEPS]
    for n_threads in (1, 3):
        monkeypatch.setattr(image_sets, "decoders", n_threads)
        for wanted, found in zip(expected, TrainingImages([shard], names).batches(STEPS, draw), strict=True):
            assert torch.equal(found.pixels, wanted.pixels) and torch.equal(found.labels, wanted.labels)
            assert (found.light is None) == (wanted.light is None) == ("lighting" not in names)
            assert found.light is None or torch.equal(found.light, wanted.light)
    assert [batch.labels.tolist() for batch in expected] == [rows.tolist() for rows in STEPS]


@pytest.mark.parametrize("n_steps", [0, 1, AHEAD, AHEAD + 1])
def test_few_batches(shard, n_steps):
    found = list(TrainingImages([shard], ["lighting"]).batches(STEPS[:n_steps], draw))
    assert [batch.labels.tolist() for batch in found] == [rows.tolist() for rows in STEPS[:n_steps]]


def test_the_next_batches_are_read_while_one_is_in_use_and_none_beyond(shard):
    read, lock = [], threading.Lock()

    def spy(row):
        with lock:
            read.append(row)
        return generator(0, row)

    batches = TrainingImages([shard], ["lighting"]).batches(STEPS, spy)
    next(batches)
    before = threading.active_count()
    batches.close()
    assert set(read) <= {row for rows in STEPS[: AHEAD + 1] for row in rows} and set(STEPS[0]) <= set(read)
    assert threading.active_count() < before  # a training that fails leaves no thread


def test_a_picture_that_cannot_be_read_is_named(tmp_path):
    for name in ("good.png", "bad.png"):
        image = pictures(1)[0]
        (tmp_path / name).write_bytes(image_sets.encode_png(image) if name == "good.png" else b"no picture")
    rows = image_rows(2).assign(path=["good.png", "bad.png"])
    write_shard(tmp_path / "shard.parquet", rows, root=tmp_path, geometry={"crop": 16}, origin={})
    images = TrainingImages([read_shard(tmp_path / "shard.parquet")], ["random-resized-crop"])
    with pytest.raises(InputError, match="bad.png: expected a readable picture"):
        list(images.batches([np.array([0]), np.array([1])], draw))


def test_a_random_crop_is_of_the_picture_before_its_geometry(tmp_path):
    """The centre that the geometry would cut is white; a random crop at the size of the crop also sees what is around it."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[24:40, 24:40] = 255
    (tmp_path / "image.png").write_bytes(image_sets.encode_png(image))
    write_shard(tmp_path / "shard.parquet", image_rows(1).assign(path="image.png"), root=tmp_path, geometry={"crop": 16}, origin={})
    shard = read_shard(tmp_path / "shard.parquet")
    plain = TrainingImages([shard]).batch(np.arange(1)).pixels
    assert plain.shape == (1, 3, 16, 16) and (plain == 255).all()
    images = TrainingImages([shard], ["random-resized-crop"])
    found = [images.batch(np.arange(1), lambda row, seed=seed: generator(seed, row)).pixels for seed in range(20)]
    assert all(pixels.shape == (1, 3, 16, 16) for pixels in found)
    assert sum((pixels == 0).any().item() for pixels in found) > 15


def test_pictures_of_several_sizes_are_refused(tmp_path):
    for name, side in (("a.png", 16), ("b.png", 20)):
        (tmp_path / name).write_bytes(image_sets.encode_png(pictures(1, side)[0]))
    write_shard(tmp_path / "shard.parquet", image_rows(2).assign(path=["a.png", "b.png"]), root=tmp_path, origin={})
    with pytest.raises(InputError, match="expected pictures of one size, got sizes .*; give the source a `geometry`"):
        TrainingImages([read_shard(tmp_path / "shard.parquet")])
    images = TrainingImages([read_shard(tmp_path / "shard.parquet")], ["random-resized-crop"])
    with pytest.raises(InputError, match="training images such as .*shard.parquet: expected pictures of one size"):
        images.batch(np.arange(2), draw)
