"""Whether a run can write where it has to, asked before it starts: Snakemake itself would end in a traceback."""

import os
from pathlib import Path

from robustlens.errors import InputError

WRITTEN = ("results", "logs", "benchmarks", ".snakemake")  # folders of the working directory


def check_writable(folder: str | Path) -> None:
    """Raise InputError where this user cannot write to what a run makes in ``folder``, the folders in it and those in them."""
    for top in [Path(folder, name) for name in WRITTEN]:
        if os.path.lexists(top) and not top.is_dir():
            raise InputError(top, "a folder, or nothing yet", "another thing", "move it away")
        inner = [path for path in top.iterdir() if path.is_dir()] if top.is_dir() else []
        for path in [top if top.is_dir() else top.parent, *inner]:
            if not os.access(path, os.W_OK | os.X_OK):
                raise InputError(path, "a folder to which this user may write", "one that is read-only", "make it writable")
