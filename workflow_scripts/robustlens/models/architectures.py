"""Networks without their weights: a model of torchvision or timm by its name, or whatever a factory makes."""

import importlib
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial, reduce
from pathlib import Path
from typing import Any

from torch import nn

from robustlens.errors import InputError
from robustlens.models.published import TIMM, check_architecture

RESCALING = ("googlenet", "inception_v3")  # of torchvision: they can rescale inputs to the range that their published weights expect


def default_arguments(architecture: str, *, brought: bool) -> dict:
    """What a bare name of torchvision is called with unless the config says otherwise; ``{}`` for timm and factories.

    GoogLeNet and Inception: no auxiliary heads, no slow random weights; where weights are ``brought`` also ``transform_input``, which
    torchvision sets for its own weights and the networks that were trained from its code have, too.
    """
    if architecture not in RESCALING:
        return {}
    return {"aux_logits": False, "init_weights": False, **({"transform_input": True} if brought else {})}


def build_network(where: str, architecture: str, arguments: dict, python_path: str | None = None) -> nn.Module:
    """The network, with random weights, of a torchvision name, ``timm:<name>`` or ``package.module:factory``.

    ``arguments``: of the factory, on top of :func:`default_arguments`; ``python_path``: a folder that holds the factory's package, where
    it is not installed; ``where``: the config key, for messages. Raises InputError for what cannot be built; fetches nothing.
    """
    if architecture.startswith(TIMM):
        factory = _of_timm(f"{where}.architecture", architecture.removeprefix(TIMM))
    elif ":" not in architecture:
        factory = _of_torchvision(f"{where}.architecture", architecture)
    else:
        factory = _of_package(where, architecture, python_path)
    for key in ("weights", "pretrained"):
        if ":" not in architecture.removeprefix(TIMM) and arguments.get(key):
            raise InputError(f"{where}.arguments.{key}", f"the name of the weights under {where}.weights", arguments[key])
    try:
        network = factory(**{**default_arguments(architecture, brought=False), **arguments})
    except Exception as error:  # a factory is anybody's code
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        if isinstance(error, TypeError) and "argument" in reason:
            raise InputError(f"{where}.arguments", f"what {architecture} takes", error) from error
        raise InputError(f"{where}.architecture", "a factory that builds a network", f"{architecture}, which ends in {reason}") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"{where}.architecture", "a factory of a torch module", type(network).__name__)
    return network


def _of_torchvision(where: str, name: str) -> Callable[..., nn.Module]:
    from torchvision.models import get_model_builder

    check_architecture(where, name)
    return get_model_builder(name)


def _of_timm(where: str, name: str) -> Callable[..., nn.Module]:
    try:
        import timm
    except ImportError as error:
        raise InputError(where, "timm to be installed", f"{TIMM}{name}", "pip install timm") from error
    if not timm.is_model(name):
        close = get_close_matches(name, timm.list_models(), 3)
        raise InputError(where, f"a model that timm {timm.__version__} has", name, f"perhaps {' or '.join(close)}" if close else "")
    return partial(timm.create_model, name, pretrained=False)


def _of_package(where: str, architecture: str, python_path: str | None) -> Callable[..., nn.Module]:
    module_name, _, attribute = architecture.partition(":")
    if not (module_name and attribute):
        raise InputError(f"{where}.architecture", "package.module:factory", architecture)
    if python_path and python_path not in sys.path:
        if not Path(python_path).is_dir():
            raise InputError(f"{where}.python_path", "a folder", python_path)
        sys.path.append(python_path)
    try:
        module: Any = importlib.import_module(module_name)
        return reduce(getattr, attribute.split("."), module)
    except Exception as error:  # a module is anybody's code
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{where}.architecture", "an importable package.module:factory", f"{architecture} ({reason})") from error
