"""The tiny study, built once for all tests, and fresh copies of the workflow."""

import shutil
from pathlib import Path

import pytest

from browser import Chromium
from runs import REPOSITORY, snakemake

SOURCES = ("Snakefile", "workflow", "config.yaml", "rules", "workflow_scripts", "schemas", "envs", "profiles", "resources", "studies")


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory) -> Path:
    """The folder of the tiny study, finished."""
    folder = tmp_path_factory.mktemp("tiny")
    snakemake(folder)
    return folder


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A Chromium for all pages that are opened."""
    with Chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def clone(tmp_path) -> Path:
    """A fresh copy of the workflow's files, all newer than any result."""
    for name in SOURCES:
        source, target = REPOSITORY / name, tmp_path / "clone" / name
        if source.is_dir():
            shutil.copytree(source, target, copy_function=shutil.copy)
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy(source, target)
    return tmp_path / "clone"
