"""What a network answers on a shard: its most probable classes, all probabilities, its loss."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from robustlens.decisions import decide, first_classes
from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.inference import Blocks
from robustlens.models.registry import Classifier, check_labels


def predict(
    model: Classifier,
    shard: Shard,
    *,
    stimulus: str,
    blocks: Blocks,
    classes: str | None = None,
    sixteen_by: str = "mean",
    probabilities: bool = True,
) -> pd.DataFrame:
    """One row an image: ``model, stimulus, image_id, label, shape, texture, top5, probabilities, loss`` (docs/data.md).

    ``blocks``: those of the job, which may go on with other shards. ``classes``, ``sixteen_by``: among which classes is decided
    (:func:`robustlens.decisions.decide`); without ``probabilities`` those are left empty. Raises InputError for a label beyond the
    classes and for logits that are not finite.
    """
    parts = []
    with torch.inference_mode():
        for rows, logits in blocks.run(shard, lambda images, rows: model(images)[: rows.stop - rows.start].float().cpu()):
            check_finite(model, shard, rows, logits)
            scores, loss = _scores(logits, classes, sixteen_by, shard.rows["label"].to_numpy(np.int64)[rows], shard, model)
            parts.append(
                pd.DataFrame(
                    {
                        "top5": list(first_classes(scores)),
                        "probabilities": list(scores) if probabilities else [np.empty(0, np.float32)] * len(scores),
                        "loss": loss.numpy(),
                    }
                )
            )
    columns = shard.rows[["image_id", "label", "shape", "texture"]]
    table = pd.concat([columns, pd.concat(parts, ignore_index=True)], axis=1)
    table.insert(0, "model", model.card["model"])
    table.insert(1, "stimulus", stimulus)
    return table


def _scores(
    logits: Tensor, classes: str | None, sixteen_by: str, labels: np.ndarray, shard: Shard, model: Classifier
) -> tuple[np.ndarray, Tensor]:
    """float32 [n_images, n_classes], the probabilities of the classes among which is decided, and [n_images] their cross-entropy.

    NaN where the label is unknown.
    """
    targets = torch.from_numpy(labels)
    if classes is None:
        check_labels(shard, logits.shape[1], model.card, known=False)
        found, loss = logits.softmax(1).numpy(), F.cross_entropy(logits, targets.clamp_min(0), reduction="none")
    else:
        found = decide(logits.double().softmax(1).numpy(), classes, sixteen_by)
        check_labels(shard, found.shape[1], model.card, known=False, classes=classes)
        of_label = found[np.arange(len(found)), labels.clip(0)] / found.sum(1)
        loss = -torch.from_numpy(of_label).log().float()
    return found.astype(np.float32), torch.where(targets < 0, torch.nan, loss)


def check_finite(model: Classifier, shard: Shard, rows: slice, logits: Tensor) -> None:
    """Raise InputError, naming model and image, if ``logits`` [n_images, n_classes] of ``rows`` are not all finite."""
    if not torch.isfinite(logits).all():
        row = rows.start + int((~torch.isfinite(logits)).any(1).nonzero()[0])
        raise InputError(f"model {model.card['model']}", "finite logits", f"NaN or inf for image {shard.rows['image_id'].iloc[row]}")
