"""What a checkpoint file is, by its first bytes, its neighbours and its JSON: told without torch, so that a dry run can tell it, too."""

import json
from pathlib import Path
from typing import Any

from robustlens.errors import InputError, refusing

EXPECTED = "a checkpoint of plain tensors"
HEAD = 512  # bytes
SHOWN = 5  # names in a message
SUFFIXES = (".pt", ".pth", ".ckpt", ".tar", ".bin", ".safetensors", "model.json", ".index.json")  # of what might be meant in a folder
SAVED = "save its tensors where it was made: torch.save(network.state_dict(), ...)"
OTHERS = (  # how files of other programs begin, what they are, and what helps
    (b"\x89HDF", "an HDF5 file, as Keras writes one", "convert it to torch or to a model.json of TensorFlow.js"),
    (b"\x1f\x8b", "a file packed by gzip", "unpack it"),
    (b"BZh", "a file packed by bzip2", "unpack it"),
    (b"\xfd7zXZ", "a file packed by xz", "unpack it"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it"),
    (b"\x93NUMPY", "an array of NumPy", SAVED),
)


def check_file(path: str) -> bytes:
    """The first bytes of a checkpoint file. Raises InputError for a folder, for no file, and for what people have in place of one."""
    if Path(path).is_dir():
        raise InputError(path, "a checkpoint file", *_folder(Path(path)))
    if not Path(path).is_file():
        raise InputError(path, "a checkpoint file", "a pipe, socket or device" if Path(path).exists() else "no such file")
    with refusing(path, "a checkpoint file"), open(path, "rb") as file:
        head = file.read(HEAD)
    text = head.lstrip().lower()
    if not head:
        raise InputError(path, EXPECTED, "an empty file", "fetch it again")
    if text.startswith(b"version https://git-lfs"):
        raise InputError(path, EXPECTED, "a pointer of Git LFS, which stands for one", "git lfs pull fetches the file itself")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(path, EXPECTED, "a web page", "the address gave a page and not the file: fetch it with another one")
    for start, what, mend in OTHERS:
        if head.startswith(start):
            raise InputError(path, EXPECTED, what, mend)
    if not (head.startswith((b"PK", b"\x80")) or is_json(head) or is_safetensors(head) or head[257:262] == b"ustar"):
        raise InputError(path, EXPECTED, f"neither a torch file nor safetensors: it begins with {head[:16]!r}")
    if is_json(head):
        read_json(path)
    return head


def is_json(head: bytes) -> bool:
    """Whether a file begins as JSON does, and is none of safetensors, whose length may look like it."""
    return head.lstrip().startswith(b"{") and not is_safetensors(head)


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins as safetensors do: the length of the header, eight bytes of which the last are 0, and the header, JSON."""
    return head[4:9] == b"\0\0\0\0{"


def read_json(path: str) -> dict[str, Any]:
    """The JSON beside weights: with ``weight_map``, an index of shards, or ``weightsManifest``, a model of TensorFlow.js.

    Raises InputError for any other, and where files that it lists are not beside it.
    """
    expected = "an index of shards (weight_map) or a model.json of TensorFlow.js (weightsManifest)"
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, expected, error) from error
    if not isinstance(content, dict) or not {"weight_map", "weightsManifest"} & set(content):
        keys = ", ".join(list(content)[:SHOWN]) if isinstance(content, dict) else type(content).__name__
        raise InputError(path, expected, f"JSON of something else ({keys or 'empty'})", "name the file of the weights")
    if "weight_map" in content:
        for name in _shards(path, content["weight_map"]):
            if not (Path(path).parent / name).is_file():
                raise InputError(path, f"its shard {name} beside it", "no such file", "fetch it, too")
    return content


def files_of(path: str) -> list[str]:
    """A checkpoint and the files beside it that hold its tensors; of one that is not there or not read, itself alone."""
    if not Path(path).is_file():
        return [path]
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not is_json(head):
        return [path]
    try:
        content = read_json(path)
        listed = _shards(path, content["weight_map"]) if "weight_map" in content else _listed(content["weightsManifest"])
    except InputError:
        listed = []
    beside = [str(Path(path).parent / name) for name in listed if Path(name).name == name]
    return [path, *(name for name in beside if Path(name).is_file())]


def _shards(path: str, weight_map: Any) -> list[str]:
    """The files that an index names, each once. Raises InputError for names that are none, or lead out of its folder."""
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(name, str) for name in weight_map.values()):
        raise InputError(path, "a weight_map from names of tensors to names of files", "none")
    names = sorted(set(weight_map.values()))
    if outside := [name for name in names if Path(name).name != name or "\0" in name]:
        raise InputError(path, "names of files beside it", outside[0])
    return names


def _listed(manifest: Any) -> list[str]:
    """The files of a model of TensorFlow.js, as far as they are named as they should be; its reader says what is wrong."""
    groups = [group.get("paths") for group in manifest if isinstance(group, dict)] if isinstance(manifest, list) else []
    return [name for names in groups if isinstance(names, list) for name in names if isinstance(name, str) and "\0" not in name]


def _folder(path: Path) -> tuple[str, str]:
    """What a folder is in place of a checkpoint, and what to do."""
    names = sorted(entry.name for entry in path.iterdir())
    if any(name.endswith(".distcp") for name in names):
        merge = "merge it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch <folder> <file>"
        return "a folder of a distributed checkpoint", merge
    files = [name for name in names if name.lower().endswith(SUFFIXES) and (path / name).is_file()]
    shown = ", ".join(files[:SHOWN]) + (", ..." if len(files) > SHOWN else "")
    return ("a folder", f"name the file in it: {shown}") if files else ("a folder without one", "name a file")
