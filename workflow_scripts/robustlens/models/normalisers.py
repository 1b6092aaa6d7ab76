"""What pixels are normalised with, out of a checkpoint or a network: mean and std are recognised by their names and their three numbers."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from robustlens.models.checkpoints import Checkpoint
from robustlens.models.published import IMAGENET_MEAN

MEANS = frozenset(["mean", "means", "mu", "mus"])
STDS = frozenset(["std", "stds", "sd", "sds", "sigma", "sigmas", "stdev", "stdevs", "stddev", "deviation"])
STATISTICS = frozenset(
    ["running", "moving", "grad", "target", "loss", "noise", "latent", "latents", "bbox", "init"]
)  # words of batch normalisation and of other things than pixels
CLOSE = 1e-3  # between two that count as the same
LARGEST = 255


@dataclass(frozen=True)
class Normaliser:
    """``mean``, ``std``: three numbers each (R, G, B), for pixels on [0, 1]."""

    mean: list[float]
    std: list[float]

    def is_close(self, other: "Normaliser") -> bool:
        """Whether two are the same to within ``CLOSE``."""
        pairs = zip([*self.mean, *self.std], [*other.mean, *other.std], strict=True)
        return all(abs(a - b) <= CLOSE for a, b in pairs)


@dataclass(frozen=True)
class Found:
    """Of a file or a network: its ``normaliser``, None without one; ``doubt``: what looks like one and cannot be taken, in words, or
    empty; ``keys``: (place, name) of every tensor that is part of either."""

    normaliser: Normaliser | None
    doubt: str
    keys: frozenset[tuple[str, str]]


def role(name: str) -> tuple[str, str] | None:
    """``mean`` or ``std`` and what else the last word of a name says (``new`` of ``new_mean``); None for any other name."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.rpartition(".")[2].lower()) if word]
    said = [word for word in words if word in MEANS | STDS]
    if len(said) != 1 or STATISTICS & set(words):
        return None
    return ("mean" if said[0] in MEANS else "std"), " ".join(word for word in words if word != said[0])


def is_normaliser(name: str, tensor: Tensor) -> bool:
    """Whether a tensor is a normaliser's: one number or three under a name of a mean or a deviation."""
    return tensor.numel() in (1, 3) and not tensor.is_complex() and role(name) is not None


def of_checkpoint(checkpoint: Checkpoint) -> Found:
    """The normaliser of a file: in tensors of any part, or in lists, tuples and arrays beside them."""
    numbers: dict[str, dict[str, list[float]]] = {}
    keys = set()
    for place, tensors in checkpoint.parts.items():
        held = {key: _numbers(tensor) for key, tensor in tensors.items() if is_normaliser(key, tensor)}
        keys |= {(place, key) for key in held}
        numbers[place] = held
    for place, listed in checkpoint.numbers.items():
        numbers[place] = numbers.get(place, {}) | {key: found for key, found in listed.items() if role(key) and len(found) in (1, 3)}
    found, doubts, paired = _read(numbers)
    return Found(*_one(found, doubts), frozenset(key for key in keys if key in paired or len(numbers[key[0]][key[1]]) == 3))


def of_network(network: nn.Module, loaded: dict[str, Tensor] | None = None) -> Found:
    """The normaliser that a network applies by itself, as far as its buffers and parameters tell; ``loaded``: what these are to hold.

    ``doubt``: its modules have attributes that look like one, of which nobody knows whether they are applied.
    """
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers()), **(loaded or {})}
    held = {name: _numbers(tensor) for name, tensor in tensors.items() if is_normaliser(name, tensor)}
    found, doubts, paired = _read({"": held})
    attributes = list(_attributes(network))
    if not paired and attributes and not doubts:  # a std alone is a noise's or a blur's
        doubts = [f"its module has {attributes[0]}"]
    normaliser, doubt = _one(found, doubts)
    return Found(normaliser, doubt, frozenset(paired))


def _attributes(network: nn.Module) -> Iterator[str]:
    """Names of what modules of a network have that looks like a mean or a std and is no parameter or buffer."""
    for place, module in network.named_modules():
        for name, value in vars(module).items():
            if role(name) and isinstance(value, list | tuple | np.ndarray | Tensor) and len(value) == 3:
                yield f"{place}.{name}".strip(".")


def _read(numbers: dict[str, dict[str, list[float]]]) -> tuple[list[Normaliser], list[str], set[tuple[str, str]]]:
    """What pairs of mean and std at a place say, what cannot be read, and (place, name) of the pairs."""
    found, doubts, paired = [], [], set()
    for place, listed in numbers.items():
        groups: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for key in listed:
            kind, rest = role(key) or ("", "")
            groups[key.rpartition(".")[0], rest][kind] = key
        alone = [(kind, key) for group in groups.values() if len(group) == 1 for kind, key in group.items()]
        pairs = [(group["mean"], group["std"]) for group in groups.values() if len(group) == 2]
        holders = {key.rpartition(".")[0] for _, key in alone}
        if not pairs and sorted(kind for kind, _ in alone) == ["mean", "std"] and len(holders) == 1:  # in other words: new_mean beside std
            pairs, alone = [tuple(key for _, key in sorted(alone))], []  # type: ignore[list-item]
        for mean, std in pairs:
            paired |= {(place, mean), (place, std)}
            normaliser = _normaliser(listed[mean], listed[std])
            found += [normaliser] if isinstance(normaliser, Normaliser) else []
            doubts += [] if isinstance(normaliser, Normaliser) else [f"{place}.{mean} {normaliser}".strip(".")]
        doubts += [
            f"{place}.{key} without a {'std' if kind == 'mean' else 'mean'}".strip(".") for kind, key in alone if len(listed[key]) == 3
        ]
    return found, doubts, paired


def _normaliser(mean: list[float], std: list[float]) -> Normaliser | str:
    """For pixels on [0, 1], from what is for these or for 0 to 255; in words why it can be for neither."""
    means, stds = (np.broadcast_to(values, 3).astype(float) for values in (mean, std))
    plain = all(map(math.isfinite, [*means, *stds])) and min(means) >= 0 and max([*means, *stds]) <= LARGEST and min(stds) > 0
    scaled = (min(stds) >= 1 < max(means)) or (max(means) == 0 and min(stds) == LARGEST)
    if not plain or not (scaled or max([*means, *stds]) <= 1):
        return f"({_shown(mean)} with std {_shown(std)}), which is for pixels neither on [0, 1] nor on 0 to 255"
    if scaled:
        means, stds = means / LARGEST, stds / LARGEST
    if abs(means[::-1] - IMAGENET_MEAN).max() < 10 * CLOSE < abs(means - IMAGENET_MEAN).max():
        return f"({_shown(mean)}), which is ImageNet's for B, G, R: the network may want its channels in that order"
    return Normaliser(*([float(f"{value:.7g}") for value in values] for values in (means, stds)))


def _one(found: list[Normaliser], doubts: list[str]) -> tuple[Normaliser | None, str]:
    """The one normaliser that all say, or in words why there is none."""
    if doubts:
        return None, doubts[0]
    if other := next((normaliser for normaliser in found if not normaliser.is_close(found[0])), None):
        return None, f"several normalisers (means {_shown(found[0].mean)} and {_shown(other.mean)})"
    return (found[0] if found else None), ""


def _numbers(tensor: Tensor) -> list[float]:
    """The numbers of a tensor as the shortest decimals that give the same float32: 0.485 for what is stored as 0.48500001."""
    return [float(str(np.float32(value))) for value in tensor.detach().flatten().tolist()]


def _shown(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
