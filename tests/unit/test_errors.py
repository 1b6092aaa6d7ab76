"""The sentence that a user sees."""

import pytest

from robustlens.errors import InputError


def test_one_sentence():
    assert str(InputError("models.net", "a recipe", None)) == "models.net: expected a recipe, got None"
    assert str(InputError("a.png", "RGB", "grey", "convert it")) == "a.png: expected RGB, got grey; convert it"
    with pytest.raises(ValueError):
        raise InputError("a", "b", "c")


def test_a_name_breaks_no_sentence_and_controls_no_terminal():
    said = str(InputError("a\nb.png", "\x1b[2J", "né 猫\u3000x\u202e"))
    assert said == "a\\nb.png: expected \\x1b[2J, got né 猫\u3000x\\u202e"
