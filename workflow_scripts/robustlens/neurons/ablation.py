"""What each hidden unit is worth: zero it, decide the images again, count the decisions that change (arXiv 2006.09373).

The layers before the unit's are computed once for several units: at the layer the batch is repeated, each copy with another unit set
to zero, and only the layers behind it see the larger batch. That is exact for a layer through which all information passes; one that
has a way round it (a branch, the body of a residual block) is refused.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from robustlens.decisions import decide
from robustlens.devices import out_of_memory
from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.inference import Blocks
from robustlens.models.outputs import layout_of
from robustlens.models.registry import Classifier

COPIES = 8  # units zeroed in one forward pass; a constant, so that every pass has the same shape


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

    def decision(logits: Tensor) -> Tensor:
        if classes is None:
            return logits.argmax(1)
        return torch.from_numpy(decide(logits.double().softmax(1).cpu().numpy(), classes, sixteen_by)).argmax(1)

    def change(images: Tensor, rows: slice) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        n, intact = rows.stop - rows.start, decision(model(images))
        return intact[:n].cpu().numpy(), {layer: changed_decisions(model, layer, images, intact, decision)[:, :n] for layer in model.layers}

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


def changed_decisions(
    model: Classifier, layer: str, images: Tensor, intact: Tensor, decision: Callable[[Tensor], Tensor] = lambda logits: logits.argmax(1)
) -> np.ndarray:
    """bool [n_units, n_images]: whether zeroing the unit, in all its cells, changes the decision ``intact`` [n_images] on each image.

    Of tokens also those that belong to no cell. ``decision``: from logits [n_images, n_classes] to decisions [n_images].

    Raises InputError for a layer that information passes by: only the whole batch, repeated, can go through what lies behind.
    """
    where = f"models.{model.card.get('model', '?')}.layers"
    module, n_images = model.layer(layer), len(images)
    changed, n_units, first = [], None, 0
    while n_units is None or first < n_units:

        def zeroed(_, __, output, first=first):
            nonlocal n_units
            layout = layout_of(output, module)
            if layout is None or len(output) != n_images:
                raise InputError(where, "a layer that runs once and gives [n_images, n_units, ...]", layer)
            n_units = layout.n_units
            copies = output.repeat(COPIES, *[1] * (output.dim() - 1))
            for copy, unit in enumerate(range(first, min(first + COPIES, n_units))):
                copies[copy * n_images : (copy + 1) * n_images].select(layout.axis, unit).zero_()
            return copies

        handle = module.register_forward_hook(zeroed)
        try:
            logits = model(images)
        except RuntimeError as error:  # the copies met the images themselves, that came another way
            if out_of_memory(error):
                raise
            reason = str(error).splitlines()[0][:200]
            raise InputError(where, "a layer whose output alone reaches the decision", f"{layer} ({reason})") from error
        finally:
            handle.remove()
        if len(logits) != COPIES * n_images:
            raise InputError(where, "a layer whose output alone reaches the decision", layer)
        changed.append((decision(logits).view(COPIES, n_images) != intact).cpu().numpy())
        first += COPIES
    return np.concatenate(changed)[:n_units]
