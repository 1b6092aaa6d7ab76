"""Pictures that cannot be read are excluded with their fault; where the machine fails, or none is left, the study stops."""

import errno
from pathlib import Path

import pytest
from PIL import Image

import index_images
from robustlens.errors import InputError
from robustlens.images import read_manifest, read_table
from robustlens.originals import Originals
from sift_images import main
from tabulate_exclusions import main as tabulate

BAD = {"cat/b.png": b"", "dog/c.png": b"GIF, or so", "dog/e.png": None}


@pytest.fixture
def faulty(folder):
    """The source with an empty picture, one that is none, one smaller than the crop, a link to nothing, and two sound ones."""
    root = Path(folder["root"])
    for name, content in BAD.items():
        if content is not None:
            (root / name).write_bytes(content)
    (root / "dog/e.png").symlink_to(root / "nowhere.png")
    Image.new("RGB", (200, 20)).save(root / "dog/d.png")
    Image.new("RGB", (90, 90)).save(root / "dog/f.png")
    return folder | {"n_images": 6, "geometry": {"crop": 32}}


@pytest.fixture
def sift(tmp_path):
    def run(source: dict) -> tuple[list[str], dict[str, str]]:
        main(str(tmp_path / "manifest.parquet"), str(tmp_path / "excluded.parquet"), source=source)
        bad = read_table(tmp_path / "excluded.parquet").to_pandas()
        return read_manifest(tmp_path / "manifest.parquet")["path"].tolist(), dict(zip(bad["path"], bad["fault"], strict=True))

    return run


def test_bad_pictures_are_listed_with_their_fault_and_the_others_keep_their_order(faulty, sift):
    sound, bad = sift(faulty)
    assert sound == ["cat/a.png", "dog/f.png"]
    assert list(bad) == ["cat/b.png", "dog/c.png", "dog/d.png", "dog/e.png"]
    assert bad["dog/d.png"] == "expected at least 32 x 32 px, the side of the crop, got 200 x 20 px; correct `geometry` of the source"
    assert all(fault.startswith("expected a readable picture, got ") for path, fault in bad.items() if path != "dog/d.png")


def test_sound_pictures_are_all_there(folder, sift):
    assert sift(folder) == (["cat/a.png", "cat/b.png", "dog/c.png"], {})


def test_the_count_of_a_source_is_with_its_bad_pictures(faulty, sift):
    with pytest.raises(InputError, match="expected 2 pictures, got 6"):
        sift(faulty | {"n_images": 2})


def test_none_left(folder, sift):
    with pytest.raises(InputError, match=r"at least one picture that can be read, got none, and for cat/a.png: expected at least 320 x"):
        sift(folder | {"geometry": {"crop": 320}})


@pytest.mark.parametrize("fault", [PermissionError(errno.EACCES, "denied"), OSError(errno.EIO, "disk"), OSError(errno.EMFILE, "files")])
def test_a_picture_is_not_bad_because_the_machine_failed(folder, sift, monkeypatch, fault):
    def fail(path):
        raise fault

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(InputError, match="cat/a.png: expected a readable picture, got .*(denied|disk|files)"):
        sift(folder)


def test_a_picture_is_not_bad_because_memory_ran_out(folder, sift, monkeypatch):
    def fail(originals, path):
        raise MemoryError

    monkeypatch.setattr(Originals, "read", fail)
    with pytest.raises(MemoryError):
        sift(folder)


def test_a_shard_of_which_all_was_excluded(tmp_path, faulty, sift):
    sift(faulty)
    with pytest.raises(InputError, match="pictures for shard 1, got none: all of it was excluded; give the source another"):
        index_images.main(
            str(tmp_path / "manifest.parquet"), str(tmp_path / "s.parquet"), name="real", source=faulty, shard=1, images_per_shard=3
        )


def test_one_table_of_all_sources(tmp_path, faulty, folder):
    lists = [str(tmp_path / f"{name}.parquet") for name in ("first", "second")]
    for path, source in zip(lists, (faulty, faulty | {"geometry": {"crop": 8}}), strict=True):
        main(str(tmp_path / "manifest.parquet"), path, source=source)
    tabulate(lists, str(tmp_path / "excluded.csv"), sources=["clean", "other"])
    lines = (tmp_path / "excluded.csv").read_text().splitlines()
    assert lines[0] == "source,image_id,path,fault" and len(lines) == 1 + 4 + 3
    assert lines[1].endswith('cat/b.png,"expected a readable picture, got 0 bytes that begin like no picture"') and lines[-1].startswith(
        "other,dog/e.png"
    )
