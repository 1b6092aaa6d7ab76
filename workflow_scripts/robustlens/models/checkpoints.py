"""Checkpoints that a user brings: their tensors, out of whatever file and wrapping; nothing in them is executed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from robustlens.errors import InputError
from robustlens.models.tfjs import read_tfjs
from robustlens.models.unpickling import EXPECTED, read_torch_file

DEPTH = 5  # of dictionaries in dictionaries
MOST_PARTS = 10_000
LONGEST_NAME = 500  # letters; that of a network is looked for behind every dot of it
SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: ``parts``, dictionaries of tensors by their place in it (keys joined by dots, empty for the file itself).

    ``format`` in words; ``ignored``: names of what is no tensor and was not read.
    """

    path: str
    format: str
    parts: dict[str, dict[str, Tensor]]
    ignored: list[str]


def read_checkpoint(path: str) -> Checkpoint:
    """The tensors of a file that a user brought: safetensors, any torch file, or a ``model.json`` of TensorFlow.js.

    Which of them is told by what is in it. Raises InputError for what is none, is cut off, holds no tensors by name, or names a function
    that acts on the machine.
    """
    if not Path(path).is_file():
        raise InputError(path, "a checkpoint file", "no such file")
    with open(path, "rb") as file:
        head = file.read(512)
    _check_head(path, head)
    ignored: list[str] = []
    if _is_safetensors(head):
        content, words = _read_safetensors(path), "safetensors"
    elif head.lstrip().startswith(b"{"):
        content, words = read_tfjs(path), "layers model of TensorFlow.js"
    else:
        content, ignored = read_torch_file(path)
        words = "torch file" + (", read without the objects in it" if ignored else "") + (", legacy" if head[:2] != b"PK" else "")
    if not isinstance(content, dict):
        kind = type(content).__name__ if not ignored else f"an object ({', '.join(ignored[:SHOWN])})"
        raise InputError(path, "a dictionary of tensors", kind, "save the state_dict() of the network")
    places = list(islice(_parts(content, "", DEPTH), MOST_PARTS + 1))
    if len(places) > MOST_PARTS:  # few that hold each other, or are held a thousand times
        raise InputError(path, f"at most {MOST_PARTS} dictionaries in each other", "more")
    parts = {place: tensors for place, tensors in places if tensors}
    if not parts:
        raise InputError(path, "a dictionary of tensors", "an empty one" if not content else f"none in {some(map(str, content))}")
    if long := [name for tensors in parts.values() for name in tensors if len(name) > LONGEST_NAME]:
        raise InputError(path, f"names of at most {LONGEST_NAME} letters", f"{long[0][:40]}..., which has {len(long[0]):,}")
    return Checkpoint(path, words, parts, ignored)


def read_tensors(path: str) -> dict[str, Tensor]:
    """The tensors of a file that holds one network: its largest dictionary of tensors. Raises InputError where two are as large."""
    parts = sorted(read_checkpoint(path).parts.items(), key=lambda part: -len(part[1]))
    if len(parts) > 1 and len(parts[0][1]) == len(parts[1][1]):
        raise InputError(path, "the tensors of one network", f"as many in {parts[0][0] or 'the file'} as in {parts[1][0]}")
    return parts[0][1]


def _check_head(path: str, head: bytes) -> None:
    """Raise InputError for what people have in place of a checkpoint."""
    text = head.lstrip().lower()
    if not head:
        raise InputError(path, EXPECTED, "an empty file", "fetch it again")
    if text.startswith(b"version https://git-lfs"):
        raise InputError(path, EXPECTED, "a pointer of Git LFS, which stands for one", "git lfs pull fetches the file itself")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(path, EXPECTED, "a web page", "the address gave a page and not the file: fetch it with another one")
    if not (head.startswith((b"PK", b"\x80")) or text.startswith(b"{") or _is_safetensors(head) or head[257:262] == b"ustar"):
        raise InputError(path, EXPECTED, f"neither a torch file nor safetensors: it begins with {head[:16]!r}")


def _is_safetensors(head: bytes) -> bool:
    """Whether a file begins as safetensors do: the length of the header, eight bytes of which the last are 0, and the header, JSON."""
    return head[4:9] == b"\0\0\0\0{"


def _read_safetensors(path: str) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # a Rust error of its own kind
        raise InputError(path, EXPECTED, str(error).splitlines()[0][:200], "perhaps its end is missing: fetch it again") from error


def _parts(content: dict, place: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every dictionary of tensors by its place, outermost first; an optimiser's state, which goes by numbers, is none."""
    yield place, {key: value.detach() for key, value in content.items() if isinstance(key, str) and _is_plain(value)}
    for key, value in content.items():
        if depth and isinstance(key, str) and isinstance(value, dict):
            yield from _parts(value, f"{place}.{key}".strip("."), depth - 1)


def _is_plain(value: object) -> bool:
    """Whether it is a tensor of numbers that lie in memory: none that is sparse, quantised or only declared."""
    return isinstance(value, Tensor) and value.layout is torch.strided and not (value.is_quantized or value.is_meta)


def some(names: Iterable[str]) -> str:
    """A few of the names."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
