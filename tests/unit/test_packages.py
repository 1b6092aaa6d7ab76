"""Unpacking an archive that a registry gave: nothing lands outside the folder."""

import io
import tarfile
import zipfile

import pytest

from robustlens.checksum import file_sha256
from robustlens.errors import InputError
from robustlens.packages import unpack


def tar_of(path, name):
    with tarfile.open(path, "w:gz") as file:
        entry = tarfile.TarInfo(name)
        entry.size = 3
        file.addfile(entry, io.BytesIO(b"abc"))
    return path


def test_a_source_archive(tmp_path):
    archive = tar_of(tmp_path / "a.tar.gz", "a-1.0/data.txt")
    unpack(archive, file_sha256(archive), tmp_path / "out")
    assert (tmp_path / "out/a-1.0/data.txt").read_text() == "abc"


def test_a_tar_that_climbs_out_is_refused(tmp_path):
    archive = tar_of(tmp_path / "a.tar.gz", "../outside.txt")
    with pytest.raises(tarfile.FilterError):
        unpack(archive, file_sha256(archive), tmp_path / "out")
    assert not (tmp_path / "outside.txt").exists()


def test_a_zip_that_climbs_out_stays_inside(tmp_path):
    archive = tmp_path / "a.whl"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../outside.txt", "abc")
    unpack(archive, file_sha256(archive), tmp_path / "out")
    assert not (tmp_path / "outside.txt").exists()
    assert (tmp_path / "out/outside.txt").read_text() == "abc"


def test_another_kind_of_file(tmp_path):
    archive = tmp_path / "a.whl"
    archive.write_bytes(b"not an archive")
    with pytest.raises(InputError, match="a.whl: expected a wheel, zip or tar archive"):
        unpack(archive, file_sha256(archive), tmp_path / "out")
