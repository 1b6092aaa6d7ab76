"""The sentence that a user sees."""

import pytest

from robustlens.errors import InputError


def test_one_sentence():
    assert str(InputError("models.net", "a recipe", None)) == "models.net: expected a recipe, got None"
    assert str(InputError("a.png", "RGB", "grey", "convert it")) == "a.png: expected RGB, got grey; convert it"
    with pytest.raises(ValueError):
        raise InputError("a", "b", "c")
