"""How a file or folder gets its name: when it is complete. All that is written passes here; tests/unit/test_files.py sees to it."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robustlens.errors import InputError

UNFINISHED = ".unfinished"  # how names end that were given for the time of writing


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A name for a new file or folder, renamed to ``path`` when the context ends well: what is half written never has the final name.

    The content is forced to the disk first, so that a power cut cannot leave the name without it. What a process that was killed left
    behind of ``path`` is removed. Where two processes write ``path`` at once, that which began later wins; the other gets InputError.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.iterdir():
        if left.name.startswith(f".{path.name}.") and left.name.endswith(UNFINISHED):
            _remove(left)
    temporary = _beside(path)
    try:
        yield temporary
        try:
            _force(temporary)
            if path.is_dir():  # no system call replaces a folder that holds something
                _remove(path.rename(_beside(path)))
            temporary.replace(path)
        except FileNotFoundError as error:
            raise InputError(path, "one process that writes it", "another that began later", "end one of them") from error
    finally:
        _remove(temporary)


def write_text(path: str | Path, text: str) -> None:
    """Write text in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: object) -> None:
    """Write what JSON can hold, indented."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def _beside(path: Path) -> Path:
    """A name in the same folder that no other process takes, on this machine or another."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{UNFINISHED}")


def _force(path: Path) -> None:
    """Have the disk hold a file, or all files of a folder; what a full disk refuses is told here at the latest."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
