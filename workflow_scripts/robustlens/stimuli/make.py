"""Every kind of stimulus by its name in the config, and the loop that makes one shard of it.

A kind lives in the module of its name (``gaussian-blur``: ``gaussian_blur.py``) and is one of two functions there:

``gaussian_blur(<facts>, *, <parameters>)``, from one image to uint8 ``[height, width, 3]``. The function names the facts about the image
that it needs as positional arguments (any of ``pixels, mask, image_id, label, shape, texture, seed, origin``), its parameters in the
config as keyword-only arguments.

``make_corruption(shard, seed, device, batch_size, *, <parameters>)``, where batches are faster: gives one
:class:`robustlens.stimuli.made.Made` a row of the shard, in order.

The module is imported only when the kind is made, so that an edit to one kind does not make the others again (see ``stimulus_code`` in
rules/stimuli.smk).
"""

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec

import numpy as np

from robustlens.errors import InputError
from robustlens.images import Shard
from robustlens.stimuli.made import Made


def make_stimulus(
    kind: str, shard: Shard, seed: int, *, device: str = "cpu", batch_size: int = 200, **parameters: object
) -> Iterator[Made]:
    """The pictures of ``shard`` as the stimulus ``kind``, in the order of its rows.

    ``parameters``: as in the config; ``textures``, the shards of the images whose texture may be taken, only where the kind asks for
    them. Each picture depends on its own image, on ``seed`` and on ``parameters``. Raises InputError, before the first picture, for a
    kind or parameter that does not exist or is missing.
    """
    change, in_batches = function_of(kind)
    known = parameters_of(change)
    if "textures" not in known:
        parameters.pop("textures", None)
    _check_parameters(kind, known, parameters)
    if in_batches:
        return change(shard, seed, device, batch_size, **parameters)
    return _one_by_one(change, shard, seed, parameters)


def function_of(kind: str) -> tuple[Callable, bool]:
    """The function of a kind, and whether it takes a whole shard. Raises InputError for a kind that does not exist."""
    name = kind.replace("-", "_")
    module = import_module(f"robustlens.stimuli.{name}") if find_spec(f"robustlens.stimuli.{name}") else None
    for function, in_batches in ((f"make_{name}", True), (name, False)):
        if callable(getattr(module, function, None)):
            return getattr(module, function), in_batches
    raise InputError("stimulus kind", "the name of a module of robustlens.stimuli with a function of that name", kind)


def parameters_of(change: Callable) -> dict[str, bool]:
    """The parameters of a kind, and whether each must be given."""
    parameters = inspect.signature(change).parameters.values()
    return {parameter.name: parameter.default is parameter.empty for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def _check_parameters(kind: str, known: dict[str, bool], parameters: dict) -> None:
    for name in parameters:
        if name not in known:
            raise InputError(f"stimulus {kind}", f"parameters among {', '.join(known) or 'none'}", name)
    for name, needed in known.items():
        if needed and name not in parameters:
            raise InputError(f"stimulus {kind}", f"the parameter {name}", "none")


def _one_by_one(change: Callable[..., np.ndarray], shard: Shard, seed: int, parameters: dict) -> Iterator[Made]:
    """The mask of the object stays, unless the kind's module says ``MOVES_THE_OBJECT = True``. An image that is made blank has no label."""
    facts = {
        "pixels": lambda row: shard.pixels(row, row + 1)[0],
        "mask": shard.mask,
        "image_id": lambda row: shard.rows["image_id"].iloc[row],
        "label": lambda row: int(shard.rows["label"].iloc[row]),
        "shape": lambda row: int(shard.rows["shape"].iloc[row]),
        "texture": lambda row: int(shard.rows["texture"].iloc[row]),
        "seed": lambda row: seed,
        "origin": lambda row: shard.origin,
    }
    needed = [name for name in inspect.signature(change).parameters if name in facts]
    moved = getattr(inspect.getmodule(change), "MOVES_THE_OBJECT", False)
    for row in range(len(shard)):
        image = change(*(facts[name](row) for name in needed), **parameters)
        blank = (image == image[0, 0]).all()  # no edge, no ink: it shows nothing
        yield Made(image, None if moved else shard.mask(row), unusable="of one colour all over" if blank else None)
