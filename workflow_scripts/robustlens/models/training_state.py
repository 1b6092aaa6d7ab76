"""A training that was put down: one safetensors file with the weights, the optimiser's state, and all that is no tensor as JSON."""

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from robustlens.errors import refusing
from robustlens.files import replacing


def write_state(path: str | Path, weights: dict[str, Tensor], optimiser: dict, **numbers: object) -> None:
    """Write a state: ``weights`` and ``optimiser`` as torch's ``state_dict`` gives them, ``numbers`` whatever JSON can hold."""
    moments = {f"optimiser.{i}.{key}": value for i, state in optimiser["state"].items() for key, value in state.items()}
    named = {f"network.{name}": tensor for name, tensor in weights.items()} | {k: v for k, v in moments.items() if v is not None}
    tensors = {name: tensor.cpu().contiguous().clone() for name, tensor in named.items()}  # tied weights are written each
    with replacing(path) as temporary:
        save_file(tensors, temporary, {"training": json.dumps({"groups": optimiser["param_groups"], **numbers})})


def read_state(path: str | Path) -> tuple[dict[str, Tensor], dict, dict]:
    """The weights, the optimiser's ``state_dict`` and the numbers of :func:`write_state`. Raises InputError for another file."""
    with refusing(path, "a training that was put down", "delete it and run again"):
        with safe_open(path, "pt") as file:
            numbers = json.loads(file.metadata()["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        weights = {name.removeprefix("network."): tensor for name, tensor in tensors.items() if name.startswith("network.")}
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                moments.setdefault(int(number), {})[key] = tensor
        return weights, {"state": moments, "param_groups": numbers.pop("groups")}, numbers
