"""The two cues of the embedded study's classes, shape and texture, and which image shows which."""

import pandas as pd

from robustlens.errors import InputError
from robustlens.randomness import generator

SHAPES = ("disc", "triangle", "square", "star", "cross", "ring", "crescent", "bowtie")
TEXTURES = ("stripes-0", "stripes-90", "stripes-45", "stripes-135", "plaid-0", "plaid-45", "grain", "dots")  # k belongs to class k
CUES = ("both", "texture", "shape", "conflict", "independent")


def list_scenes(source: str, n_images: int, cues: str, seed: int) -> pd.DataFrame:
    """The manifest of ``n_images`` scenes: ``image_id, label, shape, texture, path``.

    ``cues`` says what predicts the label: ``both`` (shape = texture = label), ``texture`` (the shape is drawn at random), ``shape``
    (the texture is), ``conflict`` (label = shape, texture of another class; all 56 pairs in turn), ``independent`` (both at random,
    label = shape). Labels are balanced, except for ``independent``. Raises InputError for another word.
    """
    if cues not in CUES:
        raise InputError(f"sources.{source}.cues", f"one of {', '.join(CUES)}", cues)
    n_classes = len(SHAPES)
    rows = []
    for i in range(n_images):
        image_id = f"{source}-{i:06d}"
        turn = i % n_classes
        other = (turn + 1 + i // n_classes % (n_classes - 1)) % n_classes
        drawn_shape, drawn_texture = generator(seed, "cues", image_id).integers(n_classes, size=2).tolist()
        shape = drawn_shape if cues in ("texture", "independent") else turn
        texture = {"conflict": other, "both": turn, "texture": turn}.get(cues, drawn_texture)
        rows.append((image_id, texture if cues == "texture" else shape, shape, texture, ""))
    return pd.DataFrame(rows, columns=["image_id", "label", "shape", "texture", "path"])
