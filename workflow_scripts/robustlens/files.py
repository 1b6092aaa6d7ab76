"""How a file or folder gets its name: when it is complete. All that is written passes here; tests/unit/test_files.py sees to it."""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE

from robustlens.errors import InputError

UNFINISHED = ".unfinished"  # how names end that were given for the time of writing
EARLY = 8_000_000  # bytes that are written before the disk is told of them, at least


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A name for a new file or folder, renamed to ``path`` when the context ends well: what is half written never has the final name.

    The content is forced to the disk first, so that a power cut cannot leave the name without it, and may be read by whoever the umask lets
    read, whatever the library that wrote it has set (safetensors writes for its owner alone). What a process that was killed left
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
            _open_up(temporary)
            _force(temporary)
            if path.is_dir():  # no system call replaces a folder that holds something
                _remove(path.rename(_beside(path)))
            temporary.replace(path)
        except FileNotFoundError as error:
            raise InputError(path, "one process that writes it", "another that began later", "end one of them") from error
    finally:
        _remove(temporary)


@contextmanager
def early_to_disk(descriptor: int) -> Iterator[Callable[[int], None]]:
    """Have the disk take a large file while it is still being written, and not all at once at its end.

    ``descriptor``: of the open file. Gives ``written(n_bytes)``, to be called after each write; a thread waits for the disk meanwhile.
    An error of the disk is raised by a later call or at the end: the system tells it once, and ``replacing`` would not hear of it.
    """
    force = getattr(os, "fdatasync", os.fsync)  # macOS has the second alone
    n_new, forced = 0, Future[None]()
    forced.set_result(None)

    def written(n_bytes: int) -> None:
        nonlocal n_new, forced
        n_new += n_bytes
        if n_new >= EARLY and forced.done():
            forced.result()
            n_new, forced = 0, disk.submit(force, descriptor)

    with ThreadPoolExecutor(1) as disk:
        yield written
        forced.result()


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


def _open_up(path: Path) -> None:
    """Let a file, or a folder with all that is in it, have at least the mode that this process gives to what it makes."""
    umask = _umask()
    for part in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if not part.is_symlink():
            mode = part.stat().st_mode
            usual = (0o777 if part.is_dir() else 0o666) & ~umask
            if mode & usual != usual:
                part.chmod(S_IMODE(mode) | usual)


def _umask() -> int:
    """That of this process; where the system cannot be asked it is set for a moment, in which another thread could make a file."""
    with suppress(OSError, StopIteration), open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        return int(next(line for line in file if line.startswith("Umask:")).split()[1], 8)
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


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
