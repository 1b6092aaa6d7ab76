"""Downloads from a server and a repository of this machine: whole, continued, broken, wrong."""

import errno
import hashlib
import io
import logging
import os
import re
import subprocess
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from robustlens import downloads
from robustlens.downloads import download, fetch_download, fetch_files, file_name
from robustlens.errors import InputError

CONTENT = bytes(range(256)) * 4000  # 1 MB
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves the files of its server; ``server.plan`` says what befalls the next requests: a status, or bytes after which it breaks off."""

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.asked.append((self.path, asked))
        step = server.plan.pop(0) if server.plan else None
        if isinstance(step, str):
            self.send_response(302)
            self.send_header("Location", step)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        content = server.files.get(self.path.partition("?")[0])
        if content is None or step in (403, 503):
            return self.send_error(step or 404)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.ranges else 0
        if start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : None if step is None else start + step])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """A server of this machine with ``files`` (path -> bytes), ``ranges``, ``plan`` and what it was ``asked``."""
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.ranges, server.plan, server.asked = {"/a.bin": CONTENT}, True, [], []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


# -------------------------------------------------------------------------------------------------------------------- one file
@pytest.mark.parametrize("checksum", [{"sha256": SHA256}, {"sha256": SHA256[:8]}, {"md5": MD5}])
def test_a_file_comes_whole(checksum, server, tmp_path):
    path = download(f"{server.url}/a.bin?download=1", tmp_path, **checksum)
    assert path == tmp_path / next(iter(checksum.values())) / "a.bin" and path.read_bytes() == CONTENT
    download(f"{server.url}/a.bin?download=1", tmp_path, **checksum)
    assert server.asked == [("/a.bin?download=1", None)]  # what is here and right is not asked for again


def test_a_broken_connection_is_continued(server, tmp_path, caplog):
    server.plan = [400_000, 100_000]
    with caplog.at_level(logging.INFO, "robustlens"):
        assert download(f"{server.url}/a.bin", tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=400000-", "bytes=500000-"]
    assert "the connection ended before the file of 1.0 MB at 0.4 MB; attempt 2 follows" in caplog.text
    assert "0.5 MB of 1.0 MB are here" in caplog.text


def test_a_later_run_goes_on_where_a_killed_one_stopped(server, tmp_path):
    part = tmp_path / SHA256 / "a.bin.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT[:777])
    assert download(f"{server.url}/a.bin", tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert server.asked == [("/a.bin", "bytes=777-")] and not part.exists()


def test_a_part_that_is_already_the_whole_file(server, tmp_path):
    part = tmp_path / SHA256 / "a.bin.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT)
    assert download(f"{server.url}/a.bin", tmp_path, sha256=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [False, True])
def test_from_the_beginning_where_the_server_does_not_continue(ranges, server, tmp_path):
    server.plan, server.ranges = [300_000], ranges
    assert download(f"{server.url}/a.bin", tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert server.asked[1] == ("/a.bin", "bytes=300000-")


def test_a_wrong_checksum_deletes_what_came(server, tmp_path):
    with pytest.raises(InputError, match=f"^{server.url}/a.bin: expected sha256 00000000, got {SHA256}; it was deleted"):
        download(f"{server.url}/a.bin", tmp_path, sha256="00000000")
    with pytest.raises(InputError, match=f"expected md5 0{{32}}, got {MD5}"):
        download(f"{server.url}/a.bin", tmp_path, md5="0" * 32)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_part_of_another_file_is_found_out(server, tmp_path):
    part = tmp_path / SHA256 / "a.bin.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 1000)
    with pytest.raises(InputError, match=f"expected sha256 {SHA256}, got [0-9a-f]{{64}}; it was deleted"):
        download(f"{server.url}/a.bin", tmp_path, sha256=SHA256)
    assert download(f"{server.url}/a.bin", tmp_path, sha256=SHA256).read_bytes() == CONTENT


def test_a_server_that_is_busy_for_a_while(server, tmp_path):
    server.plan = [503, 503]
    assert download(f"{server.url}/a.bin", tmp_path, sha256=SHA256).read_bytes() == CONTENT
    server.plan = [503] * 5
    with pytest.raises(InputError, match="a.bin: expected a file, got HTTP 503 Service Unavailable, 5 times in a row; run again later"):
        download(f"{server.url}/a.bin", tmp_path / "other", sha256=SHA256)


def test_what_is_not_there_is_said_at_once(server, tmp_path):
    with pytest.raises(
        InputError, match=f"^{server.url}/b.bin: expected a file, got HTTP 404 Not Found; correct the address under downloads$"
    ):
        download(f"{server.url}/b.bin", tmp_path, sha256=SHA256)
    server.plan = [403]
    with pytest.raises(InputError, match="got HTTP 403 Forbidden"):
        download(f"{server.url}/a.bin", tmp_path, sha256=SHA256)
    assert len(server.asked) == 2


def test_a_server_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(InputError, match="^http://127.0.0.1:1/a.bin: expected a file, got .*refused, 5 times in a row; run again later"):
        download("http://127.0.0.1:1/a.bin", tmp_path, sha256=SHA256)


def test_a_full_disk_is_no_broken_connection(server, tmp_path, monkeypatch):
    def copy(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads, "_copy", copy)
    with pytest.raises(InputError, match=f"^{tmp_path}/.*: expected room for the file, got .*No space left .*; make room and run again"):
        download(f"{server.url}/a.bin", tmp_path, sha256=SHA256)
    assert len(server.asked) == 1


def test_a_proxy_of_the_environment_is_asked(server, tmp_path, monkeypatch):
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", server.url)
    server.files["http://elsewhere.invalid/a.bin"] = CONTENT
    assert download("http://elsewhere.invalid/a.bin", tmp_path, sha256=SHA256).read_bytes() == CONTENT


def test_redirects_lead_to_the_web_only(server, tmp_path):
    (tmp_path / "secret").write_bytes(CONTENT)
    server.plan = [f"{server.url}/a.bin"]
    assert download(f"{server.url}/elsewhere.bin", tmp_path, sha256=SHA256).read_bytes() == CONTENT
    for address in ((tmp_path / "secret").as_uri(), "ftp://127.0.0.1/secret"):
        server.plan = [address]
        with pytest.raises(InputError, match=re.escape(address)):
            download(f"{server.url}/b.bin", tmp_path, sha256=SHA256)


ODD = [
    "http://[::1",
    "https://x.invalid/a%00b",
    "https://x.invalid/a%0Ab",
    "https://x.invalid/..%2F..%2F",
    "https://x.invalid/" + "a" * 201,
]


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "ftp://x.invalid/a.bin", "https://x.invalid", "https://x.invalid/..", "/a.bin", *ODD]
)
def test_other_addresses_are_refused(url):
    with pytest.raises(InputError, match="expected an http or https address that ends in the name of a file"):
        file_name(url)


# --------------------------------------------------------------------------------------------------------------- several files
def tar_bytes(names, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as file:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            file.addfile(entry, io.BytesIO(name.encode()))
    return buffer.getvalue()


def zip_bytes(names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, name)
    return buffer.getvalue()


def entry(server, path, content, **options):
    server.files[path] = content
    return {"url": server.url + path, "sha256": hashlib.sha256(content).hexdigest(), **options}


def test_files_are_moved_or_unpacked_and_nothing_else_stays(server, tmp_path):
    files = [
        entry(server, "/one.tar", tar_bytes(["fog/1/x.JPEG"], "w"), unpack=True),
        entry(server, "/two.tar.gz", tar_bytes(["snow/1/x.JPEG"]), unpack=True),
        entry(server, "/three.zip", zip_bytes(["fog/2/x.JPEG"]), unpack=True),
        entry(server, "/weights.pth", b"weights"),
    ]
    fetch_download(tmp_path / "fetched/some", "some", {"files": files})
    found = sorted(path.relative_to(tmp_path / "fetched").as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert found == [f"some/{name}" for name in ("fog/1/x.JPEG", "fog/2/x.JPEG", "snow/1/x.JPEG", "weights.pth")]
    assert (tmp_path / "fetched/some/fog/2/x.JPEG").read_text() == "fog/2/x.JPEG"


def test_a_checksum_from_a_git_lfs_pointer(server, tmp_path):
    file = {key: value for key, value in entry(server, "/model.bin", b"weights").items() if key != "sha256"}
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(b'weights').hexdigest()}\nsize 7\n".encode()
    file["pointer"] = entry(server, "/pointer", pointer)["url"]
    fetch_files(tmp_path / "got", tmp_path / "partial", [file])
    assert (tmp_path / "got/model.bin").read_bytes() == b"weights"
    entry(server, "/pointer", pointer.replace(b"sha256:", b"sha256:0000")[:-4])
    with pytest.raises(InputError, match=f"{server.url}/pointer: expected a Git LFS pointer, got"):
        fetch_files(tmp_path / "got", tmp_path / "partial2", [file])


def test_a_failure_of_the_last_file_leaves_the_others_to_the_next_attempt(server, tmp_path):
    files = [entry(server, "/one.bin", b"one"), entry(server, "/two.bin", b"two")]
    server.plan = [None, 403]
    folder = tmp_path / "fetched/some"
    with pytest.raises(InputError, match="two.bin: expected a file, got HTTP 403"):
        fetch_download(folder, "some", {"files": files})
    assert not folder.exists()
    server.asked.clear()
    fetch_download(folder, "some", {"files": files})
    assert server.asked == [("/two.bin", None)] and sorted(path.name for path in folder.iterdir()) == ["one.bin", "two.bin"]


def test_an_archive_that_climbs_out_is_refused(server, tmp_path):
    with pytest.raises(InputError, match=r"bad.tar: expected an archive that unpacks inside its folder"):
        fetch_download(tmp_path / "f/some", "some", {"files": [entry(server, "/bad.tar", tar_bytes(["../outside"], "w"), unpack=True)]})
    assert not (tmp_path / "f/outside").exists()


def test_two_files_of_one_name(server, tmp_path):
    files = [entry(server, "/1/a.bin", b"one"), entry(server, "/2/a.bin", b"two")]
    with pytest.raises(InputError, match="expected files of different names in one download, got a.bin twice"):
        fetch_download(tmp_path / "some", "some", {"files": files})


# ------------------------------------------------------------------------------------------------------------------------- git
@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The address and first commit of a repository whose second commit takes ``stimuli/edges`` away again."""
    for variable in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(variable, os.devnull)
    root = tmp_path / "repository"
    for name in ("stimuli/edges/cat/cat1.png", "stimuli/filled/cat1.png", "code/big.bin", "README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    run = ["git", "-C", str(root), "-c", "user.name=x", "-c", "user.email=x@x"]

    def git(*arguments):
        return subprocess.run([*run, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    git("config", "uploadpack.allowFilter", "true")
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    commit = git("rev-parse", "HEAD")
    git("rm", "--quiet", "-r", "stimuli/edges")
    git("commit", "--quiet", "-m", "two")
    return f"file://{root}", commit


def test_the_folders_of_one_commit(repository, tmp_path):
    git, commit = repository
    folder = tmp_path / "fetched/some"
    fetch_download(folder, "some", {"git": git, "commit": commit, "folders": ["stimuli/edges", "stimuli/filled/"]})
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert found == ["stimuli/edges/cat/cat1.png", "stimuli/filled/cat1.png"]
    assert (folder / found[0]).read_text() == found[0] and not (tmp_path / "fetched/.partial/some").exists()


def test_what_a_killed_job_left_is_in_nobodys_way(repository, tmp_path):
    git, commit = repository
    left = tmp_path / "fetched/.partial/some" / commit / ".git/index.lock"
    left.parent.mkdir(parents=True)
    left.touch()
    fetch_download(tmp_path / "fetched/some", "some", {"git": git, "commit": commit, "folders": ["stimuli/edges/cat", "stimuli"]})
    assert sorted(path.name for path in (tmp_path / "fetched/some/stimuli").iterdir()) == ["edges", "filled"]


def test_a_commit_or_folder_that_is_not_there(repository, tmp_path):
    git, commit = repository
    with pytest.raises(InputError, match=f"^{git} at {'1' * 40}: expected a commit that git can fetch, got `(fatal|error): .*{'1' * 40}"):
        fetch_download(tmp_path / "some", "some", {"git": git, "commit": "1" * 40, "folders": ["stimuli"]})
    with pytest.raises(InputError, match=f"at {commit}: expected the folder stimuli/none, got none; correct"):
        fetch_download(tmp_path / "some", "some", {"git": git, "commit": commit, "folders": ["stimuli", "stimuli/none"]})
    with pytest.raises(InputError, match="nowhere at .*expected a commit that git can fetch, got"):
        fetch_download(tmp_path / "some", "some", {"git": f"{git}/nowhere", "commit": commit, "folders": ["stimuli"]})
    assert not (tmp_path / "some").exists()


@pytest.mark.parametrize("name", ["../stimuli", "/stimuli", "stimuli/*", ".", ".git", "!stimuli"])
def test_folders_are_plain_paths(name, tmp_path):
    with pytest.raises(InputError, match="folders: expected paths of folders in the repository, got "):
        fetch_download(tmp_path / "some", "some", {"git": "file:///nowhere", "commit": "1" * 40, "folders": [name]})


def test_without_git(repository, tmp_path, monkeypatch):
    git, commit = repository
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=f"^{git} at {commit}: expected the program git, which fetches it, got none; install git"):
        fetch_download(tmp_path / "some", "some", {"git": git, "commit": commit, "folders": ["stimuli"]})


@pytest.mark.parametrize(
    "git", ["ext::touch trap", "--upload-pack=touch trap;", "-c", "ssh://-oProxyCommand=touch%20trap/x", "/no$(touch trap)"]
)
def test_an_address_runs_no_command(tmp_path, monkeypatch, git):
    """Not even where a user's own settings let git run what ``ext::`` names."""
    for key, value in {"COUNT": "1", "KEY_0": "protocol.ext.allow", "VALUE_0": "always"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="expected a commit that git can fetch, got"):
        fetch_download(tmp_path / "fetched/some", "some", {"git": git, "commit": "1" * 40, "folders": ["stimuli"]})
    assert not list(tmp_path.rglob("trap*"))
