"""Pictures of a source that cannot be read, for a study that excludes them (`on_bad_image: exclude`)."""

import errno
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from robustlens import images
from robustlens.errors import InputError, printable
from robustlens.images import apply_geometry, decode
from robustlens.originals import Originals

OF_THE_PICTURE = (None, errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENAMETOOLONG)  # other errors are the machine's: they may pass
TOGETHER = 256  # pictures whose faults are looked for at a time


def sift(rows: pd.DataFrame, root: str, geometry: dict | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``rows`` of a manifest, parted in those whose pictures can be read and the others: ``image_id, path, fault``.

    Every picture is decoded and brought to its ``geometry``. Raises InputError if none is left, and for a picture that the machine could
    not read just then (no permission, a disk or network that failed, too many open files): such a picture is not bad.
    """
    originals = Originals(root)

    def fault(path: str) -> str | None:
        where = originals.where(path)
        try:
            picture = decode(originals.read(path), where)
            if geometry:
                apply_geometry(picture, geometry, where)
        except InputError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno not in OF_THE_PICTURE:
                raise
            return str(error).removeprefix(printable(f"{where}: "))
        return None

    faults: list[str | None] = []
    with ThreadPoolExecutor(images.decoders) as pool:
        for start in range(0, len(rows), TOGETHER):
            faults += pool.map(fault, rows["path"].iloc[start : start + TOGETHER])
    bad = rows[["image_id", "path"]].assign(fault=pd.Series(faults, rows.index, dtype=object))
    bad = bad[bad["fault"].notna()].reset_index(drop=True)
    if len(bad) == len(rows):
        raise InputError(root, "at least one picture that can be read", f"none, and for {bad['path'].iloc[0]}: {bad['fault'].iloc[0]}")
    return rows[[found is None for found in faults]].reset_index(drop=True), bad
