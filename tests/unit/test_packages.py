"""Unpacking an archive that a registry gave: nothing lands outside the folder."""

import io
import tarfile
import zipfile

import pytest

from robustlens.errors import InputError
from robustlens.packages import check_digest, unpack


def tar_of(path, name):
    with tarfile.open(path, "w:gz") as file:
        entry = tarfile.TarInfo(name)
        entry.size = 3
        file.addfile(entry, io.BytesIO(b"abc"))
    return path


def test_a_source_archive(tmp_path):
    archive = tar_of(tmp_path / "a.tar.gz", "a-1.0/data.txt")
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/a-1.0/data.txt").read_text() == "abc"


def test_what_an_archive_keeps_from_others_is_read_by_whoever_the_umask_lets(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        for name, kind in {"a": tarfile.DIRTYPE, "a/data.txt": tarfile.REGTYPE}.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, 0o700 if kind == tarfile.DIRTYPE else 0o600
            file.addfile(entry)
    unpack(tmp_path / "a.tar", tmp_path / "out")
    (tmp_path / "usual").touch()
    assert (tmp_path / "out/a/data.txt").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert (tmp_path / "out/a").stat().st_mode == (tmp_path / "out").stat().st_mode


def test_a_tar_that_climbs_out_is_refused(tmp_path):
    archive = tar_of(tmp_path / "a.tar.gz", "../outside.txt")
    with pytest.raises(InputError, match=r"^a.tar.gz: expected an archive that unpacks inside its folder, got .*outside"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "outside.txt").exists()


def test_a_zip_that_climbs_out_stays_inside(tmp_path):
    archive = tmp_path / "a.whl"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../outside.txt", "abc")
    unpack(archive, tmp_path / "out")
    assert not (tmp_path / "outside.txt").exists()
    assert (tmp_path / "out/outside.txt").read_text() == "abc"


def test_a_tar_whose_link_leads_out_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        entry = tarfile.TarInfo("link")
        entry.type, entry.linkname = tarfile.SYMTYPE, "../.."
        file.addfile(entry)
    with pytest.raises(InputError, match="outside"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_links_within_a_tar_work_although_no_list_of_members_is_kept(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        for name in ("one", "two"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            file.addfile(entry, io.BytesIO(b"abc"))
        entry = tarfile.TarInfo("three")
        entry.type, entry.linkname = tarfile.LNKTYPE, "one"
        file.addfile(entry)
    unpack(tmp_path / "a.tar", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one", "three", "two"]
    assert (tmp_path / "out/three").read_text() == "abc"


def test_an_archive_that_was_cut_short(tmp_path):
    archive = tar_of(tmp_path / "a.tar.gz", "data.txt")
    archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(InputError, match="a.tar.gz: expected an archive that unpacks"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("sha256", "ba7816bf"),
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
    ],
)
def test_digests_of_abc_are_those_of_the_standards(algorithm, expected, tmp_path):
    """FIPS 180-2, appendix B.1, and RFC 1321, A.5."""
    (tmp_path / "abc").write_bytes(b"abc")
    check_digest(tmp_path / "abc", "abc", algorithm, expected)
    with pytest.raises(InputError, match=f"^abc: expected {algorithm} 0{expected[1:]}, got {expected}"):
        check_digest(tmp_path / "abc", "abc", algorithm, "0" + expected[1:])


def test_another_kind_of_file(tmp_path):
    archive = tmp_path / "a.whl"
    archive.write_bytes(b"not an archive")
    with pytest.raises(InputError, match="a.whl: expected a wheel, zip or tar archive"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("names", [("a", "a/b"), ("x" * 300, "b")], ids=["a file that is a folder, too", "a name too long"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_no_folder_can_hold(tmp_path, kind, names):
    archive = tmp_path / f"a.{kind}"
    with zipfile.ZipFile(archive, "w") if kind == "zip" else tarfile.open(archive, "w") as file:
        for name in names:
            if kind == "zip":
                file.writestr(name, b"")
            else:
                file.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(InputError, match=rf"a\.{kind}: expected an archive that unpacks inside its folder, got "):
        unpack(archive, tmp_path / "out")
