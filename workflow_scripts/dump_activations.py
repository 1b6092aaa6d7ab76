"""Activations of one model's layers on one shard of one image set, or of several, into HDF5."""

from contextlib import ExitStack

from torch import Tensor

from robustlens.errors import InputError
from robustlens.host_copies import PinnedRing
from robustlens.images import Shard, read_shard
from robustlens.models.layers import studied_layers
from robustlens.models.registry import Classifier
from robustlens.store import AHEAD, ActivationWriter
from robustlens.streaming import describe_input, open_model, streamed


def main(
    weights: str,
    card: str,
    shards: list[str],
    activations: list[str],
    *,
    image_sets: dict[str, dict],
    layers: list[str | dict] | None,
    compression: str,
    device: str,
    batch_size: int,
):
    """``shards``, ``activations``: an image shard and a file for each of ``image_sets``.

    ``image_sets``: name -> ``n_images``, how many images of the shard to dump (None for all), and ``scaling``: ``own``, ``lite`` or
    ``lite-twice`` (:func:`robustlens.models.registry.scale_as_lite`). ``layers``: names, or ``{layer, units}`` for some units of one, None
    for the default ones.
    """
    units = {entry["layer"]: entry["units"] for entry in layers or [] if isinstance(entry, dict)}
    names = None if layers is None else [entry if isinstance(entry, str) else entry["layer"] for entry in layers]
    model, scaled = None, ""
    for (image_set, asked), shard, path in zip(image_sets.items(), shards, activations, strict=True):
        if model is None or scaled != asked["scaling"]:  # the scaling is part of the network
            model, scaled = open_model(weights, card, device, asked["scaling"]), asked["scaling"]
        images = read_shard(shard)
        model.layers = studied_layers(model.network, model.card, names, images.pixels(0, 1).shape[1])
        n_images = len(images) if asked["n_images"] is None else min(asked["n_images"], len(images))
        attributes = describe_input(model.card, image_set, scaled) | ({"units": units} if units else {})
        write_activations(model, images, n_images, path, attributes, units, compression, batch_size)


def write_activations(
    model: Classifier,
    images: Shard,
    n_images: int,
    activations: str,
    attributes: dict,
    units: dict[str, list[int]],
    compression: str,
    batch_size: int,
) -> None:
    """Write the activations of ``model.layers`` on the first ``n_images`` of a shard; of layers in ``units`` those units alone."""
    with ExitStack() as stack:
        writer = None
        for rows, (whole,) in streamed(model, [images], n_images, batch_size):
            found = {name: chosen(name, maps, units.get(name), model.card["model"]) for name, maps in whole.items()}
            if writer is None:
                shapes = {name: (maps.shape[1], maps.shape[2], maps.shape[3]) for name, maps in found.items()}
                ids = images.rows["image_id"].iloc[:n_images].tolist()
                writer = stack.enter_context(ActivationWriter(activations, ids, shapes, attributes, compression))
                ring = PinnedRing(model.device, AHEAD + 2) if model.device.type == "cuda" else None  # one is written, one is filled
            for name, maps in found.items():
                writer.write(name, rows.start, ring.copy(maps) if ring else maps.numpy(), checked=True)


def chosen(layer: str, maps: Tensor, units: list[int] | None, model: str) -> Tensor:
    """The maps of ``units`` [n_images, n_units, height, width], all if None. Raises InputError for a unit that the layer lacks."""
    if units and max(units) >= maps.shape[1]:
        raise InputError(f"activations.keep.{model}, layer {layer}", f"units below {maps.shape[1]}", max(units))
    return maps if units is None else maps[:, units]


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
