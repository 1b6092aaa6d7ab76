"""What a checkpoint holds beside the network that is taken from it: copies and what training alone needs is left, nothing else."""

import re
from collections import Counter

import torch
from torch import Tensor

from robustlens.errors import InputError
from robustlens.models.candidates import Candidate
from robustlens.models.checkpoints import MOMENTS, TRAININGS_OWN, Checkpoint, is_learned

AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # heads that only the training of GoogLeNet and Inception uses
COUNTER = "num_batches_tracked"  # of batch normalisation; older files have none, and no decision depends on it
COMPUTED = frozenset(  # last words of names: what is counted, or computed from the architecture alone, and not learned
    [COUNTER, "relative_position_index", "relative_coords_table", "attn_mask", "position_ids", "total_ops", "total_params"]
)
COUNTED = frozenset(  # words of names of what a training writes down of itself: how far it is and how well it does
    [
        *("best", "acc", "accuracy", "acc1", "acc5", "prec", "prec1", "prec5", "top1", "top5"),
        *("err", "error", "score", "loss", "losses", "epoch", "epochs", "step", "steps", "iter"),
        *("iters", "iteration", "updates", "averaged", "decay", "initted", "lr", "seed", "time", "batches"),
    ]
)


def second_sets(
    checkpoint: Checkpoint, best: Candidate, candidates: list[Candidate], wanted: dict[str, Tensor], names: set[str]
) -> list[Candidate]:
    """The other candidates that have all the ``names`` (the parameters) of the network in their shapes, in tensors of their own."""
    used = {(best.part, key) for key in best.keys.values()}
    others = [candidate for candidate in candidates if not {(candidate.part, key) for key in candidate.keys.values()} <= used]
    return [candidate for candidate in others if candidate is not best and candidate.has(names, checkpoint, wanted)]


def check_second_sets(checkpoint: Checkpoint, best: Candidate, sets: list[Candidate], found: dict[str, Tensor]) -> None:
    """Raise InputError where another set of weights for the network has other values: which is meant only the user knows."""
    for other in sets:
        if not all(_is_same(found[name], tensor) for name, tensor in other.tensors(checkpoint).items() if name in found):
            places = " and ".join(candidate.place or "the file itself" for candidate in (best, other))
            also = ', part: "" for the file itself' if "" in (best.place, other.place) else ""
            mend = f"say which as models.<name>.part{also}"
            raise InputError(checkpoint.path, "one network", f"two with other weights, {places}", mend)


def unknown_tensors(
    checkpoint: Checkpoint, best: Candidate, candidates: list[Candidate], sets: list[Candidate], found: dict[str, Tensor], known: frozenset
) -> list[tuple[str, str]]:
    """(place, name) of every tensor in a file that is neither taken nor known: no copy of one that is taken, none of training's own.

    ``sets``: whole networks in it; ``known``: those of its normaliser.
    """
    explained = {place for place in known if not _is_within(best, *place)} | {(best.part, key) for key in best.keys.values()}
    for candidate in candidates:
        for name, key in candidate.keys.items():
            if (candidate.part, key) not in explained and name in found and _is_same(found[name], checkpoint.parts[candidate.part][key]):
                explained.add((candidate.part, key))
    whole = [best, *sets]
    unknown = []
    for part, tensors in checkpoint.parts.items():
        heads = tuple(other.prefix + head for other in whole if other.part == part for head in AUXILIARY)
        for key, tensor in tensors.items():
            if (part, key) not in explained and not key.startswith(heads) and not _is_trainings_own(best, part, key, tensor):
                unknown.append((part, key))
    return unknown


def is_outside(best: Candidate, sets: list[Candidate], part: str, key: str) -> bool:
    """Whether a tensor lies outside of the place that a network is taken from, or in another whole network within it."""
    inner = tuple(other.prefix for other in sets if other.part == best.part and len(other.prefix) > len(best.prefix))
    return part != best.part or not key.startswith(best.prefix) or key.startswith(inner)


def dropped(checkpoint: Checkpoint, best: Candidate) -> dict[str, int]:
    """What was not taken: of the same part by the words up to where its names leave the prefix, of other parts by their place."""
    counts: Counter[str] = Counter()
    taken = set(best.keys.values())
    for key in checkpoint.parts[best.part]:
        if key not in taken:
            words, group = key.split("."), _leaving(key, best.prefix)
            counts[".".join(group) + (".*" if len(group) < len(words) else "")] += 1
    for part, tensors in checkpoint.parts.items():
        if part != best.part:
            counts[f"{part}: *" if part else "beside it: *"] += len(tensors)
    return dict(counts)


def common(a: list[str], b: list[str]) -> int:
    """How many words two lists begin with in common."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _leaving(key: str, prefix: str) -> list[str]:
    """The words of a name up to the first that is not of the prefix."""
    words = key.split(".")
    return words[: common(words, prefix.split(".")[:-1]) + 1]


def _is_trainings_own(best: Candidate, part: str, key: str, tensor: Tensor) -> bool:
    """Whether a tensor belongs to training alone: counted or computed, a number that it writes down of itself, or part of its loss."""
    last = key.rpartition(".")[2]
    if last in COMPUTED | MOMENTS or not tensor.numel():
        return True
    if _is_within(best, part, key):
        return False
    if part.startswith("callbacks.") and part != best.part and tensor.numel() == 1:  # of Lightning: the scores of what it kept
        return True
    counted = COUNTED & set(re.split(r"[^a-z0-9]+", last.lower()))
    if counted and (tensor.numel() == 1 or (part != best.part and tensor.ndim <= 1)):
        return True
    first = _leaving(key, best.prefix if part == best.part else "")
    holder = first[-1] if len(first) < len(key.split(".")) else last if part != best.part else ""
    return TRAININGS_OWN.fullmatch(holder) is not None and not is_learned(holder, key, tensor)


def _is_within(best: Candidate, part: str, key: str) -> bool:
    """Whether a tensor lies in a module of the network that is taken, below its root: there a number is learned, too."""
    holder = key.rpartition(".")[0] + "."
    return part == best.part and len(holder) > max(len(best.prefix), 1) and any(name.startswith(holder) for name in best.keys.values())


def _is_same(own: Tensor, other: Tensor) -> bool:
    return own.dtype == other.dtype and torch.equal(own, other)
