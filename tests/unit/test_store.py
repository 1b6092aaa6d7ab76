"""The activation store: what is written comes back, and what is damaged is refused by name."""

import os
import shutil
import threading

import h5py
import numpy as np
import pytest

from robustlens import store as store_module
from robustlens.errors import InputError
from robustlens.store import ActivationWriter, images_per_chunk, link_shards, open_store

N_THREADS = threading.active_count()
LAYERS = {"conv1": (3, 4, 4), "block.conv2": (2, 1, 1)}
ATTRIBUTES = {"model": "net", "image_set": "clean", "weights_sha256": "abc", "preprocessing": "[0,1] RGB", "versions": {"torch": "2"}}


def activations(ids, shape, dtype=np.float32):
    """Values that depend on the image id alone."""
    return np.stack([np.random.default_rng(int(i[1:])).normal(size=shape).astype(np.float16) for i in ids]).astype(dtype)


def write(path, ids, layers=LAYERS, compression="none", batch=3, **attributes):
    with ActivationWriter(path, ids, layers, {**ATTRIBUTES, **attributes}, compression) as writer:
        for start in range(0, len(ids), batch):
            for layer, shape in layers.items():
                writer.write(layer, start, activations(ids[start : start + batch], shape))
    return path


def names(start, stop):
    return [f"i{n:03d}" for n in range(start, stop)]


@pytest.mark.parametrize("compression", ["none", "lzf", "gzip"])
def test_what_is_written_comes_back(tmp_path, compression):
    ids = names(0, 7)
    with open_store(write(tmp_path / "s.h5", ids, compression=compression)) as store:
        assert store.image_ids == ids
        assert store.layers == list(LAYERS)
        assert store.shape("conv1") == (7, 3, 4, 4)
        assert store.attributes["versions"] == {"torch": "2"}
        for layer, shape in LAYERS.items():
            blocks = list(store.blocks(layer, n_bytes=2 * 2 * int(np.prod(shape))))
            assert [rows for rows, _ in blocks] == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 7)]
            values = np.concatenate([block for _, block in blocks])
            assert values.dtype == np.float16
            np.testing.assert_array_equal(values, activations(ids, shape))
        wanted = ["i005", "i000", "i003"]
        np.testing.assert_array_equal(store.images("conv1", wanted), activations(wanted, LAYERS["conv1"]))
        np.testing.assert_array_equal(store.images("conv1", ids[2:5]), activations(ids[2:5], LAYERS["conv1"]))
        with pytest.raises(InputError, match="i900"):
            store.images("conv1", ["i900"])


@pytest.mark.parametrize(
    ("n_images", "shape"), [(400, (24, 24, 24)), (50_000, (256, 13, 13)), (50_000, (64, 112, 112)), (151, (24, 24, 24))]
)
def test_chunks_have_1_to_4_megabytes(n_images, shape):
    assert 1e6 <= images_per_chunk(n_images, shape) * 2 * np.prod(shape) <= 4e6


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 11])
@pytest.mark.parametrize("compression", ["none", "lzf"])
def test_blocks_that_are_no_whole_chunks(tmp_path, monkeypatch, compression, batch):
    """Chunks of 4 images of 32 cells; also maps with their channels last, as networks give them."""
    monkeypatch.setattr(store_module, "CHUNK_BYTES", 260)
    ids, shape = names(0, 11), (2, 4, 4)
    assert images_per_chunk(11, shape) == 4
    expected = activations(ids, shape)
    with ActivationWriter(tmp_path / "s.h5", ids, {"l": shape}, ATTRIBUTES, compression) as writer:
        for start in range(0, 11, batch):
            block = expected[start : start + batch].transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
            writer.write("l", start, block.astype(np.float16) if start % 2 else block)
    with open_store(tmp_path / "s.h5") as store:
        np.testing.assert_array_equal(store.images("l", ids), expected)


def test_an_error_while_writing_is_not_lost(tmp_path, monkeypatch):
    """Raised by a later call or at the end; nothing waits for the thread, no file is left."""

    def full(*_):
        raise OSError("no space left")

    for n_images in (1, 20):
        with monkeypatch.context() as patch:
            patch.setattr(ActivationWriter, "_store", full)
            with pytest.raises(OSError, match="no space left"):
                write(tmp_path / "s.h5", names(0, n_images), batch=1)
        assert os.listdir(tmp_path) == [] and threading.active_count() == N_THREADS


def test_a_small_shard_is_one_chunk():
    assert images_per_chunk(7, (3, 4, 4)) == 7


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 65505, -70000])
def test_what_float16_cannot_hold_is_refused_by_model_layer_and_image(tmp_path, bad):
    values = np.zeros((2, 3, 4, 4), np.float32)
    values[1, 2, 0, 3] = bad
    with (
        pytest.raises(InputError, match=r"model net, layer conv1, image i001, unit 2: expected finite"),
        ActivationWriter(tmp_path / "s.h5", names(0, 2), {"conv1": (3, 4, 4)}, ATTRIBUTES, "none") as writer,
    ):
        writer.write("conv1", 0, values)
    assert not list(tmp_path.iterdir())


def test_the_largest_float16_is_kept(tmp_path):
    with ActivationWriter(tmp_path / "s.h5", ["a"], {"l": (1, 1, 2)}, ATTRIBUTES, "none") as writer:
        writer.write("l", 0, np.array([[[[65504.0, -65504.0]]]], np.float32))
    with open_store(tmp_path / "s.h5") as store:
        assert store.images("l", ["a"]).ravel().tolist() == [65504.0, -65504.0]


def test_a_missing_or_repeated_row_leaves_no_file(tmp_path):
    zeros = np.zeros((2, 3, 4, 4), np.float32)
    with (
        pytest.raises(InputError, match="all 3 images, got 2 written"),
        ActivationWriter(tmp_path / "s.h5", names(0, 3), {"conv1": (3, 4, 4)}, ATTRIBUTES, "none") as writer,
    ):
        writer.write("conv1", 0, zeros)
    with (
        pytest.raises(InputError, match="every image once"),
        ActivationWriter(tmp_path / "s.h5", names(0, 3), {"conv1": (3, 4, 4)}, ATTRIBUTES, "none") as writer,
    ):
        writer.write("conv1", 0, zeros)
        writer.write("conv1", 1, zeros)
    with (
        pytest.raises(InputError, match="at most 3 rows"),
        ActivationWriter(tmp_path / "s.h5", names(0, 3), {"conv1": (3, 4, 4)}, ATTRIBUTES, "none") as writer,
    ):
        writer.write("conv1", 2, zeros)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_writer_leaves_no_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), ActivationWriter(tmp_path / "s.h5", ["a"], LAYERS, ATTRIBUTES, "none"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_bad_arguments_are_refused(tmp_path):
    for ids, layers, attributes, compression in [
        ([], LAYERS, ATTRIBUTES, "none"),
        (["a"], {"image_id": (1, 1, 1)}, ATTRIBUTES, "none"),
        (["a"], LAYERS, {"model": "net"}, "none"),
        (["a"], LAYERS, ATTRIBUTES, "zip"),
    ]:
        with pytest.raises(InputError):
            ActivationWriter(tmp_path / "s.h5", ids, layers, attributes, compression)


# --------------------------------------------------------------------------------------------------------------------- views
@pytest.fixture
def shards(tmp_path):
    return [
        write(tmp_path / "shard-0.h5", names(0, 5)),
        write(tmp_path / "shard-1.h5", names(5, 10)),
        write(tmp_path / "shard-2.h5", names(10, 12)),
    ]


def test_a_view_reads_like_one_file_wherever_it_is_moved(tmp_path, shards, monkeypatch):
    link_shards(shards[::-1], tmp_path / "view.h5", names(0, 12))  # the order of the paths does not matter
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in (*shards, tmp_path / "view.h5"):
        shutil.move(path, moved / path.name)
    impostor = tmp_path / "elsewhere"
    write(impostor / "shard-0.h5", names(90, 95))
    monkeypatch.chdir(impostor)
    os.symlink(moved / "view.h5", impostor / "link.h5")
    for path in (moved / "view.h5", impostor / "link.h5"):
        with open_store(path) as store:
            assert store.image_ids == names(0, 12)
            for layer, shape in LAYERS.items():
                found = np.concatenate([block for _, block in store.blocks(layer, n_bytes=7 * 2 * int(np.prod(shape)))])
                np.testing.assert_array_equal(found, activations(names(0, 12), shape))
            np.testing.assert_array_equal(store.images("conv1", ["i011", "i004"]), activations(["i011", "i004"], LAYERS["conv1"]))


def test_every_image_in_exactly_one_shard(tmp_path, shards):
    view = tmp_path / "view.h5"
    with pytest.raises(InputError, match="5 missing, first 'i005'"):
        link_shards([shards[0], shards[2]], view, names(0, 12))
    with pytest.raises(InputError, match="more than once"):
        link_shards([*shards, write(tmp_path / "again.h5", names(11, 12))], view, names(0, 12))
    with pytest.raises(InputError, match="not in the manifest"):
        link_shards(shards, view, names(0, 11))
    with pytest.raises(InputError, match="order"):
        link_shards(shards, view, [*names(1, 12), "i000"])
    with pytest.raises(InputError, match="12 missing"):
        link_shards([], view, names(0, 12))
    assert not view.exists()


@pytest.mark.parametrize("key", ["model", "image_set", "weights_sha256", "preprocessing"])
def test_shards_of_another_network_are_refused(tmp_path, shards, key):
    write(shards[1], names(5, 10), **{key: "other"})
    with pytest.raises(InputError, match=f"shard-1.h5: expected {key}"):
        link_shards(shards, tmp_path / "view.h5", names(0, 12))


def test_shards_with_other_layers_are_refused(tmp_path, shards):
    write(shards[1], names(5, 10), layers={"conv1": (3, 4, 4)})
    with pytest.raises(InputError, match="shard-1.h5: expected layers"):
        link_shards(shards, tmp_path / "view.h5", names(0, 12))
    write(shards[1], names(5, 10), layers={**LAYERS, "conv1": (3, 2, 2)})
    with pytest.raises(InputError, match="shard-1.h5: expected conv1"):
        link_shards(shards, tmp_path / "view.h5", names(0, 12))


def test_a_view_with_a_shard_that_is_gone_or_changed_is_refused(tmp_path, shards, monkeypatch):
    view = tmp_path / "view.h5"
    link_shards(shards, view, names(0, 12))
    with open_store(view) as store:
        assert store.attributes["preprocessing"] == ATTRIBUTES["preprocessing"]
    write(shards[1], names(5, 10), weights_sha256="new")
    with pytest.raises(InputError, match="shard-1.h5: expected weights_sha256"), open_store(view):
        pass
    write(shards[1], names(50, 55))
    with pytest.raises(InputError, match="shard-1.h5: expected image_list_sha256"), open_store(view):
        pass
    shards[1].unlink()
    with pytest.raises(InputError, match="shard-1.h5: expected a shard of .*view.h5, got no such file"), open_store(view):
        pass
    monkeypatch.setenv("HDF5_VDS_PREFIX", "/elsewhere")
    with pytest.raises(InputError, match="HDF5_VDS_PREFIX"), open_store(view):
        pass


# ----------------------------------------------------------------------------------------------------------- files at the door
def test_a_truncated_file_is_refused(tmp_path, shards):
    data = shards[0].read_bytes()
    shards[0].write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="shard-0.h5: expected a complete activation file"), open_store(shards[0]):
        pass


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="none.h5"), open_store(tmp_path / "none.h5"):
        pass


def test_foreign_and_incomplete_files_are_refused(tmp_path, shards):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["conv1"] = np.zeros(3)
        file.attrs["title"] = "something else"
    with pytest.raises(InputError, match="foreign.h5: expected attribute format"), open_store(tmp_path / "foreign.h5"):
        pass
    with h5py.File(shards[0], "a") as file:
        del file["conv1"]
    with pytest.raises(InputError, match="expected a dataset conv1"), open_store(shards[0]):
        pass
    with h5py.File(shards[1], "a") as file:
        del file["conv1"]
        file["conv1"] = np.zeros((5, 3, 4, 4), np.float32)
    with pytest.raises(InputError, match="conv1 as float16"), open_store(shards[1]):
        pass
    with h5py.File(shards[2], "a") as file:
        file["image_id"][0] = "other"
    with pytest.raises(InputError, match="image_list_sha256"), open_store(shards[2]):
        pass
