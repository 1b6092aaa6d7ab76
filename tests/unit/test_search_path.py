"""PYTHONPATH may bring packages of its own, and none that this environment has."""

import os

import pytest

from robustlens.errors import InputError
from robustlens.search_path import check_search_path


@pytest.fixture
def folders(tmp_path):
    """A library, what is installed, and a folder of a user's."""
    for name in ("library/robustlens", "installed/pandas", "installed/pip", "mine/mynet", "installed/notes", "mine/notes"):
        (tmp_path / name).mkdir(parents=True)
        if not name.endswith("notes"):
            (tmp_path / name / "__init__.py").touch()
    (tmp_path / "installed/six.py").touch()
    (tmp_path / "mine/predict.py").touch()
    return tmp_path


def check(folders, *entries):
    check_search_path(folders / "library", os.pathsep.join(map(str, entries)), folders / "installed")


def test_what_hides_nothing_passes(folders):
    (folders / "mine/pip").mkdir()
    (folders / "mine/pip/__init__.py").touch()  # no job imports it
    check(folders)
    check(folders, folders / "mine", "", folders / "none", folders / "library", folders / "installed")


@pytest.mark.parametrize("name", ["pandas/__init__.py", "six.py", "pandas.cpython-311-x86_64-linux-gnu.so", "robustlens/__init__.py"])
def test_what_hides_a_package_is_named(folders, name):
    (folders / "mine" / name).parent.mkdir(exist_ok=True)
    (folders / "mine" / name).touch()
    named = name.split("/")[0].split(".")[0]
    with pytest.raises(InputError, match=f"^PYTHONPATH: expected .*, got {folders}/mine, which has a {named} of its own; unset PYTHONPATH"):
        check(folders, folders / "library", folders / "mine")


def test_the_environment_of_the_tests_is_what_is_looked_at(folders, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(folders / "mine"))
    check_search_path(folders / "library")
    (folders / "mine/numpy.py").touch()
    with pytest.raises(InputError, match="a numpy of its own"):
        check_search_path(folders / "library")
