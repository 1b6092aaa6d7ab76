"""Pictures that a user has in folders: ``<root>/<class>/.../<picture>``, as ImageNet is commonly kept, or by a rule on the path."""

import os
import re
from pathlib import Path

import pandas as pd

from robustlens.errors import InputError

EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")  # in any case


def list_image_folder(root: str | Path, n_images: int, *, labels: str = "sorted") -> pd.DataFrame:
    """The manifest of a folder of pictures: ``image_id, label, shape, texture, path``, in order of class folder, then path.

    ``image_id`` = ``path`` = path relative to ``root``; names that begin with a dot are not looked at; ``shape`` and ``texture`` are -1,
    unknown. ``labels``: ``sorted`` (a class is the rank of its folder's name), ``number`` (the folder's name is the class index), or a
    regular expression that is searched in the path and whose one group is the class index; then files without it are not of the set.
    Raises InputError for a missing root, a file that is no picture or lies in no class folder, an empty class, or another count than
    ``n_images``.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(root, "a folder of pictures", "no such folder", "check `root` of the source")
    labelled = _by_class_folder(root, labels) if labels in ("sorted", "number") else _by_expression(root, labels)
    if len(labelled) != n_images:
        raise InputError(root, f"{n_images} pictures", len(labelled), "correct `n_images` or `root` of the source")
    rows = [(path, label, -1, -1, path) for path, label in labelled]
    return pd.DataFrame(rows, columns=["image_id", "label", "shape", "texture", "path"])


def _by_class_folder(root: Path, labels: str) -> list[tuple[str, int]]:
    entries = sorted((entry for entry in os.scandir(root) if not entry.name.startswith(".")), key=lambda entry: entry.name)
    classes = [entry.name for entry in entries if entry.is_dir()]
    strays = [entry.name for entry in entries if not entry.is_dir()]
    if strays or not classes:
        raise InputError(root, "class folders and nothing else", f"the file {strays[0]}" if strays else "none")
    found = []
    for rank, name in enumerate(classes):
        label = rank if labels == "sorted" else _class_number(root / name)
        paths = _files(root, name)
        if not paths:
            raise InputError(root / name, "at least one picture", "an empty class folder")
        found += [(_checked(root, path), label) for path in paths]
    return found


def _by_expression(root: Path, expression: str) -> list[tuple[str, int]]:
    try:
        n_groups = re.compile(expression).groups
    except re.error as error:
        raise InputError("labels", "sorted, number or a regular expression with one group", f"{expression} ({error})") from error
    if n_groups != 1:
        raise InputError("labels", "sorted, number or a regular expression with one group", f"{expression}, which has {n_groups}")
    found = [(path, re.search(expression, path)) for path in _files(root, "")]
    return [(_checked(root, path), _class_number(root / path, match[1])) for path, match in found if match]


def _files(root: Path, name: str) -> list[str]:
    """Paths of the files below ``root / name``, relative to ``root``, sorted."""
    found = []
    for folder, folders, files in os.walk(root / name, followlinks=True):
        folders[:] = [inner for inner in folders if not inner.startswith(".")]
        found += [Path(folder, file).relative_to(root).as_posix() for file in files if not file.startswith(".")]
    return sorted(found)


def _checked(root: Path, path: str) -> str:
    if not path.lower().endswith(EXTENSIONS):
        raise InputError(root / path, f"a picture ({', '.join(EXTENSIONS)})", "another file", "move it out of the source")
    return path


def _class_number(path: Path, text: str | None = None) -> int:
    text = path.name if text is None else text
    if not (text.isascii() and text.isdecimal()):
        raise InputError(path, "a class index where `labels` of the source says", text)
    return int(text)
