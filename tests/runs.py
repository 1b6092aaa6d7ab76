"""Runs the workflow as a user does, in a folder of its own, and reads what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
TINY = REPOSITORY / "tests/workflow/tiny.yaml"


def snakemake(folder: Path, *arguments, repository: Path = REPOSITORY, config: Path | list[Path] | None = TINY, check: bool = True):
    """Run snakemake on ``repository`` in the working directory ``folder``; returns the finished process with its text.

    ``config``: the study's file, or a list of it and what changes it.
    """
    command = [sys.executable, "-m", "snakemake", "--nocolor", "--snakefile", repository / "Snakefile", "--directory", folder]
    command += ["--configfile", *(config if isinstance(config, list) else [config])] if config else []
    command = [str(part) for part in (*command, "--cores", 2, *arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository)
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-8000:]}")
    return done


def jobs(folder: Path, *arguments, **options) -> dict[str, int]:
    """How many jobs of each rule a dry run announces; without any it says that there is nothing to be done."""
    text = "".join((done := snakemake(folder, "--dry-run", *arguments, **options)).stdout) + done.stderr
    if "Nothing to be done" in text:
        return {}
    table = text[text.index("Job stats:") : text.index("total")]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}


def write_study(path: Path, **changes) -> Path:
    """The tiny study with ``changes`` (``section__key=value`` goes into a section), as a config file at ``path``."""
    study = yaml.safe_load(TINY.read_text())
    for key, value in changes.items():
        *sections, last = key.split("__")
        place = study
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return path


def tables(folder: Path) -> dict[str, str]:
    """The text of every table of a study's report."""
    found = [*sorted((folder / "results/reports/tables").glob("*.csv")), folder / "results/reports/claims.csv"]
    return {path.name: path.read_text() for path in found}
