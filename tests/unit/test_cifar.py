"""CIFAR-10 in each of its three layouts: listed, read in place by row, and what is refused."""

import io
import json
import pickle
import pickletools

import numpy as np
import pytest
from cifar_tree import FILES, planes, python2_pickle, write_tree
from PIL import Image
from torchvision.datasets import CIFAR10

from robustlens import cifar_files
from robustlens.errors import InputError
from robustlens.images import read_shard, write_shard
from robustlens.originals import Originals
from robustlens.stimuli.sources import list_source

LAYOUTS = ("py", "bin", "png")


def listed(root, n_images, split="test"):
    return list_source({"kind": "cifar", "root": str(root), "n_images": n_images, "split": split})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_and_labels_are_those_that_were_written(tmp_path, layout):
    made = write_tree(tmp_path, layout, 11)
    ending = {"py": "", "bin": ".bin", "png": ".png"}[layout]
    rows = listed(tmp_path, 55, "train")
    assert rows["image_id"].iloc[[0, 11, 54]].tolist() == ["cifar10-train-00000", "cifar10-train-00011", "cifar10-train-00054"]
    assert rows["path"].iloc[[0, 11, 54]].tolist() == [f"data_batch_{file}{ending}#{row}" for file, row in [(1, 0), (2, 0), (5, 10)]]
    assert rows["label"].tolist() == [label for name in FILES[:5] for label in made[name][1]]
    assert (rows[["shape", "texture"]] == -1).all(axis=None)
    write_shard(tmp_path / "shard", rows.iloc[9:14].reset_index(drop=True), root=tmp_path, geometry={"crop": 32}, origin={})
    expected = np.concatenate([made["data_batch_1"][0][9:], made["data_batch_2"][0][:3]])
    assert np.array_equal(read_shard(tmp_path / "shard").pixels(), expected)  # red stays red, rows stay rows


def test_the_three_layouts_give_the_same_set(tmp_path):
    found = []
    for layout in LAYOUTS:
        write_tree(tmp_path / layout, layout, 4)
        rows = listed(tmp_path / layout, 4)
        originals = Originals(tmp_path / layout)
        found.append((rows["image_id"].tolist(), rows["label"].tolist(), [originals.read(path) for path in rows["path"]]))
    assert found[0] == found[1] == found[2] and found[0][0][3] == "cifar10-test-00003"


def test_fewer_images_are_the_first_ones(tmp_path):
    write_tree(tmp_path, "bin", 6)
    whole = listed(tmp_path, 6)
    assert listed(tmp_path, 4).equals(whole.iloc[:4])
    with pytest.raises(InputError, match="expected 7 pictures, got 6"):
        listed(tmp_path, 7)


def test_one_file_is_open_at_a_time(tmp_path):
    made = write_tree(tmp_path, "bin", 3)
    originals = Originals(tmp_path)
    for name in ("data_batch_2", "test_batch", "data_batch_2"):
        assert originals.read(f"{name}.bin#1").endswith(made[name][0][1].tobytes())
        assert originals._blocks.file == tmp_path / f"{name}.bin"
    with pytest.raises(InputError, match=r"test_batch.bin#3: expected a row below 3, got 3"):
        originals.read("test_batch.bin#3")


def test_the_made_pickle_is_like_the_published_one():
    """Python 2's byte strings, which plain pickle reads as text by the name of latin1, and NumPy's three names."""
    data = python2_pickle({"labels": [1, 2], "data": np.arange(6, dtype=np.uint8).reshape(2, 3)})
    names = {code.name: argument for code, argument, _ in pickletools.genops(data) if code.name == "GLOBAL"}
    assert names == {"GLOBAL": "numpy dtype"} and b"cnumpy.core.multiarray\n_reconstruct\n" in data
    loaded = pickle.loads(data.replace(b"numpy.core.", b"numpy._core."), encoding="latin1")
    assert loaded["labels"] == [1, 2] and loaded["data"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path):
    write_tree(tmp_path, "py", 2)
    trace = tmp_path / "trace"

    class Trap:
        def __reduce__(self):
            return open, (str(trace), "w")

    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": Trap(), "labels": [0]}, 2))
    with pytest.raises(InputError, match=r"test_batch: expected a complete file of CIFAR-10, got .*open, which is no part of an array"):
        listed(tmp_path, 2)
    assert not trace.exists()


@pytest.mark.parametrize("content", [{"data": [1], "labels": [1]}, {"data": np.zeros((2, 9), np.uint8), "labels": [1, 2]}, {"labels": [1]}])
def test_a_pickle_of_something_else_is_refused(tmp_path, content):
    write_tree(tmp_path, "py", 2)
    (tmp_path / "test_batch").write_bytes(python2_pickle(content))
    with pytest.raises(InputError, match=r"data: uint8 \[n_images, 3072\]"):
        listed(tmp_path, 2)


def test_pickled_values_of_another_type_are_refused(tmp_path):
    made = write_tree(tmp_path, "py", 2)
    drawn, labels = made["test_batch"]
    (tmp_path / "test_batch").write_bytes(python2_pickle({"data": planes(drawn), "labels": labels}, "O8"))
    with pytest.raises(InputError, match="values of the type 'O8', where whole bytes belong"):
        listed(tmp_path, 2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_was_cut_short_is_refused(tmp_path, layout):
    write_tree(tmp_path, layout, 3)
    file = next(path for path in tmp_path.iterdir() if path.name.startswith("data_batch_4"))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="data_batch_4"):
        listed(tmp_path, 15, "train")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_missing_file_is_named(tmp_path, layout):
    write_tree(tmp_path, layout, 3)
    next(path for path in tmp_path.iterdir() if path.name.startswith("data_batch_4")).unlink()
    with pytest.raises(InputError, match="data_batch_4"):
        listed(tmp_path, 15, "train")


def test_a_label_beyond_the_classes_is_refused(tmp_path):
    made = write_tree(tmp_path, "bin", 3)
    records = np.column_stack([np.array([0, 10, 2], np.uint8), planes(made["test_batch"][0])])
    (tmp_path / "test_batch.bin").write_bytes(records.tobytes())
    with pytest.raises(InputError, match=r"test_batch.bin: expected labels from 0 to 9, got 10"):
        listed(tmp_path, 3)


@pytest.mark.parametrize(
    ("text", "message"), [("[0, 1]", "3 labels, one a picture, got 2"), ("{", "a JSON list of labels"), ("3", "got int")]
)
def test_labels_beside_the_pictures_must_fit(tmp_path, text, message):
    write_tree(tmp_path, "png", 3)
    (tmp_path / "test_lables.json").write_text(text)
    with pytest.raises(InputError, match=message):
        listed(tmp_path, 3)


def test_labels_that_are_no_numbers_are_refused(tmp_path):
    write_tree(tmp_path, "png", 2)
    (tmp_path / "test_lables.json").write_text(json.dumps(["cat", [1]]))
    with pytest.raises(InputError, match="labels from 0 to 9, got 'cat'"):
        listed(tmp_path, 2)


def test_a_picture_of_another_width_is_refused(tmp_path):
    write_tree(tmp_path, "png", 2)
    Image.new("RGB", (1000, 2)).save(tmp_path / "test_batch.png")
    with pytest.raises(InputError, match="1024 px wide, a picture a row, got RGB, 1000 px wide"):
        listed(tmp_path, 2)


def test_another_folder_and_another_split_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"test_batch \(cifar-10-batches-py\), test_batch.bin \(cifar-10-batches-bin\), test_batch.png"):
        listed(tmp_path, 1)
    with pytest.raises(InputError, match="cifar: split: expected train or test, got validation"):
        listed(tmp_path, 1, "validation")


@pytest.mark.filterwarnings("ignore:numpy.core is deprecated:DeprecationWarning")
@pytest.mark.parametrize("split", ["train", "test"])
def test_torchvision_reads_the_same(tmp_path, split):
    """Its reader of cifar-10-batches-py, without its checksums of the published files."""

    class Unchecked(CIFAR10):
        def _check_integrity(self) -> bool:
            return True

        def _load_meta(self) -> None:
            pass

    write_tree(tmp_path / "cifar-10-batches-py", "py", 3)
    theirs = Unchecked(tmp_path, train=split == "train")
    rows = listed(tmp_path / "cifar-10-batches-py", len(theirs), split)
    write_shard(tmp_path / "shard", rows, root=tmp_path / "cifar-10-batches-py", geometry={"crop": 32}, origin={})
    assert np.array_equal(read_shard(tmp_path / "shard").pixels(), theirs.data) and rows["label"].tolist() == theirs.targets


def test_an_array_of_bytes_takes_no_memory_that_a_pickle_only_claims():
    """Python's reader would fill it before it looks for the bytes."""
    made = cifar_files._Unpickler(io.BytesIO(b"\x80\x05\x96" + (8).to_bytes(8, "little") + b"12345678.")).load()
    assert type(made) is bytes
