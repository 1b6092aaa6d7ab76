"""What a config says in short, written out: paths by their name, a set of corruptions and published weights by theirs, how many images."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from robustlens.errors import InputError
from robustlens.models.published import IMAGENET_MEAN, IMAGENET_STD, published_file

COMMON = (
    *("gaussian-noise", "shot-noise", "impulse-noise", "defocus-blur", "glass-blur", "motion-blur", "zoom-blur", "snow"),
    *("frost", "fog", "brightness", "contrast", "elastic-transform", "pixelate", "jpeg-compression"),
)  # the 15 of ImageNet-C, in its order
FIRST_IMAGES = {  # of a section: the key that names what they are of, and how many are taken where it does not say
    "activations": ("", 5000),
    "robustness": ("attack", 1000),
    "ablation": ("stimulus", 1200),
}
TOP_IMAGES = 10
EXTRA = ("speckle-noise", "gaussian-blur", "spatter", "saturate")  # its validation set


def write_out(config: dict) -> None:
    """Replace, in place, every ``$name`` by the path of that name, every set of corruptions by its members, every name of weights
    that torchvision or timm publishes by a download, and every number of first images that is left open by one that there are.

    Doing it again changes nothing. Raises InputError that lists every path that is used and not given, and where to get what it is for.
    """
    fill_paths(config)
    expand_corruptions(config)
    name_weights(config)
    count_images(config)
    for spec in (config.get("models") or {}).values():
        if "train" in spec:  # of one that is brought, its checkpoint or publisher may say it
            spec["mean"], spec["std"] = spec.get("mean") or IMAGENET_MEAN, spec.get("std") or IMAGENET_STD


# --------------------------------------------------------------------------------------------------------------------- paths
def fill_paths(config: dict) -> None:
    """Replace ``$name`` and ``$name/rest``, wherever a value of the config begins so, by ``paths.<name>.path``."""
    paths = config.get("paths") or {}
    missing: dict[str, list[str | None]] = {}
    for place, key, text in _references({name: part for name, part in config.items() if name not in ("paths", "downloads")}):
        name, _, rest = text[1:].partition("/")
        if name not in paths:
            raise InputError(text, f"a name of paths ({', '.join(paths) or 'there are none'})", repr(name))
        path, rest = paths[name]["path"], rest.lstrip("/")
        if path and (os.path.exists(Path(path, rest)) or is_fetched(path)):
            place[key] = Path(path, rest).as_posix()
        else:
            missing.setdefault(name, []).append(Path(path, rest).as_posix() if path else None)
    if missing:
        raise InputError("paths", "all that this study reads", f"{len(missing)} missing", _list(paths, missing))


def is_fetched(path: str) -> bool:
    """Whether a rule brings it."""
    parts = Path(path).parts
    return parts[:2] == ("results", "fetched") and len(parts) > 2 and ".." not in parts


def _references(part: dict | list) -> Iterator[tuple[Any, Any, str]]:
    """(container, key, text) of every text that begins with a dollar sign."""
    for key, value in list(part.items() if isinstance(part, dict) else enumerate(part)):
        if isinstance(value, dict | list):
            yield from _references(value)
        elif isinstance(value, str) and value.startswith("$"):
            yield part, key, value


def _list(paths: dict, missing: dict[str, list[str | None]]) -> str:
    """A line that says how to mend it, and one a path: its name, what is wrong, what belongs there and where to get it."""
    lines = []
    for name, wanted in missing.items():
        absent = sorted({path for path in wanted if path})
        state = f"{absent[0]} is not there" if absent else "not given"
        lines.append(f"\n  paths.{name}.path: {state}. {paths[name]['get']}")
    return f"give them in a second file after --configfile:{''.join(lines)}"


# ------------------------------------------------------------------------------------------------------------------- weights
def name_weights(config: dict) -> None:
    """Make of every name of published weights a download and the path to its file; the name stays as ``weights_name``.

    Raises InputError for a name that the architecture does not have.
    """
    for name, spec in (config.get("models") or {}).items():
        file = published_file(f"models.{name}.weights", spec["architecture"], spec["weights"]) if spec.get("weights") else None
        if file is None:
            continue
        download = re.sub("[^a-z0-9]+", "-", file["name"].lower()).strip("-")
        entry = {"files": [{**{key: value for key, value in file.items() if key != "name"}, "unpack": False}]}  # as the schema fills it in
        if config.setdefault("downloads", {}).setdefault(download, entry) != entry:
            raise InputError(f"downloads.{download}", f"the name free for {file['name']}", "another download")
        spec |= {"weights": f"results/fetched/{download}/{PurePosixPath(file['url']).name}", "weights_name": file["name"]}


# -------------------------------------------------------------------------------------------------------------------- counts
def count_images(config: dict) -> None:
    """Where ``n_images`` of a section, or ``top_images``, is null: its usual number, or as many as there are."""
    made = {**(config.get("stimuli") or {}), **(config.get("attacks") or {})}
    for section, (key, usual) in FIRST_IMAGES.items():
        name = config[section][key] if key else "clean"
        there = config["sources"].get(made.get(name, {}).get("source", name), {}).get("n_images", usual)  # no such source: refused later
        if config[section]["n_images"] is None:
            config[section]["n_images"] = min(usual, there)
    if config["top_images"] is None:
        config["top_images"] = min(TOP_IMAGES, config["activations"]["n_images"])


# --------------------------------------------------------------------------------------------------------------- corruptions
def expand_corruptions(config: dict) -> None:
    """Make every member of a set of ``corruptions`` a source (where a root is given) or a stimulus, and of its name a list of names."""
    members: dict[str, list[str]] = {}
    for name, spec in (config.get("corruptions") or {}).items():
        members[name] = []
        for kind in spec.get("corruptions", COMMON):
            for severity in spec.get("severities", [1, 2, 3, 4, 5]):
                member = f"{name}-{kind}-{severity}"
                section, entry = _member(spec, kind, severity)
                if config[section].setdefault(member, entry) != entry:
                    raise InputError(f"{section}.{member}", f"the name free for a member of corruptions.{name}", "another image set")
                members[name].append(member)
    for lists in (config.get("suites") or {}, config.get("claims") or {}):
        for key, names in lists.items():
            if isinstance(names, list):
                lists[key] = [inner for name in names for inner in members.get(name, [name])]


def _member(spec: dict, kind: str, severity: int) -> tuple[str, dict]:
    common = {"corruption": kind, "severity": severity, "preserves": "both"}
    own = {key: value for key, value in spec.items() if key not in ("corruptions", "severities")}
    if "root" in spec:
        return "sources", {"kind": "imagenet-c", **common, **own}
    return "stimuli", {"kind": "corruption", "source": "clean", **common, **own}


def in_sets(config: dict) -> set[str]:
    """The members of ImageNet-C that are published or belong to a set of ``corruptions``; not single stimuli of kind ``corruption``."""
    sets = tuple(f"{name}-" for name in (config.get("corruptions") or {}))
    return {name for name in corruption_of(config) if name not in (config.get("stimuli") or {}) or name.startswith(sets)}


def corruption_of(config: dict) -> dict[str, dict]:
    """Image set -> its ``corruption`` and ``severity``, of those that are members of ImageNet-C, published or made here."""
    sets = {**(config.get("sources") or {}), **(config.get("stimuli") or {})}
    members = {name: spec for name, spec in sets.items() if spec.get("kind") in ("corruption", "imagenet-c")}
    return {name: {key: spec.get(key) for key in ("corruption", "severity")} for name, spec in members.items()}
