"""Packages in a folder in which pip looks instead of the registry (PIP_NO_INDEX, PIP_FIND_LINKS)."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

from robustlens.checksum import file_sha256


def write_wheel(folder: Path, requirement: str, files: Iterable[tuple[str, bytes]]) -> str:
    """The smallest wheel that pip takes for ``name==version``, with ``files`` (path, bytes) in it; returns its sha256."""
    name, version = requirement.split("==")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for place, content in files:
            file.writestr(place, content)
        about = f"{name}-{version}.dist-info"
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    return file_sha256(path)
