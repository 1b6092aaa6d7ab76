"""Whether PYTHONPATH puts other packages before those of this environment; Snakemake hands it on to every job."""

import os
import sysconfig
from pathlib import Path

from robustlens.errors import InputError

INSTALLERS = {"pip", "setuptools", "pkg_resources", "wheel", "_distutils_hack"}  # which no job imports


def check_search_path(library: str | Path, pythonpath: str | None = None, installed: str | Path | None = None) -> None:
    """Raise InputError where a folder of PYTHONPATH has a module of this environment, or another robustlens than ``library`` has."""
    entries = (os.environ.get("PYTHONPATH", "") if pythonpath is None else pythonpath).split(os.pathsep)
    own = Path(installed or sysconfig.get_path("purelib"))
    for folder in (Path(entry) for entry in entries if os.path.isdir(entry)):
        if folder.samefile(own) or folder.samefile(library):
            continue
        if hidden := sorted(_modules(folder) & (_modules(own) - INSTALLERS | {"robustlens"})):
            got = f"{folder}, which has a {hidden[0]} of its own"
            raise InputError("PYTHONPATH", "no folder that hides a package of this environment", got, "unset PYTHONPATH and run again")


def _modules(folder: Path) -> set[str]:
    """What can be imported from a folder by name."""
    return {path.name.partition(".")[0] for path in folder.iterdir() if path.suffix in (".py", ".so") or (path / "__init__.py").is_file()}
