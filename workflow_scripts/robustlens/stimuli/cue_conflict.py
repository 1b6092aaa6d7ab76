"""Cue-conflict pictures: the shape of one image in the texture of another one, of another class (Geirhos et al., 2019)."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from PIL import Image

from robustlens.errors import InputError
from robustlens.images import Shard, read_shard
from robustlens.randomness import generator
from robustlens.stimuli.made import Made
from robustlens.stimuli.paintings import cover

OPEN_SHARDS = 4  # at a time: a shard may hold its pictures itself
AHEAD = 128  # pictures whose textures are read at once, in rising order, in which a Parquet file is quick to read
Place = tuple[int, int]  # number of a texture shard, row in it


def make_cue_conflict(
    shard: Shard,
    seed: int,
    device: str,
    batch_size: int,
    *,
    textures: list[str],
    engine: str = "patches",
    encoder: str | None = None,
    decoder: str | None = None,
) -> Iterator[Made]:
    """Each picture of the shard in the texture of another one: label and shape are its class, texture is the class of the other.

    ``textures``: all shards of the labelled set in order. Of them a class other than the picture's is drawn, each as likely as any
    other, then a picture of it. ``engine``: ``patches`` (:mod:`robustlens.stimuli.patches`, no weights) or ``adain`` with the weights
    ``encoder`` and ``decoder`` (:mod:`robustlens.stimuli.adain`). Raises InputError, before the first picture, for images without a
    label and for a set of one class.
    """
    _check_engine(engine, encoder, decoder)
    labels = _labels(shard)
    by_class = _places_by_class(textures)
    if len(by_class) < 2:
        raise InputError(f"cue-conflict: {textures[0]}", "images of two classes or more", f"class {next(iter(by_class))} alone")
    partners = [_choose(by_class, label, image_id, seed) for label, image_id in zip(labels, shard.rows["image_id"], strict=True)]
    places, read = [place for _, place in partners], _reader(textures)
    if engine == "adain":
        from robustlens.devices import claim_device
        from robustlens.stimuli.adain import Stylizer

        assert encoder is not None and decoder is not None  # `_check_engine` asks for both
        stylizer = Stylizer(encoder, decoder, claim_device(device))
        images = stylizer.pictures(shard, places, lambda place, height, width: cover(read(place), height, width), batch_size)
    else:
        images = _patched(shard, places, read)
    return (
        Made(image, shard.mask(row), label=int(labels[row]), shape=int(labels[row]), texture=int(partners[row][0]))
        for row, image in enumerate(images)
    )


def _check_engine(engine: str, encoder: str | None, decoder: str | None) -> None:
    if engine not in ("patches", "adain"):
        raise InputError("cue-conflict: engine", "patches or adain", engine)
    for name, path in (("encoder", encoder), ("decoder", decoder)):
        if engine == "adain" and path is None:
            raise InputError(f"cue-conflict: {name}", "the file of AdaIN's weights, for the engine adain", "none")
        if engine == "patches" and path is not None:
            raise InputError(f"cue-conflict: {name}", "no weights for the engine patches", path, "set `engine: adain`")


def _places_by_class(textures: list[str]) -> dict[int, np.ndarray]:
    """For each class, in order, the places of its images, int32 ``[n_images, 2]``; the shards are opened one after the other."""
    labels, places = [], []
    for number, path in enumerate(textures):
        labels.append(_labels(read_shard(path)))
        rows = np.arange(len(labels[-1]))
        places.append(np.stack([np.full_like(rows, number), rows], 1).astype(np.int32))
    all_labels, all_places = np.concatenate(labels), np.concatenate(places)
    return {int(label): all_places[all_labels == label] for label in np.unique(all_labels)}


def _labels(shard: Shard) -> np.ndarray:
    labels = shard.rows["label"].to_numpy()
    if (labels < 0).any():
        image_id = shard.rows["image_id"].iloc[int(np.argmax(labels < 0))]
        raise InputError(f"cue-conflict: {shard.path} [{image_id}]", "an image of a known class", "no label", "use a labelled source")
    return labels


def _choose(by_class: dict[int, np.ndarray], label: int, image_id: str, seed: int) -> tuple[int, Place]:
    """Another class than ``label``, and the place of an image of it."""
    random = generator(seed, "cue-conflict", image_id)
    others = [other for other in by_class if other != label]
    texture = others[random.integers(len(others))]
    number, row = by_class[texture][random.integers(len(by_class[texture]))].tolist()
    return texture, (number, row)


def _reader(textures: list[str]) -> Callable[[Place], Image.Image]:
    """Gives the picture at a place; few shards are open at a time."""
    opened = lru_cache(OPEN_SHARDS)(read_shard)

    def read(place: Place) -> Image.Image:
        number, row = place
        return Image.fromarray(opened(textures[number]).pixels(row, row + 1)[0])

    return read


def _patched(shard: Shard, places: list[Place], read: Callable[[Place], Image.Image]) -> Iterator[np.ndarray]:
    from robustlens.stimuli.patches import transfer_texture

    for start in range(0, len(places), AHEAD):
        part = places[start : start + AHEAD]
        styles = {place: read(place) for place in sorted(set(part))}
        for row, place in enumerate(part, start):
            content = shard.pixels(row, row + 1)[0]
            yield transfer_texture(content, cover(styles[place], *content.shape[:2]))
