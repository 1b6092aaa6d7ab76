"""Pictures in Parquet files: listed, read in place by row, in any order, and what is refused."""

import io
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from robustlens import originals
from robustlens.errors import InputError
from robustlens.images import encode_png, read_shard, write_shard
from robustlens.originals import Originals
from robustlens.stimuli import packed
from robustlens.stimuli.sources import list_source

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def pictures(n_images, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n_images, 6, 8, 3), dtype=np.uint8)


def write(path, drawn, labels, row_group_size=3, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pa.array([{"bytes": encode_png(pixels), "path": "x.png"} for pixels in drawn], IMAGE)
    pq.write_table(pa.table({"image": image, "label": labels, **columns}), path, row_group_size=row_group_size)


def listed(root, n_images):
    return list_source({"kind": "parquet", "root": str(root), "n_images": n_images})


def refused(message, root, n_images=1):
    with pytest.raises(InputError, match=message):
        listed(root, n_images)


def test_a_folder_of_files_is_listed_and_read_in_place(tmp_path):
    drawn = pictures(15)
    write(tmp_path / "data/validation-1.parquet", drawn[8:], range(8, 15))
    write(tmp_path / "data/validation-0.parquet", drawn[:8], range(8))
    (tmp_path / "README.md").write_text("of the set")
    rows = listed(tmp_path, 15)
    assert rows["path"].iloc[[0, 7, 8]].tolist() == [f"data/validation-{part}.parquet#{row}" for part, row in [(0, 0), (0, 7), (1, 0)]]
    assert rows["image_id"].equals(rows["path"]) and rows["label"].tolist() == list(range(15)) and (rows["shape"] == -1).all()
    write_shard(tmp_path / "shard", rows.iloc[4:13].reset_index(drop=True), root=tmp_path, geometry={"crop": 4}, origin={})
    shard = read_shard(tmp_path / "shard")
    assert np.array_equal(shard.pixels(), drawn[4:13, 1:5, 2:6]) and np.array_equal(shard.pixels(3, 5), drawn[7:9, 1:5, 2:6])
    assert shard.rows["sha256"].nunique() == 9 and (tmp_path / "shard").stat().st_size < 10_000  # no picture is copied


def test_one_file_with_ids_and_cues(tmp_path):
    write(tmp_path / "a.parquet", pictures(2), [5, 6], image_id=["one", "two"], shape=pa.array([5, None]), texture=[7, 8])
    rows = listed(tmp_path / "a.parquet", 2)
    assert rows.to_numpy().tolist() == [["one", 5, 5, 7, "#0"], ["two", 6, -1, 8, "#1"]]
    write_shard(tmp_path / "shard", rows, root=tmp_path / "a.parquet", origin={})
    assert np.array_equal(read_shard(tmp_path / "shard").pixels(), pictures(2))


def test_pictures_that_are_named_only_lie_beside_the_file(tmp_path):
    (tmp_path / "set/images").mkdir(parents=True)
    Image.fromarray(pictures(1)[0]).save(tmp_path / "set/images/p.png")
    image = pa.array([{"bytes": None, "path": name} for name in ("images/p.png", "images/q.png", None)], IMAGE)
    pq.write_table(pa.table({"image": image, "label": [0, 1, 2]}), tmp_path / "set/a.parquet")
    rows = listed(tmp_path, 3)
    write_shard(tmp_path / "shard", rows[:1], root=tmp_path, origin={})
    assert np.array_equal(read_shard(tmp_path / "shard").pixels(), pictures(1))
    with pytest.raises(InputError, match=r"set/a\.parquet#1: expected a readable picture, got .*q\.png"):
        write_shard(tmp_path / "shard", rows[1:], root=tmp_path, origin={})
    with pytest.raises(InputError, match=r"set/a\.parquet#2: expected a picture in the column image, got none"):
        write_shard(tmp_path / "shard", rows[2:], root=tmp_path, origin={})


@pytest.mark.parametrize("row_group_size", [1, 7, 50, 1000])
def test_rows_are_found_in_any_order(tmp_path, monkeypatch, row_group_size):
    monkeypatch.setattr(originals, "BLOCK", 4)
    write(tmp_path / "a.parquet", pictures(100), range(100), row_group_size)
    write(tmp_path / "b.parquet", pictures(5, seed=1), range(5))
    kept = Originals(tmp_path)
    rng = np.random.default_rng(0)
    order = [*range(100), *range(99, -1, -9), *rng.permutation(100)[:30], 98, 0, 99, 4, 3, 5]
    for row in order:
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(kept.read(f"a.parquet#{row}")))), pictures(100)[row]), row
        if row == 50:
            assert kept.read("b.parquet#4") == encode_png(pictures(5, seed=1)[4])
    with pytest.raises(InputError, match=r"a\.parquet#100: expected a row below 100"):
        kept.read("a.parquet#100")


def test_each_block_is_read_once_in_order_and_two_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(originals, "BLOCK", 4)
    write(tmp_path / "a.parquet", pictures(40), range(40), row_group_size=20)
    kept, read = Originals(tmp_path), []
    group_of = originals._Blocks._group_of

    def counted(self, row):
        for start, block in group_of(self, row):
            read.append(start)
            yield start, block

    monkeypatch.setattr(originals._Blocks, "_group_of", counted)
    for row in range(40):
        kept.read(f"a.parquet#{row}")
        kept.read(f"a.parquet#{max(row - 3, 0)}")  # another thread is a little behind
        assert len(kept._blocks._kept) <= 2
    assert read == list(range(0, 40, 4))


def test_threads_share_the_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(originals, "BLOCK", 4)
    write(tmp_path / "a.parquet", pictures(60), range(60), row_group_size=25)
    kept, wrong = Originals(tmp_path), []

    def read(first):
        for row in range(first, 60, 3):
            if kept.read(f"a.parquet#{row}") != encode_png(pictures(60)[row]):
                wrong.append(row)

    threads = [threading.Thread(target=read, args=(first,)) for first in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_faulty_files_are_refused(tmp_path):
    refused("expected a Parquet file, or a folder that holds some, got none", tmp_path)
    refused("expected a Parquet file, or a folder that holds some, got none", tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_text("no table")
    refused(r"a\.parquet: expected a complete Parquet file", tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [b"x"], "label": [0]}, "expected a column image: struct<bytes: binary, path: string>, got binary"),
        ({"label": [0]}, "expected a column image: .* got no such column"),
        ({"image": pa.array([{"bytes": b"x"}])}, "expected a column label of whole numbers, got no such column"),
        ({"image": pa.array([{"bytes": b"x"}]), "label": ["cat"]}, "expected a column label of whole numbers, got string"),
        ({"image": pa.array([{"bytes": b"x"}]), "label": [-1]}, "expected a label from 0 in each row, got -1 in a.parquet#0"),
        ({"image": pa.array([{"bytes": b"x"}]), "label": pa.array([None], pa.int64())}, "expected a label from 0 in each row, got None"),
        ({"image": pa.array([{"bytes": b"x"}]), "label": [2**31]}, "expected a label from 0 in each row, got 2147483648 in a.parquet#0"),
        ({"image": pa.array([{"bytes": b"x"}]), "label": [0], "shape": [2**31]}, "class indices from 0, or -1, .* got 2147483648 in a.par"),
        ({"image": pa.array([{"bytes": b"x"}]), "label": [0], "texture": [-7]}, "class indices from 0, or -1, in shape and .* got -7 in"),
        ({"image": pa.array([{"bytes": "x"}]), "label": [0]}, "expected a column image: .* got string as bytes"),
        ({"image": pa.array([{"path": 7}]), "label": [0]}, "expected a column image: .* got int64 as path"),
        ({"image": pa.array([{"bytes": b"x"}]), "label": [0], "image_id": [7]}, "expected a column image_id of text, got int64"),
        ({"image": pa.array([{"bytes": b"x"}]), "label": [0], "texture": [0.5]}, "expected a column texture of whole numbers, got double"),
    ],
)
def test_faulty_columns_are_refused(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    refused(message, tmp_path)


@pytest.mark.parametrize("path", ["../private.png", "in/../../private.png", "{tmp_path}/private.png"])
def test_a_picture_elsewhere_on_the_machine_is_not_read(tmp_path, path):
    (tmp_path / "private.png").write_bytes(encode_png(pictures(1)[0]))
    (tmp_path / "set").mkdir()
    image = pa.array([{"bytes": None, "path": path.format(tmp_path=tmp_path)}], IMAGE)
    pq.write_table(pa.table({"image": image, "label": [0]}), tmp_path / "set/a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet#0: expected the name of a file below .*set, got .*private\.png"):
        Originals(tmp_path / "set").read("a.parquet#0")


def test_rows_are_counted_before_they_are_read(tmp_path, monkeypatch):
    """A file of a megabyte can hold a hundred million equal rows."""
    write(tmp_path / "a.parquet", pictures(2), [0, 1])
    monkeypatch.setattr(packed.pq, "ParquetFile", None)
    refused(r"expected 1 pictures, got 2", tmp_path, 1)


def test_faulty_ids_and_counts_are_refused(tmp_path):
    write(tmp_path / "a.parquet", pictures(2), [0, 1], image_id=["one", "one"])
    refused(r"one picture of the id one, got a\.parquet#0 and a\.parquet#1", tmp_path, 2)
    refused(r"expected 3 pictures, got 2", tmp_path, 3)
    write(tmp_path / "a.parquet", pictures(2), [0, 1], image_id=["one", None])
    refused(r"expected an image_id in each row, got none in a\.parquet#1", tmp_path, 2)
