"""The one error that a user sees: a sentence that names the file or key, what was expected and what was found."""

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Bad input: ``<file or key>: expected X, got Y``."""

    def __init__(self, where: object, expected: object, got: object, mend: str = ""):
        super().__init__(f"{where}: expected {expected}, got {got}" + (f"; {mend}" if mend else ""))


@contextmanager
def refusing(where: object, expected: object, mend: str = "") -> Iterator[None]:
    """Turn whatever is raised within into an InputError; one that is raised within stays as it is, and so does MemoryError.

    For the few lines that read a file by a library, and nothing else: what HDF5, Arrow, Pillow and the parsers of text raise at a damaged
    file is of a dozen kinds, and tells little of where.
    """
    try:
        yield
    except (InputError, MemoryError):  # of a machine that is full the file knows nothing
        raise
    except Exception as error:
        raise InputError(where, expected, (str(error).strip() or type(error).__name__).splitlines()[0][:200], mend) from error
