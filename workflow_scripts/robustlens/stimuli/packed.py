"""Pictures in Parquet files, in the convention of the Hugging Face hub: a column of encoded pictures beside one of labels."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from robustlens.errors import InputError, refusing
from robustlens.stimuli.image_folder import LARGEST_LABEL, as_manifest, files_below

IMAGE = "a column image: struct<bytes: binary, path: string>"
KINDS = {"bytes": ("binary", "large_binary", "null"), "path": ("string", "large_string", "null")}
OPTIONAL = ("shape", "texture")  # columns of class indices that are taken over where all files have them


def list_parquet(root: str | Path, n_images: int) -> pd.DataFrame:
    """The manifest of a Parquet file, or of all ``*.parquet`` below a folder, in order of path and row; no picture is read.

    ``image``: struct of ``bytes`` and ``path``, of which one may be null (a path is relative to the file's folder); ``label``: whole
    numbers from 0; ``image_id``: text, if there is that column, else the ``path`` of the reference; ``shape``, ``texture``: class indices,
    if there. ``path``: ``<file>#<row>``, ``#<row>`` where ``root`` is the file.
    Raises InputError for another file, other columns, a row without label, two rows of one id, or another count than ``n_images``.
    """
    root = Path(root)
    files = _files(root)
    if (n_rows := sum(_n_rows(root / file) for file in files)) != n_images:  # before a file of a megabyte becomes a hundred million rows
        raise InputError(root, f"{n_images} pictures", n_rows, "correct `n_images` or `root` of the source")
    rows = [row for file in files for row in _rows(root / file, file)]
    return as_manifest(root, n_images, rows)


def _files(root: Path) -> list[str]:
    """The Parquet files below a folder, relative to it; of a file an empty name."""
    if root.is_dir():
        files = [path for path in files_below(root) if path.lower().endswith(".parquet")]
    else:
        files = [""] if root.is_file() and root.suffix.lower() == ".parquet" else []
    if not files:
        raise InputError(root, "a Parquet file, or a folder that holds some", "none", "check `root` of the source")
    return files


def label_names(root: str | Path) -> list[str] | None:
    """The names of the labels from 0, as the library ``datasets`` notes them in each file (ClassLabel); None where no file does.

    Raises InputError for another file, and for files that name the labels differently.
    """
    root = Path(root)
    noted = {file: _noted_names(root / file) for file in _files(root)}
    (first, names), *others = noted.items()
    for file, found in others:
        if found != names:
            raise InputError(root / file, f"the class names of {root / first}", "others" if found else "none")
    return names


def _noted_names(path: Path) -> list[str] | None:
    with refusing(path, "a complete Parquet file"):
        notes = (pq.read_schema(path).metadata or {}).get(b"huggingface")
    with refusing(path, "notes of the library datasets in JSON"):
        label = json.loads(notes or "{}").get("info", {}).get("features", {}).get("label", {})
        names = label.get("names") if isinstance(label, dict) else None
        return None if names is None else [str(name) for name in names]


def _n_rows(path: Path) -> int:
    with refusing(path, "a complete Parquet file"):
        return pq.read_metadata(path).num_rows


def _rows(path: Path, name: str) -> list[tuple[str, int, int, int, str]]:
    """The manifest rows of one file."""
    with refusing(path, "a complete Parquet file"), pq.ParquetFile(path) as parquet:
        schema = parquet.schema_arrow
        _check_columns(path, schema)
        wanted = [column for column in ("label", "image_id", *OPTIONAL) if column in schema.names]
        table = parquet.read(columns=wanted).to_pydict()
    paths = [f"{name}#{row}" for row in range(len(table["label"]))]
    for reference, label in zip(paths, table["label"], strict=True):
        if label is None or not 0 <= label <= LARGEST_LABEL:
            raise InputError(path, "a label from 0 in each row", f"{label} in {reference}")
    ids = table.get("image_id", paths)
    cues = [[-1 if index is None else index for index in table.get(column, [-1] * len(paths))] for column in OPTIONAL]
    for reference, *indices in zip(paths, *cues, strict=True):
        if wrong := [index for index in indices if not -1 <= index <= LARGEST_LABEL]:
            raise InputError(path, "class indices from 0, or -1, in shape and texture", f"{wrong[0]} in {reference}")
    if None in ids:
        raise InputError(path, "an image_id in each row", f"none in {paths[ids.index(None)]}")
    return list(zip(ids, table["label"], *cues, paths, strict=True))


def _check_columns(path: Path, schema: pa.Schema) -> None:
    types = {field.name: field.type for field in schema}
    image = types.get("image")
    fields = {field.name for field in image} if image is not None and pa.types.is_struct(image) else set()
    if image is None or not fields & {"bytes", "path"}:
        got = "no such column" if image is None else str(image)
        raise InputError(path, IMAGE, got)
    if wrong := [field for field in image if field.name in KINDS and str(field.type) not in KINDS[field.name]]:
        raise InputError(path, IMAGE, f"{wrong[0].type} as {wrong[0].name}")
    for name in ("label", *OPTIONAL):
        if name in types and not pa.types.is_integer(types[name]) or name not in (*types, *OPTIONAL):
            raise InputError(path, f"a column {name} of whole numbers", types.get(name, "no such column"))
    if "image_id" in types and not (pa.types.is_string(types["image_id"]) or pa.types.is_large_string(types["image_id"])):
        raise InputError(path, "a column image_id of text", types["image_id"])
