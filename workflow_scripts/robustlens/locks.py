"""Locks on things that one process at a time may use: a lock file each, held until the process ends, however it ends."""

import fcntl
import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

log = logging.getLogger("robustlens")
_held: dict[Path, int] = {}  # lock files of this process and their descriptors, which stay open


def claim_some(names: Sequence[str], n: int, folder: Path, poll: float = 0.5) -> list[str]:
    """The first ``n`` of ``names`` that no other process has claimed in ``folder``; waits while there are fewer, looking every ``poll`` s.

    What this process has claimed before it gets again. While there are fewer none is kept, so that no two processes wait for one another.
    The kernel frees a name when the process that claimed it is gone, also after ``kill -9``; nothing is left to clean up.
    """
    waiting = False
    while True:
        held = [name for name in names if folder / name in _held]
        found = held[:n]
        for name in names:
            if len(found) < n and name not in held and _lock(folder / name):
                found.append(name)
        if len(found) == n:
            return sorted(found, key=list(names).index)
        for name in found:
            if name not in held:
                os.close(_held.pop(folder / name))
        if not waiting:
            log.info("waiting: other jobs have taken %s", ", ".join(names))
            waiting = True
        time.sleep(poll)


def _lock(path: Path) -> bool:
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held[path] = descriptor
    return True


def _open(path: Path) -> int:
    """The lock file, open for reading: that is enough to lock it, and allowed for the file of another user."""
    umask = os.umask(0)
    try:
        path.parent.mkdir(mode=0o1777, exist_ok=True)  # as the temporary directory itself: for all, who cannot delete others' files
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o444))
    finally:
        os.umask(umask)
    return os.open(path, os.O_RDONLY)
