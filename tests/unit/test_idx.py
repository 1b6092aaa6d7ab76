"""Pictures in idx files: listed, read in place by row, grey as RGB, and what is refused."""

import gzip
import tracemalloc

import numpy as np
import pytest

from robustlens.errors import InputError
from robustlens.idx_files import read_idx
from robustlens.images import read_shard, write_shard
from robustlens.stimuli.sources import list_source

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 6), dtype=np.uint8)
LABELS = np.array([7, 2, 1, 0, 4], np.uint8)


def idx(values):
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def write(folder, prefix="t10k", dash="-", pack=False, pixels=PIXELS, labels=LABELS):
    for kind, values in (("images", pixels), ("labels", labels)):
        data, ending = idx(values), ".gz" if pack else ""
        (folder / f"{prefix}-{kind}{dash}idx{values.ndim}-ubyte{ending}").write_bytes(gzip.compress(data) if pack else data)


def listed(root, n_images=5, split="test"):
    return list_source({"kind": "idx", "root": str(root), "n_images": n_images, "split": split})


def refused(message, *args, **kwargs):
    with pytest.raises(InputError, match=message):
        listed(*args, **kwargs)


def test_a_file_written_by_hand(tmp_path):
    """Two pictures of 1 x 2 px, byte by byte as the format's description says."""
    (tmp_path / "x").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40]))
    assert read_idx(tmp_path / "x", 3).tolist() == [[[10, 20]], [[30, 40]]]


@pytest.mark.parametrize("dash", ["-", "."])
@pytest.mark.parametrize("pack", [False, True])
def test_pictures_are_listed_and_read_in_place(tmp_path, dash, pack):
    write(tmp_path, dash=dash, pack=pack)
    rows = listed(tmp_path)
    assert rows["image_id"].tolist() == [f"idx-test-0000{row}" for row in range(5)] and rows["label"].tolist() == LABELS.tolist()
    assert rows["path"].iloc[3] == f"t10k-images{dash}idx3-ubyte{'.gz' if pack else ''}#3"
    write_shard(tmp_path / "shard", rows.iloc[[4, 1]].reset_index(drop=True), root=tmp_path, geometry={"crop": 4}, origin={})
    pixels = read_shard(tmp_path / "shard").pixels()
    assert np.array_equal(pixels, np.repeat(PIXELS[[4, 1], :, 1:5, None], 3, axis=3))  # grey: the three channels are equal


def test_splits_and_the_first_images(tmp_path):
    write(tmp_path)
    write(tmp_path, prefix="train", pixels=PIXELS[::-1], labels=LABELS[::-1])
    rows = listed(tmp_path, n_images=2, split="train")
    assert rows[["image_id", "label", "path"]].to_numpy().tolist() == [
        ["idx-train-00000", 4, "train-images-idx3-ubyte#0"],
        ["idx-train-00001", 0, "train-images-idx3-ubyte#1"],
    ]
    refused("expected 6 pictures, got 5", tmp_path, n_images=6)
    refused("idx: split: expected train or test, got validation", tmp_path, split="validation")


def test_faulty_files_are_refused(tmp_path):
    refused("expected a folder that holds one of t10k-images-idx3-ubyte, .*, got none of them", tmp_path)
    write(tmp_path, labels=LABELS[:4])
    refused("t10k-labels-idx1-ubyte: expected 5 labels, one for each picture of t10k-images-idx3-ubyte, got 4", tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(PIXELS)[:-1])
    refused(r"expected 136 bytes for the shape \[5, 4, 6\], got 135", tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(LABELS))
    refused(r"expected an idx file of bytes with 3 axes \(00000803\), got 00000801", tmp_path)
    for data, found in ((b"", "an empty file"), (bytes([0, 0, 8, 3, 0]), "5")):
        (tmp_path / "t10k-images-idx3-ubyte").write_bytes(data)
        refused(f"got {found}$", tmp_path)


@pytest.mark.parametrize("keep", [3, -6])
def test_a_packed_file_that_was_cut_short(tmp_path, keep):
    write(tmp_path, pack=True)
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:keep])
    refused("t10k-images-idx3-ubyte.gz: expected a complete idx file", tmp_path)


def test_a_row_that_is_not_there(tmp_path):
    write(tmp_path)
    rows = listed(tmp_path).assign(path="t10k-images-idx3-ubyte#5")
    with pytest.raises(InputError, match="t10k-images-idx3-ubyte#5: expected a row below 5, got 5"):
        write_shard(tmp_path / "shard", rows, root=tmp_path, origin={})


def test_a_file_that_inflates_beyond_its_shape_is_read_no_further(tmp_path):
    """200 MB of zeros in 200 KB, behind a header of five pictures."""
    with gzip.open(tmp_path / "t10k-images-idx3-ubyte.gz", "wb") as file:
        file.write(idx(PIXELS))
        for _ in range(200):
            file.write(bytes(1_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"expected 136 bytes for the shape \[5, 4, 6\], got 137 or more"):
            read_idx(tmp_path / "t10k-images-idx3-ubyte.gz", 3)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
