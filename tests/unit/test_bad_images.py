"""Pictures of strangers: each fault ends in one sentence with the path, each odd but sound picture in the pixels that are written here."""

import io
import os
import re
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from robustlens import picture_files
from robustlens.broden import Broden
from robustlens.cifar_files import _read_sprite
from robustlens.corruptions.frost_pictures import read_pictures
from robustlens.errors import InputError
from robustlens.images import check_pictures, decode, read_manifest, read_shard, write_manifest, write_shard
from robustlens.mask_files import read_mask
from robustlens.stimuli.image_folder import list_image_folder
from robustlens.stimuli.paintings import read_painting


def encoded(mode: str, colour: object, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (16, 16), colour).save(buffer, kind, **options)
    return buffer.getvalue()


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("RGB", (10, 20, 30), exif=exif)


def palette() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (9, 8, 7)).quantize(2).save(buffer, "PNG")
    return buffer.getvalue()


def animated() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(buffer, "PNG", save_all=True, append_images=[Image.new("RGB", (16, 16), "blue")])
    return buffer.getvalue()


def claims_size(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is of that size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + struct.pack(">I", 9) + b"IDAT"


def index(tmp_path, name: str, data: bytes):
    """A shard of one picture, read as the rule index_images reads it."""
    path = tmp_path / "root/cat" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    rows = list_image_folder(tmp_path / "root", 1)
    write_manifest(tmp_path / "manifest.parquet", rows)
    write_shard(tmp_path / "shard.parquet", read_manifest(tmp_path / "manifest.parquet"), root=tmp_path / "root", origin={})
    check_pictures(tmp_path / "shard.parquet")
    return read_shard(tmp_path / "shard.parquet")


JPEG = encoded("RGB", (200, 100, 50), "JPEG")
BROKEN = {
    "zero bytes": b"",
    "no image": b"#!/bin/sh\necho hello\n",
    "a page": b"<html><body>404</body></html>",
    "cut in the header": JPEG[:10],
    "cut in the pixels": encoded("RGB", "red", "BMP")[:-100],
    "a PNG cut short": encoded("RGB", "red")[:50],
    "a bomb": claims_size(60_000, 60_000),
    "no width": claims_size(0, 5),
    "a wrong checksum": encoded("RGB", "red").replace(b"IDAT", b"IDAX"),
    "floats": encoded("F", 0.5, "TIFF"),
    "32 bits": encoded("I", 1 << 20, "TIFF"),
    "32 bits that hold small numbers": encoded("I", 200, "TIFF"),  # whose high byte is black
    "a program in PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n",
}
SOUND = {
    "CMYK in a JPEG": (encoded("CMYK", (0, 255, 255, 0), "JPEG"), (255, 0, 0)),
    "CMYK": (encoded("CMYK", (0, 255, 255, 0), "TIFF"), (255, 0, 0)),
    "16 bits": (encoded("I;16", 0x40FF), (64, 64, 64)),
    "grey": (encoded("L", 77), (77, 77, 77)),
    "black and white": (encoded("1", 1), (255, 255, 255)),
    "palette": (palette(), (9, 8, 7)),
    "animated": (animated(), (255, 0, 0)),
    "transparent": (encoded("RGBA", (0, 0, 0, 0)), (255, 255, 255)),
    "opaque RGBA": (encoded("RGBA", (1, 2, 3, 255)), (1, 2, 3)),
    "turned by EXIF": (rotated(), (10, 20, 30)),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_picture_that_cannot_be_read_is_one_sentence_with_its_path(tmp_path, fault):
    with pytest.raises(InputError, match=r"root/cat/x\.png: expected a (readable )?picture") as caught:
        index(tmp_path, "x.png", BROKEN[fault])
    assert "\n" not in str(caught.value) and not (tmp_path / "shard.parquet").exists()


def test_no_picture_starts_another_program(tmp_path, monkeypatch):
    """Pillow hands PostScript to Ghostscript, whatever the name of the file is."""
    trap = tmp_path / "gs"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/it-ran\n")
    trap.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(InputError, match="bytes that begin like no picture"):
        decode(BROKEN["a program in PostScript"])
    assert not (tmp_path / "it-ran").exists()


def test_image_files_are_opened_in_one_place():
    library = Path(picture_files.__file__).parents[1]
    opens = re.compile(r"Image\.open\(|import .*\bopen as\b|from PIL.Image import|cv2\.imread|imageio|read_image\(|decode_(jpeg|png|image)")
    assert [path.name for path in library.rglob("*.py") if opens.search(path.read_text())] == ["picture_files.py"]


def described(n_bytes: int, chunk: bytes = b"zTXt") -> bytes:
    """A sound PNG with a description, or a colour profile (``iCCP``), of so many bytes, of which the file has a thousandth."""
    whole = encoded("RGB", (200, 100, 50))
    data = chunk + b"Description\0\0" + zlib.compress(bytes(n_bytes))
    end = whole.index(b"IDAT") - 4
    return whole[:end] + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data)) + whole[end:]


DOORS = {  # whatever reads an image file of a user's, by the path
    "source": lambda path: decode(path.read_bytes(), path),
    "style image": lambda path: read_painting(path, 8, 8),
    "mask": lambda path: read_mask(path, [200]),
    "frost": lambda path: read_pictures(path.parent),
    "CIFAR-10": lambda path: _read_sprite(path),
    "label of Broden": lambda path: read_plane(path),
}


def read_plane(path: Path):
    return Broden._plane(SimpleNamespace(_check_numbers=lambda where, numbers: None), path, (16, 16))


@pytest.mark.parametrize("chunk", [b"zTXt", b"iCCP"])
@pytest.mark.parametrize("door", DOORS)
def test_a_description_that_inflates_is_refused_with_the_path_at_every_door(tmp_path, door, chunk):
    """80 MB from 80 KB. One of 2 MB, which Pillow refuses unless it is told otherwise, is read."""
    for number in range(1, 6):
        (tmp_path / f"frost{number}.png").write_bytes(described(80_000_000, chunk))
    with pytest.raises(InputError, match=r"frost1\.png: expected .*, got .*(MAX_TEXT|too large|Decompressed)"):
        DOORS[door](tmp_path / "frost1.png")
    if door in ("source", "style image"):
        (tmp_path / "frost1.png").write_bytes(described(2_000_000, chunk))
        assert DOORS[door](tmp_path / "frost1.png") is not None


def test_a_large_image_is_read_without_a_warning():
    """Warnings are errors here. Pillow's, from 89 million pixels on, names no file."""
    with picture_files.opened_picture(claims_size(13_000, 13_000), "large") as image:
        assert image.size == (13_000, 13_000)
    with pytest.raises(InputError, match="large: expected a readable picture of at most 178,956,970 px, got 13,378 x 13,378 px"):
        decode(claims_size(13_378, 13_378), "large")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "data", [b"no image", encoded("RGB", (1, 2, 3))[:60], claims_size(40_000, 40_000), None], ids=["text", "cut", "bomb", "pipe"]
)
def test_every_door_names_the_path(tmp_path, door, data):
    for number in range(1, 6):
        if data is None and number == 1 and door != "source":  # whose files are read by robustlens.originals
            os.mkfifo(tmp_path / "frost1.png")
        else:
            (tmp_path / f"frost{number}.png").write_bytes(data or b"")
    with pytest.raises(InputError, match=r"frost1\.png: expected "):
        DOORS[door](tmp_path / "frost1.png")


@pytest.mark.parametrize("fault", ["a pipe", "a device", "too large"])
def test_what_has_no_end_is_not_read(tmp_path, fault):
    path = tmp_path / "root/cat/x.png"
    path.parent.mkdir(parents=True)
    if fault == "a pipe":
        os.mkfifo(path)
    elif fault == "a device":
        path.symlink_to("/dev/zero")
    else:
        with open(path, "wb") as file:
            file.truncate(2**31 + 1)  # takes no room
    said = "at most 2,147,483,648 bytes, got 2,147,483,649" if fault == "too large" else "got a pipe, socket or device"
    rows = list_image_folder(tmp_path / "root", 1)
    with pytest.raises(InputError, match=rf"cat/x\.png: expected a readable picture.*{said}"):
        write_shard(tmp_path / "shard.parquet", rows, root=tmp_path / "root", origin={})


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM"])
def test_a_file_cut_anywhere_or_with_bytes_turned_raises_nothing_but_the_sentence(tmp_path, kind):
    whole, rng = encoded("RGB", (200, 100, 50), kind), np.random.default_rng(0)
    for cut in range(0, len(whole), max(1, len(whole) // 40)):
        turned = bytearray(whole)
        turned[rng.integers(len(whole))] ^= 0xFF
        for data in (whole[:cut], bytes(turned)):
            try:
                decode(data, "x")
            except InputError as error:
                assert str(error).startswith("x: expected a ")


@pytest.mark.parametrize("name", SOUND)
def test_an_odd_picture_is_read_as_is_written_here(tmp_path, name):
    data, colour = SOUND[name]
    pixels = index(tmp_path, "x.png", data).pixels()
    assert pixels.shape == (1, 16, 16, 3) and (pixels == colour).all()


def test_a_picture_of_one_pixel_is_read_and_refused_by_a_crop(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1), "blue").save(buffer, "PNG")
    shard = index(tmp_path, "x.png", buffer.getvalue())
    assert shard.pixels().tolist() == [[[[0, 0, 255]]]]
    with pytest.raises(InputError, match=r"x\.png: expected at least 2 x 2 px"):
        shard.geometry = {"crop": 2}
        shard.pixels()


def test_a_strip_that_would_be_gigantic_when_resized_is_refused(tmp_path):
    """200 bytes that would take 12 GB."""
    buffer = io.BytesIO()
    Image.new("1", (1, 60_000)).save(buffer, "PNG")
    shard = index(tmp_path, "x.png", buffer.getvalue())
    shard.geometry = {"resize": 256, "crop": 224}
    with pytest.raises(InputError, match=r"x\.png: expected at most 178,956,970 px when it is resized to 256 px, got 256 x 15,360,000 px"):
        shard.pixels()


@pytest.mark.parametrize(
    "name", ["a b.png", 'it\'s "x".png', "né 猫.png", "two\nlines.png", "-rf.png", "{source}.png", "a#3.png", "%41;$(x).png"]
)
def test_odd_names_are_kept_to_the_letter(tmp_path, name):
    shard = index(tmp_path, name, encoded("RGB", "red"))
    assert shard.rows["image_id"].tolist() == [f"cat/{name}"] and shard.pixels().shape == (1, 16, 16, 3)


@pytest.mark.parametrize("target", [".", "..", "../..", "../dog"])
def test_a_loop_of_links_is_refused(tmp_path, target):
    for name, link in (("cat", target), ("dog", "../cat")):
        (tmp_path / "root" / name).mkdir(parents=True)
        (tmp_path / "root" / name / "x.png").write_bytes(JPEG)
        os.symlink(link, tmp_path / "root" / name / "loop")
    with pytest.raises(InputError, match=r"expected folders that end, got a link back to .*"):
        list_image_folder(tmp_path / "root", 2)


def test_a_link_to_nothing_is_refused(tmp_path):
    (tmp_path / "root/cat").mkdir(parents=True)
    os.symlink("nowhere.png", tmp_path / "root/cat/x.png")
    rows = list_image_folder(tmp_path / "root", 1)
    with pytest.raises(InputError, match=r"cat/x\.png: expected a readable picture"):
        write_shard(tmp_path / "shard.parquet", rows, root=tmp_path / "root", origin={})


def test_a_class_index_beyond_any_network_is_refused(tmp_path):
    (tmp_path / "99999999999").mkdir()
    (tmp_path / "99999999999/x.png").write_bytes(JPEG)
    with pytest.raises(InputError, match="99999999999: expected a class index below 2147483648"):
        list_image_folder(tmp_path, 1, labels="number")
