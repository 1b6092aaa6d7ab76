"""What each hidden unit is worth: zero it, decide the images again, count the decisions that change (arXiv 2006.09373).

What comes before the layer is computed once; what lies behind it, for several units at a time (:mod:`robustlens.neurons.tails`).
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from robustlens.decisions import decide
from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.inference import Blocks
from robustlens.models.registry import Classifier, check_names
from robustlens.neurons.tails import COPIES, Pass, Tails
from robustlens.predictions import check_finite


def ablate_units(
    model: Classifier, shard: Shard, *, batch_size: int, n_images: int | None = None, classes: str | None = None, sixteen_by: str = "mean"
) -> pd.DataFrame:
    """Shape and texture score of every unit of the model's layers on cue-conflict images; one row a unit (docs/data.md).

    The score of a unit for a cue is the number of images that the intact network assigns to that cue's class and that it
    decides otherwise with the unit's map set to zero. ``shard`` needs the classes of both cues in ``shape`` and ``texture``; images
    whose two cues agree are left out. ``n_images``: only the first so many of the shard. ``classes``, ``sixteen_by``: among which
    classes is decided (:func:`robustlens.decisions.decide`).
    """
    counts: dict[str, np.ndarray] = {}
    totals = np.zeros(3, np.int64)

    tails = Tails(model, model.layers)

    def decision(logits: Tensor) -> np.ndarray:
        return decided_class(logits, classes, sixteen_by)

    def change(images: Tensor, rows: slice) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        n, passed, ids = rows.stop - rows.start, tails(images), shard.rows["image_id"].iloc[rows].tolist()
        check_finite(model, shard, rows, passed.logits[:n])
        check_names(shard, passed.logits.shape[1], model.card, classes)
        return decision(passed.logits)[:n], {layer: changed_decisions(passed, layer, decision, ids)[:, :n] for layer in model.layers}

    n_images = len(shard) if n_images is None else min(n_images, len(shard))
    with torch.inference_mode():
        for rows, (decided, changes) in Blocks(model.device, batch_size, n_images).run(shard, change, n_images):
            labels = shard.rows.iloc[rows]
            shape, texture = labels["shape"].to_numpy(), labels["texture"].to_numpy()
            conflict = (shape >= 0) & (texture >= 0) & (shape != texture)
            groups = np.stack([decided == shape, decided == texture, np.ones(len(labels), bool)]) & conflict
            totals += groups.sum(1)
            for layer, changed in changes.items():
                counts[layer] = counts.get(layer, 0) + changed.astype(np.int64) @ groups.T.astype(np.int64)
    frames = []
    for layer, found in counts.items():
        scores = pd.DataFrame(found.astype(np.int32), columns=["shape_score", "texture_score", "n_changed"])
        scores.insert(0, "unit", np.arange(len(scores), dtype=np.int32))
        scores.insert(0, "layer", layer)
        frames.append(scores)
    table = pd.concat(frames, ignore_index=True)
    table.insert(0, "model", model.card["model"])
    for name, value in zip(("n_texture", "n_shape", "n_images"), totals[[1, 0, 2]], strict=True):
        table.insert(3, name, np.int32(value))
    return table


def decided_class(logits: Tensor, classes: str | None = None, sixteen_by: str = "mean") -> np.ndarray:
    """int64 [n_images]: the class of largest score among ``classes`` (:func:`robustlens.decisions.decide`)."""
    if classes is None:
        return logits.argmax(1).cpu().numpy()
    return decide(logits.double().softmax(1).cpu().numpy(), classes, sixteen_by).argmax(1)


def check_ablated(model: Classifier, layer: str, logits: Tensor, image_ids: Sequence[str]) -> None:
    """Raise InputError, naming model, layer and image, if ``logits`` [COPIES, n_images, n_classes] without units are not all finite.

    Only those of the first images, which have ``image_ids``.
    """
    finite = logits[:, : len(image_ids)].isfinite().all(2).all(0)
    if not finite.all():
        image = image_ids[int((~finite).nonzero()[0])]
        where = f"model {model.card['model']}, layer {layer}"
        raise InputError(where, "finite logits without some of its units", f"NaN or inf for image {image}")


def changed_decisions(
    passed: Pass, layer: str, decision: Callable[[Tensor], np.ndarray] = decided_class, image_ids: Sequence[str] = ()
) -> np.ndarray:
    """bool [n_units, n_images]: whether zeroing the unit, in all its cells, changes the intact network's decision on each image.

    Of tokens also those that belong to no cell. ``decision``: from logits [n_images, n_classes] to decisions [n_images]. Raises InputError
    for logits of ``image_ids``, the first images, that are not finite.
    """
    intact, n_units = decision(passed.logits), passed.layouts[layer].n_units
    changed = []
    for first in range(0, n_units, COPIES):
        logits = passed.zeroed(layer, [[unit] for unit in range(first, min(first + COPIES, n_units))])
        check_ablated(passed.model, layer, logits, image_ids)
        changed.append(decision(logits.flatten(0, 1)).reshape(COPIES, -1) != intact)
    return np.concatenate(changed)[:n_units]
