"""Published picture sets in the layouts in which they are distributed: ImageNet and its relatives, and the stimuli of Geirhos et al.

Each function returns a manifest (``image_id, label, shape, texture, path``) in order of path, and copies nothing. A label is the index of
the class in ``robustlens.imagenet.classes()``, or in ``SIXTEEN`` for the stimuli of Geirhos et al.; -1 is unknown.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from robustlens.errors import InputError, refusing
from robustlens.imagenet import SIXTEEN, index_of, members
from robustlens.stimuli.image_folder import as_manifest, checked, class_folders, files_below

VALIDATION = re.compile(r"ILSVRC2012_val_(\d{8})")  # the stem of a validation image; its number counts from 1
READMES = ("README", "README.md", "README.txt")  # lie beside the class folders of some published archives
SUBSETS = ("imagenet-a", "imagenet-r")  # sets of 200 of the classes
WHOLE = {50000: None, 50889: None, 7500: "imagenet-a", 30000: "imagenet-r"}  # images of a whole set: its subset of the classes
CONFLICT = re.compile(r"([a-z]+)(\d+)-([a-z]+)(\d+)")
READ_META = """
import json, resource, sys
import numpy as np
from scipy.io import loadmat
resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
rows = np.atleast_1d(loadmat(sys.argv[1], squeeze_me=True)["synsets"])
print(json.dumps([[int(row["num_children"]), int(row["ILSVRC2012_ID"]), str(row["WNID"])] for row in rows]))
"""  # a process of its own: SciPy's reader crashes at some damage
READ_SECONDS = 100  # it takes one
N_CONFLICT = 1200  # of the 1,280 published images, those whose shape and texture differ


# ----------------------------------------------------------------------------------------------------- ImageNet and its relatives
def list_imagenet(root: str | Path, n_images: int, *, classes: str | None = None) -> pd.DataFrame:
    """``<root>/<wnid>/<picture>``: ImageNet's validation set, -A, -R, -Sketch, Stylized-ImageNet.

    The label is that of the folder's WordNet id, whichever folders are there. The id of a validation image is its name without suffix, so
    that all sets made from it share its id; of other images it is the path. ``classes``: imagenet-a or imagenet-r, where only their 200
    classes may be there. Where ``n_images`` is that of a whole published set, all of its classes must be there.
    Raises InputError for an unknown or empty class folder, and for all that ``class_folders`` and ``as_manifest`` refuse.
    """
    return _labelled(Path(root), "", n_images, classes if classes in SUBSETS else None)


def list_imagenet_c(root: str | Path, n_images: int, *, corruption: str, severity: int) -> pd.DataFrame:
    """One corruption, such as ``gaussian-noise``, at one severity of ImageNet-C: ``<root>/gaussian_noise/<severity>/<wnid>/<picture>``."""
    return _labelled(Path(root), f"{corruption.replace('-', '_')}/{severity}", n_images, None)


def _labelled(root: Path, below: str, n_images: int, subset: str | None) -> pd.DataFrame:
    folder = root / below
    allowed = None if subset is None else set(members(subset).tolist())
    rows, found = [], set()
    for wnid, paths in _wnid_folders(folder):
        label = index_of(wnid)
        if label is None:
            raise InputError(folder / wnid, "a folder named by the WordNet id of one of ImageNet's 1000 classes", wnid)
        if allowed is not None and label not in allowed:
            raise InputError(folder / wnid, f"one of the 200 classes of {subset}", wnid)
        found.add(label)
        paths = [f"{below}/{path}" if below else path for path in paths]
        rows += [(_image_id(path), label, -1, -1, path) for path in paths]
    if n_images in WHOLE and WHOLE[n_images] == subset:
        n_classes = 1000 if allowed is None else len(allowed)
        if len(found) < n_classes:
            raise InputError(folder, f"all {n_classes} class folders of the whole set of {n_images} images", len(found))
    return as_manifest(folder, n_images, rows)


def _wnid_folders(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The class folders. Raises InputError for a flat folder of validation images."""
    if folder.is_dir() and any(VALIDATION.match(path.name) for path in folder.iterdir()):
        raise InputError(folder, "class folders", "validation images in one flat folder", "give the source a `devkit`")
    return class_folders(folder, READMES)


def _image_id(path: str) -> str:
    stem = Path(path).stem
    return stem if VALIDATION.fullmatch(stem) else path


def list_flat_imagenet(root: str | Path, n_images: int, *, devkit: str | Path) -> pd.DataFrame:
    """``<root>/ILSVRC2012_val_00000001.JPEG`` ...: the validation set as it is distributed, or a part of it, in one folder.

    Labels come from ``devkit``, the unpacked development kit, by the number in the name. Raises InputError for any other file, and for a
    number beyond the truth.
    """
    root, labels = Path(root), read_devkit(devkit)
    rows = []
    for path in files_below(root):
        match = VALIDATION.fullmatch(Path(checked(root, path)).stem)
        if not match or "/" in path:
            raise InputError(root / path, "ILSVRC2012_val_<8 digits> in one flat folder, as `devkit` says", path)
        number = int(match[1])
        if not 1 <= number <= len(labels):
            raise InputError(root / path, f"a number from 1 to {len(labels)}, the lines of the development kit's truth", number)
        rows.append((match[0], int(labels[number - 1]), -1, -1, path))
    return as_manifest(root, n_images, rows)


def read_devkit(folder: str | Path) -> np.ndarray:
    """int64 ``[n_images]``: class index of each validation image, in order of its number, from the development kit of ILSVRC2012.

    Line n of the truth is the kit's own number of the class of image n; ``meta.mat`` says which WordNet id has that number (rows without
    children: the 1000 classes). The numbers do not follow the sorted WordNet ids.
    Raises InputError for a missing or other file, and for a number or WordNet id without a class.
    """
    truth, meta = Path(folder) / "data/ILSVRC2012_validation_ground_truth.txt", Path(folder) / "data/meta.mat"
    for path in (truth, meta):
        if not path.is_file():
            raise InputError(path, "a file of the unpacked development kit of ILSVRC2012", "no such file", "check `devkit` of the source")
    index = _class_numbers(meta)
    with refusing(truth, "lines of numbers"):
        lines = truth.read_text().split()
    labels = np.empty(len(lines), np.int64)
    for number, line in enumerate(lines):
        if not line.isdecimal() or int(line) not in index:
            raise InputError(f"{truth}, line {number + 1}", "the number of a class of meta.mat", line)
        labels[number] = index[int(line)]
    return labels


def _class_numbers(meta: Path) -> dict[int, int]:
    """The kit's number of a class -> its index."""
    expected = "`synsets` with ILSVRC2012_ID, WNID and num_children"
    with refusing(meta, expected):
        done = subprocess.run([sys.executable, "-I", "-c", READ_META, meta], capture_output=True, text=True, timeout=READ_SECONDS)
        if done.returncode:
            said = done.stderr.splitlines()[-1:] or ["nothing"]
            raise InputError(meta, expected, "what ends its reader" if done.returncode < 0 else said[0][:200])
        pairs = [(number, wnid) for children, number, wnid in json.loads(done.stdout) if children == 0]
    unknown = [wnid for _, wnid in pairs if index_of(wnid) is None]
    if unknown:
        raise InputError(meta, "WordNet ids of ImageNet's 1000 classes", unknown[0])
    return {number: index for number, wnid in pairs if (index := index_of(wnid)) is not None}


# ------------------------------------------------------------------------------------------------------- stimuli of Geirhos et al.
def list_cue_conflict(root: str | Path, n_images: int) -> pd.DataFrame:
    """``<root>/<shape>/<shape><n>-<texture><m>.png``: the cue-conflict images whose shape and texture differ; 1,200 of the 1,280.

    ``label`` = ``shape``; ``image_id``: the name without suffix. Raises InputError for a folder or name that does not say the classes, a
    name whose shape is not its folder, and all that ``class_folders`` and ``as_manifest`` refuse.
    """
    root, rows = Path(root), []
    for name, paths in class_folders(root, READMES):
        label = _sixteen(root, name)
        for path in paths:
            match = CONFLICT.fullmatch(Path(path).stem)
            if not match or not {match[1], match[3]} <= set(SIXTEEN):
                raise InputError(root / path, "a name <shape><number>-<texture><number> of the 16 classes", Path(path).name)
            if match[1] != name:
                raise InputError(root / path, f"a name that begins with its folder's class, {name}", match[1])
            if match[1] != match[3]:
                rows.append((match[0], label, label, SIXTEEN.index(match[3]), path))
    shapes = {row[1] for row in rows}
    if n_images == N_CONFLICT and len(shapes) < len(SIXTEEN):
        raise InputError(root, f"all {len(SIXTEEN)} classes of the whole set of {n_images} images", len(shapes))
    return as_manifest(root, n_images, rows)


def list_sixteen_classes(root: str | Path, n_images: int) -> pd.DataFrame:
    """``<root>/<class>/<class><n>.png``: pictures of the 16 classes, as the edge drawings and the filled silhouettes are kept.

    ``image_id``: the path without suffix. Raises InputError for another folder or name, and all that ``class_folders`` and
    ``as_manifest`` refuse.
    """
    root, rows = Path(root), []
    for name, paths in class_folders(root, READMES):
        label = _sixteen(root, name)
        for path in paths:
            if not re.fullmatch(rf"{name}\d+", Path(path).stem):
                raise InputError(root / path, f"a name {name}<number>", Path(path).name)
            rows.append((Path(path).with_suffix("").as_posix(), label, -1, -1, path))
    return as_manifest(root, n_images, rows)


def _sixteen(root: Path, name: str) -> int:
    if name not in SIXTEEN:
        raise InputError(root / name, f"a folder named by one of the 16 classes ({', '.join(SIXTEEN)})", name)
    return SIXTEEN.index(name)
