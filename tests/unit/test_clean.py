"""make clean says what it would delete, and deletes it when it is told so once more."""

import os
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"
MADE = {"results", "logs", "benchmarks", ".snakemake"}


def clean(folder: Path, *words: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "SURE"))}
    command = ["make", "--no-print-directory", "-f", str(MAKEFILE), "clean", *words]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def folder(tmp_path):
    for name in MADE:
        (tmp_path / name / "a b").mkdir(parents=True)
    (tmp_path / "results/a b/file").write_bytes(bytes(3_000_000))
    (tmp_path / "mine").mkdir()
    return tmp_path


@pytest.mark.parametrize("words", [[], ["SURE="], ["SURE=0"], ["SURE=no"]])
def test_it_lists_with_sizes_and_deletes_nothing(folder, words):
    said = clean(folder, *words)
    for name in MADE:
        assert f"\t{name}\n" in said
    assert "2.9M\tresults/a b\n" in said and "make clean SURE=1" in said
    assert set(os.listdir(folder)) == {*MADE, "mine"} and (folder / "results/a b/file").exists()


def test_told_so_it_deletes_what_it_lists_and_nothing_else(folder):
    said = clean(folder, "SURE=1")
    assert "2.9M\tresults/a b\n" in said and said.endswith("Deleted.\n")
    assert os.listdir(folder) == ["mine"]
    assert clean(folder, "SURE=1") == "There is nothing to delete.\n"


def test_a_link_goes_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").touch()
    (tmp_path / "results").symlink_to(tmp_path / "elsewhere")
    clean(tmp_path, "SURE=1")
    assert os.listdir(tmp_path) == ["elsewhere"] and (tmp_path / "elsewhere/file").exists()
