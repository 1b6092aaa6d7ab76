"""A source that a rule fetches: from a server, through a broken connection, into the study."""

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from robustlens.images import read_shard
from runs import check_modes, snakemake, write_study


def archive() -> bytes:
    """A tar of three pictures in two class folders, of more than one read."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for number, name in enumerate(["pictures/disc/1.png", "pictures/disc/2.png", "pictures/ring/3.png"]):
            png = io.BytesIO()
            Image.fromarray(np.random.default_rng(number).integers(0, 256, (200, 200, 3), dtype=np.uint8)).save(png, "PNG")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = png.getbuffer().nbytes, 0o600
            file.addfile(entry, io.BytesIO(png.getvalue()))
    return buffer.getvalue()


@pytest.fixture
def server():
    """(address, ranges asked for) of a server that breaks the first connection after 50,000 bytes."""
    data, asked = archive(), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("Range"))
            start = int(asked[-1].removeprefix("bytes=").rstrip("-")) if asked[-1] else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            self.wfile.write(data[start:] if len(asked) > 1 else data[:50_000])

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/pictures.tar", hashlib.sha256(data).hexdigest(), asked
        running.shutdown()


def test_what_is_fetched_is_a_source(tmp_path, server):
    url, sha256, asked = server
    source = {"kind": "image-folder", "root": "$photographs/pictures", "n_images": 3, "geometry": {"crop": 200}}
    config = write_study(
        tmp_path / "study.yaml",
        downloads={"photographs": {"files": [{"url": url, "sha256": sha256, "unpack": True}]}},
        paths={"photographs": {"path": "results/fetched/photographs", "get": "a server of this test"}},
        sources__photographs=source,
    )
    shard = "results/stimuli/photographs/shard-0000.parquet"
    snakemake(tmp_path, shard, config=config)
    assert asked == [None, "bytes=50000-"]
    assert list(read_shard(tmp_path / shard).rows["label"]) == [0, 0, 5]  # of the embedded classes, which the networks learned
    assert not list((tmp_path / "results/fetched/.partial").iterdir())
    check_modes(tmp_path / "results", tmp_path)
    snakemake(tmp_path, shard, config=config)
    assert len(asked) == 2  # nothing is fetched again


def test_another_file_than_promised_is_refused(tmp_path, server):
    url, sha256, _ = server
    wrong = {"files": [{"url": url, "sha256": "0" * 64, "unpack": True}]}
    config = write_study(tmp_path / "study.yaml", downloads={"photographs": wrong})
    done = snakemake(tmp_path, "results/fetched/photographs", config=config, check=False)
    assert done.returncode and f"sha256 {'0' * 64}" in (tmp_path / "logs/fetch_download/photographs.log").read_text()
    assert not (tmp_path / "results/fetched/photographs").exists()
