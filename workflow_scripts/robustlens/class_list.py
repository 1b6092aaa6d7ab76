"""The one list of class names of a study, in the order of the networks' outputs, and by what the labels of each source are found in it.

It is ``classes`` of the config; without it, the classes of the source that networks are trained on, else those of ``clean``, else those of
the first source.
"""

import os
import re

from robustlens.class_names import LIST, check_known, missing, shown
from robustlens.errors import InputError
from robustlens.shorthand import is_fetched
from robustlens.stimuli.naming import OF_IMAGENET, OF_SIXTEEN, SHAPES, SIXTEEN, check_order, is_by_folder, own_names, resolve

WNID = re.compile(r"n\d{8}")
N_IMAGENET = 1000
IMAGENET = {"kind": "imagenet"}


def list_for(config: dict, name: str) -> list[str] | dict | None:
    """By which list the labels of the source ``name`` are found: the names, or the entry of the source that has them.

    None where its labels stand as they are: it names the list itself, has numbers alone, or a numbering that is its publisher's.
    """
    spec = config["sources"][name]
    if _has_numbers(spec) or spec["kind"] in (*OF_SIXTEEN, "embedded"):
        return None
    if decided := decided_among(spec):
        return None if spec["kind"] in OF_IMAGENET else list(SIXTEEN) if decided == "imagenet-16" else IMAGENET
    given = list_of_study(config)
    if spec["kind"] in OF_IMAGENET and (_are_display_names(given) or isinstance(given, dict) and _has_numbers(given)):
        return None
    return None if given == _naming(spec) else given


def list_of_study(config: dict) -> list[str] | dict:
    """The names, or the entry (what its names depend on) of the source that has them."""
    if config["classes"]:
        return config["classes"]
    sources = config["sources"]
    trained_on = [sources[name] for name in _trained_on(config)]
    numbered = [spec for spec in trained_on if _has_numbers(spec)]
    return _naming(next(iter([*numbered, *trained_on]), sources.get("clean") or next(iter(sources.values()))))


def n_classes(config: dict) -> int | None:
    """How many classes the list of a study names; None where nothing says it before its sources are listed."""
    given = list_of_study(config) if config["sources"] else config["classes"]
    names = given if isinstance(given, list) else own_names(given) if _can_be_read(given) else None
    if not names and config["sources"].get("clean", {}).get("kind") == "imagenet":
        return N_IMAGENET
    return len(names or []) or None


def decided_among(spec: dict) -> str | None:
    """The classes among which the images of a source ask to decide; None: all of the network."""
    return spec.get("classes", "imagenet-16" if spec["kind"] in OF_SIXTEEN else None)


def roots_of_names(config: dict, name: str) -> list[str]:
    """Folders or files from which the list for a source is read, beside its own."""
    given = list_for(config, name)
    return [given["root"]] if isinstance(given, dict) and "root" in given else []


def check_classes(config: dict) -> list[str]:
    """Sentences on the classes that sources lack, where class folders are there already: nothing but their names is read.

    Raises InputError for a class that is not in the study's list, and for labels that no name tells.
    """
    _check_outputs(config)
    said = []
    for name, spec in config["sources"].items():
        if spec["kind"] in OF_IMAGENET and spec.get("classes") == "imagenet-16":
            asked = "imagenet-a, imagenet-r or none where labels are of ImageNet's 1000 classes"
            raise InputError(f"sources.{name}.classes", asked, "imagenet-16")
        if spec["kind"] == "embedded":
            _check_embedded(name, list_of_study(config))
        given = list_for(config, name)
        if not is_by_folder(spec) or not _is_there(spec) or isinstance(given, dict) and not _can_be_read(given):
            continue
        names, wanted = own_names(spec), resolve(given)
        assert names is not None  # of folders
        if wanted is None:
            check_order(spec, names)
            continue
        check_known(f"sources.{name}: {spec['root']}", names, wanted)
        if lacking := missing(names, wanted):
            if not config["classes"] and name in _trained_on(config):
                asked = f"the {len(wanted)} classes of the first training images ({shown(wanted)})"
                raise InputError(f"sources.{name}: {spec['root']}", asked, f"none of {shown(lacking)}", LIST)
            said.append(f"sources.{name} lacks {len(lacking)} of the study's {len(wanted)} classes: {shown(lacking)}")
    return said


def _check_outputs(config: dict) -> None:
    """Raise InputError for another number of classes than a user-supplied network has outputs, where its entry says how many."""
    given = list_of_study(config)
    if isinstance(given, dict) and (_has_numbers(given) or not _can_be_read(given)):
        return
    names = resolve(given)
    assert names is not None
    for model, spec in config["models"].items():
        arguments, architecture = spec.get("arguments") or {}, spec.get("architecture", "")
        n_outputs = arguments.get("num_classes", None if ":" in architecture or not architecture else N_IMAGENET)
        if "weights" in spec and isinstance(n_outputs, int) and n_outputs != len(names):
            of_what = "`classes`" if isinstance(given, list) else given.get("root", given["kind"])
            found = f"the {len(names)} of {of_what}: {shown(names)}"
            raise InputError(f"models.{model}", f"a class name for each of its {n_outputs} outputs", found, LIST)


def _check_embedded(name: str, given: list[str] | dict) -> None:
    if given not in (list(SHAPES), {"kind": "embedded"}):
        found = shown(given) if isinstance(given, list) else f"those of {given.get('root', given['kind'])}"
        fix = f"give `classes: [{', '.join(SHAPES)}]`, or leave the source out"
        raise InputError(f"sources.{name}", f"the classes {', '.join(SHAPES)}, in that order", found, fix)


def _has_numbers(spec: dict) -> bool:
    """Whether a source's labels are numbers and nothing else, as its entry says."""
    return spec["kind"] == "idx" or (spec["kind"] == "image-folder" and not is_by_folder(spec))


def _trained_on(config: dict) -> list[str]:
    return [model["train"]["source"] for model in config["models"].values() if "train" in model]


def _naming(spec: dict) -> dict:
    """What the names of a source's classes depend on."""
    if decided_among(spec) or spec["kind"] in OF_IMAGENET:
        return IMAGENET
    return {key: spec[key] for key in ("kind", "root", "labels") if key in spec}


def _are_display_names(given: list[str] | dict) -> bool:
    """Whether a list names ImageNet's classes in words of its own, in ImageNet's order."""
    return isinstance(given, list) and len(given) == N_IMAGENET and not any(map(WNID.fullmatch, given))


def _is_there(spec: dict) -> bool:
    return os.path.isdir(spec["root"]) and not is_fetched(spec["root"])


def _can_be_read(spec: dict) -> bool:
    """At once: names of folders, names that are known, or the lack of them."""
    return _has_numbers(spec) or "root" not in spec or is_by_folder(spec) and _is_there(spec)
