"""What a config may hold before anyone asks what it means."""

import datetime
import math

import pytest
import yaml

from robustlens.config import MOST, check_file, check_values
from robustlens.errors import InputError


def test_a_key_twice_is_refused_with_its_line(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: a\nsources:\n  clean: {n_images: 3}\n  clean: {n_images: 4}\n")
    with pytest.raises(InputError, match=r"^study.yaml, line 4: expected each key once, got clean again$"):
        check_file(path)
    path.write_text('{"a": 1,\n "a": 2}')
    with pytest.raises(InputError, match=r"^study.yaml, line 2: expected each key once, got a again$"):
        check_file(path)


@pytest.mark.parametrize("number", ["010", "1:30", "-0777"])
def test_a_number_that_yaml_takes_for_another_one_is_refused(tmp_path, number):
    (tmp_path / "study.yaml").write_text(f"study: a\nepochs: [0, 0.5, 10, '010', {number}]\n")
    with pytest.raises(InputError, match=rf"^study.yaml, line 2: expected a number in decimal digits, .*, got {number}; put it in quotes"):
        check_file(tmp_path / "study.yaml")


@pytest.mark.parametrize(
    "text", ["a: {x: 1}\nb: {x: 1}\n", "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n", "a: &a [*a]\n", "- a\n", "", "{[", "\0"]
)
def test_all_else_passes(tmp_path, text):
    """Overriding what an alias brings is the use of aliases; what is no mapping is refused by others."""
    (tmp_path / "study.yaml").write_text(text)
    check_file(tmp_path / "study.yaml")


def test_no_file_and_no_text_are_refused_by_others(tmp_path):
    (tmp_path / "study.yaml").write_bytes(b"\xff\xfe")
    check_file(tmp_path / "study.yaml")
    check_file(tmp_path / "nothing.yaml")


def laughs(levels: int) -> dict:
    """Nine of nine of nine ..., in a few lines of YAML."""
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels))]
    return yaml.safe_load("\n".join(lines))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"a": {"b": [1, math.nan]}}, "a.b.1: expected a finite number, got nan"),
        ({"a": -math.inf}, "a: expected a finite number, got -inf"),
        ({"seed": 2**63}, "seed: expected a whole number of 64 bits, got a larger one"),
        ({"seed": -(10**5000)}, "seed: expected a whole number of 64 bits, got a larger one"),
        ({"a": {"root": "x\ny"}}, r"a.root: expected text of one line without control characters, got 'x\ny'"),
        ({"a": {"get": "x\0"}}, r"a.get: expected text of one line without control characters, got 'x\x00'"),
        ({"a": ["\ud800"]}, r"a.0: expected text of one line without control characters, got '\ud800'"),
        ({"a": {"x\ny": 1}}, r"a: expected keys of one line without control characters, got 'x\ny'"),
        ({"a": {2024: 1}}, "a: expected keys that are text, got 2024; put it in quotes"),
        ({True: 1}, "config: expected keys that are text, got True; put it in quotes"),
        (
            {"a": datetime.date(2024, 1, 1)},
            "a: expected text, a number, true, false, null, a list or a mapping, got a date; put text in quotes",
        ),
        ({"a": b"x"}, "a: expected text, a number, true, false, null, a list or a mapping, got a bytes; put text in quotes"),
        (yaml.safe_load("a: &a {b: *a}"), "a: expected at most 20 levels, got more; does an alias (*name) hold itself?"),
        (yaml.safe_load("a: &a [1, *a, *a]"), "a: expected at most 20 levels, got more; does an alias (*name) hold itself?"),
        (laughs(8), f"config: expected at most {MOST:,} values, got more; do aliases (*name) multiply?"),
    ],
)
def test_what_is_not_plain_is_one_sentence(config, sentence):
    with pytest.raises(InputError) as error:
        check_values(config)
    assert str(error.value) == sentence


def test_what_is_plain_passes():
    check_values({"a": [1, -0.5, 1e308, "", "ü 𝛼 $(x) {y} ; '", None, True, {}, []], "label": "two\nlines\n", "seed": -(2**63) + 1})
    check_values(laughs(4))
