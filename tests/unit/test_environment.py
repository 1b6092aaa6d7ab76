"""The environments are one: the conda file pins what the lock pins, the lock holds what the project asks for, each file by its hash, and
oldest.txt pins what is asked for at its lower bounds."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def pins(lines) -> dict[str, str]:
    found = (re.match(r"\s*([\w.-]+)==([\w.+]+)", line) for line in lines)
    return {pin[1].lower().replace("_", "-"): pin[2] for pin in found if pin}


LOCK, OLDEST = (pins((ROOT / "envs" / name).read_text().splitlines()) for name in ("lock.txt", "oldest.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_conda_pins_what_the_lock_pins():
    conda = yaml.safe_load((ROOT / "envs/robustlens.yaml").read_text())["dependencies"]
    found = pins(next(item for item in conda if isinstance(item, dict))["pip"])
    assert found.keys() == {requirement.split(">=")[0] for requirement in PROJECT["dependencies"]}
    assert found == {name: LOCK[name] for name in found}


ASKED = [*PROJECT["dependencies"], *sum(PROJECT["optional-dependencies"].values(), [])]


def release(version: str) -> list[int]:
    """Its numbers, without the zeros at the end."""
    numbers = [int(part) for part in version.split(".")]
    while numbers[-1] == 0:
        numbers.pop()
    return numbers


def test_the_lock_holds_what_the_project_asks_for():
    for name, least in (requirement.split(">=") for requirement in ASKED):
        assert release(LOCK[name]) >= release(least), name


def test_the_oldest_environment_is_at_the_lower_bounds():
    bounds = dict(requirement.split(">=") for requirement in ASKED)
    assert {name: release(OLDEST[name])[: len(release(least))] for name, least in bounds.items()} == {
        name: release(least) for name, least in bounds.items()
    }


@pytest.mark.parametrize("name", ["lock.txt", "oldest.txt"])
def test_every_package_is_pinned_by_version_and_hash(name):
    text = re.sub(r"^#.*\n", "", (ROOT / "envs" / name).read_text(), flags=re.M).replace("\\\n", "")
    for line in text.splitlines():
        assert re.fullmatch(r"[\w.-]+==[\w.+]+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *", line), line


@pytest.mark.parametrize("file", ["Makefile", "envs/robustlens.def"])
def test_every_installation_from_a_file_checks_hashes(file):
    installations = [line for line in (ROOT / file).read_text().splitlines() if re.search("pip install .*(-r|--requirement) ", line)]
    assert installations and all("--require-hashes" in line for line in installations)
