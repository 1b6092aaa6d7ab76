"""The tensors of a checkpoint under the names of a network: its prefix and place found, other names translated, all else refused."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from robustlens.errors import InputError, refusing
from robustlens.models.checkpoints import Checkpoint, some

RENAMED = (  # names of other versions and forks, where the network itself has no such name
    (r"(^|\.)last_layer\.", r"\1classifier.6."),  # AlexNet of the robustness package
    (r"\.branch4_conv\.", ".branch4.1."),  # GoogLeNet of its fork
    (r"(\.denselayer\d+\.(?:norm|relu|conv))\.(\d)\.", r"\1\2."),  # torchvision's own DenseNet files
    (r"\.mlp\.linear_1\.", ".mlp.0."),  # torchvision's own vision transformers
    (r"\.mlp\.linear_2\.", ".mlp.3."),
    (r"(^|\.)_orig_mod\.", r"\1"),  # of torch.compile
)
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # heads that only the training of GoogLeNet and Inception uses
COUNTER = "num_batches_tracked"  # of batch normalisation; older files have none, and no decision depends on it
COMPUTED = (
    COUNTER,
    "relative_position_index",
    "attn_mask",
    "total_ops",
    "total_params",
)  # counted or computed, not learned
FEWEST = 0.25  # share of the names below which a file is of another network altogether
MEANS, STDS = ("new_mean", "mean", "mu", "image_mean", "pixel_mean"), ("new_std", "std", "sigma", "image_std", "pixel_std")


@dataclass(frozen=True)
class Fitted:
    """The tensors of a checkpoint under all names of a network, in its dtypes, and what had to be done for that.

    ``part``: their place in the file, with the prefix of their names. ``renamed``: ``old -> new`` pattern -> how many. ``dropped``: name
    or prefix of what else the file holds -> how many tensors. ``filled``: how many counters of batch normalisation the file lacks.
    ``normaliser``: mean and std (R, G, B, pixels on [0, 1]) that the file holds, or None. ``normalises``: the network has them itself.
    """

    tensors: dict[str, Tensor]
    part: str
    renamed: dict[str, int]
    dropped: dict[str, int]
    filled: int
    normaliser: tuple[list[float], list[float]] | None
    normalises: bool


@dataclass(frozen=True)
class Candidate:
    """A part of a checkpoint and a prefix: ``keys`` are those in the part by the names of the network that they stand for."""

    part: str
    prefix: str
    keys: dict[str, str]

    @property
    def place(self) -> str:
        """Part and prefix as one dotted name."""
        return f"{self.part}.{self.prefix}".strip(".")


def fit_to_network(checkpoint: Checkpoint, network: nn.Module, *, part: str | None = None, kind: str = "") -> Fitted:
    """The tensors of a checkpoint under the names of ``network``: of all parts and prefixes those that most names agree with.

    ``part``: the place to take them from, where several hold other weights; ``kind``: what the network is called in messages. Raises
    InputError where tensors are missing or unknown, of another shape, for another number of classes, not finite, or not to be told apart.
    """
    path, kind, wanted = checkpoint.path, kind or type(network).__name__, network.state_dict()
    candidates = _candidates(checkpoint, wanted)
    if part is not None:
        places = [candidate.place for candidate in candidates]
        candidates = [candidate for candidate in candidates if candidate.place == part]
        if not candidates:
            raise InputError(path, f"the part {part}", some(places) or "none that fits")
    if not candidates or len(candidates[0].keys) < FEWEST * len(wanted):
        few = f"only {len(candidates[0].keys)} of them under one prefix" if candidates else "none of them"
        largest = max(checkpoint.parts.values(), key=len)
        raise InputError(path, f"the {len(wanted)} tensors of {kind}", f"{few}, but {some(largest)}")
    best, tensors = candidates[0], checkpoint.parts[candidates[0].part]
    unknown = _unknown(best, candidates, tensors)
    _check_names(path, kind, wanted, best, unknown)
    found = {name: tensors[key] for name, key in best.keys.items()}
    _check_shapes(path, kind, wanted, found)
    _check_values(path, wanted, best, found)
    _check_rivals(checkpoint, [candidate for candidate in candidates if _is_whole(candidate, checkpoint, wanted)], found)
    own = [name for name in wanted if _says(name, wanted[name], MEANS)]
    normaliser = None if own else _normaliser(path, tensors)
    filled = {name: tensor for name, tensor in wanted.items() if name not in found}
    complete = {name: found.get(name, tensor).to(tensor.dtype) for name, tensor in wanted.items()}
    return Fitted(complete, best.place, _renamed(best), _dropped(checkpoint, best), len(filled), normaliser, bool(own))


def network_name(key: str, names: dict[str, Tensor]) -> str | None:
    """The name of the network that a checkpoint's name stands for, or None."""
    for pattern, new in RENAMED:
        if key in names:
            break
        key = re.sub(pattern, new, key)
    return key if key in names else None


def _candidates(checkpoint: Checkpoint, wanted: dict[str, Tensor]) -> list[Candidate]:
    """Every part and prefix that has a name of the network: most names first, then most right shapes, then the shortest prefix."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for part, tensors in checkpoint.parts.items():
        for key in tensors:
            for start in [0, *(match.end() for match in re.finditer(r"\.", key))]:
                name, keys = network_name(key[start:], wanted), found.setdefault((part, key[:start]), {})
                if name and (name not in keys or name == key[start:]):
                    keys[name] = key
    candidates = [Candidate(part, prefix, keys) for (part, prefix), keys in found.items() if keys]

    def rank(candidate: Candidate) -> tuple:
        tensors = checkpoint.parts[candidate.part]
        n_right = sum(tensors[key].shape == wanted[name].shape for name, key in candidate.keys.items())
        return -len(candidate.keys), -n_right, len(candidate.prefix), candidate.part, candidate.prefix

    return sorted(candidates, key=rank)


def _is_whole(candidate: Candidate, checkpoint: Checkpoint, wanted: dict[str, Tensor]) -> bool:
    """Whether a network could be made of it: every name but the counters, and every shape."""
    shapes = {name: checkpoint.parts[candidate.part][key].shape for name, key in candidate.keys.items()}
    return all(shapes.get(name, tensor.shape if name.endswith(COUNTER) else None) == tensor.shape for name, tensor in wanted.items())


def _unknown(best: Candidate, candidates: list[Candidate], tensors: dict[str, Tensor]) -> list[str]:
    """Names below the prefix that nothing explains: no name of the network, heads of its training, a normaliser, or another copy."""
    alike = (other.prefix for other in candidates if other.part == best.part and len(other.keys) == len(best.keys))
    others = tuple(prefix for prefix in alike if len(prefix) > len(best.prefix))
    taken = set(best.keys.values())
    below = [key for key in tensors if key.startswith(best.prefix) and key not in taken]
    told = [key for key in below if key[len(best.prefix) :].startswith(AUXILIARY) or (others and key.startswith(others))]
    told += [key for key in below if key.endswith(COMPUTED) or _says(key, tensors[key], MEANS + STDS)]
    return [key for key in below if key not in told]


def _check_names(path: str, kind: str, wanted: dict[str, Tensor], best: Candidate, unknown: list[str]) -> None:
    missing = [name for name in wanted if name not in best.keys and not name.endswith(COUNTER)]
    if missing or unknown:
        faults = [f"{len(missing)} missing ({some(missing)})"] if missing else []
        faults += [f"{len(unknown)} unknown ({some(unknown)})"] if unknown else []
        heads = missing and all(name.startswith(AUXILIARY) for name in missing)
        mend = "build it without those heads (arguments: {aux_logits: false})" if heads and not unknown else ""
        raise InputError(path, f"the {len(wanted)} tensors of {kind}", " and ".join(faults), mend)


def _check_shapes(path: str, kind: str, wanted: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    wrong = [name for name in wanted if name in found and found[name].shape != wanted[name].shape]
    if not wrong:
        return
    classes = {(len(wanted[name]), len(found[name])) for name in wrong if wanted[name].ndim and found[name].ndim}
    only_first = all(wanted[name].shape[1:] == found[name].shape[1:] for name in wrong)
    last = [name for name in wanted if wanted[name].ndim > 1][-1:]
    if len(classes) == 1 and only_first and last[0] in wrong:
        ((here, there),) = classes
        mend = f"let its arguments say {there} classes, or take another checkpoint"
        raise InputError(path, f"a network that decides among {here} classes, as {kind} is built", f"one among {there}", mend)
    sizes = [" x ".join(map(str, state[wrong[0]].shape)) or "one number" for state in (wanted, found)]
    more = f" ({len(wrong)} tensors differ)" if len(wrong) > 1 else ""
    raise InputError(path, f"{wrong[0]} of {sizes[0]} as in {kind}", sizes[1] + more)


def _check_values(path: str, wanted: dict[str, Tensor], best: Candidate, found: dict[str, Tensor]) -> None:
    """Raise InputError for numbers that the network cannot hold: complex, NaN, inf, too large, or of a type that torch cannot convert."""
    for name, tensor in found.items():
        dtype, real = wanted[name].dtype, f"real numbers in {best.keys[name]}"
        if tensor.is_complex():  # whose other part torch would drop
            raise InputError(path, real, tensor.dtype)
        with refusing(path, real):
            held = tensor.to(dtype if dtype.is_floating_point else torch.float64)
        if n_wrong := int((~torch.isfinite(held)).sum()):
            raise InputError(path, "finite weights", f"{n_wrong:,} NaN or inf in {best.keys[name]}")


def _check_rivals(checkpoint: Checkpoint, whole: list[Candidate], found: dict[str, Tensor]) -> None:
    """Raise InputError where another part holds a whole network, too, with other weights."""
    for rival in whole[1:]:
        tensors = {name: checkpoint.parts[rival.part][key] for name, key in rival.keys.items()}
        pairs = [(tensors[name], tensor) for name, tensor in found.items() if name in tensors]
        if not all(own.dtype == other.dtype and torch.equal(own, other) for own, other in pairs):
            places = " and ".join(candidate.place or "the file itself" for candidate in (whole[0], rival))
            raise InputError(checkpoint.path, "one network", f"two with other weights, {places}", "say which as models.<name>.part")


# ------------------------------------------------------------------------------------------------------- what else it holds
def _says(key: str, tensor: Tensor, names: tuple[str, ...]) -> bool:
    """Whether a tensor is a normaliser's: one number or three under one of the ``names``."""
    return tensor.numel() in (1, 3) and tensor.is_floating_point() and key.rpartition(".")[2] in names


def _normaliser(path: str, tensors: dict[str, Tensor]) -> tuple[list[float], list[float]] | None:
    """Mean and std that stand beside the weights. Raises InputError for a mean without std, for several, and for one beyond [0, 1]."""
    means, stds = ({tuple(_numbers(tensor)) for key, tensor in tensors.items() if _says(key, tensor, names)} for names in (MEANS, STDS))
    if not means:
        return None
    if len(means) > 1 or len(stds) > 1:
        raise InputError(path, "one normaliser", f"several: {' and '.join(map(str, sorted(means) + sorted(stds)))}")
    (mean,), std = means, next(iter(stds), ())
    if not std or not all(0 <= value <= 1 for value in mean) or not all(0 < value <= 1 for value in std):
        raise InputError(path, "a normaliser with mean and std, for pixels on [0, 1]", f"mean {mean}, std {std or 'missing'}")
    return list(mean), list(std)


def _numbers(tensor: Tensor) -> list[float]:
    """Three numbers as the shortest decimals that give the same float32: 0.485 for what is stored as 0.48500001."""
    return [float(str(np.float32(value))) for value in tensor.flatten().expand(3).tolist()]


def _renamed(best: Candidate) -> dict[str, int]:
    """``old -> new`` of the words that differ -> how many names; what was taken off the front stands first."""
    counts = Counter({f"{best.prefix}* -> *": len(best.keys)} if best.prefix else {})
    for name, key in best.keys.items():
        old, new = key.removeprefix(best.prefix).split("."), name.split(".")
        if old != new:
            start, end = _common(old, new), _common(old[::-1], new[::-1])
            words = [".".join(words[start : max(start, len(words) - end)]) for words in (old, new)]
            counts[f"{words[0]} -> {words[1] or '(nothing)'}"] += 1
    return dict(counts)


def _dropped(checkpoint: Checkpoint, best: Candidate) -> dict[str, int]:
    """What was not taken: of the same part by the words up to where its names leave the prefix, of other parts by their place."""
    counts: Counter[str] = Counter()
    prefix, taken = best.prefix.split(".")[:-1], set(best.keys.values())
    for key in checkpoint.parts[best.part]:
        if key not in taken:
            words = key.split(".")
            group = words[: _common(words, prefix) + 1]
            counts[".".join(group) + (".*" if len(group) < len(words) else "")] += 1
    for part, tensors in checkpoint.parts.items():
        if part != best.part:
            counts[f"{part}: *" if part else "beside it: *"] += len(tensors)
    return dict(counts)


def _common(a: list[str], b: list[str]) -> int:
    """How many words two lists begin with in common."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
