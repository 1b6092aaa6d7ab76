"""The tensors of a checkpoint under the names of a network: its prefix and place found, other names translated, all else refused."""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustlens.errors import InputError, refusing
from robustlens.models import leftovers
from robustlens.models.candidates import Candidate, find_candidates
from robustlens.models.checkpoints import Checkpoint, some
from robustlens.models.leftovers import AUXILIARY, COMPUTED, COUNTER
from robustlens.models.normalisers import Found, of_checkpoint, of_network

ROOT = '""'  # the file itself as a part, in a config
FEWEST = 0.25  # share of the names below which a file is of another network altogether


@dataclass(frozen=True)
class Fitted:
    """The tensors of a checkpoint under all names of a network, in its dtypes, and what had to be done for that.

    ``part``: their place in the file, with the prefix of their names; ``statistics``: that of the buffers, where an average of the
    parameters alone was taken, else None. ``renamed``: ``old -> new`` pattern -> how many. ``dropped``: name or prefix of what else the
    file holds -> how many tensors. ``filled``: how many counters of batch normalisation the file lacks. ``normaliser``: mean and std (R, G,
    B, pixels on [0, 1]) that the file holds, or None; ``doubt``: why what looks like one there is not taken, or empty. ``normalises``: the
    network has them itself; ``may_normalise``: what in it looks as if it had, or empty.
    """

    tensors: dict[str, Tensor]
    part: str
    statistics: str | None
    renamed: dict[str, int]
    dropped: dict[str, int]
    filled: int
    normaliser: tuple[list[float], list[float]] | None
    doubt: str
    normalises: bool
    may_normalise: str


def fit_to_network(checkpoint: Checkpoint, network: nn.Module, *, part: str | None = None, kind: str = "") -> Fitted:
    """The tensors of a checkpoint under the names of ``network``: of all parts and prefixes those that most names agree with.

    ``part``: the place to take them from, where several hold other weights, or others stand beside it that are to be left; ``kind``: what
    the network is called in messages. Raises InputError where tensors are missing, or of another shape, for another number of classes,
    not finite, or not to be told apart, and where the file holds others that are neither copies nor training's own.
    """
    path, kind, wanted = checkpoint.path, kind or type(network).__name__, network.state_dict()
    built = of_network(network)
    own = {name for _, name in built.keys}
    everywhere = find_candidates(checkpoint, network, lambda name: name in own or _last(name) in COMPUTED)
    candidates = _chosen(path, kind, checkpoint, wanted, everywhere, part)
    best = candidates[0]
    parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)} or set(wanted)
    sets = leftovers.second_sets(checkpoint, best, everywhere, wanted, parameters)
    found, statistics = _completed(checkpoint, best, sets, wanted, parameters, own)
    given = of_checkpoint(checkpoint)
    unknown = leftovers.unknown_tensors(checkpoint, best, everywhere, sets, found, given.keys)
    if part is not None:
        unknown = [place for place in unknown if not leftovers.is_outside(best, sets, *place)]
    as_built = own if built.normaliser else set()  # a wrapper's mean and std, which a checkpoint of what it wraps need not have
    missing = [name for name in wanted if name not in found and not name.endswith(COUNTER) and name not in as_built]
    is_whole = best.has(parameters, checkpoint, wanted)
    if part is None and is_whole and not missing:
        leftovers.check_second_sets(checkpoint, best, sets, found)
    _check_names(path, kind, wanted, best, missing, unknown)
    _check_shapes(path, kind, wanted, found)
    _check_values(path, wanted, best, found)
    filled = {name: tensor for name, tensor in wanted.items() if name not in found}
    complete = {name: found.get(name, tensor).to(tensor.dtype) for name, tensor in wanted.items()}
    inside = of_network(network, complete)
    _check_normalisers(path, kind, given, inside)
    normaliser = (given.normaliser.mean, given.normaliser.std) if given.normaliser and not inside.keys else None
    done = _renamed(best), leftovers.dropped(checkpoint, best), len(filled)
    return Fitted(complete, best.place, statistics, *done, normaliser, given.doubt, bool(inside.keys), inside.doubt)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _chosen(
    path: str, kind: str, checkpoint: Checkpoint, wanted: dict[str, Tensor], candidates: list[Candidate], part: str | None
) -> list[Candidate]:
    """The candidates of the part that was asked for, if one was. Raises InputError without it, and where none is of this network."""
    if part is not None:
        places = list(dict.fromkeys(candidate.place or ROOT for candidate in candidates))
        candidates = [candidate for candidate in candidates if candidate.place == part]
        if not candidates:
            raise InputError(path, f"the part {part}", some(places) or "none that fits")
    if not candidates or len(candidates[0].keys) < FEWEST * len(wanted):
        few = f"only {len(candidates[0].keys)} of them under one prefix" if candidates else "none of them"
        largest = max(checkpoint.parts.values(), key=len)
        raise InputError(path, f"the {len(wanted)} tensors of {kind} ({some(wanted)})", f"{few}, but {some(largest)}")
    return candidates


def _completed(
    checkpoint: Checkpoint, best: Candidate, sets: list[Candidate], wanted: dict[str, Tensor], parameters: set[str], own: set[str]
) -> tuple[dict[str, Tensor], str | None]:
    """The tensors of the candidate, and, where it is an average of the parameters alone, the buffers of the one whole network beside it."""
    found = best.tensors(checkpoint)
    lacking = {name for name in wanted if name not in found and name not in own and not name.endswith(COUNTER)}
    whole = [other for other in sets if other.has(lacking, checkpoint, wanted)]
    if not lacking or lacking & parameters or len(whole) != 1:
        return found, None
    buffers = {name: tensor for name, tensor in whole[0].tensors(checkpoint).items() if name not in parameters}
    return {**buffers, **found}, whole[0].place


def _check_names(
    path: str, kind: str, wanted: dict[str, Tensor], best: Candidate, missing: list[str], unknown: list[tuple[str, str]]
) -> None:
    if not missing and not unknown:
        return
    names = [key if part == best.part else f"{part}.{key}".strip(".") for part, key in unknown]
    faults = [f"{len(missing)} missing ({some(missing)})"] if missing else []
    faults += [f"{len(unknown)} unknown ({some(names)})"] if unknown else []
    mend = ""
    if missing and not unknown and all(name.startswith(AUXILIARY) for name in missing):
        mend = "build it without those heads (arguments: {aux_logits: false})"
    elif unknown and not missing:
        mend = "a network that has them needs a factory of your own (architecture, python_path)"
        if all(leftovers.is_outside(best, [], *place) for place in unknown):
            mend += f"; part: {best.place or ROOT} takes this one without them"
    raise InputError(path, f"the {len(wanted)} tensors of {kind}", " and ".join(faults), mend)


def _check_normalisers(path: str, kind: str, given: Found, inside: Found) -> None:
    """Raise InputError where a network normalises otherwise than the file says."""
    if given.normaliser and inside.normaliser and not given.normaliser.is_close(inside.normaliser):
        found = f"another one in {kind}, with the mean {inside.normaliser.mean}"
        raise InputError(path, f"one normaliser, that of the file with the mean {given.normaliser.mean}", found, "build it with the file's")


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
    mend = ""
    built, given = wanted[wrong[0]].shape, found[wrong[0]].shape
    if len(wrong) == 1 and len(built) == 4 and len(given) == 4 and built[1] == 3 and (*built[:1], *built[2:]) == (*given[:1], *given[2:]):
        channels = "1 channel" if given[1] == 1 else f"{given[1]} channels"
        mend = f"it takes {channels}: a factory of your own (architecture, python_path) makes them of the images' 3"
    raise InputError(path, f"{wrong[0]} of {sizes[0]} as in {kind}", sizes[1] + more, mend)


def _check_values(path: str, wanted: dict[str, Tensor], best: Candidate, found: dict[str, Tensor]) -> None:
    """Raise InputError for numbers that the network cannot hold: complex, NaN, inf, too large, or of a type that torch cannot convert."""
    for name, tensor in found.items():
        key, dtype = best.keys.get(name, name), wanted[name].dtype
        real = f"real numbers in {key}"
        if tensor.is_complex():  # whose other part torch would drop
            raise InputError(path, real, tensor.dtype)
        with refusing(path, real):
            held = tensor.to(dtype if dtype.is_floating_point else torch.float64)
        if dtype.is_floating_point and not tensor.is_floating_point():  # quantised, with a scale that nobody has said
            raise InputError(path, f"floating-point numbers in {key}", tensor.dtype, "save the weights before they are quantised")
        if n_wrong := int((~torch.isfinite(held)).sum()):
            raise InputError(path, "finite weights", f"{n_wrong:,} NaN or inf in {key}")


def _renamed(best: Candidate) -> dict[str, int]:
    """``old -> new`` of the words that differ -> how many names; what was taken off the front stands first."""
    counts = Counter({f"{best.prefix}* -> {best.inner}*": len(best.keys)} if best.prefix or best.inner else {})
    for name, key in best.keys.items():
        old, new = key.removeprefix(best.prefix).split("."), name.removeprefix(best.inner).split(".")
        if old != new:
            start, end = leftovers.common(old, new), leftovers.common(old[::-1], new[::-1])
            words = [".".join(words[start : max(start, len(words) - end)]) for words in (old, new)]
            counts[f"{words[0]} -> {words[1] or '(nothing)'}"] += 1
    return dict(counts)
