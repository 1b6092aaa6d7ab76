"""Some images of a source, spread evenly over it and read where they are: before, and apart from, the shards of the study."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from robustlens.images import Shard, read_shard, write_shard
from robustlens.stimuli.cues import SHAPES, list_scenes
from robustlens.stimuli.scenes import write_scenes
from robustlens.stimuli.sifting import sift
from robustlens.stimuli.sources import list_labelled

TOGETHER = 1000  # images that are listed, and if synthetic rendered, at a time


class Sample:
    """``n_images`` of the images of a source, all if None.

    ``name``, ``source``: the source in the config; ``seed``: of the study; ``exclude``: leave out image files that cannot be read;
    ``class_list``: the list in which class names are found (``list_labelled``).
    ``rows``: the part of its manifest, in order. Raises InputError for what the listing of the source refuses.
    """

    def __init__(
        self, name: str, source: dict, seed: int, n_images: int | None, exclude: bool = False, class_list: list[str] | dict | None = None
    ):
        self.name, self.source, self.seed = name, source, seed
        self.synthetic = source["kind"] == "embedded"
        self.exclude = exclude and not self.synthetic
        self.classes: list[str] | None = list(SHAPES)
        if self.synthetic:
            rows = list_scenes(name, source["n_images"], source.get("cues", "both"), seed)
        else:
            rows, self.classes = list_labelled(source, class_list)
        self.rows = rows.iloc[spread(len(rows), n_images)].reset_index(drop=True)

    def __len__(self) -> int:
        return len(self.rows)

    def shards(self) -> Iterator[Shard]:
        """The images, some at a time, as image shards in temporary files. Raises InputError for one that cannot be read."""
        with TemporaryDirectory() as folder:
            path = Path(folder, "sample.parquet")
            for start in range(0, len(self.rows), TOGETHER):
                rows = self.rows.iloc[start : start + TOGETHER].reset_index(drop=True)
                if self.synthetic:
                    write_scenes(path, rows, self.name, self.source, self.seed)
                else:
                    root, resize_crop = self.source["root"], self.source.get("geometry")
                    rows = sift(rows, root, resize_crop)[0] if self.exclude else rows
                    origin = {"kind": self.source["kind"], "source": self.name}
                    write_shard(path, rows, root=root, geometry=resize_crop, origin=origin, classes=self.classes)
                yield read_shard(path)


def spread(n_images: int, wanted: int | None) -> np.ndarray:
    """int64 [min(n_images, wanted)]: rows that lie evenly over ``n_images`` (a folder lists class after class); all for None."""
    wanted = n_images if wanted is None else min(wanted, n_images)
    return np.arange(wanted) * n_images // max(wanted, 1)
