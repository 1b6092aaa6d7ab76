"""Manifests and image shards: what is written is read back, and what is refused."""

import hashlib
import io
import json
import threading

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from robustlens import images
from robustlens.errors import InputError
from robustlens.images import (
    apply_geometry,
    count_rows,
    encode_png,
    read_manifest,
    read_shard,
    shard_rows,
    to_rgb,
    write_manifest,
    write_parquet,
    write_shard,
)


def manifest(n_images, paths=None):
    ids = [f"x-{i}" for i in range(n_images)]
    return pd.DataFrame({"image_id": ids, "label": range(n_images), "shape": 1, "texture": -1, "path": paths or ""})


def pictures(n_images, height=6, width=8):
    return np.random.default_rng(0).integers(0, 256, (n_images, height, width, 3), dtype=np.uint8)


def test_a_manifest_is_read_back(tmp_path):
    write_manifest(tmp_path / "m.parquet", manifest(5))
    rows = read_manifest(tmp_path / "m.parquet")
    assert rows["image_id"].tolist() == [f"x-{i}" for i in range(5)] and str(rows["label"].dtype) == "int32"
    assert shard_rows(rows, 1, 2)["image_id"].tolist() == ["x-2", "x-3"] and shard_rows(rows, 2, 2)["image_id"].tolist() == ["x-4"]


def test_an_empty_manifest_is_read_back(tmp_path):
    write_manifest(tmp_path / "m.parquet", manifest(0))
    assert len(read_manifest(tmp_path / "m.parquet")) == 0


def test_faulty_manifests_are_refused(tmp_path):
    with pytest.raises(InputError, match="every image_id once, got 'x-0'"):
        write_manifest(tmp_path / "m.parquet", pd.concat([manifest(1), manifest(1)]))
    write_parquet(tmp_path / "t.parquet", manifest(1).drop(columns="path"))
    with pytest.raises(InputError, match="no path"):
        read_manifest(tmp_path / "t.parquet")
    (tmp_path / "n.parquet").write_text("no table")
    for read in (read_manifest, count_rows):
        with pytest.raises(InputError, match="a complete Parquet file, .*; delete it and run again"):
            read(tmp_path / "n.parquet")


def test_a_shard_of_encoded_pictures_is_read_back(tmp_path):
    drawn, mask = pictures(3), np.full((6, 8), 255, np.uint8)
    write_shard(tmp_path / "s.parquet", manifest(3), pixels=iter(drawn), masks=[mask, None, mask // 2], origin={"kind": "test"})
    shard = read_shard(tmp_path / "s.parquet")
    assert len(shard) == 3 and shard.origin == {"kind": "test"} and shard.rows["image_id"].tolist() == ["x-0", "x-1", "x-2"]
    assert np.array_equal(shard.pixels(), drawn) and np.array_equal(shard.pixels(1, 2), drawn[1:2])
    assert shard.mask(1) is None and np.array_equal(shard.mask(0), mask) and shard.mask(2).max() == 127
    assert [(rows.start, rows.stop, batch.shape[0]) for rows, batch in shard.batches(2)] == [(0, 2, 2), (2, 3, 1)]
    assert shard.rows["sha256"].iloc[0] == hashlib.sha256(encode_png(drawn[0])).hexdigest()


def test_columns_are_those_that_datasets_libraries_read(tmp_path):
    write_shard(tmp_path / "s.parquet", manifest(1), pixels=iter(pictures(1)), origin={})
    table = pq.read_table(tmp_path / "s.parquet")
    picture = table["image"][0].as_py()
    assert picture["path"] is None and Image.open(io.BytesIO(picture["bytes"])).size == (8, 6)
    assert json.loads(table.schema.metadata[b"robustlens"]) == {"geometry": None, "origin": {}, "root": None}


def test_adversarial_shards_carry_their_norms(tmp_path):
    rows = manifest(2).assign(l2=[1.5, 2.0], linf=[0.1, 0.2])
    write_shard(tmp_path / "s.parquet", rows, pixels=iter(pictures(2)), origin={})
    assert read_shard(tmp_path / "s.parquet").rows["l2"].tolist() == [1.5, 2.0]


def test_pictures_in_place_are_read_with_their_geometry(tmp_path):
    Image.fromarray(np.full((30, 60, 3), 9, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((50, 40), 200, np.uint8)).save(tmp_path / "b.png")  # grey: read as RGB
    rows = manifest(2, ["a.png", "b.png"])
    write_shard(tmp_path / "s.parquet", rows, root=tmp_path, geometry={"resize": 20, "crop": 16}, origin={})
    shard = read_shard(tmp_path / "s.parquet")
    assert shard.pixels().shape == (2, 16, 16, 3) and shard.pixels()[:, 0, 0].tolist() == [[9] * 3, [200] * 3]
    assert shard.rows["sha256"].iloc[0] == hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()


def test_faulty_pictures_are_refused(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    write_shard(tmp_path / "s.parquet", manifest(1, ["a.png"]), root=tmp_path, origin={})
    with pytest.raises(InputError, match=r"a\.png: expected a readable picture"):
        read_shard(tmp_path / "s.parquet").pixels()
    sizes = iter([pictures(1)[0], pictures(1, 8, 8)[0]])
    write_shard(tmp_path / "s.parquet", manifest(2), pixels=sizes, origin={})
    with pytest.raises(InputError, match="pictures of one size"):
        read_shard(tmp_path / "s.parquet").pixels()
    with pytest.raises(InputError, match="expected 2 pictures, got 1"):
        write_shard(tmp_path / "s.parquet", manifest(2), pixels=iter(pictures(1)), origin={})
    write_parquet(tmp_path / "m.parquet", manifest(1))
    with pytest.raises(InputError, match="no image, mask, sha256"):
        read_shard(tmp_path / "m.parquet")


# ----------------------------------------------------------------------------------------------------------------- decoding ahead
@pytest.fixture
def shard(tmp_path):
    write_shard(tmp_path / "s.parquet", manifest(23), pixels=iter(pictures(23)), origin={})
    assert count_rows(tmp_path / "s.parquet") == 23
    return read_shard(tmp_path / "s.parquet")


@pytest.mark.parametrize("decoders", [1, 3])
@pytest.mark.parametrize("n_images", [None, 0, 1, 5, 6, 22, 99])
def test_batches_are_the_pictures_in_order(shard, monkeypatch, decoders, n_images):
    monkeypatch.setattr(images, "decoders", decoders)
    n_expected = 23 if n_images is None else min(n_images, 23)
    batches = list(shard.batches(5, n_images))
    assert [rows for rows, _ in batches] == [slice(start, min(start + 5, n_expected)) for start in range(0, n_expected, 5)]
    for rows, pixels in batches:
        assert np.array_equal(pixels, pictures(23)[rows])


@pytest.mark.parametrize(("decoders", "ahead"), [(1, 0), (2, 5)])
def test_one_batch_is_decoded_ahead_and_no_more(shard, monkeypatch, decoders, ahead):
    monkeypatch.setattr(images, "decoders", decoders)
    decoded, picture, done = [], type(shard)._picture, threading.Semaphore(0)

    def counted(self, row):
        decoded.append(row)
        done.release()
        return picture(self, row)

    monkeypatch.setattr(type(shard), "_picture", counted)
    for number, (rows, _) in enumerate(shard.batches(5)):
        last = min(rows.stop + ahead, 23)
        while sum(1 for row in decoded if row < last) < last:
            assert done.acquire(timeout=10)  # it goes on while this batch is in use
        assert sorted(decoded) == list(range(last))
        if number == 2:
            break  # nobody needs the others


@pytest.mark.parametrize("decoders", [1, 4])
def test_the_first_faulty_picture_is_named_after_the_batches_before_it(tmp_path, monkeypatch, decoders):
    monkeypatch.setattr(images, "decoders", decoders)
    for number in range(12):
        (tmp_path / f"{number}.png").write_bytes(b"no picture" if number in (6, 7, 11) else encode_png(pictures(1)[0]))
    write_shard(tmp_path / "s.parquet", manifest(12, [f"{n}.png" for n in range(12)]), root=tmp_path, origin={})
    seen = []
    with pytest.raises(InputError, match=r"/6\.png: expected a readable picture"):
        for rows, _ in read_shard(tmp_path / "s.parquet").batches(4):
            seen.append(rows.start)
    assert seen == [0]
    assert len(list(read_shard(tmp_path / "s.parquet").batches(4, 6))) == 2  # what is not needed is not read


@pytest.mark.parametrize(("size", "resized"), [((500, 375), (341, 256)), ((375, 500), (256, 341)), ((300, 300), (256, 256))])
def test_geometry_resizes_the_shorter_side_and_crops_the_centre(size, resized):
    width, height = size
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.linspace(0, 255, width), np.linspace(0, 255, height)[:, None]
    made = np.asarray(apply_geometry(Image.fromarray(ramp), {"resize": 256, "crop": 224}))
    assert made.shape == (224, 224, 3)
    assert made[112, 112, :2].astype(int) == pytest.approx([127, 127], abs=2)  # the centre stays the centre
    slope = (int(made[0, 223, 0]) - int(made[0, 0, 0])) / 223
    assert slope == pytest.approx(255 / resized[0], rel=0.02)


def test_geometry_without_resize_crops_alone():
    pixels = pictures(1, 9, 12)[0]
    made = np.asarray(apply_geometry(Image.fromarray(pixels), {"crop": 6}))
    assert np.array_equal(made, pixels[2:8, 3:9])  # (9 - 6) / 2 = 1.5 is rounded to the even 2, as torchvision does
    assert np.array_equal(np.asarray(apply_geometry(Image.fromarray(pixels[:8, :8]), {"crop": 8})), pixels[:8, :8])


@pytest.mark.parametrize(("geometry", "got"), [({"crop": 224}, "224 x 223 px"), ({"resize": 200, "crop": 224}, "200 x 200 px")])
def test_a_picture_smaller_than_the_crop_is_named(tmp_path, geometry, got):
    Image.new("RGB", (224, 224 if "resize" in geometry else 223)).save(tmp_path / "a.png")
    write_shard(tmp_path / "s.parquet", manifest(1, ["a.png"]), root=tmp_path, geometry=geometry, origin={})
    with pytest.raises(InputError, match=rf"a\.png: expected at least 224 x 224 px, the side of the crop, got {got}"):
        read_shard(tmp_path / "s.parquet").pixels()


def test_bytes_are_stored_as_they_are(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(pictures(1, 16, 16)[0]).save(buffer, "JPEG", quality=85)
    write_shard(tmp_path / "s.parquet", manifest(2), pixels=iter([buffer.getvalue(), pictures(1, 16, 16)[0]]), origin={})
    shard = read_shard(tmp_path / "s.parquet")
    assert pq.read_table(tmp_path / "s.parquet")["image"][0]["bytes"].as_py() == buffer.getvalue()
    assert shard.rows["sha256"].iloc[0] == hashlib.sha256(buffer.getvalue()).hexdigest()
    decoded = np.asarray(Image.open(buffer))
    assert np.array_equal(shard.pixels(), [decoded, pictures(1, 16, 16)[0]]) and not np.array_equal(decoded, pictures(1, 16, 16)[0])


# ------------------------------------------------------------------------------------------------------------------ kinds of pictures
def stored(tmp_path, picture, name="a.png", **options):
    """The pixels as the reader of shards sees a picture that was saved."""
    picture.save(tmp_path / name, **options)
    write_shard(tmp_path / "s.parquet", manifest(1, [name]), root=tmp_path, origin={})
    return read_shard(tmp_path / "s.parquet").pixels()[0].tolist()


def test_transparency_is_laid_on_white(tmp_path):
    black_ink_in_alpha = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [200, 100, 0, 51]]], np.uint8)
    on_white = [[255] * 3, [0] * 3, [244, 224, 204]]  # 51 / 255 = a fifth of the colour: 0.2 c + 0.8 * 255
    assert stored(tmp_path, Image.fromarray(black_ink_in_alpha)) == [on_white]
    grey = Image.fromarray(np.array([[[0, 0], [0, 255], [100, 51]]], np.uint8), "LA")
    assert stored(tmp_path, grey) == [[[255] * 3, [0] * 3, [224] * 3]]
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    palette.putpalette([10, 20, 30, 0, 0, 0, 200, 100, 0])
    assert stored(tmp_path, palette) == [[[10, 20, 30], [0] * 3, [200, 100, 0]]]
    assert stored(tmp_path, palette, transparency=1) == [[[10, 20, 30], [255] * 3, [200, 100, 0]]]  # one colour is transparent
    assert stored(tmp_path, palette, transparency=bytes([255, 0, 51])) == [[[10, 20, 30], [255] * 3, [244, 224, 204]]]  # an alpha a colour
    flat = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    assert stored(tmp_path, flat, transparency=(1, 2, 3)) == [[[255] * 3, [4, 5, 6]]]
    assert stored(tmp_path, Image.fromarray(np.array([[7, 8]], np.uint8)), transparency=7) == [[[255] * 3, [8] * 3]]


def test_opaque_pictures_keep_their_colours(tmp_path):
    pixels = pictures(1)[0]
    opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    assert stored(tmp_path, Image.fromarray(opaque)) == pixels.tolist() == stored(tmp_path, Image.fromarray(pixels))


def test_ink_and_grey_and_black_and_white_become_rgb(tmp_path):
    inks = Image.new("CMYK", (8, 8), (255, 0, 0, 0))  # all cyan: no red
    assert stored(tmp_path, inks, "a.tif")[0][0] == [0, 255, 255]
    (red, green, blue), *_ = stored(tmp_path, inks, "a.jpg", quality=95)[0]
    assert red < 8 and green > 247 and blue > 247
    assert stored(tmp_path, Image.new("L", (1, 1), 77)) == [[[77] * 3]] and stored(tmp_path, Image.new("1", (1, 1), 1)) == [[[255] * 3]]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_of_sixteen_bits_the_high_byte_is_kept(tmp_path, name):
    deep = np.array([[0, 255, 256, 0x1234, 0xFFFF]], np.uint16)
    assert stored(tmp_path, Image.fromarray(deep), name) == [[[0] * 3, [0] * 3, [1] * 3, [0x12] * 3, [255] * 3]]


@pytest.mark.parametrize(("values", "got"), [(np.float32([[0.5, 0.25]]), "mode F .*up to 0.5"), (np.int32([[0, 65536]]), "mode I .*65536")])
def test_other_numbers_are_refused(tmp_path, values, got):
    with pytest.raises(InputError, match=rf"a\.tif: expected a picture of 8 or 16 bits a channel, got {got}"):
        stored(tmp_path, Image.fromarray(values), "a.tif")


def test_the_orientation_of_a_camera_is_not_applied(tmp_path):
    notes = Image.Exif()
    notes[0x0112] = 6  # to be shown turned by 90 degrees
    Image.fromarray(np.zeros((8, 16, 3), np.uint8)).save(tmp_path / "a.jpg", exif=notes)
    with Image.open(tmp_path / "a.jpg") as picture:
        assert picture.getexif()[0x0112] == 6 and to_rgb(picture).size == (16, 8)


def test_a_picture_that_is_gone_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png: expected a readable picture, got .*No such file"):
        write_shard(tmp_path / "s.parquet", manifest(1, ["gone.png"]), root=tmp_path, origin={})


def test_a_column_of_another_type_is_refused_with_both(tmp_path):
    write_manifest(tmp_path / "m.parquet", manifest(3))
    table = pq.read_table(tmp_path / "m.parquet")
    write_parquet(tmp_path / "m.parquet", table.set_column(2, "shape", [["round"] * 3]))
    with pytest.raises(InputError, match="m.parquet: expected int32 in the column shape, got string; delete it and run again"):
        read_manifest(tmp_path / "m.parquet")


def test_another_picture_than_was_listed_is_refused(tmp_path):
    for number, pixels in enumerate(pictures(2)):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    rows = manifest(2, ["0.png", "1.png"])
    write_shard(tmp_path / "s.parquet", rows, root=tmp_path, geometry={"crop": 6}, origin={})
    shard = read_shard(tmp_path / "s.parquet")
    assert shard.pixels().shape == (2, 6, 6, 3)
    Image.fromarray(pictures(2)[0][::-1]).save(tmp_path / "1.png")  # as sound as the former one
    with pytest.raises(InputError, match="1.png: expected the picture that was listed, sha256 .*; restore it, or delete .*s.parquet"):
        shard.pixels()
