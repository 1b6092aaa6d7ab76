"""Networks without their weights: a model of torchvision or timm by its name, or whatever a factory makes."""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial, reduce
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from robustlens.errors import InputError
from robustlens.models.published import TIMM, check_architecture

RESCALING = ("googlenet", "inception_v3")  # of torchvision: they can rescale inputs to the range that their published weights expect
_user_modules: dict[str, dict[str, ModuleType]] = {}  # python_path -> modules that came from it, put aside while another one is used
OURS = "robustlens"
_own_modules: set[str] = set()  # names of what was loaded before, which stays


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
    except (Exception, SystemExit) as error:  # a factory is anybody's code
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        if isinstance(error, TypeError) and "argument" in reason:
            raise InputError(f"{where}.arguments", f"what {architecture} takes", error) from error
        raise InputError(f"{where}.architecture", "a factory that builds a network", f"{architecture}, which ends in {reason}") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"{where}.architecture", "a factory of a torch module", type(network).__name__)
    if lazy := [name for name, tensor in (*network.named_parameters(), *network.named_buffers()) if is_lazy(tensor)]:
        advice = "give its modules their numbers of inputs (nn.Conv2d for nn.LazyConv2d), or call it once in its factory"
        raise InputError(f"{where}.architecture", "a network whose weights have shapes", f"none of {', '.join(lazy[:3])}", advice)
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
    if python_path and not Path(python_path).is_dir():
        raise InputError(f"{where}.python_path", "a folder", python_path)
    try:
        with _coming_from(python_path):
            module: Any = importlib.import_module(module_name)
        found = reduce(getattr, attribute.split("."), module)
    except (Exception, SystemExit) as error:  # a module is anybody's code
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        advice = "put what is for the command line below `if __name__ == '__main__'`" if isinstance(error, SystemExit) else ""
        what = "an importable package.module:factory"
        raise InputError(f"{where}.architecture", what, f"{architecture} ({reason})", advice) from error
    if python_path and not _is_from(module_name, module, python_path):
        place = f"{module_name}, which is that of {getattr(module, '__file__', 'Python itself')}"
        raise InputError(f"{where}.architecture", f"a module of {python_path}", place, "give the module another name")
    return found


@contextmanager
def _coming_from(folder: str | None) -> Iterator[None]:
    """Within the context modules come from this ``python_path`` first, afterwards last; never from that of another network, whose modules
    may have the same names."""
    if folder is None:
        yield
        return
    for other, modules in _user_modules.items():
        if other != folder:
            sys.path[:] = [path for path in sys.path if path != other]
            modules |= {
                name: module
                for name, module in sys.modules.items()
                if name not in _own_modules and _is_from(name, module, other) and not name.startswith(OURS)
            }
            for name in modules:
                sys.modules.pop(name, None)
    if folder not in _user_modules:
        _own_modules.update(sys.modules)
    sys.modules.update(_user_modules.setdefault(folder, {}))
    sys.path[:] = [folder, *(path for path in sys.path if path != folder)]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = [*(path for path in sys.path if path != folder), folder]


def _is_from(name: str, module: Any, folder: str) -> bool:
    """Whether a module, or its package, lies in ``folder`` itself: not in an environment somewhere below it."""
    top = name.partition(".")[0]
    places = [module.__file__] if getattr(module, "__file__", None) else list(getattr(module, "__path__", []))
    for full in (os.path.abspath, os.path.realpath):
        for place in places:
            first = Path(full(place)).parts[len(Path(full(folder)).parts) :][:1]
            if Path(full(place)).is_relative_to(full(folder)) and first and first[0].partition(".")[0] == top:
                return True
    return False
