"""Forward passes whose maps go straight into accumulators and are stored nowhere: the same numbers as from stored activations.

Maps are rounded to float16 as they would be in a file, on the device. On a CPU accumulators take numpy arrays, on a GPU the histograms and
tallies take the tensors themselves.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.inference import Blocks, recorded
from robustlens.models.registry import Classifier, load_model, scale_as_lite
from robustlens.store import LARGEST, refuse_values


def open_model(weights: str, card: str, device: str, scaling: str) -> Classifier:
    """The network; ``scaling`` of what it sees: ``own``, ``lite`` or ``lite-twice`` (:func:`robustlens.models.registry.scale_as_lite`)."""
    model = load_model(weights, card, device)
    if scaling != "own":
        scale_as_lite(model, twice=scaling == "lite-twice")
    return model


def describe_input(card: dict, image_set: str, scaling: str) -> dict[str, str]:
    """What files of activations and of counts say of where they come from (:data:`robustlens.store.IDENTITY`)."""
    seen = f"{card['input']}, mean {card['mean']}, std {card['std']}" + ("" if scaling == "own" else f", scaled as {scaling}")
    return {"model": card["model"], "image_set": image_set, "weights_sha256": card["sha256"], "preprocessing": seen}


def streamed(model: Classifier, shards: list[Shard], n_images: int, batch_size: int) -> Iterator[tuple[slice, list[dict[str, Tensor]]]]:
    """Pairs (rows, for each shard layer -> float16 maps [n_images, n_units, height, width]) that cover the first ``n_images`` once.

    Several shards hold the same images, by id, in the same order. Raises InputError for others, and for values that float16 cannot hold.
    """
    ids = [shard.rows["image_id"].iloc[:n_images].tolist() for shard in shards]
    for shard, found in zip(shards, ids, strict=True):
        if found != ids[0]:
            raise InputError(shard.path, f"the images of {shards[0].path} in their order", "others")
    shown: list[str] = []  # ids of the images in the network

    def copy(layer: str, maps: Tensor) -> Tensor:
        return as_float16(maps[: len(shown)], model.card["model"], layer, shown)

    with torch.inference_mode(), recorded(model, model.layers, copy) as outputs:
        blocks = Blocks(model.device, batch_size, n_images)

        def maps_of(images: Tensor, rows: slice) -> list[dict[str, Tensor]]:
            found, shown[:] = [], ids[0][rows]
            for number, shard in enumerate(shards):
                model(images if number == 0 else blocks.images(shard.pixels(rows.start, rows.stop), len(images)))
                found.append(dict(outputs))
            return found

        yield from blocks.run(shards[0], maps_of, n_images)


def as_float16(maps: Tensor, model: str, layer: str, image_ids: list[str]) -> Tensor:
    """A copy of the maps as they are stored, on their device. Raises InputError for a value that float16 cannot hold."""
    low, high = maps.amin(), maps.amax()  # aminmax is 20 times slower where the channels lie innermost
    if not max(float(high), -float(low)) <= LARGEST:  # also where one of the two is NaN
        refuse_values(model, layer, image_ids, maps.float().cpu().numpy())
    return maps.to(torch.float16, copy=True)


def as_array(maps: Tensor) -> Any:
    """What a histogram or tally of this device takes: numpy's view of a tensor on a CPU, the tensor on a GPU."""
    return maps.numpy() if maps.device.type == "cpu" else maps
