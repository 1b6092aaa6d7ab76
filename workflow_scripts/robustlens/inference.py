"""Forward passes over image shards: predictions and recorded layers.

On a CPU every forward pass has the same shape (BLOCK images, the last block filled up with zeros), because the rounding of a
convolution depends on that shape and on nothing else: so no batch size, shard or number of cores changes a bit. On a GPU a
block is ``batch_size`` images and results agree to rounding.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.models.registry import Classifier, check_labels

BLOCK = 50  # images a forward pass on a CPU


def image_blocks(shard: Shard, batch_size: int, device: torch.device) -> Iterator[tuple[slice, Tensor, int]]:
    """Triples (rows, images, n): float32 ``images`` [block, 3, height, width] on [0, 1], of which the first n are the rows."""
    size = BLOCK if device.type == "cpu" else batch_size
    for rows, pixels in shard.batches(max(batch_size, 1)):
        for start in range(0, len(pixels), size):
            part = pixels[start : start + size]
            block = np.zeros((size, *part.shape[1:]), np.uint8)
            block[: len(part)] = part
            images = torch.from_numpy(block).to(device).permute(0, 3, 1, 2).to(torch.float32) / 255
            first = rows.start + start
            yield slice(first, first + len(part)), images.contiguous(memory_format=torch.channels_last), len(part)


def predict(model: Classifier, shard: Shard, *, stimulus: str, batch_size: int) -> pd.DataFrame:
    """One row an image: ``model, stimulus, image_id, label, shape, texture, top5, probabilities, loss`` (docs/data.md).

    Raises InputError for a label beyond the network's classes and for logits that are not finite.
    """
    device = next(model.parameters()).device
    parts = []
    with torch.inference_mode():
        for rows, images, n in image_blocks(shard, batch_size, device):
            logits = model(images)[:n].float().cpu()
            check_labels(shard, logits.shape[1], model.card["model"], known=False)
            _check_finite(model, shard, rows, logits)
            labels = torch.from_numpy(shard.rows["label"].to_numpy(np.int64)[rows])
            loss = F.cross_entropy(logits, labels.clamp_min(0), reduction="none")
            probabilities = logits.softmax(1)
            top5 = probabilities.topk(min(5, logits.shape[1])).indices
            parts.append(
                pd.DataFrame(
                    {
                        "top5": list(top5.numpy().astype(np.int32)),
                        "probabilities": list(probabilities.numpy()),
                        "loss": torch.where(labels < 0, torch.nan, loss).numpy(),
                    }
                )
            )
    columns = shard.rows[["image_id", "label", "shape", "texture"]]
    table = pd.concat([columns, pd.concat(parts, ignore_index=True)], axis=1)
    table.insert(0, "model", model.card["model"])
    table.insert(1, "stimulus", stimulus)
    return table


def _check_finite(model: Classifier, shard: Shard, rows: slice, logits: Tensor) -> None:
    if not torch.isfinite(logits).all():
        row = rows.start + int((~torch.isfinite(logits)).any(1).nonzero()[0])
        raise InputError(f"model {model.card['model']}", "finite logits", f"NaN or inf for image {shard.rows['image_id'].iloc[row]}")


@contextmanager
def recorded(model: Classifier, layers: list[str]) -> Iterator[dict[str, Tensor]]:
    """Within the context every forward pass puts a copy of each layer's maps [n_images, n_units, height, width] into the yielded dict.

    Raises InputError, at the pass, for a layer that gives no maps and for one that does not run exactly once.
    """
    outputs: dict[str, Tensor] = {}

    def refuse(expected: str, name: str, got: str):
        raise InputError(f"models.{model.card.get('model', '?')}.layers", expected, f"{name}, {got}")

    def keep(name: str, output: Tensor) -> None:
        if not isinstance(output, Tensor) or output.dim() != 4:
            shape = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            refuse("a layer of maps [n_images, n_units, height, width]", name, f"which gives {shape}")
        if name in outputs:
            refuse("a layer that runs once in a forward pass", name, "which runs again")
        outputs[name] = output.detach().clone()

    def complete(*_) -> None:
        for name in layers:
            if name not in outputs:
                refuse("a layer that runs in a forward pass", name, "which does not")

    handles = [model.layer(name).register_forward_hook(lambda _, __, output, name=name: keep(name, output)) for name in layers]
    handles += [model.register_forward_pre_hook(lambda *_: outputs.clear()), model.register_forward_hook(complete)]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
