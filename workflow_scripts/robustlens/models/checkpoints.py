"""Checkpoints that a user brings: their tensors under the names of the architecture, nothing in them executed."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from robustlens.errors import InputError

RENAMED = {"last_layer.": "classifier.6.", "branch4_conv.": "branch4.1."}  # of the study's AlexNet-R and GoogLeNet-R
AUXILIARY = ("aux1.", "aux2.")  # heads of GoogLeNet that only its training uses
CLOSE = 1e-3  # of the normalisation that a checkpoint holds to that of the config


def read_checkpoint(path: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint that a user brought: safetensors, or a torch file read without executing anything."""
    if not Path(path).is_file():
        raise InputError(path, "a checkpoint file", "no such file")
    try:
        state = load_file(path) if path.endswith(".safetensors") else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file it will not read
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(path, "a checkpoint of plain tensors", reason) from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(path, "a dictionary of tensors", type(state).__name__)
    return state


def fit_to_network(where: str, state: dict[str, Tensor], names: set[str], mean: list[float], std: list[float]) -> dict[str, Tensor]:
    """The tensors of ``state`` under the ``names`` of a network's own state.

    Takes off the prefix ``module.``; of a checkpoint of the robustness package, which holds every tensor twice and the normalisation
    beside them, takes ``model.*``. Raises InputError where that normalisation is not ``mean`` and ``std``, which this project applies.
    """
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    if any(name.startswith("attacker.") or name.startswith("normalizer.") for name in state):
        for name, expected in (("normalizer.new_mean", mean), ("normalizer.new_std", std)):
            found = state[name].flatten().tolist() if name in state else expected
            if max(abs(a - b) for a, b in zip(found, expected, strict=True)) > CLOSE:
                shown = ", ".join(f"{value:.3f}" for value in found)
                raise InputError(where, f"the {name.partition('_')[2]} {expected} of the config", f"{shown} in the checkpoint")
        state = {name.removeprefix("model."): tensor for name, tensor in state.items() if name.startswith("model.")}
    renamed = {}
    for name, tensor in state.items():
        for old, new in RENAMED.items():
            if old in name and name not in names:
                name = name.replace(old, new)
        if name in names or not name.startswith(AUXILIARY):
            renamed[name] = tensor
    return renamed
