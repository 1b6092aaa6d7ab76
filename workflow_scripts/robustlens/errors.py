"""The one error that a user sees: a sentence that names the file or key, what was expected and what was found."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from unicodedata import category

LACKING = {  # what a machine may lack, and what then helps
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in the quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: "make it writable",
    errno.EACCES: "let this user read or write there",
    errno.EPERM: "let this user read or write there",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "raise the limit on open files of the machine",
    errno.ENOMEM: "give the job more memory, or a smaller batch_size",
    errno.EIO: "look after the disk",
    errno.EAGAIN: "give the job more memory, or raise the limit on processes (ulimit -u)",
}


class InputError(ValueError):
    """Bad input: ``<file or key>: expected X, got Y``."""

    def __init__(self, where: object, expected: object, got: object, mend: str = ""):
        super().__init__(printable(f"{where}: expected {expected}, got {got}") + (f"; {mend}" if mend else ""))


def printable(text: str) -> str:
    """The text with what is no letter, sign or space written out, so that a name can break no sentence and control no terminal."""
    return "".join(sign if sign.isprintable() or category(sign) == "Zs" else sign.encode("unicode_escape").decode() for sign in text)


@contextmanager
def refusing(where: object, expected: object, mend: str = "") -> Iterator[None]:
    """Turn whatever is raised within into an InputError; one that is raised within stays as it is, and so does MemoryError.

    Where the machine is at fault (see ``lack``) the sentence says so, not what mends the file.

    For the few lines that read a file by a library, and nothing else: what HDF5, Arrow, Pillow and the parsers of text raise at a damaged
    file is of a dozen kinds, and tells little of where.
    """
    try:
        yield
    except (InputError, MemoryError):  # of a machine that is full the file knows nothing
        raise
    except Exception as error:
        got = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(where, expected, got, LACKING.get(lack(error) or 0, mend)) from error


def lack(error: BaseException | None) -> int | None:
    """The number of the system's error where an error, or one that it came from, is a fault of the machine; otherwise None.

    Libraries that are not Python's put the system's error into a sentence of theirs; so its words count too.
    """
    while error is not None:
        text = str(error)
        if isinstance(error, MemoryError) or "can't allocate memory" in text:  # torch's words
            return errno.ENOMEM
        if "can't start new thread" in text:  # Python's
            return errno.EAGAIN
        told = [number for number in LACKING if number == getattr(error, "errno", None) or os.strerror(number) in text]
        if told:
            return told[0]
        error = error.__cause__ or error.__context__
    return None
