"""What HDF5 files say of damage: each bit of them has a checksum, and nothing lies where the library would not return.

``ROBUSTLENS_FUZZ`` in the environment says how many bits are tried, sixteen times as many (10 by itself).
"""

import os
import time
import zlib

import h5py
import numpy as np
import pytest

from robustlens.compiled import fletcher32
from robustlens.counts import write_counts
from robustlens.errors import InputError
from robustlens.hdf5 import open_hdf5, write_values, writing_hdf5
from robustlens.neurons.top_maps import open_top_maps, write_top_maps
from robustlens.neurons.total_variation import SmoothnessAccumulator
from robustlens.store import COMPRESSION, ActivationWriter, link_shards, open_store

IDENTITY = {"model": "net", "image_set": "clean", "weights_sha256": "abc", "preprocessing": "[0,1] RGB"}
IDS = [f"i{number}" for number in range(6)]
SHAPE = (5, 9, 9)
N_FLIPS = min(1600, 16 * int(os.environ.get("ROBUSTLENS_FUZZ", 10)))  # of 5,000 bytes and more


def write_shard(path, ids, compression="none", step=2):
    maps = np.random.default_rng(len(ids)).random((len(ids), *SHAPE), np.float32).astype(np.float16)
    with ActivationWriter(path, ids, {"conv": SHAPE}, IDENTITY, compression) as writer:
        for start in range(0, len(ids), step):
            writer.write("conv", start, maps[start : start + step])
    return maps


def read(path):
    with open_store(path) as store:
        return np.concatenate([values for _, values in store.blocks("conv")]), store.image_ids, store.attributes


@pytest.mark.parametrize("n", [1, 2, 3, 359, 360, 361, 5000, (1 << 20) + 3])
@pytest.mark.parametrize("values", ["random", "zeros", "ones"])
def test_the_checksum_is_that_of_hdf5(tmp_path, n, values):
    words = {"random": np.random.default_rng(n).integers(0, 1 << 16, n), "zeros": np.zeros(n), "ones": np.full(n, 65535)}[values].astype(
        "<u2"
    )
    with h5py.File(tmp_path / "file.h5", "w") as file:
        chunk = file.create_dataset("words", data=words, chunks=(n,), fletcher32=True)
        file.flush()
        stored = chunk.id.read_direct_chunk((0,))[1]
    assert fletcher32(words).to_bytes(4, "little") == stored[-4:]


@pytest.mark.parametrize("step", [1, 4, 6])
def test_whole_chunks_and_pieces_are_stored_alike(tmp_path, step):
    maps = write_shard(tmp_path / "one.h5", IDS, step=6)
    write_shard(tmp_path / "other.h5", IDS, step=step)
    with h5py.File(tmp_path / "one.h5") as file:
        assert file["conv"].chunks[0] == 6 and file["conv"].fletcher32
    assert np.array_equal(read(tmp_path / "other.h5")[0], maps)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "other.h5").read_bytes()


@pytest.mark.parametrize("compression", COMPRESSION)
@pytest.mark.parametrize("starts", [range(0, 12, 3), [9, 0, 6, 3], [3, 6, 9, 0], [0, 6, 9, 3]])
def test_parts_of_chunks_may_come_in_any_order(tmp_path, monkeypatch, compression, starts):
    monkeypatch.setattr("robustlens.store.CHUNK_BYTES", 4 * 2 * 405)  # four images a chunk
    ids = [f"i{number}" for number in range(12)]
    maps = np.random.default_rng(0).random((11, *SHAPE), np.float32).astype(np.float16)  # the last chunk has three
    with ActivationWriter(tmp_path / "acts.h5", ids[:11], {"conv": SHAPE}, IDENTITY, compression) as writer:
        for start in starts:
            writer.write("conv", start, np.asfortranarray(maps[start : start + 3].astype(np.float32)))
    assert np.array_equal(read(tmp_path / "acts.h5")[0], maps)


@pytest.mark.parametrize("compression", COMPRESSION)
def test_no_bit_of_an_activation_file_turns_unnoticed(tmp_path, compression):
    path = tmp_path / "acts.h5"
    maps = write_shard(path, IDS, compression)
    whole, refused = path.read_bytes(), 0
    for place in np.random.default_rng(zlib.crc32(compression.encode())).choice(len(whole), N_FLIPS, replace=False):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        try:
            assert np.array_equal(read(path)[0], maps) and read(path)[1] == IDS, f"byte {place} of {len(whole)}"
        except InputError:
            refused += 1
    assert refused > N_FLIPS / 4 * len(maps.tobytes()) / len(whole)


def test_no_bit_of_a_view_turns_unnoticed(tmp_path):
    for number, ids in enumerate((IDS[:3], IDS[3:])):
        write_shard(tmp_path / f"shard-{number}.h5", ids)
    path = tmp_path / "view.h5"
    link_shards([tmp_path / "shard-0.h5", tmp_path / "shard-1.h5"], path, IDS)
    whole = path.read_bytes()
    for place in [*range(80), *np.random.default_rng(0).choice(len(whole), 100, replace=False)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(InputError, match="view.h5"):
            read(path)


def test_no_file_but_a_view_has_the_heap_without_checksums(tmp_path):
    write_shard(tmp_path / "acts.h5", IDS)
    write_top_maps(tmp_path / "maps.h5", {"conv": np.ones((20, 5, 4, 4), np.float16)})
    write_counts(tmp_path / "counts.h5", {"conv": {"smoothness": SmoothnessAccumulator(7)}}, IDS, IDENTITY)
    link_shards([tmp_path / "acts.h5"], tmp_path / "view.h5", IDS)
    held = {path.name: b"GCOL" in path.read_bytes() for path in tmp_path.iterdir()}
    assert held == {"acts.h5": False, "maps.h5": False, "counts.h5": False, "view.h5": True}


def test_a_bit_of_the_maps_of_top_images_does_not_turn_unnoticed(tmp_path):
    write_top_maps(tmp_path / "maps.h5", {"conv": np.arange(900, dtype=np.float16).reshape(9, 1, 10, 10)})
    data = bytearray((tmp_path / "maps.h5").read_bytes())
    data[data.index(np.arange(900, dtype=np.float16).tobytes()) + 500] ^= 1
    (tmp_path / "maps.h5").write_bytes(data)
    with open_top_maps(tmp_path / "maps.h5") as layers, pytest.raises(OSError, match="[Cc]hecksum|filter|[Rr]ead"):
        layers["conv"][:]


def test_text_comes_back_as_it_was_written(tmp_path):
    texts = np.array(["a", "", "bü\tß 漢", "x" * 300])
    attributes = {"format": "test", "long": [f"shard-{number:04d}" for number in range(20_000)], "words": 'quo"te ü\n'}
    for name in ("one.h5", "other.h5"):
        with writing_hdf5(tmp_path / name, attributes) as file:
            for place, values in {"texts": texts, "none": texts[:0], "number": np.array(4), "empty": np.zeros((3, 0))}.items():
                write_values(file, place, values)
    with open_hdf5(tmp_path / "one.h5", "test", "a file", ()) as (file, found):
        assert found == attributes
        assert file["texts"].asstr()[:].tolist() == texts.tolist() and file["none"].asstr()[:].tolist() == []
        assert file["number"][()] == 4 and file["empty"].shape == (3, 0)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "other.h5").read_bytes()


def test_bytes_do_not_depend_on_when_they_are_written(tmp_path):
    """Of HDF5 1.14 through h5py before 3.15 they do: groups, the file's own among them, have times, in whole seconds."""
    for name in ("early.h5", "late.h5"):
        with writing_hdf5(tmp_path / name, {"kind": "values"}) as file:
            write_values(file, "group/values", np.arange(6))
        time.sleep(1.1)
    assert (tmp_path / "early.h5").read_bytes() == (tmp_path / "late.h5").read_bytes()
