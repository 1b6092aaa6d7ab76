"""Checkpoints that a user brings: their tensors, out of whatever file and wrapping; nothing in them is executed."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from robustlens.errors import InputError
from robustlens.models.checkpoint_files import EXPECTED, check_file, files_of, is_json, is_safetensors, read_json
from robustlens.models.plain_numbers import plain_numbers
from robustlens.models.tfjs import read_tfjs
from robustlens.models.unpickling import Left, read_torch_file

DEPTH = 8  # of dictionaries, lists and objects in each other
MODULES = 50  # of a network that was saved whole
MOST_PARTS, MOST_MEMBERS = 100_000, 10_000_000
LONGEST_NAME = 500  # letters; that of a network is looked for behind every dot of it
SHOWN = 3  # names in a message
TRAININGS_OWN = re.compile(  # keys below which no network lies: optimisers, schedules, scales of gradients, random states, losses, metrics
    r".*optimi[sz]er.*|(.*_)?optims?(_.*)?|opt|opt_state(_dict)?|.*sched.*|.*scaler.*|amp|.*rng.*|.*random_state.*"
    r"|(.*_)?(loss|losses|loss_fn|criterion|criteria|metrics?)(_state(_dict)?)?",
    re.IGNORECASE,
)
MOMENTS = frozenset(  # of optimisers, whatever they are called
    [
        *("exp_avg", "exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col", "max_exp_avg_sq", "momentum_buffer", "square_avg"),
        *("grad_avg", "sqr_avg"),
    ]
)
AVERAGES = re.compile(r"(.*_)?(ema|shadow|swa|averaged?|best)(_.*)?", re.IGNORECASE)  # of weights, or the best of them
LEARNED = ("weight", "bias", "running_mean", "running_var")  # last words of what a layer has learned, whatever the layer is called
REBUILT = ("torch._utils._rebuild", "torch._tensor.", "torch.Tensor")  # tensors of other kinds than plain ones


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: ``parts``, dictionaries of tensors by their place in it (keys joined by dots, empty for the file itself).

    A list of tensors is a part with the names 0, 1, ...; what belongs to training by its place (``TRAININGS_OWN``) is none.
    ``numbers``: lists of one to three numbers that are no tensors, by place and key. ``format`` in words; ``ignored``: names of objects
    in it, of which no code was run. ``files``: the file and those beside it that hold its tensors.
    """

    path: str
    format: str
    parts: dict[str, dict[str, Tensor]]
    ignored: list[str]
    numbers: dict[str, dict[str, list[float]]]
    files: list[str]


def read_checkpoint(path: str) -> Checkpoint:
    """The tensors of a file that a user brought: safetensors, any torch file, an index of shards of these, or a ``model.json`` of
    TensorFlow.js.

    Which of them is told by what is in it. Raises InputError for a folder, for what is none, is cut off, holds no tensors by name or
    tensors that are not plain, or names a function that acts on the machine.
    """
    content, words, ignored = _content(path)
    if not isinstance(content, dict | list | tuple | Left):
        raise InputError(path, "a dictionary of tensors", type(content).__name__, "save the state_dict() of the network")
    parts: dict[str, dict[str, Tensor]] = {}
    numbers: dict[str, dict[str, list[float]]] = {}
    n_members = 0
    for n_places, (place, members) in enumerate(_places(content, "", DEPTH)):
        n_members += len(members)
        if n_places > MOST_PARTS or n_members > MOST_MEMBERS:  # few that hold each other, or are held a thousand times
            raise InputError(path, f"at most {MOST_PARTS} dictionaries in each other, of {MOST_MEMBERS:,} members", "more")
        tensors = {key: _plain(path, f"{place}.{key}".strip("."), value) for key, value in members.items() if _is_tensor(value)}
        listed = {key: found for key, value in members.items() if (found := plain_numbers(value))}
        parts |= {place: {**parts.get(place, {}), **tensors}} if tensors else {}
        numbers |= {place: {**numbers.get(place, {}), **listed}} if listed else {}
    if not parts:
        raise InputError(path, "a dictionary of tensors", *_without_tensors(content, ignored))
    if long := [name for tensors in parts.values() for name in tensors if len(name) > LONGEST_NAME]:
        raise InputError(path, f"names of at most {LONGEST_NAME} letters", f"{long[0][:40]}..., which has {len(long[0]):,}")
    return Checkpoint(path, words, parts, ignored, numbers, files_of(path))


def read_tensors(path: str) -> dict[str, Tensor]:
    """The tensors of a file that holds one network: its largest dictionary of tensors.

    Raises InputError where another one holds as many, or other values under some of the names.
    """
    parts = sorted(read_checkpoint(path).parts.items(), key=lambda part: -len(part[1]))
    place, tensors = parts[0]
    for other, rivals in parts[1:]:
        if len(rivals) == len(tensors):
            raise InputError(path, "the tensors of one network", f"as many in {place or 'the file'} as in {other or 'the file'}")
        same = [name for name in rivals if name in tensors]
        if any(not torch.equal(rivals[name], tensors[name]) for name in same):
            found = f"others in {other or 'the file'} ({some(same)})"
            raise InputError(path, f"one network, that of {place or 'the file'}", found, "save the one that is meant in a file of its own")
    return tensors


def _content(path: str) -> tuple[Any, str, list[str]]:
    """What is in a file, its format in words, and the names of objects in it."""
    head = check_file(path)
    if is_safetensors(head):
        return _read_safetensors(path), "safetensors", []
    if is_json(head):
        index = read_json(path)
        return _read_shards(path, index["weight_map"]) if "weight_map" in index else (read_tfjs(path), "layers model of TensorFlow.js", [])
    content, ignored = read_torch_file(path)
    words = "torch file" + (", read without the objects in it" if ignored else "") + (", legacy" if head[:2] != b"PK" else "")
    return content, words, ignored


def _read_shards(path: str, weight_map: dict[str, str]) -> tuple[dict[str, Any], str, list[str]]:
    """The tensors of the files that an index names, as it says where they are."""
    found: dict[str, Any] = {}
    words = ""
    ignored: list[str] = []
    for name in sorted(set(weight_map.values())):
        if is_json(check_file(str(Path(path).parent / name))):
            raise InputError(path, f"tensors in {name}", "JSON")
        content, words, more = _content(str(Path(path).parent / name))
        listed = {key for key, file in weight_map.items() if file == name}
        if not isinstance(content, dict) or set(content) != listed:
            other = some(sorted(set(map(str, content)) ^ listed)) if isinstance(content, dict) else type(content).__name__
            raise InputError(
                path, f"the {len(listed)} tensors that it lists in {name}", f"a file that differs in {other}", "fetch both again"
            )
        found, ignored = found | content, ignored + more
    return found, f"index of {len(set(weight_map.values()))} shards, {words}", ignored


def _read_safetensors(path: str) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # a Rust error of its own kind
        cut = any(said in str(error) for said in ("header length", "header too", "not fully covered"))
        mend = "perhaps its end is missing: fetch it again" if cut else ""
        raise InputError(path, EXPECTED, str(error).splitlines()[0][:200], mend) from error


def _places(content: Any, place: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """What every dictionary, list and object holds, by its place, outermost first; of a whole network its parts by their dotted names."""
    members = _members(content)
    is_network = isinstance(content, Left) and {"_modules", "_parameters", "_buffers"} <= set(members)
    yield place, {} if is_network else members
    if is_network:
        yield from ((place, tensors) for tensors in _of_network(members, "", MODULES))
    elif depth:
        for key, value in members.items():
            is_own = TRAININGS_OWN.fullmatch(key) and not (key == "opt" and isinstance(value, Left))  # options are often called so, too
            is_own = is_own and not (isinstance(value, dict) and any(is_learned(key, name, inner) for name, inner in value.items()))
            if isinstance(value, dict | list | tuple | Left) and not _is_tensor(value):
                inner = _places(value, f"{place}.{key}".strip("."), depth - 1)
                yield from ((name, _weights_within(name, found)) for name, found in inner) if is_own else inner


def _weights_within(place: str, members: dict[str, Any]) -> dict[str, Any]:
    """The tensors of a place within what belongs to training, if they are weights: named as a layer's, or a list of an average's."""
    words = place.split(".")
    tensors = {key: value for key, value in members.items() if _is_tensor(value)}
    is_average = AVERAGES.fullmatch(words[-1]) and len(tensors) > 1 and list(tensors) == [str(n) for n in range(len(tensors))]
    is_weights = is_average or any(is_learned(place, key, value) for key, value in tensors.items())
    return tensors if is_weights and not MOMENTS & set(words) else {}


def is_learned(holder: str, name: object, tensor: object) -> bool:
    """Whether a tensor is a layer's, though ``holder`` is called as what belongs to training: but for a loss's weights of the classes."""
    if not (isinstance(name, str) and isinstance(tensor, Tensor) and name.rpartition(".")[2] in LEARNED):
        return False
    return not (tensor.ndim == 1 and name.endswith("weight") and re.search("loss|criteri", holder, re.IGNORECASE))


def _members(content: Any) -> dict[str, Any]:
    """What a container or an object holds by its keys, the numbers of its places in a list, or the names of its attributes."""
    if isinstance(content, Left):
        states = content.state if isinstance(content.state, tuple) else (content.state,)  # attributes, and those in slots
        found = [state for state in states if isinstance(state, dict)] + [content.items]
        listed = dict(enumerate([*content.args, *content.members]))
        return {key: value for part in [listed, *found] for key, value in _members(part).items()}
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    return {str(key): value for key, value in pairs if isinstance(key, str | int)}


def _of_network(members: dict[str, Any], prefix: str, depth: int) -> Iterator[dict[str, Any]]:
    """The parameters and buffers of a module that was saved whole, and of those in it, as its state_dict() has them, and its numbers."""
    gone = members.get("_non_persistent_buffers_set")
    attributes = {name: value for name, value in members.items() if plain_numbers(value)}
    own = {**attributes, **_members_of(members["_parameters"]), **_members_of(members["_buffers"])}
    yield {f"{prefix}{name}": value for name, value in own.items() if not (isinstance(gone, set) and name in gone)}
    for name, module in _members_of(members["_modules"]).items() if depth else ():
        inner = _members(module) if isinstance(module, Left) else {}
        if {"_modules", "_parameters", "_buffers"} <= set(inner):
            yield from _of_network(inner, f"{prefix}{name}.", depth - 1)


def _members_of(value: Any) -> dict[str, Any]:
    return _members(value) if isinstance(value, dict | Left) else {}


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, Left) and value.name.startswith(REBUILT))


def _plain(path: str, name: str, tensor: Any) -> Tensor:
    """A tensor of numbers that lie in memory. Raises InputError for one that is sparse, quantised or only declared."""
    if isinstance(tensor, Tensor) and tensor.layout is torch.strided and not (tensor.is_quantized or tensor.is_meta):
        return tensor.detach()
    kind = (
        "quantised"
        if getattr(tensor, "is_quantized", False)
        else "declared only"
        if getattr(tensor, "is_meta", False)
        else "of another kind"
    )
    raise InputError(path, f"plain numbers in {name}", f"a tensor that is {kind}", "save it as a dense one (.dequantize(), .to_dense())")


def _without_tensors(content: Any, ignored: list[str]) -> tuple[str, str]:
    """What a file without tensors holds, and what to do."""
    if isinstance(content, Left):
        return f"an object ({some(ignored)})", "save the state_dict() of the network"
    if not content:
        return "an empty one", ""
    names = some(list(_members(content)))
    arrays = any(name.startswith("numpy.") for name in ignored)
    return f"none in {names}", "save tensors (torch.from_numpy), not arrays of NumPy" if arrays else ""


def some(names: Iterable[str]) -> str:
    """A few of the names."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
