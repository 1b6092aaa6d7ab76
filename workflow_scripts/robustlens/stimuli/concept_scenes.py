"""The miniature concept set: scenes whose shape and texture are independent, with every label known because it was drawn.

Labels, category by category, in Broden's order:

* ``color``: each px of the picture by the nearest of eleven colours, if within COLOUR_RADIUS of it; suffix ``-c``.
* ``object``: the eight shapes, where the object covers more than half a px.
* ``part``: the outline of the object by the direction of its line, ``edge-0`` lying, ``edge-90`` standing, in a band of about 2 px.
* ``material``: ``blob``, where a blob of the ground is to be seen. The rest of the ground has no label: a label on .78 of all px could not
  be detected, since a unit that is on in .005 of them has an IoU of at most .0064 with it.
* ``scene``: a label of the whole picture, the number of blobs on the ground of which something is to be seen; suffix ``-s``.
* ``texture``: the eight textures, on the same px as the object (shape and texture are drawn independently, so the two differ).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from robustlens.broden import LabelledImage, write_broden
from robustlens.stimuli.cues import SHAPES, TEXTURES, list_scenes
from robustlens.stimuli.embedded import Scene, render_scene
from robustlens.stimuli.pixels import to_unit

COLOURS = {  # RGB on [0, 1]
    "black-c": (0.0, 0.0, 0.0),
    "blue-c": (0.10, 0.20, 0.85),
    "brown-c": (0.45, 0.28, 0.12),
    "green-c": (0.15, 0.65, 0.20),
    "grey-c": (0.5, 0.5, 0.5),
    "orange-c": (0.95, 0.55, 0.10),
    "pink-c": (0.95, 0.60, 0.75),
    "purple-c": (0.55, 0.15, 0.65),
    "red-c": (0.85, 0.10, 0.10),
    "white-c": (1.0, 1.0, 1.0),
    "yellow-c": (0.95, 0.90, 0.15),
}
COLOUR_RADIUS = 0.35  # RGB distance beyond which a px has no colour name
EDGES = ("edge-0", "edge-45", "edge-90", "edge-135")  # direction of the line in degrees, counter-clockwise
EDGE_SMOOTHING = 1.0  # px, before the gradient of the mask is taken
EDGE_LEVEL = 0.2  # gradient (share of cover per px) above which a px is on the outline: half of a straight edge's 0.4
MATERIALS = ("blob",)
COUNTS = ("no-blob-s", "one-blob-s", "two-blobs-s", "three-blobs-s")

LABELS = {
    "color": tuple(COLOURS),
    "object": SHAPES,
    "part": EDGES,
    "material": MATERIALS,
    "scene": COUNTS,
    "texture": TEXTURES,
}


def write_concept_scenes(folder: str | Path, n_images: int, seed: int, source: str) -> None:
    """Write ``n_images`` scenes and their labels to ``folder`` in Broden's layout; ``source`` begins the image ids."""
    write_broden(folder, LABELS, _labelled_scenes(n_images, seed, source))


def _labelled_scenes(n_images: int, seed: int, source: str) -> Iterator[LabelledImage]:
    for row in list_scenes(source, n_images, "independent", seed).itertuples():
        scene = render_scene(row.image_id, row.shape, row.texture, seed)
        yield LabelledImage(f"{row.image_id}.png", scene.pixels, *label_scene(scene))


def label_scene(scene: Scene) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """The labels of one scene: ``(maps, whole)``.

    ``maps``: category -> int ``[32, 32]``, 1 + index into ``LABELS[category]``, 0 = none. ``whole``: category -> names that hold for
    the whole picture.
    """
    inside = scene.mask > 127
    seen = scene.blobs & ~inside
    maps = {
        "color": _colour_names(to_unit(scene.pixels)),
        "object": inside * (scene.shape + 1),
        "part": _edges(to_unit(scene.mask)),
        "material": seen.any(axis=0).astype(int),
        "texture": inside * (TEXTURES.index(scene.texture) + 1),
    }
    return maps, {"scene": [COUNTS[int(seen.any(axis=(1, 2)).sum())]]}


def _colour_names(picture: np.ndarray) -> np.ndarray:
    """int ``[height, width]``: 1 + the nearest of COLOURS to each px of ``picture`` (RGB on [0, 1]), 0 beyond COLOUR_RADIUS."""
    distance = np.linalg.norm(picture[..., None, :] - np.array(list(COLOURS.values()), np.float32), axis=-1)
    return np.where(distance.min(axis=-1) <= COLOUR_RADIUS, 1 + distance.argmin(axis=-1), 0)


def _edges(covered: np.ndarray) -> np.ndarray:
    """int ``[height, width]``: 1 + the nearest of EDGES to the direction of the outline of a mask on [0, 1], 0 off the outline."""
    down, right = np.gradient(gaussian_filter(covered, EDGE_SMOOTHING))
    line = np.rad2deg(np.arctan2(right, down))  # the line runs at right angles to the gradient; rows count downwards
    nearest = np.rint(line / 45).astype(int) % 4
    return np.where(np.hypot(down, right) > EDGE_LEVEL, 1 + nearest, 0)
