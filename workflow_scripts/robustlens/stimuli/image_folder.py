"""Pictures that a user has in folders: ``<root>/<class>/.../<picture>``, as ImageNet is commonly kept, or by a rule on the path."""

import os
import re
from collections.abc import Container, Iterator
from pathlib import Path
from unicodedata import normalize

import pandas as pd

from robustlens.errors import InputError
from robustlens.picture_files import EXTENSIONS

LARGEST_LABEL = 2**31 - 1  # int32 in the manifest


def list_image_folder(root: str | Path, n_images: int, *, labels: str = "sorted") -> pd.DataFrame:
    """The manifest of a folder of pictures: ``image_id, label, shape, texture, path``, in order of class folder, then path.

    ``image_id`` = ``path`` = path relative to ``root``; names that begin with a dot are not looked at; ``shape`` and ``texture`` are -1,
    unknown. ``labels``: ``sorted`` (a class is the rank of its folder's name), ``number`` (the folder's name is the class index), or a
    regular expression that is searched in the path and whose one group is the class index; then files without it are not of the set.
    Raises InputError for a missing root, a file that is no picture or lies in no class folder, an empty class, or another count than
    ``n_images``.
    """
    root = Path(root)
    labelled = _by_class_folder(root, labels) if labels in ("sorted", "number") else _by_expression(root, labels)
    return as_manifest(root, n_images, [(path, label, -1, -1, path) for path, label in labelled])


def as_manifest(root: Path, n_images: int, rows: list[tuple[str, int, int, int, str]]) -> pd.DataFrame:
    """The manifest of ``rows``. Raises InputError for another count than ``n_images``, and for two pictures of one id.

    Ids that differ in case alone, or in how an accent is written (NFC, NFD), count as one: they are one file where file systems do not tell
    them apart.
    """
    if len(rows) != n_images:
        raise InputError(root, f"{n_images} pictures", len(rows), "correct `n_images` or `root` of the source")
    table = pd.DataFrame(rows, columns=["image_id", "label", "shape", "texture", "path"])
    folded = table["image_id"].map(lambda name: normalize("NFC", name).lower()).astype(object)
    if folded.duplicated().any():
        image_id = folded[folded.duplicated()].iloc[0]
        first, second = table["path"][folded == image_id].iloc[:2]
        raise InputError(root, f"one picture of the id {table['image_id'][folded == image_id].iloc[0]}", f"{first} and {second}")
    return table


def class_folders(root: Path, aside: Container[str] = ()) -> Iterator[tuple[str, list[str]]]:
    """``(name, paths relative to root)`` of each class folder and its pictures, in order of name and path.

    ``aside``: names of files in ``root`` that are not looked at. Raises InputError for a missing root, a file that is no picture or lies
    in no class folder, and an empty class.
    """
    classes = folder_names(root)
    strays = sorted(entry.name for entry in _entries(root) if not entry.is_dir() and entry.name not in aside)
    if strays or not classes:
        raise InputError(root, "class folders and nothing else", f"the file {_readable(strays[0])}" if strays else "none")
    for name in classes:
        paths = [checked(root, path) for path in files_below(root, name)]
        if not paths:
            raise InputError(root / name, "at least one picture", "an empty class folder")
        yield name, paths


def folder_names(root: str | Path) -> list[str]:
    """The names of the class folders in ``root``, in order as text. Raises InputError for a missing root."""
    return sorted(entry.name for entry in _entries(Path(root)) if entry.is_dir())


def _entries(root: Path) -> list[os.DirEntry]:
    with os.scandir(_there(root)) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def files_below(root: Path, name: str = "") -> list[str]:
    """Paths of the files below ``root / name``, relative to ``root``, sorted; no names that begin with a dot.

    Links are followed. Raises InputError for one that leads back to a folder on the way to it.
    """
    _there(root / name)
    found = []
    for folder, folders, files in os.walk(root / name, followlinks=True):
        _refuse_loop(root, Path(folder))
        folders[:] = [inner for inner in folders if not inner.startswith(".")]
        prefix = Path(folder).relative_to(root).as_posix()
        prefix = "" if prefix == "." else f"{prefix}/"
        found += [prefix + file for file in files if not file.startswith(".")]
    return sorted(found)


def checked(root: Path, path: str) -> str:
    """The path. Raises InputError if its name is not that of a picture, or cannot be written in a table."""
    if _readable(path) != path:
        raise InputError(root / _readable(path), "a name in UTF-8", "other bytes", "rename it")
    if not path.lower().endswith(EXTENSIONS):
        raise InputError(root / path, f"a picture ({', '.join(EXTENSIONS)})", "another file", "move it out of the source")
    return path


def _there(root: Path) -> Path:
    if not root.is_dir():
        raise InputError(root, "a folder of pictures", "no such folder", "check `root` of the source")
    return root


def _refuse_loop(root: Path, folder: Path) -> None:
    """Two such links double the files at every turn, forty turns deep, before the system ends the walk."""
    real, above = folder.resolve(), folder
    while above != root:
        above = above.parent
        if above.resolve() == real:
            raise InputError(_readable(str(folder)), "folders that end", f"a link back to {_readable(str(above))}", "remove the link")


def _readable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def _by_class_folder(root: Path, labels: str) -> list[tuple[str, int]]:
    found = []
    for rank, (name, paths) in enumerate(class_folders(root)):
        label = rank if labels == "sorted" else _class_number(root / name)
        found += [(path, label) for path in paths]
    return found


def _by_expression(root: Path, expression: str) -> list[tuple[str, int]]:
    try:
        n_groups = re.compile(expression).groups
    except re.error as error:
        raise InputError("labels", "sorted, number or a regular expression with one group", f"{expression} ({error})") from error
    if n_groups != 1:
        raise InputError("labels", "sorted, number or a regular expression with one group", f"{expression}, which has {n_groups}")
    found = [(path, re.search(expression, path)) for path in files_below(root)]
    return [(checked(root, path), _class_number(root / path, match[1])) for path, match in found if match]


def _class_number(path: Path, text: str | None = None) -> int:
    text = path.name if text is None else text
    if not (text.isascii() and text.isdecimal()):
        raise InputError(path, "a class index where `labels` of the source says", text)
    if int(text) > LARGEST_LABEL:
        raise InputError(path, f"a class index below {LARGEST_LABEL + 1}", text)
    return int(text)
