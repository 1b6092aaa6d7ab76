"""What the listing of a source says in its log: how many images of which classes, in which formats and sizes."""

from collections import Counter

import numpy as np
import pandas as pd

from robustlens.class_names import missing, shown
from robustlens.errors import InputError
from robustlens.originals import Originals
from robustlens.picture_files import opened_picture

LOOKED_AT = 20  # images whose headers are read


def describe(rows: pd.DataFrame, classes: list[str] | None, root: str) -> list[str]:
    """Sentences on the rows of a manifest; ``classes``: the names that its labels index, None where they are numbers."""
    counts = rows["label"][rows["label"] >= 0].value_counts().sort_index()
    named = {(classes[label] if classes else str(label)): int(count) for label, count in counts.items()}
    said = [f"{len(rows):,} images, {len(named):,} classes{'' if classes else ', which are numbers'}: {shown(list(named))}"]
    if named:
        fewest, most = min(named, key=named.__getitem__), max(named, key=named.__getitem__)
        said.append(f"images by class: fewest {named[fewest]:,} ({fewest}), most {named[most]:,} ({most})")
    if unknown := int((rows["label"] < 0).sum()):
        said.append(f"{unknown:,} images of unknown class")
    if classes and (lacking := missing(list(named), classes)):
        said.append(f"{len(lacking):,} of the {len(classes):,} classes of the study have no image here: {shown(lacking)}")
    return [*said, _headers(rows["path"].tolist(), root)]


def _headers(paths: list[str], root: str) -> str:
    """Formats and sizes of some images, spread evenly."""
    formats: Counter[str] = Counter()
    originals, sides, unreadable = Originals(root), [], 0
    chosen = [paths[row] for row in np.unique(np.linspace(0, len(paths) - 1, min(LOOKED_AT, len(paths))).astype(int))] if paths else []
    for path in sorted(chosen):
        try:
            with opened_picture(originals.read(path), originals.where(path)) as picture:
                formats[f"{picture.format} {picture.mode}"] += 1
                sides.append(picture.size)
        except InputError:  # said, or excluded, when all images are read
            unreadable += 1
    found = [f"{count} {name}" for name, count in formats.most_common()] + [f"{unreadable} unreadable"] * (unreadable > 0)
    sizes = [f"{width} x {height} px" for width, height in (min(sides, default=(0, 0)), max(sides, default=(0, 0)))]
    return f"of {len(chosen)} images looked at: {', '.join(found)}; sizes {' to '.join(dict.fromkeys(sizes))}"
