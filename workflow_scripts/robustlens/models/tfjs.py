"""ResNets of Keras that were converted for TensorFlow.js: ``model.json`` beside its weights, as tensors under torchvision's names.

The layers format: ``weightsManifest`` of the JSON lists groups of ``paths``, files whose bytes, one after the other, are the values of
``weights`` in order, little-endian and row by row. Nothing of the model's topology is read: the architecture is the config's.
"""

import json
import re
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robustlens.errors import InputError
from robustlens.picture_files import read_file

BRANCHES = {"1": ("downsample.0", "downsample.1"), **{f"2{letter}": (f"conv{i}", f"bn{i}") for i, letter in enumerate("abc", 1)}}
NORMALISATION = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
LAYER = re.compile(r"(?P<kind>res|bn)(?P<stage>[2-5])(?P<block>[a-z])_branch(?P<branch>1|2[abc])")


def read_tfjs(path: str | Path) -> dict[str, Tensor]:
    """The tensors, float32, of a ResNet of Keras at ``path``, a ``model.json``, under the names of torchvision's ResNet.

    Kernels become ``[n_outputs, n_inputs, height, width]``, those of linear layers ``[n_outputs, n_inputs]``. The bias of a convolution,
    which torchvision's has not, is taken off the mean of the normalisation behind it: ``(x + b) - m = x - (m - b)``. Raises InputError
    for another JSON file, weights that are quantised, missing or cut short, and layers of another network.
    """
    arrays = read_arrays(Path(path))
    state, biases = {}, {}
    for name, array in arrays.items():
        layer, _, role = name.rpartition("/")
        module, normalisation = _module(layer)
        tensor = torch.from_numpy(array)
        if module is None or role not in ("kernel", "bias", *NORMALISATION):
            raise InputError(path, "the layers of a ResNet of Keras (conv1, bn_conv1, res2a_branch2a, ...)", name)
        if tensor.ndim not in ((2, 4) if role == "kernel" else (1,)):
            raise InputError(path, f"{name} of a ResNet", f"the shape {list(tensor.shape)}")
        if role == "kernel":
            state[f"{module}.weight"] = tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor.T
        elif role == "bias" and normalisation:
            biases[normalisation] = tensor
        else:
            state[f"{module}.{NORMALISATION.get(role, role)}"] = tensor
    for normalisation, bias in biases.items():
        if f"{normalisation}.running_mean" not in state:
            raise InputError(path, f"the mean of {normalisation}, which takes up the bias of the convolution before it", "none")
        if state[f"{normalisation}.running_mean"].shape != bias.shape:
            raise InputError(path, f"a bias of the size of the mean of {normalisation}", f"{len(bias)} numbers")
        state[f"{normalisation}.running_mean"] = state[f"{normalisation}.running_mean"] - bias
    return {name: tensor.contiguous() for name, tensor in state.items()}


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The weights of a ``model.json`` as they are kept: float32 by the names of Keras."""
    try:
        listed = [_listed(group) for group in json.loads(path.read_text())["weightsManifest"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise InputError(path, "the model.json of a layers model of TensorFlow.js", reason) from error
    found = {}
    for files, weights in listed:
        data, start = _joined(path, files), 0
        for name, shape, weight in weights:
            if weight.get("dtype") != "float32" or "quantization" in weight:
                raise InputError(path, f"{name} in float32", "quantised" if "quantization" in weight else weight.get("dtype"))
            size = prod(shape)
            if start + 4 * size > len(data):
                raise InputError(path, f"{start + 4 * size} bytes or more in {', '.join(files[:2])} ...", len(data), "fetch it again")
            found[name] = np.frombuffer(data, "<f4", size, start).astype(np.float32).reshape(shape)
            start += 4 * size
        if start != len(data):
            raise InputError(path, f"{start} bytes in {', '.join(files[:2])} ...", len(data))
    return found


def _listed(group: dict) -> tuple[list[str], list[tuple[str, tuple[int, ...], dict]]]:
    """The files of a group, and name, shape and entry of each of its weights. Raises ValueError for what they cannot be."""
    files, weights = group["paths"], [(weight["name"], weight["shape"], weight) for weight in group["weights"]]
    if not isinstance(files, list) or not all(isinstance(text, str) for text in (*files, *(name for name, _, _ in weights))):
        raise ValueError("names that are no text")
    if len(set(files)) < len(files):  # a file that is listed a million times
        raise ValueError("a file twice")
    for name, shape, _ in weights:
        if not isinstance(shape, list) or len(shape) > 4 or not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError(f"another shape of {name} than up to four whole numbers")
    return files, [(name, tuple(shape), weight) for name, shape, weight in weights]


def _joined(path: Path, files: list[str]) -> bytes:
    """The bytes of the files of one group, which lie beside the JSON file."""
    for name in files:
        if Path(name).name != name:
            raise InputError(path, "names of files beside it", name)
    try:
        return b"".join(read_file(path.parent / name, path.parent / name, "weights") for name in files)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(path, "its weights beside it", error) from error


def _module(layer: str) -> tuple[str | None, str | None]:
    """The module of torchvision that a layer of Keras is, None for an unknown one; of a convolution the normalisation behind it, too."""
    known = {"conv1": ("conv1", "bn1"), "bn_conv1": ("bn1", None), "fc1000": ("fc", None)}
    if layer in known or not (match := LAYER.fullmatch(layer)):
        return known.get(layer, (None, None))
    block = f"layer{int(match['stage']) - 1}.{ord(match['block']) - ord('a')}."
    convolution, normalisation = (block + name for name in BRANCHES[match["branch"]])
    return (convolution, normalisation) if match["kind"] == "res" else (normalisation, None)
