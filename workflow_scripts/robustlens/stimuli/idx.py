"""Pictures in idx files, as MNIST (LeCun et al. 1998) and Fashion-MNIST are published: a file of grey pictures beside one of labels."""

from pathlib import Path

import pandas as pd

from robustlens.errors import InputError
from robustlens.idx_files import read_idx
from robustlens.stimuli.image_folder import as_manifest

PREFIXES = {"train": "train", "test": "t10k"}  # of the files of a split
ENDINGS = ("-idx{axes}-ubyte", "-idx{axes}-ubyte.gz", ".idx{axes}-ubyte", ".idx{axes}-ubyte.gz")  # as they are found


def list_idx(root: str | Path, n_images: int, *, split: str) -> pd.DataFrame:
    """The manifest of the first ``n_images`` of ``split`` (``train`` or ``test``), in the files' order.

    ``image_id``: ``idx-<split>-<number, five digits>``; ``label``: as it stands; ``shape``, ``texture``: -1; ``path``: ``<file>#<row>``.
    Raises InputError for another split, a missing file or one of another form, unequal counts, and fewer images than ``n_images``.
    """
    if split not in PREFIXES:
        raise InputError("idx: split", " or ".join(PREFIXES), split)
    root = Path(root)
    pictures, labels = (_find(root, f"{PREFIXES[split]}-{kind}", axes) for kind, axes in (("images", 3), ("labels", 1)))
    n_pictures, values = len(read_idx(pictures, 3)), read_idx(labels, 1)
    if len(values) != n_pictures:
        raise InputError(labels, f"{n_pictures} labels, one for each picture of {pictures.name}", len(values))
    numbered = enumerate(values[:n_images].tolist())
    return as_manifest(root, n_images, [(f"idx-{split}-{row:05d}", label, -1, -1, f"{pictures.name}#{row}") for row, label in numbered])


def _find(root: Path, name: str, axes: int) -> Path:
    names = [name + ending.format(axes=axes) for ending in ENDINGS]
    for candidate in names:
        if (root / candidate).is_file():
            return root / candidate
    raise InputError(root, f"a folder that holds one of {', '.join(names)}", "none of them", "check `root` of the source")
