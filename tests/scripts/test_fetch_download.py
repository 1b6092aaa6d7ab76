"""The job that fetches one download: what it leaves behind when it fails, and how its second attempt goes on."""

import functools
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fetch_download import main
from robustlens.errors import InputError


class Quiet(SimpleHTTPRequestHandler):
    """Python's own server of a folder, which knows no ranges."""

    def log_message(self, *_):
        pass


@pytest.fixture
def url(tmp_path, monkeypatch):
    """The address of ``tmp_path / "served"``."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "served").mkdir()
    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_second_attempt_has_what_the_first_one_fetched(url, tmp_path):
    contents = {"one.bin": b"one", "two.bin": b"two"}
    files = [{"url": f"{url}/{name}", "sha256": hashlib.sha256(content).hexdigest()[:16]} for name, content in contents.items()]
    (tmp_path / "served/one.bin").write_bytes(b"one")
    folder = tmp_path / "fetched/weights"
    with pytest.raises(InputError, match=r"two.bin: expected a file, got HTTP 404"):
        main(str(folder), name="weights", spec={"files": files})
    assert not folder.exists()  # and Snakemake deletes it, too
    (tmp_path / "served/one.bin").unlink()
    (tmp_path / "served/two.bin").write_bytes(b"two")
    main(str(folder), name="weights", spec={"files": files})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents
    assert list((tmp_path / "fetched/.partial").iterdir()) == []
