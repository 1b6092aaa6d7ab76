"""Which study a results folder belongs to, so that no folder holds files of two: the name of the study, in ``study.json``."""

import json
from pathlib import Path

from robustlens.errors import InputError, refusing
from robustlens.files import write_json

MARK = "study.json"


def owner(folder: str | Path) -> str | None:
    """The name of the study whose results lie in ``folder``; None where there are none, or where nothing says whose they are.

    Of a folder without a mark (of an earlier version) the finished report tells. Raises InputError for a mark that is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir() or all(path.name == MARK for path in folder.iterdir()):
        return None
    for path in (folder / MARK, folder / "reports" / MARK):
        with refusing(path, "the name of a study", "delete it"):
            if path.exists():
                return str(json.loads(path.read_text(encoding="utf-8"))["study"])
    return None


def check_owner(folder: str | Path, study: str) -> None:
    """Raise InputError where ``folder`` holds results of another study."""
    if (found := owner(folder)) not in (None, study):
        mend = f"give each study a folder of its own by --directory, or delete {folder} first"
        raise InputError(folder, f"results of the study {study!r}", f"those of {found!r}", mend)


def claim(folder: str | Path, study: str) -> None:
    """Mark ``folder`` as that of ``study``. Raises InputError where it holds results of another one."""
    check_owner(folder, study)
    if owner(folder) is None or not Path(folder, MARK).exists():
        write_json(Path(folder, MARK), {"study": study})
