"""What is public, fetched by its address: files with a checksum, and folders of a git repository at one commit.

What has come of a file is kept under ``results/fetched/.partial`` until the whole download is in place: the folder of a failed job is
deleted before it is tried again, and this one is not. So a broken connection, a kill or a reboot costs what was on its way, not what had
come. The files of one download are unpacked when all of them are there.
"""

import errno
import http.client
import logging
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from robustlens.errors import InputError, refusing
from robustlens.packages import check_digest, unpack

log = logging.getLogger("robustlens")
BLOCK = 1 << 20  # bytes read at once, at most
LONGEST = 200  # bytes of a file's name
POINTER = 1024  # bytes that a Git LFS pointer may have
TIMEOUT = 60.0  # s without a byte after which a connection counts as broken
ATTEMPTS = 5  # in a row in which nothing came
PAUSE = 2.0  # s before the second attempt; doubles
REPORT_EVERY = 30.0  # s between two lines of progress in the log
PASSING = (429, 500, 502, 503, 504)  # HTTP answers that may be others a little later
FULL = (errno.ENOSPC, errno.EDQUOT)
LATER = "run again later: what has come is kept and continued"
GIT = ["git", "-c", "core.autocrlf=false", "-c", "core.symlinks=false", "-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60"]

SAFE = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", "LC_ALL": "C"}  # ext:: would run a command
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # set where git itself started this; they would lead it to another repository


def fetch_download(folder: Path, name: str, spec: dict) -> None:
    """Put into ``folder`` what ``downloads.<name>`` of the config names; ``spec``: ``files``, or ``git, commit, folders``.

    Raises InputError for what is not there, for another checksum, and where the connection breaks again and again.
    """
    partial = folder.parent / ".partial" / name
    if "git" in spec:
        fetch_git(folder, partial, spec["git"], spec["commit"], spec["folders"])
    else:
        fetch_files(folder, partial, spec["files"])
    shutil.rmtree(partial)


# ---------------------------------------------------------------------------------------------------------------------- files
def fetch_files(folder: Path, partial: Path, files: list[dict]) -> None:
    """Download ``files`` (``url``; ``sha256``, ``md5`` or ``pointer``; ``unpack``), all of them first, then move or unpack them."""
    names = [file_name(file["url"]) for file in files]
    for name in names:
        if names.count(name) > 1:
            raise InputError(files[0]["url"], "files of different names in one download", f"{name} twice", "give each an entry of its own")
    come = [download(file["url"], partial, **_checksum(file)) for file in files]
    folder.mkdir(parents=True, exist_ok=True)
    for file, path in zip(files, come, strict=True):
        if file.get("unpack"):
            log.info("unpack %s", path.name)
            unpack(path, folder)
    for file, path in zip(files, come, strict=True):  # last, so that a failure above leaves every file to the next attempt
        if not file.get("unpack"):
            path.replace(folder / path.name)


def _checksum(file: dict) -> dict[str, str]:
    """``sha256`` or ``md5`` of a file, as it is given or as the publisher's Git LFS pointer says."""
    if "pointer" not in file:
        return {key: file[key] for key in ("sha256", "md5") if key in file}
    try:
        with _opener().open(file["pointer"], timeout=TIMEOUT) as answer:
            text = answer.read(POINTER).decode(errors="replace")
    except OSError as error:
        raise InputError(file["pointer"], "a Git LFS pointer", getattr(error, "reason", error), "run again later") from error
    found = re.search("^oid sha256:([0-9a-f]{64})$", text, re.MULTILINE)
    if not found:
        raise InputError(file["pointer"], "a Git LFS pointer", repr(text[:60]), "correct the address under downloads")
    return {"sha256": found[1]}


def file_name(url: str) -> str:
    """The name of the file at ``url``. Raises InputError for an address that is not http(s) or ends in no name."""
    expected = "an http or https address that ends in the name of a file"
    with refusing(url, expected):
        parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name
    nameless = not name or name.startswith(".") or not name.isprintable() or len(name.encode()) > LONGEST
    if parts.scheme not in ("http", "https") or not parts.netloc or nameless:
        raise InputError(url, expected, "another")
    return name


def download(url: str, partial: Path, *, sha256: str | None = None, md5: str | None = None) -> Path:
    """The path of the file at ``url``, complete and of the checksum (whole or its beginning): ``<partial>/<checksum>/<name>``.

    Continues what an earlier attempt left there as ``<name>.part``; a file of another checksum is deleted.
    """
    algorithm, expected = ("sha256", sha256) if sha256 else ("md5", md5)
    assert expected is not None, "one of the two is given"
    path = partial / expected / file_name(url)
    part = path.with_name(path.name + ".part")
    if path.exists():  # it gets this name when its checksum was found right
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    _receive_in_attempts(url, part)
    try:
        check_digest(part, url, algorithm, expected, "it was deleted: run again, or correct the checksum if the publisher changed the file")
    except InputError:
        part.unlink()
        raise
    return part.replace(path)


def _receive_in_attempts(url: str, part: Path) -> None:
    """Receive the rest of a file; an attempt that brought something does not count."""
    failed = 0
    while True:
        had = _size(part)
        try:
            return _receive(url, part)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in PASSING:
                raise InputError(url, "a file", f"HTTP {error.code} {error.reason}", "correct the address under downloads") from error
            said = f"HTTP {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:  # URLError, resets, timeouts, an answer cut short
            said = str(getattr(error, "reason", None) or error) or type(error).__name__
            if getattr(error, "errno", None) in FULL:
                raise InputError(part.parent, "room for the file", said, f"make room and {LATER}") from error
        failed = 1 if _size(part) > had else failed + 1
        if failed == ATTEMPTS:
            raise InputError(url, "a file", f"{said}, {ATTEMPTS} times in a row", LATER)
        log.info("%s: %s at %s; attempt %d follows", url, said, _megabytes(_size(part)), failed + 1)
        time.sleep(PAUSE * 2 ** (failed - 1))


def _receive(url: str, part: Path) -> None:
    """Append to ``part`` what is missing, or write it anew where the server does not send parts of files.

    Raises OSError where the connection ends before the file does.
    """
    have = _size(part)
    headers = {"User-Agent": "robustlens", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        answer = _opener().open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing lies behind what is here: it is the whole file or, as the checksum will say, another
            error.close()
            return
        raise
    with answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if have and not goes_on:
            log.info("%s: the server does not continue files; from the beginning", url)
            if answer.status == 206:
                part.unlink()
                raise OSError("another part of the file than was asked for")
        start, length = have if goes_on else 0, answer.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        log.info("%s: %s of %s are here", url, _megabytes(start), "an unknown size" if total is None else _megabytes(total))
        with open(part, "ab" if goes_on else "wb") as file:
            _copy(answer, file, total, url)
    if total is not None and _size(part) < total:
        raise OSError(f"the connection ended before the file of {_megabytes(total)}")


def _copy(answer: http.client.HTTPResponse, file, total: int | None, url: str) -> None:
    first = reported = time.monotonic()
    before = file.tell()
    while block := answer.read1(BLOCK):  # what has come, so that a connection that breaks soon and often brings it, too
        file.write(block)
        if (now := time.monotonic()) - reported > REPORT_EVERY:
            speed, reported = (file.tell() - before) / (now - first), now
            log.info("%s: %s of %s, %s a second", url, _megabytes(file.tell()), _megabytes(total) if total else "?", _megabytes(speed))


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https, and to nothing else."""

    def redirect_request(self, request, answer, code, message, headers, new_url):
        if urlsplit(new_url).scheme not in ("http", "https"):
            raise InputError(request.full_url, "a redirect to http or https", new_url)
        return super().redirect_request(request, answer, code, message, headers, new_url)


def _opener() -> urllib.request.OpenerDirector:
    """urllib's own, with the proxies of the environment."""
    return urllib.request.build_opener(_WebOnly)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _megabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"


# ------------------------------------------------------------------------------------------------------------------------ git
def fetch_git(folder: Path, partial: Path, git: str, commit: str, folders: list[str]) -> None:
    """The ``folders`` of the repository at the address ``git`` as they are in ``commit`` (40 hex digits), below ``folder``.

    No history and no other file is transferred where the server can leave them out. That the files are those of the commit, git checks.
    Symbolic links become small files that hold their target.
    """
    wanted = sorted(PurePosixPath(name) for name in folders)  # a folder before those in it
    for name in wanted:
        if name.is_absolute() or not name.parts or set(name.parts) & {"..", ".git"} or set("*?[]\\!#\n") & set(str(name)):
            raise InputError(f"{git}: folders", "paths of folders in the repository", repr(str(name)))
    shutil.rmtree(partial, ignore_errors=True)  # of a job that was killed: git's own locks lie there
    copy = partial / commit
    copy.mkdir(parents=True)
    where = f"{git} at {commit}"
    _git(where, "init", "--quiet", cwd=copy)
    _git(where, "remote", "add", "--", "origin", git, cwd=copy)
    _git(where, "sparse-checkout", "set", "--no-cone", *(f"/{name}/" for name in wanted), cwd=copy)
    log.info("%s: fetch %s", where, ", ".join(map(str, wanted)))
    _git(where, "fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", commit, cwd=copy)
    _git(where, "checkout", "--quiet", "--detach", commit, cwd=copy)
    for name in wanted:
        if not (copy / name).is_dir():
            raise InputError(where, f"the folder {name}", "none", "correct `folders` or `commit` of the download")
    for name in wanted:
        if (copy / name).exists():  # else it went along with a folder around it
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(copy / name, folder / name)


def _git(where: str, *arguments: str, cwd: Path) -> None:
    surroundings = {key: value for key, value in os.environ.items() if key not in ELSEWHERE} | SAFE
    try:
        done = subprocess.run([*GIT, *arguments], cwd=cwd, env=surroundings, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise InputError(
            where, "the program git, which fetches it", "none", "install git, or give the path of a copy of your own"
        ) from error
    if done.returncode:
        said = (
            [line for line in done.stderr.splitlines() if line.startswith(("fatal:", "error:"))] or done.stderr.splitlines() or ["nothing"]
        )
        raise InputError(where, "a commit that git can fetch", f"`{said[-1]}`", "correct it under downloads, or run again")
