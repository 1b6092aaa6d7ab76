"""Image shards of rendered scenes."""

from pathlib import Path

import numpy as np
import pandas as pd

from robustlens.images import write_shard
from robustlens.stimuli.cues import SHAPES
from robustlens.stimuli.embedded import render_scene


def write_scenes(path: str | Path, rows: pd.DataFrame, name: str, source: dict, seed: int) -> None:
    """Write the image shard of the manifest rows ``rows`` (``image_id, shape, texture``, ...), each scene with the mask of its object.

    ``name``, ``source``: the source in the config; ``seed`` keys every random number, with the image id.
    """
    scenes = [render_scene(row.image_id, row.shape, row.texture, seed) for row in rows.itertuples()]
    origin = {"kind": source["kind"], "source": name, "seed": seed}
    masks: list[np.ndarray | None] = [scene.mask for scene in scenes]
    write_shard(path, rows, pixels=(scene.pixels for scene in scenes), masks=masks, origin=origin, classes=list(SHAPES))
