"""Every kind of stimulus by its name in the config, and the loop that makes one shard of it.

A kind lives in the module of its name (``gaussian-blur``: ``gaussian_blur.py``), as the function of that name, from one image to
uint8 ``[height, width, 3]``. The function names the facts about the image that it needs as positional arguments (any of ``pixels, mask,
image_id, shape, texture, seed, origin``) and its parameters in the config as keyword-only arguments. The module is imported only when
the kind is made, so that an edit to one kind does not make the others again (see ``stimulus_code`` in rules/common.smk).
"""

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import numpy as np

from robustlens.errors import InputError
from robustlens.images import Shard


def make_stimulus(kind: str, shard: Shard, seed: int, **parameters: object) -> Iterator[np.ndarray]:
    """The pictures of ``shard`` as the stimulus ``kind``: uint8 ``[height, width, 3]`` each, in the order of its rows.

    ``parameters``: as in the config. Each picture depends on its own image and on ``seed`` alone. Raises InputError, before the first
    picture, for a kind or parameter that does not exist or is missing.
    """
    change = _function(kind)
    _check_parameters(kind, change, parameters)
    return _pictures(change, shard, seed, parameters)


def masks_after(kind: str, shard: Shard) -> list[np.ndarray | None]:
    """The masks of the object, one a row, that hold for the stimulus: uint8 ``[height, width]`` or None.

    None for all where the kind's module says ``MOVES_THE_OBJECT = True``.
    """
    moved = getattr(_module(kind), "MOVES_THE_OBJECT", False)
    return [None if moved else shard.mask(row) for row in range(len(shard))]


def _module(kind: str) -> ModuleType:
    name = kind.replace("-", "_")
    module = import_module(f"robustlens.stimuli.{name}") if find_spec(f"robustlens.stimuli.{name}") else None
    if not callable(getattr(module, name, None)):
        raise InputError("stimulus kind", "the name of a module of robustlens.stimuli with a function of that name", kind)
    return module


def _function(kind: str) -> Callable[..., np.ndarray]:
    return getattr(_module(kind), kind.replace("-", "_"))


def _check_parameters(kind: str, change: Callable, parameters: dict) -> None:
    known = {name: p for name, p in inspect.signature(change).parameters.items() if p.kind is p.KEYWORD_ONLY}
    for name in parameters:
        if name not in known:
            raise InputError(f"stimulus {kind}", f"parameters among {', '.join(known) or 'none'}", name)
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in parameters:
            raise InputError(f"stimulus {kind}", f"the parameter {name}", "none")


def _pictures(change: Callable, shard: Shard, seed: int, parameters: dict) -> Iterator[np.ndarray]:
    facts = {
        "pixels": lambda row: shard.pixels(row, row + 1)[0],
        "mask": shard.mask,
        "image_id": lambda row: shard.rows["image_id"].iloc[row],
        "shape": lambda row: int(shard.rows["shape"].iloc[row]),
        "texture": lambda row: int(shard.rows["texture"].iloc[row]),
        "seed": lambda row: seed,
        "origin": lambda row: shard.origin,
    }
    needed = [name for name in inspect.signature(change).parameters if name in facts]
    for row in range(len(shard)):
        yield change(*(facts[name](row) for name in needed), **parameters)
