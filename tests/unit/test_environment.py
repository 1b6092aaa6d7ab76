"""The two environments are one: what the conda file pins is what the lock pins, and the lock holds what the project asks for."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def pins(lines) -> dict[str, str]:
    found = dict(line.strip().split("==") for line in lines if "==" in line)
    return {name.lower().replace("_", "-"): version for name, version in found.items()}


LOCK = pins((ROOT / "envs/lock.txt").read_text().splitlines())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements) -> set[str]:
    return {re.split("[><=]", requirement)[0] for requirement in requirements}


def test_conda_pins_what_the_lock_pins():
    conda = yaml.safe_load((ROOT / "envs/robustlens.yaml").read_text())["dependencies"]
    found = pins(next(item for item in conda if isinstance(item, dict))["pip"])
    assert found.keys() == names(PROJECT["dependencies"])
    assert found == {name: LOCK[name] for name in found}


def test_the_lock_holds_what_the_project_asks_for():
    asked = [*PROJECT["dependencies"], *sum(PROJECT["optional-dependencies"].values(), [])]
    assert names(asked) <= LOCK.keys()
    for requirement in asked:
        name, least = requirement.split(">=")
        assert [int(part) for part in LOCK[name].split(".")[:2]] >= [int(part) for part in least.split(".")[:2]], requirement
