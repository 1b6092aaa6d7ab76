"""A config before anyone asks what it means: a file that says each thing once, and values that are plain."""

import math
import re
import unicodedata
from pathlib import Path

import yaml

from robustlens.errors import InputError

DEEPEST = 20  # levels of lists and mappings
MOST = 200_000  # values; studies/imagenet.yaml has 520
LARGEST = 2**63  # what tables and files hold
PROSE = ("study", "get", "label")  # keys of texts that people read, which may have several lines
NUMBER = r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
FRACTION = re.compile(rf"\s*({NUMBER})\s*(?:/\s*({NUMBER})\s*)?")
NUMERIC = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
OTHER_BASE = re.compile(r"[-+]?(0[0-9_]|[0-9_]+:)")  # octal and sexagesimal numbers of YAML 1.1
UNPRINTABLE = ("Cc", "Cs")  # Unicode's control characters, and halves of characters


def check_file(path: str | Path) -> None:
    """Raise InputError for a config file that has a key twice, of which the parsers of YAML and JSON keep the last one and say nothing,
    or a number that YAML 1.1 takes for another one: 010 for 8, 1:30 for 90.

    What cannot be parsed, Snakemake has refused before.
    """
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.ScalarNode) and node.tag in NUMERIC and OTHER_BASE.match(node.value):
            where = f"{Path(path).name}, line {node.start_mark.line + 1}"
            raise InputError(where, "a number in decimal digits, without a 0 before them", node.value, "put it in quotes if it is text")
        if not isinstance(node, yaml.CollectionNode) or id(node) in seen:  # an alias is the node itself
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _check_keys(path, [key for key, _ in node.value])
            waiting += [value for _, value in node.value]
        else:
            waiting += node.value


def _check_keys(path: str | Path, keys: list[yaml.Node]) -> None:
    given = set()
    for key in keys:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in given:
            raise InputError(f"{Path(path).name}, line {key.start_mark.line + 1}", "each key once", f"{key.value} again")
        given.add(key.value)


def check_values(config: dict) -> None:
    """Raise InputError for a value that is none of text, number, true, false, null, list and mapping; a number that is not finite or
    has more than 64 bits; text with control characters, or, where it is no prose, of several lines; a key that is not text; and for
    lists and mappings that are too deep or, by aliases that multiply, too many, as those are that hold themselves.
    """
    waiting: list[tuple[tuple, object]] = [((), config)]
    n_values = 0
    while waiting:
        place, value = waiting.pop()
        where = ".".join(str(part) for part in place) or "config"
        n_values += 1
        if n_values > MOST:
            raise InputError("config", f"at most {MOST:,} values", "more", "do aliases (*name) multiply?")
        if not isinstance(value, dict | list):
            _check_value(where, value, place[-1:])
            continue
        if len(place) > DEEPEST:
            raise InputError(place[0], f"at most {DEEPEST} levels", "more", "does an alias (*name) hold itself?")
        if isinstance(value, dict):
            for key in value:
                _check_key(where, key)
        waiting += [((*place, key), inner) for key, inner in (value.items() if isinstance(value, dict) else enumerate(value))]


def _check_key(where: str, key: object) -> None:
    if not isinstance(key, str):
        raise InputError(where, "keys that are text", repr(key), "put it in quotes")
    if _unprintable(key):
        raise InputError(where, "keys of one line without control characters", repr(key)[:100])


def _check_value(where: str, value: object, key: tuple) -> None:
    """One value that is no list or mapping; ``key``: of it, empty for the config itself."""
    if isinstance(value, str):
        if _unprintable(value.replace("\n", "") if key and key[0] in PROSE else value):
            raise InputError(where, "text of one line without control characters", repr(value)[:100])
    elif isinstance(value, int):
        if abs(value) >= LARGEST:
            raise InputError(where, "a whole number of 64 bits", "a larger one")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(where, "a finite number", value)
    elif value is not None:
        what = "text, a number, true, false, null, a list or a mapping"
        raise InputError(where, what, f"a {type(value).__name__}", "put text in quotes")


def as_number(value: object) -> object:
    """The number that a text such as ``8/255``, ``1e-2`` or ``1_000.5`` stands for, a finite float, for YAML takes them for text; all else
    as it is."""
    found = FRACTION.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return value
    above, below = (float((part or "1").replace("_", "")) for part in found.groups())
    number = above / below if below else math.inf
    return number if math.isfinite(number) else value


def _unprintable(text: str) -> bool:
    return any(unicodedata.category(mark) in UNPRINTABLE for mark in text)
