"""A results folder knows its study: another one is refused, its own goes on."""

import pytest

from robustlens.errors import InputError
from robustlens.owner import check_owner, claim, owner

SENTENCE = "expected results of the study 'b', got those of 'a'; give each study a folder of its own by --directory, or delete"


@pytest.fixture
def held(tmp_path):
    """A folder with a result of the study a."""
    claim(tmp_path / "results", "a")
    (tmp_path / "results" / "stimuli").mkdir()
    return tmp_path / "results"


def test_a_folder_that_is_not_there_or_empty_is_anyones(tmp_path):
    for folder in (tmp_path / "none", tmp_path):
        assert owner(folder) is None
        check_owner(folder, "a")


def test_a_folder_with_results_is_that_of_its_study_alone(held):
    assert owner(held) == "a"
    check_owner(held, "a")
    claim(held, "a")
    for act in (check_owner, claim):
        with pytest.raises(InputError, match=SENTENCE):
            act(held, "b")
    assert owner(held) == "a"


def test_a_mark_with_nothing_beside_it_binds_nobody(held):
    (held / "stimuli").rmdir()
    claim(held, "b")
    (held / "stimuli").mkdir()
    assert owner(held) == "b"


def test_a_folder_without_a_mark_is_marked_by_its_report_or_by_who_comes_first(held):
    (held / "study.json").rename(held / "stimuli" / "study.json")
    assert owner(held) is None
    (held / "stimuli").rename(held / "reports")
    with pytest.raises(InputError, match=SENTENCE):
        claim(held, "b")
    assert not (held / "study.json").exists()
    claim(held, "a")
    assert (held / "study.json").exists() and owner(held) == "a"


@pytest.mark.parametrize("content", [b"", b'{"name": "a"}', b"\xff", b"[]", b"3"])
def test_a_damaged_mark_is_one_sentence(held, content):
    (held / "study.json").write_bytes(content)
    with pytest.raises(InputError, match="study.json: expected the name of a study, .*delete it"):
        check_owner(held, "a")


@pytest.mark.parametrize("name", [" a\n", "../a", "ü 'x'", "a" * 300])
def test_any_name_is_kept_to_the_letter(tmp_path, name):
    claim(tmp_path, name)
    (tmp_path / "stimuli").mkdir()
    check_owner(tmp_path, name)
    with pytest.raises(InputError) as error:
        check_owner(tmp_path, name.strip(" \n") + "b")
    assert "\n" not in str(error.value)
