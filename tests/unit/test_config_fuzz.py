"""Configs that are wrong in every which way: each is refused in one sentence (InputError), or it is whole; nothing else is raised.

Mistakes are drawn from a seed: keys that are missing, unknown or exchanged, values of other types, extreme numbers, hostile text, names of
something else, aliases that hold themselves. ``ROBUSTLENS_FUZZ`` in the environment is how many tens are tried, 10 by itself.
"""

import copy
import datetime
import json
import math
import os
import random
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from robustlens.errors import InputError
from robustlens.plan import dumps
from robustlens.schema import check_schema
from robustlens.shorthand import write_out
from robustlens.study import LONGEST, NAME, RESERVED, check_study

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = str(ROOT / "schemas" / "config.schema.yaml")
N_TRIALS = int(os.environ.get("ROBUSTLENS_FUZZ", 10)) * 10
TINY = ROOT / "tests/workflow/tiny.yaml"
BASES = [TINY, *sorted((ROOT / "studies").glob("*.yaml")), ROOT / "config.yaml"]
BROUGHT = {  # what a study may name beside what the tiny one does
    "paths": {"photos": {"path": "docs", "get": "pictures"}, "weights": {"path": "tests/corpus/state-dict.d688b99e", "get": "weights"}},
    "downloads": {
        "stimuli": {"git": "https://a.b/c", "commit": "0" * 40, "folders": ["edges"]},
        "files": {"files": [{"url": "https://a.b/c.tar", "sha256": "0" * 64, "unpack": True}]},
    },
    "packages": {"photos": {"requirement": "a==1", "sha256": "0" * 64}, "networks": {"npm": "@a/b@1", "sha256": "0" * 64}},
    "corruptions": {
        "made": {"severities": [1, 5]},
        "published": {"root": "docs", "n_images": 9, "geometry": {"crop": 56}, "severities": [3]},
    },
    "compare": {"runs": {"a": "docs", "b": ["results", "rules"]}},
    "predictions": {"baseline": "alexnet-s"},
}
NUMBERS = [0, 1, -1, 0.5, -0.0, 1e308, 5e-324, 10**30, -(10**400), 2**63, math.nan, math.inf, -math.inf, True, 3.0]
HOSTILE = [
    *("", " ", ".", "..", "../../etc", "/etc/passwd", "results/fetched/../../etc", "results/fetched", "results/fetched/{model}/x"),
    *("'; touch X; '", '"; touch X; "', "$(touch X)", "`touch X`", "| touch X", "&& touch X", "-rf", "--upload-pack=touch X"),
    *(
        "{wildcard}",
        "{",
        "}",
        "{{}}",
        "$",
        "$nothing",
        "$imagenet//etc",
        "~",
        "%s%n",
        "\\",
        "*",
        "?",
        "\n",
        "a\nb",
        "\0",
        "a\0b",
        "\x1b[2J",
    ),
    *("ext::sh -c touch% X", "file:///etc/passwd", "http://[::1", "https://a/%00", "https://a/..", "https:///x", "timm:", ":", "a:", ":b"),
    *("os:system", "__main__:x", "..:x", "a b:c", "robustlens:x", "robustlens.errors.deep:x", "\ud800", "ü", "İ", "𝛼", "\u202e", "\u2028"),
    *("<script>alert(1)</script>", "a" * 300, "a" * 5000, "con", "clean", "predictions.parquet", "2024-01-01", "null", "=1+1"),
]
OTHERS = [None, [], {}, [[]], [None], {"a": 1}, datetime.date(2024, 1, 1), b"bytes", {"set"}, (1, 2), "text", 7]


@cache
def base(path: Path) -> dict:
    """A study that ships, with all that it reads."""
    config = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    for name, brought in config.get("paths", {}).items():
        brought["path"] = f"results/fetched/{name}/file"
    if path == TINY:
        config |= copy.deepcopy(BROUGHT)
        config["sources"]["photos"] = {"kind": "image-folder", "root": "$photos", "n_images": 20, "geometry": {"resize": 64, "crop": 56}}
        config["concepts"]["broden"] = {"kind": "broden", "root": "docs", "n_images": 9}
        config["models"]["published"] = {"architecture": "resnet50", "weights": "DEFAULT", "layers": ["layer4"]}
        config["models"]["brought"] = {"architecture": "nowhere.net:make", "python_path": "docs", "weights": "$weights", "part": "a.b"}
        config["pairs"]["alexnet"]["published"] = "README.md"
    return config


@pytest.fixture
def parse(monkeypatch):
    """What a dry run does with a config, in its order; a network of unknown size costs no time."""
    monkeypatch.setattr(dumps, "_cells", lambda *_: 1000)
    monkeypatch.chdir(ROOT)

    def parse(config: dict, cache: Path) -> None:
        check_schema(config, SCHEMA)
        write_out(config)
        check_study(config)
        dumps.is_streamed(config, cache)

    return parse


def places(part: dict | list, depth: int = 0) -> list[tuple[dict | list, object]]:
    """Every (container, key) below ``part``."""
    found = []
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        found.append((part, key))
        if isinstance(value, dict | list) and depth < 8:
            found += places(value, depth + 1)
    return found


def spoil(config: dict, draw: random.Random) -> None:
    """One mistake, somewhere."""
    everywhere = places(config)
    section = config.get(draw.choice(list(config)))
    place, key = draw.choice(draw.choice([everywhere, places(section) if isinstance(section, dict | list) and section else everywhere]))
    value = place[key]
    match draw.randrange(10):
        case 0:
            place.pop(key)
        case 1:
            place[key] = copy.deepcopy(draw.choice([*NUMBERS, *HOSTILE, *OTHERS]))
        case 2 if isinstance(place, dict):  # another name, or an unknown key
            place[draw.choice([*HOSTILE, 1, None, True])] = place.pop(key) if draw.random() < 0.5 else value
        case 3:  # what belongs elsewhere
            other, name = draw.choice(everywhere)
            place[key] = draw.choice([other[name], name])
        case 4 if isinstance(value, list):
            value.append(draw.choice([*value, *HOSTILE]))
        case 5 if draw.random() < 0.3:
            place[key] = draw.choice([place, [place], {"self": place}])
        case _:  # another value of its type
            place[key] = copy.deepcopy(
                draw.choice(HOSTILE if isinstance(value, str) else NUMBERS if isinstance(value, int | float) else OTHERS)
            )


def is_one_sentence(text: str) -> bool:
    line, _, listed = text.partition("\n")
    return bool(re.fullmatch(r".+: expected .+, got .+", line)) and (not listed or line.startswith("paths: "))


def tried(parse, path: Path, seed: int, cache: Path) -> bool:
    """Whether a spoilt config is taken; fails unless it is whole, or refused in a sentence."""
    draw = random.Random(f"{path.name} {seed}")
    config = copy.deepcopy(base(path))
    for _ in range(draw.randint(1, 3)):
        spoil(config, draw)
    try:
        parse(config, cache)
    except InputError as error:
        assert is_one_sentence(str(error)), f"{path.name} {seed}: {error}"
        return False
    except Exception as error:
        raise AssertionError(f"{path.name} {seed}: {error!r:.300}") from error
    again = yaml.safe_load(yaml.safe_dump(config))  # what the plan hands on
    assert json.loads(json.dumps(config)) == config == again
    for section in ("sources", "concepts", "stimuli", "attacks", "models", "pairs", "suites", "downloads", "packages"):
        for name in config[section]:
            assert NAME.fullmatch(name) and len(name) <= LONGEST and not name.endswith(tuple(f".{ending}" for ending in RESERVED)), name
    if seed % 5 == 0:
        parse(again, cache)
        assert again == config, f"{path.name} {seed}: changed by being read twice"
    return True


def test_every_config_is_refused_in_a_sentence_or_whole(parse, tmp_path):
    taken = [tried(parse, TINY if seed % 2 else BASES[seed // 2 % len(BASES)], seed, tmp_path / "maps") for seed in range(N_TRIALS)]
    assert sum(taken) >= N_TRIALS // 20 and taken.count(False) >= N_TRIALS // 4
