"""Every image exactly once."""

import pytest

from robustlens.errors import InputError
from robustlens.manifest import ImageCount, check_exactly_once


@pytest.mark.parametrize("found", [["a", "b", "c"], ["c", "a", "b"]])
def test_each_once_in_any_order(found):
    check_exactly_once("here", ["a", "b", "c"], found)
    check_exactly_once("here", iter(["a", "b", "c"]), iter(found))


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (["a"], "2 missing, first 'b'"),
        (["a", "b", "c", "c"], "1 there more than once, first 'c'"),
        (["b", "a", "b", "c", "b", "c"], "2 there more than once, first 'b'"),
        (["a", "b", "c", "d"], "1 not in the manifest, first 'd'"),
        (["a", "b", "d"], "1 missing, first 'c'"),
        ([], "3 missing, first 'a'"),
    ],
)
def test_faults_name_the_first_image(found, fault):
    with pytest.raises(InputError) as error:
        check_exactly_once("here", ["a", "b", "c"], found)
    assert str(error.value) == f"here: expected the 3 images of the manifest, each once, got {fault}"


def test_no_images():
    check_exactly_once("here", [], [])
    with pytest.raises(InputError, match="1 not in the manifest, first 'a'"):
        check_exactly_once("here", [], ["a"])


def test_shard_by_shard():
    count = ImageCount(["a", "b", "c"])
    for found in (["b"], [], ["a", "c"]):
        count.add(found)
    count.check("here")
    count.add(["b"])
    with pytest.raises(InputError, match="1 there more than once, first 'b'"):
        count.check("here")
